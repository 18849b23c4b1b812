import type { Request, Response, Router } from 'express';
import { compareLabels, type Labels, labelsKey } from '../../model/labels.ts';
import { compileMatcher, type Matcher } from '../../model/matcher.ts';
import { decodeSamples } from '../../model/series.ts';
import type { TenantId } from '../../model/tenant.ts';
import {
  type AnsweredSeries,
  decodeReadRequest,
  encodeFrames,
  encodeSampledSeries,
  type Pieces,
  type ReadQuery,
  resultHead,
} from '../../wire/remote-read-answer.ts';
import { decodeSnappy, encodeSnappyPart, snappyLength } from '../../wire/snappy.ts';
import type { HttpDeps } from '../deps.ts';
import { drained } from '../envelope.ts';
import { BadParameterError, ReadTooLargeError, UnreadableBodyError } from '../errors.ts';
import { mergeExternalLabels, withoutExternalLabels } from '../external-labels.ts';
import type { QueryRun } from '../query-runs.ts';
import { readBytes } from '../read-bytes.ts';
import { mount } from '../route.ts';

export type ReadRouteDeps = Pick<
  HttpDeps,
  'callerOf' | 'storage' | 'limits' | 'queries' | 'externalLabels' | 'pauseOf'
>;

/** What is written to a connection at once. */
const WRITE_BYTES = 64 * 1024;
/** Snappy looks back no further. */
const PACKED_AT_ONCE = 64 * 1024;

/**
 * `POST /api/v1/read`: Prometheus's remote read. A client that takes chunks gets a stream of them, series by series; one
 * that does not gets all samples in one answer, which is bounded.
 */
export function readRoute(router: Router, deps: ReadRouteDeps): void {
  const { callerOf, limits, queries, pauseOf } = deps;
  mount(router, '/api/v1/read', {
    POST: async (request, response) => {
      const { tenant } = callerOf(request);
      const { queries: asked, answer } = decodeReadRequest(await unpacked(request, limits.requestBytes));
      if (answer === undefined) {
        throw new BadParameterError('accepted_response_types', 'none of them is SAMPLES or STREAMED_XOR_CHUNKS');
      }
      const pause = pauseOf(tenant);
      for (const { matchers } of asked) {
        checkMatchers(matchers);
        const rest = pause();
        if (rest !== undefined) await rest;
      }
      const about = {
        kind: 'read',
        tenant,
        text: asked.map(({ matchers }) => selectorText(matchers)).join(' '),
        range: {
          start: asked.reduce((least, { range }) => Math.min(least, range.start), Number.POSITIVE_INFINITY),
          end: asked.reduce((most, { range }) => Math.max(most, range.end), Number.NEGATIVE_INFINITY),
        },
      } as const;
      await queries.run(response, about, undefined, async (run) => {
        const answering = { ...deps, tenant, response, run };
        await (answer === 'chunks' ? stream(asked, answering) : answerSamples(asked, answering));
      });
    },
  });
}

interface Answering extends ReadRouteDeps {
  readonly tenant: TenantId;
  readonly response: Response;
  readonly run: QueryRun;
}

/** @throws {UnreadableBodyError | WireError} If it is not packed, or too large. */
async function unpacked(request: Request, mostBytes: number): Promise<Uint8Array> {
  const encoding = request.headers['content-encoding'] ?? 'snappy';
  if (encoding !== 'snappy') throw new UnreadableBodyError(`cannot read the request: it is packed as ${encoding}`);
  return decodeSnappy(await readBytes(request, mostBytes), mostBytes);
}

function checkMatchers(matchers: readonly Matcher[]): void {
  try {
    for (const matcher of matchers) compileMatcher(matcher);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new BadParameterError('matchers', error.message, { cause: error });
  }
}

function selectorText(matchers: readonly Matcher[]): string {
  return `{${matchers.map(({ name, op, value }) => `${name}${op}${JSON.stringify(value)}`).join(',')}}`;
}

