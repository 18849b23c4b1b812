const MOST_CHARS = 160;

/** A line of a text with a caret under a column, both indented; of a long line the part around it. */
export function sourceExcerpt(
  text: string,
  { line, column }: { readonly line: number; readonly column: number },
): string {
  const whole = (text.split('\n')[line - 1] ?? '').replace(/\r$/, '');
  const from =
    whole.length <= MOST_CHARS ? 0 : Math.max(0, Math.min(column - MOST_CHARS / 2, whole.length - MOST_CHARS));
  const shown = whole.slice(from, from + MOST_CHARS);
  const indent = /^ */.exec(shown)![0].length;
  const at = Math.max(0, column - 1 - from - indent);
  const before = shown.slice(indent, indent + at).padEnd(at);
  // Tabs stay tabs, so that the caret stands where they put it.
  return `  ${shown.slice(indent)}\n  ${before.replace(/[^\t]/g, ' ')}^`;
}
