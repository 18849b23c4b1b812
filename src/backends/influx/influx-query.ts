import { type Label, METRIC_NAME } from '../../model/labels.ts';
import { compileMatcher, type Matcher } from '../../model/matcher.ts';
import type { TimeRange } from '../../model/time.ts';
import { LONGEST_MS } from './influx-points.ts';
import { encodeName, encodeTagKey, encodeText } from './influx-text.ts';

/** What follows `SELECT …`, and the texts that stand in it by name. */
export interface From {
  readonly clause: string;
  readonly placeholders: Readonly<Record<string, string>>;
}

/** Whether no series can match: all have a name. */
export function findsNothing(matchers: readonly Matcher[], { start, end }: TimeRange): boolean {
  return end < start || matchers.some(({ name, op, value }) => name === METRIC_NAME && op === '=' && value === '');
}

/**
 * Where the series are that match, as far as InfluxQL says it in the same sense: the answer may hold others too, never
 * fewer. A matcher that an absent label satisfies is not said, and an expression lets pass what is encoded in InfluxDB,
 * which it does not know: whoever asks looks at every label set again.
 */
export function fromOf(matchers: readonly Matcher[], range: TimeRange, tenant: Label | undefined): From {
  const placeholders: Record<string, string> = {};
  const bound = (text: string) => {
    const name = `p${Object.keys(placeholders).length}`;
    placeholders[name] = text;
    return `$${name}`;
  };
  const conditions = [`time >= ${msOf(Math.ceil(range.start))}`, `time <= ${msOf(Math.floor(range.end))}`];
  if (tenant !== undefined) conditions.push(`${quoted(encodeTagKey(tenant[0]))} = ${bound(encodeText(tenant[1]))}`);
  for (const matcher of matchers) {
    if (matcher.name === METRIC_NAME || compileMatcher(matcher)('')) continue;
    const tag = quoted(encodeTagKey(matcher.name));
    if (matcher.op === '=') conditions.push(`${tag} = ${bound(encodeText(matcher.value))}`);
    if (matcher.op === '=~' && isSayable(matcher.value)) conditions.push(`${tag} =~ ${regexOf(matcher.value)}`);
  }
  return { clause: `FROM ${measurementOf(matchers)} WHERE ${conditions.join(' AND ')}`, placeholders };
}

function measurementOf(matchers: readonly Matcher[]): string {
  const ofName = matchers.filter(({ name }) => name === METRIC_NAME);
  const exact = ofName.find(({ op }) => op === '=');
  if (exact !== undefined) return quoted(encodeName(exact.value));
  const pattern = ofName.find(({ op, value }) => op === '=~' && isSayable(value));
  return pattern === undefined ? '/.*/' : regexOf(pattern.value);
}

/** A quotation runs to the end of the expression, and a line break ends it, in InfluxQL. */
function isSayable(pattern: string): boolean {
  return !/\\Q|[\n\r\0]/.test(pattern);
}

/** Both are RE2. Ours matches the whole value, and its dot a line break. */
function regexOf(pattern: string): string {
  return `/${`^(?s:${pattern})$|%[0-9A-F]{2}`.replaceAll('/', '\\/')}/`;
}

/** An identifier. Backslashes and line breaks are encoded before. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '\\"')}"`;
}

function msOf(time: number): string {
  return `${Math.min(Math.max(time, -LONGEST_MS), LONGEST_MS)}ms`;
}
