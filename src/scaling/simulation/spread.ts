import { formatDuration, parseDuration } from '../../model/time.ts';
import { normal } from '../../numeric/seeded-random.ts';

/**
 * How long something takes, ms: always the same, anything of a range alike, or log-normal, given by its median and its
 * 0.95 quantile. A few slow ones among many quick ones are log-normal.
 */
export type Spread =
  | number
  | { readonly fromMs: number; readonly toMs: number }
  | { readonly p50Ms: number; readonly p95Ms: number };

/** The standard normal's 0.95 quantile. */
const Z95 = 1.6448536269514722;

const FORM = 'expected a duration such as 180s, a range such as 60s..180s, or p50=60s,p95=180s';

/** `180s`, `60s..180s` or `p50=60s,p95=180s`. @throws {RangeError} If the text is none of them. */
export function parseSpread(text: string): Spread {
  const range = text.split('..');
  if (range.length === 2) {
    const [fromMs, toMs] = range.map((each) => parseDuration(each.trim())) as [number, number];
    if (fromMs > toMs) throw new RangeError(`not a range: "${text}" (its end is before its start)`);
    return { fromMs, toMs };
  }
  const quantiles = /^p50=([^,]+),\s*p95=([^,]+)$/.exec(text.trim());
  if (quantiles !== null) {
    const [p50Ms, p95Ms] = [parseDuration(quantiles[1]!), parseDuration(quantiles[2]!)];
    if (!(p50Ms > 0 && p95Ms >= p50Ms)) throw new RangeError(`not quantiles: "${text}" (${FORM})`);
    return { p50Ms, p95Ms };
  }
  if (text.includes('=') || range.length > 2) throw new RangeError(`not a length of time: "${text}" (${FORM})`);
  return parseDuration(text.trim());
}

export function formatSpread(spread: Spread): string {
  if (typeof spread === 'number') return formatDuration(spread);
  if ('fromMs' in spread) return `${formatDuration(spread.fromMs)}..${formatDuration(spread.toMs)}`;
  return `p50=${formatDuration(spread.p50Ms)},p95=${formatDuration(spread.p95Ms)}`;
}

/** The 0.95 quantile: what a plan reckons with. */
export function p95Of(spread: Spread): number {
  if (typeof spread === 'number') return spread;
  return 'fromMs' in spread ? spread.fromMs + 0.95 * (spread.toMs - spread.fromMs) : spread.p95Ms;
}

/** One length of time, ms. `random` gives numbers of [0, 1); a spread that is always the same takes none. */
export function drawFrom(spread: Spread, random: () => number): number {
  if (typeof spread === 'number') return spread;
  if ('fromMs' in spread) return spread.fromMs + random() * (spread.toMs - spread.fromMs);
  const { p50Ms, p95Ms } = spread;
  return p50Ms * (p95Ms / p50Ms) ** (normal(random) / Z95);
}