async function stream(asked: readonly ReadQuery[], answering: Answering): Promise<void> {
  const { response, tenant, pauseOf, run } = answering;
  const pause = pauseOf(tenant);
  const out = new Outgoing(response);
  let left = run.limits.maxSamples;
  for (const [index, query] of asked.entries()) {
    const series = await seriesOf(query, left, answering);
    left -= samplesIn(series);
    if (index === 0) {
      run.phase('answer');
      response.status(200).set('Content-Type', 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse');
    }
    for (const each of series) {
      for (const pieces of encodeFrames(each, index)) {
        const wait = pieces === undefined ? undefined : out.write(pieces);
        if (wait !== undefined) await wait;
        const rest = pause();
        if (rest !== undefined) await rest;
        run.signal.throwIfAborted();
      }
    }
  }
  if (!response.headersSent) {
    response.status(200).set('Content-Type', 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse');
  }
  await out.end();
}

/** Its length stands in front of a message: so all of it is made before any of it is sent. */
async function answerSamples(asked: readonly ReadQuery[], answering: Answering): Promise<void> {
  const { response, tenant, limits, pauseOf, run } = answering;
  const pause = pauseOf(tenant);
  const rested = async () => {
    const rest = pause();
    if (rest !== undefined) await rest;
    run.signal.throwIfAborted();
  };
  const results: Uint8Array[] = [];
  let length = 0;
  let left = run.limits.maxSamples;
  for (const query of asked) {
    const series = await seriesOf(query, left, answering);
    left -= samplesIn(series);
    run.phase('answer');
    const pieces: Uint8Array[] = [];
    let ofQuery = 0;
    for (const each of series) {
      const work = encodeSampledSeries(each);
      let step = work.next();
      for (; step.done !== true; step = work.next()) await rested();
      for (const piece of step.value.pieces) pieces.push(piece);
      ofQuery += step.value.length;
      if (length + ofQuery > limits.readBytes) {
        throw new ReadTooLargeError(`exceeded the limit of ${limits.readBytes} bytes for an answer that is no stream`);
      }
      await rested();
    }
    const head = resultHead(ofQuery);
    results.push(head);
    for (const piece of pieces) results.push(piece);
    length += head.length + ofQuery;
  }
  response.status(200).set({ 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy' });
  const out = new Outgoing(response);
  await out.write({ pieces: [snappyLength(length)], length: 0 });
  for await (const part of partsOf(results)) {
    const packed = encodeSnappyPart(part);
    const wait = out.write({ pieces: [packed], length: packed.length });
    if (wait !== undefined) await wait;
    await rested();
  }
  await out.end();
}

/** Pieces put together, in parts that are packed in one go. */
function* partsOf(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let part = new Uint8Array(PACKED_AT_ONCE);
  let at = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      const taken = piece.subarray(from, from + PACKED_AT_ONCE - at);
      part.set(taken, at);
      at += taken.length;
      from += taken.length;
      if (at < PACKED_AT_ONCE) continue;
      yield part;
      part = new Uint8Array(PACKED_AT_ONCE);
      at = 0;
    }
  }
  if (at > 0) yield part.subarray(0, at);
}

/** What a query selects, in the order of the labels that its client sees. */
async function seriesOf(
  { matchers, range }: ReadQuery,
  maxSamples: number,
  { storage, tenant, externalLabels, pauseOf, run }: Answering,
): Promise<readonly AnsweredSeries[]> {
  run.phase('select');
  const reader = storage.tenant(tenant);
  const wanted = withoutExternalLabels(matchers, externalLabels);
  const pause = pauseOf(tenant);
  const options = { maxSamples, signal: run.signal, pause };
  // A request may have a great many queries that select nothing.
  const first = pause();
  if (first !== undefined) await first;
  run.signal.throwIfAborted();
  const before = performance.now();
  const selected = await asParameter(() => reader.select(wanted, range, options));
  const native = (await reader.histograms?.(wanted, range, options)) ?? [];
  const found = new Map<string, AnsweredSeries>();
  for (const { labels, chunks } of selected) {
    const { times, values } = decodeSamples(chunks, range);
    if (times.length > 0) found.set(labelsKey(labels), { labels, times, values, histograms: [] });
    const rest = pause();
    if (rest !== undefined) await rest;
    run.signal.throwIfAborted();
  }
  for (const { labels, histograms } of native) {
    const key = labelsKey(labels);
    const known = found.get(key) ?? { labels, times: new Float64Array(), values: new Float64Array() };
    const inRange = histograms.filter(({ time }) => time >= range.start && time <= range.end);
    if (inRange.length > 0) found.set(key, { ...known, histograms: withoutTimes(inRange, known.times) });
  }
  const all = [...found.values()].map((series) => {
    return { ...series, labels: mergeExternalLabels(series.labels as Labels, externalLabels) };
  });
  run.selected(selectorText(matchers), all.length, samplesIn(all), performance.now() - before);
  return all.sort((a, b) => compareLabels(a.labels as Labels, b.labels as Labels));
}

/** Should there be both at one time, the float stays, as in Prometheus. */
function withoutTimes<T extends { readonly time: number }>(all: readonly T[], times: Float64Array): readonly T[] {
  if (times.length === 0) return all;
  const taken = new Set(times);
  return all.filter(({ time }) => !taken.has(time));
}

async function asParameter<T>(select: () => Promise<T>): Promise<T> {
  try {
    return await select();
  } catch (error) {
    // A selector of forecasts that cannot be asked so.
    if (error instanceof RangeError) throw new BadParameterError('matchers', error.message, { cause: error });
    throw error;
  }
}

function samplesIn(series: readonly AnsweredSeries[]): number {
  return series.reduce((sum, { times, histograms }) => sum + times.length + histograms.length, 0);
}

/** Writes to a connection in parts of some size, no faster than they are read. */
class Outgoing {
  readonly #response: Response;
  #held: Uint8Array[] = [];
  #bytes = 0;

  constructor(response: Response) {
    this.#response = response;
  }

  /** Undefined: go on. */
  write({ pieces, length }: Pieces): Promise<void> | undefined {
    for (const piece of pieces) this.#held.push(piece);
    this.#bytes += length;
    return this.#bytes >= WRITE_BYTES ? this.#flush() : undefined;
  }

  async end(): Promise<void> {
    await this.#flush();
    this.#response.end();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    this.#bytes = 0;
    if (bytes.length > 0 && !this.#response.write(bytes)) await drained(this.#response);
  }
}
