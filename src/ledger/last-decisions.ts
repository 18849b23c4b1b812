import { MINUTE, type Millis } from '../model/time.ts';
import type { PlannerMemory } from '../scaling/plan-types.ts';
import { encodeJson, readJson } from '../storage/json-value.ts';
import type { KeyChange, KeyValue } from '../storage/key-value.ts';
import type { DecisionSummary } from './occasion.ts';

/** What is known of the last decision on a policy, and what its planner remembers since. */
export interface Last {
  readonly id: string;
  readonly at: Millis;
  readonly summary: DecisionSummary;
  readonly memory: PlannerMemory;
}

/** The last decisions by key, read once and known from then on: every pass asks for every policy's. */
export interface LastDecisions {
  /** Without reading; undefined where `read` has to be asked. */
  known(key: string): Last | undefined;
  read(key: string): Promise<Last | undefined>;
  /** Keeps a decision that is written, and `changes` with it, all or nothing. */
  write(key: string, last: Last, changes: readonly KeyChange[]): Promise<void>;
  /**
   * Keeps what the planner remembers after a decision that only repeats the last one.
   * @returns Undefined where nothing has to be written.
   */
  remember(key: string, last: Last, memory: PlannerMemory): Promise<void> | undefined;
  forget(key: string): Promise<void>;
}

/**
 * A hold that is extended in each pass is written once in so long. Who reads it after a crash lets go of the floor by
 * as much earlier.
 */
const HELD_WRITTEN_MS = MINUTE;

interface Known {
  readonly last: Last;
  /** As it stands in the store. */
  readonly written: PlannerMemory;
}

/** @param keyValue Nobody else writes these keys. */
export function openLastDecisions(keyValue: KeyValue): LastDecisions {
  // Only what is decided on is known, not what is asked for, so that it is no more than there are policies.
  const known = new Map<string, Known>();

  async function writeLast(key: string, last: Last, changes: readonly KeyChange[]): Promise<void> {
    await keyValue.write([...changes, { key, value: encodeJson(last) }]);
    known.set(key, { last, written: last.memory });
  }

  return {
    known: (key) => known.get(key)?.last,
    read: async (key) => known.get(key)?.last ?? (await readJson<Last>(keyValue, key)),
    write: writeLast,
    remember(key, { id, at, summary, memory: before }, memory) {
      const last = { id, at, summary, memory };
      const written = known.get(key)?.written ?? before;
      if (isWorthWriting(memory, written)) return writeLast(key, last, []);
      known.set(key, { last, written });
      return undefined;
    },
    async forget(key) {
      await keyValue.write([{ key, value: undefined }]);
      known.delete(key);
    },
  };
}

/** Whether a planner that remembered only what is written would plan otherwise, by more than the end of a hold. */
export function isWorthWriting(memory: PlannerMemory, written: PlannerMemory): boolean {
  const { held = [] } = memory;
  const { held: heldBefore = [] } = written;
  if (held.length !== heldBefore.length) return true;
  for (let i = 0; i < held.length; i++) {
    if (held[i]!.floor !== heldBefore[i]!.floor) return true;
    if (Math.abs(held[i]!.until - heldBefore[i]!.until) >= HELD_WRITTEN_MS) return true;
  }
  return !sameFields(memory, written, 'held');
}

/** Whether two values are the same JSON, the order of keys aside. Allocates nothing, as a comparison of texts would. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  return sameFields(a, b);
}

function sameFields(a: object, b: object, except?: string): boolean {
  for (const key in a) {
    if (key !== except && !same(a[key as keyof typeof a], b[key as keyof typeof b])) return false;
  }
  for (const key in b) {
    if (key !== except && b[key as keyof typeof b] !== undefined && !(key in a)) return false;
  }
  return true;
}
