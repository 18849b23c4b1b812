import { HOUR, MINUTE, type Millis } from '../../model/time.ts';
import type { CoreMemory } from '../../wire/core-memory.ts';
import type { HistogramPoint, NumberPoint, OtlpMetric, OtlpRequest, OtlpResource } from '../../wire/otlp.ts';
import type { OtlpCore } from '../../wire/otlp-core.ts';
import { histogramKey, metricKey, numberKey } from '../../wire/otlp-keys.ts';

/** Samples of a request whose points were seen before, and what is left of it. */
export interface ScannedOtlp {
  readonly refs: Uint32Array;
  /** Milliseconds. */
  readonly times: Float64Array;
  /** 0: not set. */
  readonly starts: Float64Array;
  readonly values: Float64Array;
  /** Where the metrics begin that are to be decoded. */
  readonly left: ReadonlySet<number>;
  /** The numbers of resources whose `target_info` is among the samples, by where they stand. */
  readonly told: ReadonlyMap<number, number>;
}

/** What is remembered of one tenant, and of all: it is a shortcut, and can be learnt again. */
const MAX_TENANT_BYTES = 64 << 20;
const MAX_BYTES = 256 << 20;
const MAX_KEY_BYTES = 16_384;
const SLACK_BYTES = 64;
const RESOURCE_WORDS = 6;
/** Points that are learnt in a step. */
const STEP_POINTS = 256;
/** Of an entry of a map, roughly. */
const MAP_ENTRY_BYTES = 64;

/** Half of how far back an instant looks for a sample. */
const TARGET_INFO_STEP_MS = 2.5 * MINUTE;
/** A request that reaches further back has none for its oldest points. */
const TARGET_INFO_SPAN_MS = 48 * HOUR;
/** Of one request: a small one may repeat a resource with a long span very often, which then has its last alone. */
export const MOST_TARGET_INFO = 1 << 18;

/** When a resource with points from `first` to `last` is told of. */
export function* targetInfoTimes(first: Millis, last: Millis): Generator<Millis, void> {
  for (let time = Math.max(first, last - TARGET_INFO_SPAN_MS); time < last; time += TARGET_INFO_STEP_MS) yield time;
  yield last;
}

/** The points of all tenants, within one bound. */
export function openSeenPoints(memory: CoreMemory, core: OtlpCore) {
  const tenants = new Map<string, SeenPoints>();
  /** What those that hold something hold: every request asks, and tenants may be many. */
  const bytesOf = new Map<SeenPoints, number>();
  let sizeBytes = 0;
  const note = (seen: SeenPoints) => {
    const bytes = seen.sizeBytes;
    sizeBytes += bytes - (bytesOf.get(seen) ?? 0);
    if (bytes > 0) bytesOf.set(seen, bytes);
    else bytesOf.delete(seen);
  };
  return {
    get sizeBytes(): number {
      return sizeBytes;
    },
    of(tenant: string): SeenPoints {
      const known = tenants.get(tenant) ?? new SeenPoints(memory, core);
      tenants.set(tenant, known);
      return known;
    },
    /** To be called when a tenant's may have grown. */
    trim(tenant: string, most = MAX_BYTES): void {
      const grown = tenants.get(tenant);
      if (grown !== undefined) note(grown);
      while (sizeBytes > most) {
        const [largest] = [...bytesOf].reduce((a, b) => (b[1] > a[1] ? b : a));
        largest.clear();
        note(largest);
      }
    },
  };
}

/** One tenant's points as they came over the wire, to references. Holds memory of the module from the first on. */
export class SeenPoints {
  readonly #memory: CoreMemory;
  readonly #core: OtlpCore;
  #tables: { readonly resources: number; readonly metrics: number; readonly points: number } | undefined;
  /** By the number of a resource: the reference of its `target_info`, 0 where it has none. */
  readonly #targetInfo = new Map<number, number>();
  /** By number: a reference for each of its samples. */
  readonly #histograms = new Map<number, readonly number[]>();
  // No number is given twice: a request that was scanned before all was forgotten may still teach what is below one.
  #lastResource = 0;
  #lastMetric = 0;
  #lastHistogram = 0;
  #heldBytes = 0;

