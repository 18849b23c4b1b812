import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { OUTCOME, type SeriesRef, type WriteBatch } from '../storage/write.ts';
import { bitsOf } from './chunk.ts';
import type { LiveOnDisk } from './live-on-disk.ts';
import type { StoredSample } from './live-samples.ts';
import type { Partitions } from './partitions.ts';
import type { SampleStore } from './sample-store.ts';

type MemoryOfSamples = Pick<SampleStore, 'head' | 'write' | 'oldestTaken'>;
/** Samples of series that may be on disk already: where they are in the batch. */
type Doubts = ReadonlyMap<SeriesRef, readonly number[]>;

/**
 * Writes live samples. Those that are as old as what left memory are looked for on disk first: where the same sample is
 * stored, a retry is a success, and another value is a conflict. All others go straight to memory, in the same turn.
 */
export class LiveWriter {
  readonly #store: MemoryOfSamples;
  readonly #partitions: Pick<Partitions, 'newest' | 'findLive'>;
  /** One search at a time, whoever asks: the threads that read are those that sync the log. */
  #searching: Promise<unknown> = Promise.resolve();

  constructor(store: MemoryOfSamples, partitions: Pick<Partitions, 'newest' | 'findLive'>) {
    this.#store = store;
    this.#partitions = partitions;
  }

  /** Columns may be views of the store's own memory, as for `SampleStore.write`. */
  async write(id: TenantId, batch: WriteBatch): Promise<Uint8Array> {
    if (this.#heldBy(id) === undefined && this.#doubtsIn(id, batch).size === 0) return this.#store.write(id, batch);
    return await this.#judged(id, copyOf(batch));
  }

  /** While samples of the tenant are deleted, none may come to them. */
  #heldBy(id: TenantId): Promise<void> | undefined {
    return this.#store.head.tenants.get(id)?.held;
  }

  async #judged(id: TenantId, batch: WriteBatch): Promise<Uint8Array> {
    const { head } = this.#store;
    const outcomes = new Uint8Array(batch.refs.length).fill(OUTCOME.appended);
    const searched = new Set<number>();
    for (let isSettled = false; !isSettled; ) {
      for (let held = this.#heldBy(id); held !== undefined; held = this.#heldBy(id)) await held;
      isSettled = true;
      // What leaves memory during a search is in doubt after it.
      for (const [ref, all] of this.#doubtsIn(id, batch)) {
        const at = all.filter((i) => !searched.has(i));
        // While others were looked for, a retention pass may have forgotten it.
        const series = head.tenants.get(id)?.series.get(ref);
        if (at.length === 0 || series === undefined) continue;
        isSettled = false;
        const { moves } = head;
        const times = at.map((i) => batch.times[i]!);
        const { samples, last } = await this.#search(id, { labelBytes: series.labelBytes, times });
        const isKnown = moves === head.moves && last < Number.POSITIVE_INFINITY;
        if (isKnown && head.tenants.get(id)!.series.has(ref)) series.diskTo = last;
        judge(batch, at, samples, outcomes);
        for (const i of at) searched.add(i);
      }
    }
    const left = indexesOf(outcomes, OUTCOME.appended);
    const appended = this.#store.write(id, pick(batch, left));
    left.forEach((at, n) => {
      outcomes[at] = appended[n]!;
    });
    return outcomes;
  }

  #search(id: TenantId, sought: Parameters<Partitions['findLive']>[1]): Promise<LiveOnDisk> {
    const found = this.#searching.then(() => this.#partitions.findLive(id, sought));
    this.#searching = found.catch(() => undefined);
    return found;
  }

  /** The samples that may be on disk, and are not in memory. */
  #doubtsIn(id: TenantId, { refs, times }: WriteBatch): Doubts {
    const { newest } = this.#partitions;
    if (!hasUpTo(times, newest)) return NO_DOUBTS;
    const { head } = this.#store;
    const tenant = head.tenants.get(id);
    const doubts = new Map<SeriesRef, number[]>();
    for (let i = 0; i < times.length; i++) {
      const time = times[i]!;
      if (!(time <= newest)) continue;
      const series = tenant?.series.get(refs[i]!);
      if (series === undefined || time > (series.diskTo ?? newest)) continue;
      if (time < this.#store.oldestTaken(id, series.retention) || head.live.find(series.slot, time) !== undefined)
        continue;
      const known = doubts.get(series.ref);
      if (known === undefined) doubts.set(series.ref, [i]);
      else known.push(i);
    }
    return doubts;
  }
}

const NO_DOUBTS: Doubts = new Map();

function hasUpTo(times: Float64Array, time: Millis): boolean {
  for (let i = 0; i < times.length; i++) if (times[i]! <= time) return true;
  return false;
}

function judge(
  { times, values }: WriteBatch,
  at: readonly number[],
  stored: ReadonlyMap<Millis, StoredSample>,
  outcomes: Uint8Array,
): void {
  const words = bitsOf(values);
  for (const i of at) {
    const found = stored.get(times[i]!);
    if (found === undefined) continue;
    const same = found.low === words[2 * i] && found.high === words[2 * i + 1];
    outcomes[i] = same ? OUTCOME.duplicate : OUTCOME.conflict;
  }
}

function copyOf({ refs, times, values, starts }: WriteBatch): WriteBatch {
  const copy = { refs: refs.slice(), times: times.slice(), values: values.slice() };
  return starts === undefined ? copy : { ...copy, starts: starts.slice() };
}

function indexesOf(outcomes: Uint8Array, outcome: number): Uint32Array {
  const found: number[] = [];
  outcomes.forEach((each, i) => {
    if (each === outcome) found.push(i);
  });
  return Uint32Array.from(found);
}

/** Copies bits. */
function pick({ refs, times, values, starts }: WriteBatch, at: Uint32Array): WriteBatch {
  const picked = {
    refs: Uint32Array.from(at, (i) => refs[i]!),
    times: Float64Array.from(at, (i) => times[i]!),
    values: new Float64Array(at.length),
  };
  const [from, to] = [bitsOf(values), bitsOf(picked.values)];
  at.forEach((i, n) => {
    to[2 * n] = from[2 * i]!;
    to[2 * n + 1] = from[2 * i + 1]!;
  });
  return starts === undefined ? picked : { ...picked, starts: Float64Array.from(at, (i) => starts[i]!) };
}
