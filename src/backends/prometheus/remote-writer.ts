import type { Labels } from '../../model/labels.ts';
import type { SampledSeries } from '../../model/series.ts';
import type { Backfiller, BackfillOutcome } from '../../storage/storage.ts';
import type { MetricMetadata } from '../../storage/write.ts';
import { encodeSeriesLabels, encodeWriteRequest, type OutgoingSeries } from '../../wire/encode-write-request.ts';
import { encodeSnappy } from '../../wire/snappy.ts';
import { EngineRefusedError } from '../errors.ts';
import { type Letter, letterOf } from '../letter.ts';
import { type SendLetter, withLabel } from '../pending-writer.ts';
import { type EngineClient, shown, what } from './engine-client.ts';
import type { TenantPlace } from './tenant-place.ts';

/** Label sets as requests have them, for as long as somebody holds the label set: see `KnownSeries`. */
export type LabelBytes = WeakMap<Labels, Uint8Array>;

/** Items of a series in one request. */
type Part = SampledSeries & Pick<OutgoingSeries, 'exemplars' | 'histograms'>;

/** Items of one request: some hundred kilobytes. */
const ITEMS_AT_ONCE = 20_000;
/** Requests that are made to find what of a letter is refused. Beyond it, the rest counts as refused with it. */
const SPLITS = 64;

/**
 * Sends by remote write 1.0. Resolves once the engine answered 2xx to all of it, which is as much as it promises.
 * @throws {EngineRefusedError | EngineUnavailableError | EngineAnswerError} A part may have been taken.
 */
export function remoteWriter(
  client: EngineClient,
  { writeUrl, headers }: TenantPlace,
  kept: LabelBytes = new WeakMap(),
): SendLetter & { readonly sifting: (onRefused: OnRefused) => SendLetter } {
  const sendWhole: SendLetter = async (letter) => {
    const requests = pieces(partsOf(letter));
    if (requests.length === 0) requests.push([]);
    for (const [i, piece] of requests.entries()) await send(piece, i === 0 ? letter.metadata : []);
  };

  /**
   * Some engines refuse a whole request for one sample: it is halved until what is refused is found. The others of it were
   * promised to their sender, and are not to be lost with it.
   */
  function sifting(onRefused: OnRefused): SendLetter {
    return async (letter) => {
      let splits = SPLITS;
      const sift = async (piece: readonly Part[], metadata: readonly MetricMetadata[]): Promise<void> => {
        try {
          await send(piece, metadata);
        } catch (error) {
          if (!(error instanceof EngineRefusedError)) throw error;
          const halves = splits > 0 ? halvesOf(piece) : undefined;
          if (halves === undefined) return onRefused(countOf(piece), error);
          splits -= 2;
          for (const half of halves) await sift(half, []);
        }
      };
      const requests = pieces(partsOf(letter));
      if (requests.length === 0) requests.push([]);
      for (const [i, piece] of requests.entries()) await sift(piece, i === 0 ? letter.metadata : []);
    };
  }

  function withLabelBytes(part: Part): OutgoingSeries {
    const known = kept.get(part.labels);
    if (known !== undefined) return { ...part, labelBytes: known };
    const labelBytes = encodeSeriesLabels(part.labels);
    kept.set(part.labels, labelBytes);
    return { ...part, labelBytes };
  }

  async function send(parts: readonly Part[], metadata: readonly MetricMetadata[]): Promise<void> {
    const call = {
      kind: 'write' as const,
      url: writeUrl,
      headers: {
        ...headers,
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': '0.1.0',
      },
      body: encodeSnappy(encodeWriteRequest(parts.map(withLabelBytes), metadata)),
    };
    const { status, text } = await client.call(call);
    if (status >= 400) throw new EngineRefusedError(`${what(call)}: it answered ${status}${shown(text)}`);
  }

  return Object.assign(sendWhole, { sifting });
}

/** Items that the engine will never take. */
export type OnRefused = (items: number, error: EngineRefusedError) => void;

/** The second writer: an engine that takes no samples of the past refuses them, which is told in the counts. */
export function engineBackfiller(send: SendLetter, { label }: TenantPlace, onRefused: OnRefused): Backfiller {
  return {
    async backfill(runs) {
      let outcome: BackfillOutcome = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 };
      const labelled = runs.map((run) =>
        label === undefined ? run : { ...run, labels: withLabel(run.labels, label) },
      );
      for (const piece of pieces(labelled)) {
        const samples = countOf(piece);
        try {
          await send(letterOf(piece));
          outcome = { ...outcome, appended: outcome.appended + samples };
        } catch (error) {
          if (!(error instanceof EngineRefusedError)) throw error;
          onRefused(samples, error);
          outcome = { ...outcome, outOfBounds: outcome.outOfBounds + samples };
        }
      }
      return outcome;
    },
  };
}

const NO_SAMPLES = { times: new Float64Array(), values: new Float64Array() };

/** Samples first: an engine takes exemplars of series that it knows. */
function partsOf({ series, exemplars, histograms }: Letter): readonly Part[] {
  return [
    ...series,
    ...histograms.map((each) => ({ labels: each.series, ...NO_SAMPLES, histograms: [each] })),
    ...exemplars.map((each) => ({ labels: each.series, ...NO_SAMPLES, exemplars: [each] })),
  ];
}

const sizeOf = ({ values, exemplars = [], histograms = [] }: Part) =>
  values.length + exemplars.length + histograms.length;

function countOf(piece: readonly Part[]): number {
  return piece.reduce((sum, part) => sum + sizeOf(part), 0);
}

const cutSamples = (part: Part, from: number, to: number): Part => {
  return { labels: part.labels, times: part.times.subarray(from, to), values: part.values.subarray(from, to) };
};

/** Undefined where there is nothing left to halve. */
function halvesOf(piece: readonly Part[]): readonly (readonly Part[])[] | undefined {
  if (piece.length > 1) {
    const middle = piece.length >> 1;
    return [piece.slice(0, middle), piece.slice(middle)];
  }
  const [only] = piece;
  if (only === undefined || only.values.length < 2) return undefined;
  const middle = only.values.length >> 1;
  return [[cutSamples(only, 0, middle)], [cutSamples(only, middle, only.values.length)]];
}

/** Cut into requests of a bounded size, each series in order. */
function pieces(parts: readonly Part[]): Part[][] {
  const cut: Part[][] = [];
  let room = 0;
  const begin = () => {
    if (room > 0) return;
    cut.push([]);
    room = ITEMS_AT_ONCE;
  };
  for (const part of parts) {
    if (part.values.length === 0 && sizeOf(part) > 0) {
      begin();
      cut.at(-1)!.push(part);
      room--;
    }
    for (let from = 0; from < part.values.length; ) {
      begin();
      const end = Math.min(part.values.length, from + room);
      cut.at(-1)!.push(cutSamples(part, from, end));
      room -= end - from;
      from = end;
    }
  }
  return cut;
}
