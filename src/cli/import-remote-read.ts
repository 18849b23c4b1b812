import type { Label } from '../model/labels.ts';
import { labelsOf } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { lowerBound, upperBound } from '../model/series.ts';
import { HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { WireTooLargeError } from '../wire/errors.ts';
import {
  decodeChunkedFrame,
  decodeReadResponse,
  encodeReadRequest,
  type ReadSeries,
  readFrames,
} from '../wire/remote-read.ts';
import { decodeSnappy, encodeSnappy } from '../wire/snappy.ts';
import { ImportLines, jsonValueAt } from './import-lines.ts';
import { type Slice, SourceError, type SourceOptions } from './import-prometheus.ts';

export interface RemoteReadRequest {
  readonly selector: string;
  readonly matchers: readonly Matcher[];
  readonly start: Millis;
  readonly end: Millis;
}

const FIRST_SLICE = 2 * HOUR;
const LONGEST_SLICE = 24 * HOUR;
const SHORTEST_SLICE = MINUTE;
/** Slices aim at this many samples. A stream is read as it comes: this bounds what a retry repeats. */
const SLICE_SAMPLES = 500_000;
const ATTEMPTS = 6;
/** How long nothing may come. What becomes of what came, at whatever rate, takes its own time. */
const TIMEOUT_MS = 120 * SECOND;
/** Of an answer that does not stream. */
const MOST_BYTES = 1 << 30;
const STREAMED = 'application/x-streamed-protobuf';

/** Whether the source has `/api/v1/read`: asked for nothing, it answers so. */
export async function offersRemoteRead(source: SourceOptions): Promise<boolean> {
  const nothing: Matcher = { name: '__name__', op: '=', value: 'foresail_asks_for_nothing' };
  for (let attempt = 1; ; attempt++) {
    const answer = await post([nothing], { start: 0, end: 0 }, source);
    if (answer.kind === 'body') {
      await answer.cancel();
      return /application\/x-(streamed-)?protobuf/.test(answer.contentType);
    }
    if (!answer.mayPass) return false;
    if (attempt === 3) throw new SourceError(`cannot read from ${source.url}: ${answer.message}`);
    await backoff(attempt, source);
  }
}

/** Reads the range in slices whose length follows the answers' size. A slice may come in several parts. */
export async function* readRemoteSlices(request: RemoteReadRequest, source: SourceOptions): AsyncGenerator<Slice> {
  let length = FIRST_SLICE;
  let { start } = request;
  while (start <= request.end) {
    const end = Math.min(request.end, start + length - 1);
    let samples = 0;
    for (let attempt = 1; ; attempt++) {
      const answer = await post(request.matchers, { start, end }, source);
      if (answer.kind === 'body') {
        try {
          samples = 0;
          for await (const part of partsOf(answer, { start, end })) {
            samples += part.samples;
            // Not yet all of the slice: what comes again after a break is stored already.
            yield { ...part, end: start - 1 };
          }
          break;
        } catch (error) {
          if (source.signal.aborted || attempt === ATTEMPTS || isOurs(error)) throw wrapped(error, request, source);
        }
      } else if (answer.isTooLarge && length > SHORTEST_SLICE) {
        samples = -1;
        break;
      } else if (!answer.mayPass || attempt === ATTEMPTS) {
        throw new SourceError(`cannot read ${request.selector} from ${source.url}: ${answer.message}`);
      }
      await backoff(attempt, source);
    }
    if (samples < 0) {
      length = Math.max(SHORTEST_SLICE, Math.floor(length / 2 / SECOND) * SECOND);
      continue;
    }
    yield { lines: [], samples: 0, histograms: 0, end };
    start = end + 1;
    if (samples < SLICE_SAMPLES / 2) length = Math.min(LONGEST_SLICE, length * 2);
    else if (samples > SLICE_SAMPLES * 2) length = Math.max(SHORTEST_SLICE, Math.floor(length / 2));
  }
}

/** What is damaged is as damaged the next time; a connection is not. */
function isOurs(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === 'bad_wire_data' || code === 'request_too_large';
}

function wrapped(error: unknown, { selector }: RemoteReadRequest, { url, signal }: SourceOptions): unknown {
  if (signal.aborted) return error;
  const why = (error as Error).message;
  return new SourceError(`cannot read ${selector} from ${url}: ${why}; --via query reads by its query API`, {
    cause: error,
  });
}

async function* partsOf(
  { contentType, bytes }: AnswerBody,
  range: { readonly start: Millis; readonly end: Millis },
): AsyncGenerator<Omit<Slice, 'end'>> {
  const lines = new ImportLines();
  let histograms = 0;
  const add = (series: ReadSeries) => {
    const labels = labelsOf(series.labels as readonly Label[]);
    const [from, to] = [lowerBound(series.times, range.start), upperBound(series.times, range.end)];
    for (let i = from; i < to; i++) lines.add(labels, series.times[i]!, jsonValueAt(series.values, i));
    // A chunk of histograms reaches into several slices, and is counted in the one where it begins.
    for (const { time, count } of series.histograms) if (time >= range.start && time <= range.end) histograms += count;
  };
  const take = () => {
    const taken = { samples: lines.held, histograms, lines: lines.take() };
    histograms = 0;
    return taken;
  };
  if (contentType.startsWith(STREAMED)) {
    for await (const frame of readFrames(bytes)) {
      for (const series of decodeChunkedFrame(frame)) add(series);
      if (lines.isFull) yield take();
    }
  } else {
    for (const series of decodeReadResponse(decodeSnappy(await wholeOf(bytes), MOST_BYTES))) {
      add(series);
      if (lines.isFull) yield take();
    }
  }
  yield take();
}

async function wholeOf(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytes) {
    length += piece.length;
    if (length > MOST_BYTES) throw new WireTooLargeError(`an answer of remote read has more than ${MOST_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}

interface AnswerBody {
  readonly contentType: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

type Answer =
  | (AnswerBody & { readonly kind: 'body'; cancel(): Promise<void> })
  | { readonly kind: 'failed'; readonly message: string; readonly mayPass: boolean; readonly isTooLarge: boolean };

async function post(
  matchers: readonly Matcher[],
  range: { readonly start: Millis; readonly end: Millis },
  { url, headers, clock, signal }: SourceOptions,
): Promise<Answer> {
  const stop = new AbortController();
  /** Waits for the source, and not for ever. */
  const inTime = async <T>(coming: Promise<T>): Promise<T> => {
    const came = new AbortController();
    clock.sleep(TIMEOUT_MS, came.signal).then(
      () => stop.abort(new Error(`nothing came for ${TIMEOUT_MS / SECOND} s`)),
      () => {},
    );
    try {
      return await coming;
    } finally {
      came.abort();
    }
  };
  try {
    const asked = fetch(`${url.replace(/\/+$/, '')}/api/v1/read`, {
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'x-prometheus-remote-read-version': '0.1.0',
      },
      body: encodeSnappy(encodeReadRequest(matchers, range)) as Uint8Array<ArrayBuffer>,
      signal: AbortSignal.any([signal, stop.signal]),
    });
    const response = await inTime(asked);
    if (response.status === 200) {
      const contentType = response.headers.get('content-type') ?? '';
      const reader = response.body?.getReader();
      const cancel = async () => await reader?.cancel();
      return { kind: 'body', contentType, bytes: reader === undefined ? NOTHING : bytesOf(reader, inTime), cancel };
    }
    const text = (await inTime(response.text())).trim().slice(0, 300);
    const { status } = response;
    const isTooLarge = /exceeded sample limit|too many|limit/i.test(text) && status !== 429;
    const message = text === '' ? `it answered ${status}` : text;
    return { kind: 'failed', message, mayPass: (status === 429 || status >= 500) && !isTooLarge, isTooLarge };
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const message = cause instanceof Error ? cause.message || cause.name : String(cause);
    return { kind: 'failed', message, mayPass: true, isTooLarge: false };
  }
}

const NOTHING: AsyncIterable<Uint8Array> = { async *[Symbol.asyncIterator]() {} };

async function* bytesOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  inTime: <T>(coming: Promise<T>) => Promise<T>,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function backoff(attempt: number, { clock, random, signal }: SourceOptions): Promise<void> {
  await clock.sleep(500 * 2 ** attempt * (0.5 + random() / 2), signal);
}
