import type { Millis } from '../../model/time.ts';

/** One question to the API. Without a step an instant query, at `start`. */
export interface Question {
  readonly query: string;
  readonly start: Millis;
  readonly end: Millis;
  readonly stepMs?: number;
}

/** What the HTTP API of Prometheus answers. */
export interface ApiAnswer {
  readonly httpStatus: number;
  readonly status: string;
  readonly data?: { readonly resultType: string; readonly result: unknown };
  readonly errorType?: string;
  readonly error?: string;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

export interface Comparing {
  /** Numbers are equal within this share of the larger. */
  readonly tolerance: number;
  /** Whether the order of an instant vector says something. */
  readonly ordered?: boolean;
  /** Whether the order is that of the values, so that it says nothing where those are equal. */
  readonly tiesMayTurn?: boolean;
}

interface Point {
  readonly time: number;
  readonly value: Value;
}
type Value = string | SentBuckets;
interface SentBuckets {
  readonly count: string;
  readonly sum: string;
  readonly buckets?: readonly (readonly [rule: number, lower: string, upper: string, count: string])[];
}
type Buckets = NonNullable<SentBuckets['buckets']>;
interface Series {
  readonly labels: string;
  readonly points: readonly Point[];
}

/** The first difference of two answers in words, or undefined: results, errors, warnings and infos. */
export function differenceOf(want: ApiAnswer, got: ApiAnswer, how: Comparing): string | undefined {
  if (want.status !== got.status) return `expected ${summaryOf(want)}, got ${summaryOf(got)}`;
  if (want.status === 'error') return errorDifference(want, got);
  const types = [want.data?.resultType, got.data?.resultType];
  if (types[0] !== types[1]) return `expected a ${types[0]}, got a ${types[1]}`;
  return (
    resultDifference(want.data!, got.data!, how) ??
    annotationDifference('warnings', want.warnings, got.warnings) ??
    annotationDifference('infos', want.infos, got.infos)
  );
}

function summaryOf({ status, httpStatus, error, errorType, data }: ApiAnswer): string {
  if (status === 'error') return `${httpStatus} ${errorType}: ${error}`;
  return `${data?.resultType} ${JSON.stringify(data?.result).slice(0, 300)}`;
}

function errorDifference(want: ApiAnswer, got: ApiAnswer): string | undefined {
  const same = want.httpStatus === got.httpStatus && want.errorType === got.errorType;
  if (same && withFewerDigits(want.error ?? '') === withFewerDigits(got.error ?? '')) return undefined;
  return `expected the error\n    ${summaryOf(want)}\n  got\n    ${summaryOf(got)}`;
}

function resultDifference(
  want: NonNullable<ApiAnswer['data']>,
  got: NonNullable<ApiAnswer['data']>,
  { tolerance, ordered = false, tiesMayTurn = false }: Comparing,
): string | undefined {
  if (want.resultType === 'string') {
    const [a, b] = [JSON.stringify(want.result), JSON.stringify(got.result)];
    return a === b ? undefined : `expected ${a}, got ${b}`;
  }
  if (want.resultType === 'scalar') {
    return pointsDifference([pointOf(want.result)], [pointOf(got.result)], tolerance);
  }
  const wanted = (want.result as unknown[]).map(seriesOf);
  const found = (got.result as unknown[]).map(seriesOf);
  // Equal values have no order among each other.
  const sameOrder = tiesMayTurn && wanted.every(({ points }, i) => samePoints(points, found[i]?.points, tolerance));
  if ((ordered && !sameOrder) || want.resultType === 'matrix') {
    const [a, b] = [wanted, found].map((all) => JSON.stringify(all.map(({ labels }) => labels)));
    if (
      a !== b &&
      [...wanted.map(({ labels }) => labels)].sort().join() === [...found.map(({ labels }) => labels)].sort().join()
    ) {
      return `another order: expected ${a}, got ${b}`;
    }
  }
  const byLabels = new Map(found.map((series) => [series.labels, series]));
  if (byLabels.size < found.length) return 'a label set comes twice';
  for (const { labels, points } of wanted) {
    const other = byLabels.get(labels);
    if (other === undefined) return `missing ${labels} ${textOf(points)}`;
    const difference = pointsDifference(points, other.points, tolerance);
    if (difference !== undefined) return `${labels} ${difference}`;
    byLabels.delete(labels);
  }
  const [extra] = byLabels.values();
  return extra === undefined ? undefined : `unexpected ${extra.labels} ${textOf(extra.points)}`;
}

function pointsDifference(want: readonly Point[], got: readonly Point[], tolerance: number): string | undefined {
  for (let i = 0; i < Math.max(want.length, got.length); i++) {
    const [a, b] = [want[i], got[i]];
    if (a?.time === b?.time && a !== undefined && sameValue(a.value, b!.value, tolerance)) continue;
    if (a?.time === b?.time && typeof a?.value === 'object' && typeof b?.value === 'object') {
      return `at ${a.time}: ${bucketsDifference(a.value, b.value, tolerance)}`;
    }
    return `expected ${textOf(want.slice(i))}, got ${textOf(got.slice(i))}`;
  }
  return undefined;
}

function samePoints(a: readonly Point[], b: readonly Point[] | undefined, tolerance: number): boolean {
  return a.length === b?.length && pointsDifference(a, b, tolerance) === undefined;
}

function sameValue(a: Value, b: Value, tolerance: number): boolean {
  if (typeof a === 'string' || typeof b === 'string')
    return typeof a === typeof b && sameNumber(a as string, b as string, tolerance);
  if (!sameNumber(a.count, b.count, tolerance) || !sameNumber(a.sum, b.sum, tolerance)) return false;
  const [x, y] = [a, b].map(({ buckets = [] }) => buckets.filter((bucket) => bucket[3] !== 'NaN')) as unknown as [
    Buckets,
    Buckets,
  ];
  return (
    x.length === y.length &&
    x.every((bucket, i) => bucket.every((part, k) => sameNumber(String(part), String(y[i]![k]), tolerance)))
  );
}

function bucketsDifference(a: SentBuckets, b: SentBuckets, tolerance: number): string {
  const texts = ({ buckets = [] }: SentBuckets) => buckets.map((bucket) => bucket.join(' '));
  const [x, y] = [texts(a), texts(b)];
  const differing = (from: readonly string[], other: SentBuckets) =>
    from.filter((_, i) => {
      const [own, theirs] = [(from === x ? a : b).buckets![i]!, other.buckets?.[i]];
      return theirs === undefined || own.some((part, k) => !sameNumber(String(part), String(theirs[k]), tolerance));
    });
  const shown = (histogram: SentBuckets, lines: readonly string[]) =>
    `count ${histogram.count}, sum ${histogram.sum}, buckets [${lines.slice(0, 3).join('; ')}]`;
  return `expected ${shown(a, differing(x, b))}, got ${shown(b, differing(y, a))}`;
}

function sameNumber(a: string, b: string, tolerance: number): boolean {
  if (a === b) return true;
  const [x, y] = [numberOf(a), numberOf(b)];
  return Math.abs(x - y) <= tolerance * Math.max(Math.abs(x), Math.abs(y)) && Number.isFinite(x) && Number.isFinite(y);
}

function annotationDifference(
  what: 'warnings' | 'infos',
  want: readonly string[] = [],
  got: readonly string[] = [],
): string | undefined {
  const [a, b] = [want, got].map((texts) => texts.map(comparable).sort()) as [string[], string[]];
  if (JSON.stringify(a) === JSON.stringify(b)) return undefined;
  // Of more than ten, Prometheus tells any ten.
  const omitted = a.find((text) => text.endsWith('annotations omitted'));
  if (omitted !== undefined && b.includes(omitted)) return undefined;
  // Of those that a binary operator gives at a step, Prometheus keeps one, of which series depends on chance.
  if (a.every((text) => b.includes(text)) && b.every((text) => a.includes(text) || OF_OPERATORS.test(text)))
    return undefined;
  return `other ${what}: expected\n    ${a.join('\n    ')}\n  got\n    ${b.join('\n    ')}`;
}

const OF_OPERATORS = / for binary operator | during (?:addition|subtraction)/;

/** Prometheus counts samples twice there, over and over. Numbers are calculated with what differs in the last digits. */
function comparable(text: string): string {
  return withFewerDigits(text.replace(/over -?\d+ samples from/, 'over some samples from'));
}

function seriesOf(each: unknown): Series {
  const { metric, value, values, histogram, histograms } = each as {
    readonly metric: Readonly<Record<string, string>>;
    readonly value?: unknown;
    readonly values?: readonly unknown[];
    readonly histogram?: unknown;
    readonly histograms?: readonly unknown[];
  };
  const points = [...(values ?? []), ...(histograms ?? []), ...(value === undefined ? [] : [value])];
  if (histogram !== undefined) points.push(histogram);
  const sorted = points.map(pointOf).sort((a, b) => a.time - b.time);
  const labels = Object.entries(metric).map(([name, label]) => [name, withFewerDigits(label)]);
  return { labels: JSON.stringify(labels.sort(([a], [b]) => (a! < b! ? -1 : 1))), points: sorted };
}

/** `count_values` makes labels of numbers, whose last digits may be another rounding's. */
function withFewerDigits(label: string): string {
  return label.replaceAll(/-?\d+(?:\.\d+)?(?:e[+-]\d+)?/g, (number) =>
    number.length < 15 ? number : Number(number).toPrecision(11),
  );
}

function pointOf(pair: unknown): Point {
  const [time, value] = pair as readonly [number, Value];
  return { time, value };
}

function numberOf(text: string): number {
  return text.endsWith('Inf') ? Number(text.replace('Inf', 'Infinity')) : Number(text);
}

function textOf(points: readonly Point[]): string {
  const all = points
    .slice(0, 3)
    .map(({ time, value }) => `${typeof value === 'string' ? value : JSON.stringify(value)} @ ${time}`);
  return `[${all.join(', ')}${points.length > 3 ? `, and ${points.length - 3} more` : ''}]`;
}
