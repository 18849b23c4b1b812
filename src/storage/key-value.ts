/** Small mutable state in key order: policies, decisions, forecasts. Keys are UTF-8 texts and sort by their bytes. */
export interface KeyValue {
  read(key: string): Promise<Uint8Array | undefined>;
  /** All or nothing, synced when it resolves. `undefined` deletes. */
  write(changes: readonly KeyChange[]): Promise<void>;
  list(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]>;
}

export interface KeyChange {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** Keys with `gte <= key < lt`. */
export interface KeyRange {
  readonly gte: string;
  readonly lt: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** The range of all keys that start with `prefix`, which must not be empty. */
export function keysUnder(prefix: string): KeyRange {
  return { gte: prefix, lt: `${prefix}\u{10ffff}` };
}
