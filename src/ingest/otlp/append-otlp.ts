import { encodeLabels, type Labels, labelsKey } from '../../model/labels.ts';
import { setStaleMarker } from '../../model/series.ts';
import type { AttachmentReader, SeriesReader } from '../../storage/storage.ts';
import { type Attachments, type MetricMetadata, OUTCOME, type SeriesWriter } from '../../storage/write.ts';
import { encodeNativeHistogram } from '../../wire/native-histogram.ts';
import type { OtlpRequest, OtlpResource } from '../../wire/otlp.ts';
import { checkLabels, describeSeries, type LabelLimits } from '../check-labels.ts';
import type { CumulativeSample } from './delta.ts';
import type { DeltaCounters } from './delta-counters.ts';
import { inTurns } from './in-turns.ts';
import { type OtlpTranslation, targetInfoLabels } from './labels.ts';
import type { ScannedOtlp, SeenPoints } from './seen-points.ts';
import { type OtlpSummary, OtlpTally } from './tally.ts';
import { type TranslatedSample, translateOtlp } from './translate.ts';

export type OtlpStorage = Pick<SeriesWriter, 'ref' | 'write' | 'attach' | 'describe' | 'commit'> &
  Pick<SeriesReader, 'select'> &
  Pick<AttachmentReader, 'histograms' | 'starts'>;

export interface AppendOtlpOptions {
  readonly translation: OtlpTranslation;
  readonly limits: LabelLimits;
  readonly counters: DeltaCounters;
  /** Waits until it may use the thread: before each part. */
  readonly turn: () => Promise<void>;
}

/** A request, of which some was seen before. */
export interface OtlpToAppend {
  /** What is decoded of it: all, or what was not scanned. */
  readonly decoded: OtlpRequest;
  readonly scanned: ScannedOtlp | undefined;
  /** Decodes all of it. */
  readonly whole: () => OtlpRequest | Promise<OtlpRequest>;
  /** Is taught what is new. */
  readonly seen: SeenPoints | undefined;
}

/** Samples of series that are known. */
const PART_SAMPLES = 4_096;
/** Samples that are translated and held before they are written: a new series takes some 50 µs. */
const PART_TRANSLATED = 256;
/** Mimir's `max_metadata_length`. */
const MAX_METADATA_LENGTH = 1_024;

/**
 * Appends a request, keeping what can be kept. Resolves once that is durable.
 * @throws {StorageFullError} If the log cannot be written.
 */
export async function appendOtlp(
  { decoded, scanned, whole, seen }: OtlpToAppend,
  storage: OtlpStorage,
  options: AppendOtlpOptions,
): Promise<OtlpSummary> {
  const stored = scanned === undefined ? false : await writeScanned(scanned, storage, options);
  // What is refused is to be told by its labels, and what is gone to be resolved: then all is done the long way, which
  // finds the others stored.
  if (!stored && scanned !== undefined) seen?.clear();
  const request = stored || scanned === undefined ? decoded : await whole();
  const append = () => new Appending(storage, options, seen).run(request, stored ? scanned : undefined);
  return hasDeltas(request) ? await options.counters.exclusively(append) : await append();
}

/** Writes what was seen before. False where something of it was not stored. */
async function writeScanned(
  { refs, times, starts, values }: ScannedOtlp,
  storage: Pick<OtlpStorage, 'write'>,
  { turn }: AppendOtlpOptions,
): Promise<boolean> {
  let isStoredAll = true;
  for (let from = 0; from < refs.length; from += PART_SAMPLES) {
    if (from > 0) await turn();
    const to = from + PART_SAMPLES;
    const part = { refs: refs.subarray(from, to), times: times.subarray(from, to), values: values.subarray(from, to) };
    const outcomes = await storage.write({ ...part, starts: starts.subarray(from, to) });
    isStoredAll &&= outcomes.every(isStored);
  }
  return isStoredAll;
}

function hasDeltas({ resources }: OtlpRequest): boolean {
  return resources.some(({ scopes }) =>
    scopes.some(({ metrics }) =>
      metrics.some(({ data }) => data !== undefined && 'temporality' in data && data.temporality === 'delta'),
    ),
  );
}

/** A sample of a series that may be written. */
interface Ready {
  readonly sample: TranslatedSample;
  readonly labels: Labels;
  readonly key: string;
}

/** A float or histogram to write, and whose it is. */
interface Column extends CumulativeSample {
  readonly of: Ready;
  /** Where a counter begins: nobody sent it. */
  readonly made: boolean;
}

