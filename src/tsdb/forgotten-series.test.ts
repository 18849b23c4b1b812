import { expect, test } from 'vitest';
import { decodeLabels, encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LiveWriter } from './live-writer.ts';
import { SampleStore } from './sample-store.ts';

const START = Date.parse('2026-08-03T10:00:00Z');

function refsOf(store: SampleStore, names: readonly string[]): Uint32Array {
  const labels = names.map((name) => encodeLabels(labelsOf({ __name__: name })));
  return Uint32Array.from(store.ref(DEFAULT_TENANT, labels, 'raw'), (answer) =>
    answer.kind === 'ref' ? answer.ref : 0,
  );
}

test('of series that are forgotten while the disk is searched, nothing is asked and nothing is kept', async () => {
  await using store = await SampleStore.open({
    ...{ disk: new CrashDisk().boot(), folder: '/data/log', now: () => START + DAY },
    ...{ limits: DEFAULT_LIMITS, seed: 1, segmentBytes: 4_096 },
  });
  const asked: string[] = [];
  const writer = new LiveWriter(store, {
    newest: START,
    findLive: async (_, { labelBytes }) => {
      asked.push(formatLabels(decodeLabels(labelBytes)));
      // A retention pass, and others that take the place of what it took away.
      if (asked.length === 1) {
        await store.head.drop(START + DAY, () => DEFAULT_LIMITS.retentionMs);
        refsOf(store, ['other1', 'other2', 'other3']);
      }
      return { samples: new Map(), last: START };
    },
  });
  const refs = refsOf(store, ['first', 'second', 'third']);
  const times = new Float64Array(3).fill(START);
  const outcomes = await writer.write(DEFAULT_TENANT, { refs, times, values: Float64Array.of(1, 2, 3) });
  expect([...outcomes]).toEqual([OUTCOME.gone, OUTCOME.gone, OUTCOME.gone]);
  expect(asked).toEqual(['first']);
  const { series } = store.head.tenants.get(DEFAULT_TENANT)!;
  expect([...series.values()].map(({ diskTo }) => diskTo)).toEqual([undefined, undefined, undefined]);
  expect(series.rest.size).toBe(0);
});
