import type { KeyValue } from '../storage/key-value.ts';

/** A `KeyValue` in memory. Keys sort by their UTF-16 code units: the same order as bytes for all keys that we make. */
export function memoryKeyValue(): KeyValue {
  const entries = new Map<string, Uint8Array>();
  return {
    read: async (key) => entries.get(key),
    async write(changes) {
      for (const { key, value } of changes) {
        if (value === undefined) entries.delete(key);
        else entries.set(key, value.slice());
      }
    },
    async *list({ gte, lt, reverse = false, limit = Number.POSITIVE_INFINITY }) {
      const keys = [...entries.keys()].filter((key) => key >= gte && key < lt).sort();
      if (reverse) keys.reverse();
      for (const key of keys.slice(0, limit)) yield [key, entries.get(key)!] as const;
    },
  };
}