class Appending {
  readonly #storage: OtlpStorage;
  readonly #options: AppendOtlpOptions;
  readonly #tally = new OtlpTally();
  readonly #families = new Map<string, MetricMetadata>();
  /** Series whose counters moved. */
  readonly #moved = new Set<string>();
  readonly #seen: SeenPoints | undefined;
  /** By point: the references of its samples, 0 where one is refused. */
  readonly #refsOfPoints = new Map<number, number[]>();

  constructor(storage: OtlpStorage, options: AppendOtlpOptions, seen: SeenPoints | undefined) {
    this.#storage = storage;
    this.#options = options;
    this.#seen = seen;
  }

  async run(request: OtlpRequest, scanned: ScannedOtlp | undefined): Promise<OtlpSummary> {
    const { counters } = this.#options;
    const told = scanned?.told ?? new Map<number, number>();
    try {
      this.#tally.store(scanned?.refs.length ?? 0);
      await this.#append(request, told);
      await this.#storage.commit();
    } catch (error) {
      counters.forget(this.#moved);
      throw error;
    }
    counters.trim();
    await this.#learn(request, told);
    return this.#tally.summary();
  }

  async #learn(request: OtlpRequest, told: ReadonlyMap<number, number>): Promise<void> {
    if (this.#seen === undefined || this.#refsOfPoints.size === 0) return;
    const refsOf = (point: number) => {
      const refs = this.#refsOfPoints.get(point);
      return refs?.includes(0) ? undefined : refs;
    };
    const toldNothing = (resource: OtlpResource) => targetInfoLabels(resource, this.#options.translation) === undefined;
    await inTurns(this.#seen.learn(request, told, refsOf, toldNothing), this.#options.turn);
  }

  async #append(request: OtlpRequest, told: ReadonlyMap<number, number>): Promise<void> {
    const { translation, limits } = this.#options;
    let part: Ready[] = [];
    for (const piece of translateOtlp(request, translation, limits, told)) {
      if (piece.kind === 'family') this.#families.set(piece.metadata.metric, piece.metadata);
      else if (piece.kind === 'refused') this.#tally.refuse(piece.point, piece.reason, () => piece.message);
      else {
        const ready = this.#check(piece);
        if (ready !== undefined) part.push(ready);
        if (part.length < PART_TRANSLATED) continue;
        await this.#write(part);
        part = [];
      }
    }
    await this.#write(part);
    const families = [...this.#families.values()];
    const kept = families.filter(({ metric, help, unit }) => {
      return metric.length + help.length + unit.length <= MAX_METADATA_LENGTH;
    });
    this.#tally.drop('metadata', families.length - kept.length);
    if (kept.length > 0) await this.#storage.describe(kept);
  }

  #check(sample: TranslatedSample): Ready | undefined {
    const checked = checkLabels(sample.labels, this.#options.limits);
    if (checked.kind === 'labels') return { sample, labels: checked.labels, key: labelsKey(checked.labels) };
    this.#tally.refuse(sample.point, checked.reason, () => checked.message);
    return undefined;
  }

  async #write(part: readonly Ready[]): Promise<void> {
    if (part.length === 0) return;
    await this.#options.turn();
    let columns = await this.#columns(part);
    for (let attempt = 1; columns.length > 0; attempt++) {
      const gone = await this.#writeOnce(columns, attempt);
      if (gone.length === 0) return;
      // Retention dropped their series in between: their labels are resolved anew, once.
      columns = gone;
    }
  }

  /** What is written of each: deltas become samples of cumulative series, of which there may be two or none. */
  async #columns(part: readonly Ready[]): Promise<Column[]> {
    const deltas = part.filter(({ sample }) => sample.delta);
    if (deltas.length === 0) return part.map((ready) => columnOf(ready, ready.sample));
    const { counters } = this.#options;
    const counted = await counters.count(
      deltas.map(({ sample, labels }) => ({ ...sample, labels })),
      deltas.map(({ key }) => key),
      this.#storage,
    );
    for (const { key } of deltas) this.#moved.add(key);
    let next = 0;
    return part.flatMap((ready) => {
      if (!ready.sample.delta) return [columnOf(ready, ready.sample)];
      const answer = counted[next++]!;
      if (answer.kind === 'samples')
        return answer.samples.map((sample, i, { length }) => columnOf(ready, sample, i < length - 1));
      if (answer.kind === 'duplicate') this.#tally.store();
      else this.#refuse(ready, 'delta_out_of_order', 'deltas up to a later time are counted already');
      return [];
    });
  }

  /** Writes and attaches; answers what has lost its series. */
  async #writeOnce(columns: readonly Column[], attempt: number): Promise<Column[]> {
    const refs = await this.#refs(columns);
    this.#remember(columns, refs, attempt);
    const floats = columns.filter(({ of, value }) => refs.has(of.key) && typeof value !== 'object');
    const batch = {
      refs: Uint32Array.from(floats, ({ of }) => refs.get(of.key)!),
      times: Float64Array.from(floats, ({ time }) => time),
      values: new Float64Array(floats.length),
      starts: Float64Array.from(floats, ({ start }) => start),
    };
    floats.forEach(({ value }, i) => {
      if (typeof value === 'number') batch.values[i] = value;
      else setStaleMarker(batch.values, i);
    });
    const gone: Column[] = [];
    const outcomes = floats.length > 0 ? await this.#storage.write(batch) : new Uint8Array();
    floats.forEach((column, i) => {
      if (outcomes[i] === OUTCOME.gone && attempt === 1) gone.push(column);
      else this.#settle(column, outcomes[i]!);
    });
    gone.push(...(await this.#attach(columns, refs, attempt)));
    return gone;
  }

  /** References may be learnt while they are those of the first attempt, in the order of the samples. */
  #remember(columns: readonly Column[], refs: ReadonlyMap<string, number>, attempt: number): void {
    if (this.#seen === undefined) return;
    for (const { of, made } of columns) {
      if (made) continue;
      const { point } = of.sample;
      const known = this.#refsOfPoints.get(point) ?? [];
      known.push(attempt === 1 ? (refs.get(of.key) ?? 0) : 0);
      this.#refsOfPoints.set(point, known);
    }
  }

  /** References by series. What the store does not take is refused here. */
  async #refs(columns: readonly Column[]): Promise<ReadonlyMap<string, number>> {
    const series = new Map(columns.map(({ of }) => [of.key, of.labels]));
    const answers = await this.#storage.ref([...series.values()].map((labels) => encodeLabels(labels)));
    const refs = new Map<string, number>();
    const refusals = new Map<string, { readonly id: string; readonly message: string }>();
    [...series.keys()].forEach((key, i) => {
      const answer = answers[i]!;
      if (answer.kind === 'ref') refs.set(key, answer.ref);
      else refusals.set(key, answer);
    });
    for (const { of, made } of columns) {
      const refusal = refusals.get(of.key);
      if (refusal === undefined || made) continue;
      if (of.sample.delta) this.#options.counters.forget([of.key]);
      this.#refuse(of, refusal.id, refusal.message);
    }
    return refs;
  }

  async #attach(columns: readonly Column[], refs: ReadonlyMap<string, number>, attempt: number): Promise<Column[]> {
    const known = columns.filter(({ of, made }) => refs.has(of.key) && !made);
    const histograms = known.filter(({ value }) => typeof value === 'object');
    const attachments: Attachments = {
      exemplars: known.flatMap(({ of }) => of.sample.exemplars.map((each) => ({ ...each, ref: refs.get(of.key)! }))),
      histograms: histograms.flatMap(({ of, value, time, start }) => {
        if (typeof value !== 'object') return [];
        return [{ ref: refs.get(of.key)!, time, start, bytes: encodeNativeHistogram(value) }];
      }),
    };
    if (attachments.exemplars.length === 0 && attachments.histograms.length === 0) return [];
    const outcomes = await this.#storage.attach(attachments);
    const lost = outcomes.exemplars.reduce((sum, outcome) => (isStored(outcome) ? sum : sum + 1), 0);
    this.#tally.drop('exemplar', lost);
    const gone: Column[] = [];
    histograms.forEach((column, i) => {
      if (outcomes.histograms[i] === OUTCOME.gone && attempt === 1) gone.push(column);
      else this.#settle(column, outcomes.histograms[i]!);
    });
    return gone;
  }

  #settle({ of, made, time }: Column, outcome: number): void {
    if (isStored(outcome)) {
      if (!made) this.#tally.store();
      return;
    }
    if (of.sample.delta) this.#options.counters.forget([of.key]);
    if (made) return;
    this.#tally.settle(of.sample.point, outcome, () => `${describeSeries(of.labels)}, sample at ${time} ms`);
  }

  #refuse({ sample, labels }: Ready, reason: string, why: string): void {
    this.#tally.refuse(sample.point, reason, () => `${describeSeries(labels)}, sample at ${sample.time} ms: ${why}`);
  }
}

function columnOf(of: Ready, { start, time, value }: CumulativeSample, made = false): Column {
  return { of, start, time, value, made };
}

function isStored(outcome: number): boolean {
  return outcome === OUTCOME.appended || outcome === OUTCOME.duplicate;
}
