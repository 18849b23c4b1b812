import type { YamlTree } from './yaml-tree.ts';

/**
 * Where a place within a text stands in the YAML that holds it: behind quotes, in a block, or folded over lines. What
 * is no white space comes in the same order in both, so it is counted off; escapes may shift it by a character.
 */
export function placeInSource(source: string, tree: YamlTree, offset: number): number {
  if (tree.kind !== 'scalar') return tree.at;
  const { text } = tree;
  let from = contentStart(source, tree.at);
  const target = Math.min(offset, text.length);
  for (let i = 0; i < target; i++) {
    if (isSpace(text[i]!)) continue;
    const found = source.indexOf(text[i]!, from);
    if (found === -1 || found >= tree.end) return tree.at;
    from = found + 1;
  }
  if (target === text.length || isSpace(text[target]!)) {
    // Behind the last character, white space that stands before it counts too.
    let spaces = 0;
    while (spaces < target && /[ \t]/.test(text[target - 1 - spaces]!)) spaces++;
    return Math.min(from + spaces, tree.end);
  }
  const found = source.indexOf(text[target]!, from);
  return found === -1 || found >= tree.end ? from : found;
}

/** Behind a quote, or a block's first line. */
function contentStart(source: string, at: number): number {
  if (source[at] === '|' || source[at] === '>') {
    const end = source.indexOf('\n', at);
    return end === -1 ? at : end + 1;
  }
  return source[at] === '"' || source[at] === "'" ? at + 1 : at;
}

function isSpace(char: string): boolean {
  return /\s/.test(char);
}