  constructor(memory: CoreMemory, core: OtlpCore) {
    this.#memory = memory;
    this.#core = core;
  }

  get sizeBytes(): number {
    if (this.#tables === undefined) return 0;
    const tables = Object.values(this.#tables);
    return tables.reduce((sum, table) => sum + (this.#memory.core.tableBytes(table) >>> 0), this.#heldBytes);
  }

  clear(): void {
    for (const table of Object.values(this.#tables ?? {})) this.#memory.core.dropTable(table);
    this.#tables = undefined;
    this.#targetInfo.clear();
    this.#histograms.clear();
    this.#heldBytes = 0;
  }

  /**
   * Undefined where nothing was seen before, where it tells too much of its resources, or where the request is damaged:
   * whoever decodes it says how.
   */
  scan(bytes: Uint8Array): ScannedOtlp | undefined {
    const tables = this.#tables;
    if (tables === undefined) return undefined;
    const address = this.#memory.allocate(bytes.length + SLACK_BYTES);
    try {
      this.#memory.bytes.set(bytes, address);
      this.#core.scanOtlp(tables.resources, tables.metrics, tables.points, address, bytes.length);
      return this.#memory.core.faultCode() === 0 ? this.#scanned() : undefined;
    } finally {
      this.#memory.core.release(address);
      this.#core.trimOtlp();
    }
  }

  #scanned(): ScannedOtlp | undefined {
    const memory = this.#memory;
    const core = this.#core;
    const resources = this.#resources();
    if (resources === undefined) return undefined;
    const { told, infos } = resources;
    const count = core.otlpSamples();
    const all = count + infos.length;
    const refs = new Uint32Array(all);
    const times = new Float64Array(all);
    const starts = new Float64Array(all);
    const values = new Float64Array(all);
    refs.set(memory.words(core.otlpRefs(), count));
    times.set(memory.numbers(core.otlpTimes(), count));
    starts.set(memory.numbers(core.otlpStarts(), count));
    values.set(memory.numbers(core.otlpValues(), count));
    const histograms = memory.words(core.otlpHistograms(), 2 * core.otlpHistogramCount());
    for (let i = 0; i < histograms.length; i += 2) refs.set(this.#histograms.get(histograms[i + 1]!)!, histograms[i]!);
    infos.forEach(({ ref, time }, i) => {
      refs[count + i] = ref;
      times[count + i] = time;
      values[count + i] = 1;
    });
    return { refs, times, starts, values, told, left: new Set(memory.words(core.otlpLeft(), core.otlpLeftCount())) };
  }

  #resources() {
    const told = new Map<number, number>();
    const infos: { readonly ref: number; readonly time: Millis }[] = [];
    const count = this.#core.otlpResourceCount();
    const words = this.#memory.words(this.#core.otlpResources(), count * RESOURCE_WORDS);
    const spans = new DataView(words.buffer, words.byteOffset, words.byteLength);
    for (let i = 0; i < count; i++) {
      const number = words[i * RESOURCE_WORDS + 1]!;
      if (number === 0) continue;
      told.set(words[i * RESOURCE_WORDS]!, number);
      const ref = this.#targetInfo.get(number)!;
      const last = spans.getFloat64(i * 24 + 16, true);
      if (ref === 0 || last === 0) continue;
      for (const time of targetInfoTimes(spans.getFloat64(i * 24 + 8, true), last)) infos.push({ ref, time });
      if (infos.length > MOST_TARGET_INFO) return undefined;
    }
    return { told, infos };
  }

  /**
   * Remembers what a request's points turned out to be.
   * @param refsOf Of a point by its ordinal, in the order of its samples, and of the `target_info` of the resource `i`
   *   at `-1 - i`; undefined where one of them was not stored.
   * @param toldNothing Whether a resource has no `target_info`.
   *
   * In steps of a millisecond or so, between which others may learn; what all was forgotten in ends it.
   */
  *learn(
    { resources }: OtlpRequest,
    told: ReadonlyMap<number, number>,
    refsOf: (point: number) => readonly number[] | undefined,
    toldNothing: (resource: OtlpResource) => boolean,
  ): Generator<void> {
    const { core } = this.#memory;
    this.#tables ??= { resources: core.newTable(), metrics: core.newTable(), points: core.newTable() };
    const tables = this.#tables;
    const { metrics, points } = tables;
    const scratch = this.#memory.allocate(MAX_KEY_BYTES);
    const put = (table: number, key: Uint8Array | undefined, number: number): number => {
      if (key === undefined || key.length > MAX_KEY_BYTES) return 0;
      this.#memory.bytes.set(key, scratch);
      return this.#core.learnOtlp(table, scratch, key.length, number);
    };
    try {
      let point = 0;
      for (const [i, resource] of resources.entries()) {
        const number = told.get(resource.at ?? -1) ?? this.#learnResource(resource, refsOf(-1 - i), toldNothing, put);
        for (const scope of resource.scopes) {
          for (const metric of scope.metrics) {
            // Each metric's key repeats its scope: a request becomes a hundred times as much.
            if (this.sizeBytes > MAX_TENANT_BYTES) return;
            const first = point;
            point += metric.data?.points.length ?? 0;
            const key = number === 0 ? undefined : metricKey(number, scope, metric);
            const metricNumber = put(metrics, key, this.#lastMetric + 1);
            if (metricNumber === 0) continue;
            this.#lastMetric = Math.max(this.#lastMetric, metricNumber);
            const all = metric.data?.points.length ?? 0;
            for (let from = 0; from < all; from += STEP_POINTS) {
              const span = { from, to: Math.min(all, from + STEP_POINTS) };
              this.#learnPoints(metric, span, metricNumber, (of) => refsOf(first + of), put.bind(undefined, points));
              yield;
              if (this.#tables !== tables) return;
            }
          }
        }
      }
    } finally {
      core.release(scratch);
      if (this.sizeBytes > MAX_TENANT_BYTES) this.clear();
    }
  }

  #learnResource(
    resource: OtlpResource,
    infoRefs: readonly number[] | undefined,
    toldNothing: (resource: OtlpResource) => boolean,
    put: (table: number, key: Uint8Array | undefined, number: number) => number,
  ): number {
    const ref = infoRefs?.at(-1);
    if (resource.wire === undefined || (ref === undefined && !toldNothing(resource))) return 0;
    const number = put(this.#tables!.resources, resource.wire, this.#lastResource + 1);
    if (number > this.#lastResource) {
      this.#lastResource = number;
      this.#targetInfo.set(number, ref ?? 0);
      this.#heldBytes += MAP_ENTRY_BYTES;
    }
    return number;
  }

  #learnPoints(
    { data }: OtlpMetric,
    { from, to }: { readonly from: number; readonly to: number },
    metric: number,
    refsOf: (point: number) => readonly number[] | undefined,
    put: (key: Uint8Array | undefined, number: number) => number,
  ): void {
    if (data === undefined) return;
    for (let i = from; i < to; i++) {
      const point = data.points[i]!;
      const refs = refsOf(i);
      if (refs === undefined || point.wire === undefined) continue;
      if (data.kind === 'gauge' || data.kind === 'sum') {
        if (refs.length === 1 && (point as NumberPoint).value !== undefined) {
          put(numberKey(metric, point.wire.attributes), refs[0]!);
        }
        continue;
      }
      const { sum, bounds } = point as HistogramPoint;
      const finite = bounds.indexOf(Infinity);
      const samples = (sum === undefined ? 0 : 1) + 2 + (finite < 0 ? bounds.length : finite);
      if (data.kind !== 'histogram' || refs.length !== samples) continue;
      const number = put(histogramKey(metric, sum !== undefined, point.wire), this.#lastHistogram + 1);
      if (number <= this.#lastHistogram) continue;
      this.#lastHistogram = number;
      this.#histograms.set(number, refs);
      this.#heldBytes += MAP_ENTRY_BYTES + 8 * refs.length;
    }
  }
}
