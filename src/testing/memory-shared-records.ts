import { type SharedRecords, SharedRecordsError, type SharedTopic } from '../model/shared-records.ts';

/** Records that several replicas of one process share at once. While `broken`, nothing can be read or written. */
export function memorySharedRecords() {
  const topics = new Map<SharedTopic, Map<string, string>>();
  const listeners: (() => void)[] = [];
  const state = { broken: false };
  const of = (topic: SharedTopic) => {
    const records = topics.get(topic) ?? new Map<string, string>();
    topics.set(topic, records);
    return records;
  };
  const check = () => {
    if (state.broken) throw new SharedRecordsError('cannot write configmaps: forbidden');
  };
  const records: SharedRecords = {
    list: of,
    isKnown: () => true,
    async refresh() {
      check();
    },
    async write(changes, msLeft) {
      check();
      if (msLeft?.() === 0) throw new SharedRecordsError('too late');
      for (const { topic, key, text } of changes) {
        if (text === undefined) of(topic).delete(key);
        else of(topic).set(key, text);
      }
      for (const changed of listeners) changed();
      return [];
    },
    onChange: (changed) => void listeners.push(changed),
    problems: () => [],
    run: async () => {},
  };
  return { records, state };
}
