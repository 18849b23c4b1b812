import type { Clock } from '../model/clock.ts';
import { CodedError } from '../model/errors.ts';
import { HOUR, type Millis, SECOND } from '../model/time.ts';

/** A server to read from by Prometheus's HTTP API: Prometheus, VictoriaMetrics, Thanos, Mimir. */
export interface SourceOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** 0 to 1, for the jitter of retries. */
  readonly random: () => number;
}

export interface SliceRequest {
  readonly selector: string;
  readonly start: Millis;
  readonly end: Millis;
  /** Undefined reads the samples as they are stored. */
  readonly stepMs: number | undefined;
}

export interface Slice {
  /** One JSON line for each series, in VictoriaMetrics' form. */
  readonly lines: readonly string[];
  readonly samples: number;
  /** Native histograms, which are not imported. */
  readonly histograms: number;
  /** Everything up to here has been read. */
  readonly end: Millis;
}

/** The source refused a query, or did not answer several times. */
export class SourceError extends CodedError {
  override readonly name = 'SourceError';
  readonly code = 'import_source';
}

const FIRST_SLICE = 2 * HOUR;
const LONGEST_SLICE = 12 * HOUR;
/** A query with fewer seconds than this that is still too large is given up. */
const SHORTEST_SLICE = 60 * SECOND;
/** Slices aim at this many samples: some 3 MB of JSON. */
const SLICE_SAMPLES = 100_000;
/** Prometheus answers at most 11,000 points a series. */
const MOST_STEPS = 10_000;

/** Reads the range in slices whose length follows the answers' size; one that is too large for the source is halved. */
export async function* readSlices(request: SliceRequest, source: SourceOptions): AsyncGenerator<Slice> {
  const longest = request.stepMs === undefined ? LONGEST_SLICE : Math.min(LONGEST_SLICE, MOST_STEPS * request.stepMs);
  let length = Math.min(FIRST_SLICE, longest);
  let start = request.start;
  while (start <= request.end) {
    const end = Math.min(request.end, start + length - 1);
    const answer = await readSlice({ ...request, start, end }, source);
    if (answer.kind === 'too-large') {
      if (length <= SHORTEST_SLICE) throw new SourceError(`cannot read ${request.selector}: ${answer.message}`);
      length = Math.max(SHORTEST_SLICE, Math.floor(length / 2 / SECOND) * SECOND);
      continue;
    }
    yield { ...answer.slice, end };
    start = end + 1;
    if (answer.slice.samples < SLICE_SAMPLES / 2) length = Math.min(longest, length * 2);
    else if (answer.slice.samples > SLICE_SAMPLES * 2) length = Math.max(SHORTEST_SLICE, Math.floor(length / 2));
  }
}

type Answer =
  | { readonly kind: 'slice'; readonly slice: Omit<Slice, 'end'> }
  | { readonly kind: 'too-large'; readonly message: string };

const ATTEMPTS = 6;
const TIMEOUT = 120 * SECOND;

async function readSlice(request: SliceRequest, source: SourceOptions): Promise<Answer> {
  const { selector, start, end, stepMs } = request;
  // A range is open on the left in Prometheus 3: from a millisecond before, so that a sample at the start is in it.
  const query = stepMs === undefined ? `${selector}[${end - start + 1}ms]` : selector;
  const path = stepMs === undefined ? '/api/v1/query' : '/api/v1/query_range';
  const form: Record<string, string> =
    stepMs === undefined
      ? { query, time: seconds(end) }
      : { query, start: seconds(alignUp(start, stepMs)), end: seconds(end), step: seconds(stepMs) };
  if (stepMs !== undefined && alignUp(start, stepMs) > end) {
    return { kind: 'slice', slice: { lines: [], samples: 0, histograms: 0 } };
  }
  for (let attempt = 1; ; attempt++) {
    const { status, text } = await post(`${source.url.replace(/\/+$/, '')}${path}`, form, source);
    if (status === 200) return { kind: 'slice', slice: linesOf(text, request) };
    const message = messageOf(text) ?? `it answered ${status}`;
    if (status === 422 && /too many|limit|maximum/i.test(message)) return { kind: 'too-large', message };
    const mayPass = status === 0 || status === 429 || status >= 500;
    if (!mayPass || attempt === ATTEMPTS) {
      throw new SourceError(`cannot read ${selector} from ${source.url}: ${message}`);
    }
    await source.clock.sleep(500 * 2 ** attempt * (0.5 + source.random() / 2), source.signal);
  }
}

/** Status 0 stands for no answer. */
async function post(url: string, form: Record<string, string>, { headers, signal }: SourceOptions) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { status: 0, text: JSON.stringify({ error: cause instanceof Error ? cause.message : String(cause) }) };
  }
}

interface MatrixAnswer {
  readonly data: {
    readonly resultType: string;
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values?: readonly (readonly [seconds: number, value: string])[];
      readonly histograms?: readonly unknown[];
    }[];
  };
}

function linesOf(text: string, { selector, start, end }: SliceRequest): Omit<Slice, 'end'> {
  const { data } = JSON.parse(text) as MatrixAnswer;
  if (data.resultType !== 'matrix') throw new SourceError(`cannot import ${selector}: it is not a selector`);
  const lines: string[] = [];
  let samples = 0;
  let histograms = 0;
  for (const { metric, values = [], histograms: native = [] } of data.result) {
    histograms += native.length;
    // Prometheus 2 closes ranges on the left too: what lies before the start belongs to the slice before.
    const inSlice = values
      .map(([t, v]) => [Math.round(t * SECOND), v] as const)
      .filter(([t]) => t >= start && t <= end);
    if (inSlice.length === 0) continue;
    samples += inSlice.length;
    const numbers = inSlice.map(([, value]) => jsonValueOf(value));
    lines.push(`{"metric":${JSON.stringify(metric)},"values":[${numbers}],"timestamps":[${inSlice.map(([t]) => t)}]}`);
  }
  return { lines, samples, histograms };
}

/** The number's own digits, so that no rounding comes in between; the words as VictoriaMetrics has them. */
function jsonValueOf(text: string): string {
  if (text === 'NaN') return 'null';
  if (text === '+Inf' || text === 'Inf') return '"Infinity"';
  if (text === '-Inf') return '"-Infinity"';
  const value = Number(text);
  // JSON knows a negative zero, but JSON.stringify does not.
  return Object.is(value, -0) ? '-0' : String(value);
}

function messageOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

function seconds(ms: number): string {
  return String(ms / SECOND);
}

function alignUp(t: Millis, stepMs: number): Millis {
  return Math.ceil(t / stepMs) * stepMs;
}
