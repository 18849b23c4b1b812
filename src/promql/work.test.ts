import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { evaluatorOver } from './run.ts';

const RANGE = { start: 60_000, end: 600_000, stepMs: 7_000 };

/** 700 series: more rows than any loop takes at once. */
async function tenant() {
  const store = memoryTenant();
  const times = Float64Array.from({ length: 41 }, (_, i) => i * 15_000);
  const runs = Array.from({ length: 700 }, (_, i) => ({
    labels: labelsOf({ __name__: 'a_total', job: `j${i % 7}`, le: String(i % 5), pod: `p${i}` }),
    times,
    values: times.map((t) => (((t / 1000) * (i + 1)) % 977) + (i % 3)),
  }));
  await store.backfill(runs);
  return store;
}

const QUERIES = [
  'a_total',
  'sum by (job) (rate(a_total[1m]))',
  'topk(3, -a_total) + on (pod) a_total',
  'max_over_time(sum by (job) (increase(a_total[1m]))[2m:30s])',
  'histogram_quantile(0.9, sum by (le, job) (rate(a_total[2m] offset 10s)))',
  'quantile by (job, le) (0.3, abs(a_total > bool 300)) or count_values("v", a_total)',
  'absent(b_total) + on () group_right () label_replace(a_total @ 300, "x", "$1", "pod", "(.*)")',
];

test.each(QUERIES)('resting does not change the answer: %s', async (query) => {
  const store = await tenant();
  let rests = 0;
  const rest = () => {
    rests++;
    return Promise.resolve();
  };
  const paced = evaluatorOver(store, { pause: rest });
  expect(await paced.range(query, RANGE)).toEqual(await store.range(query, RANGE));
  expect(await paced.instant(query, 300_000)).toEqual(await store.instant(query, 300_000));
  expect(rests).toBeGreaterThan(2);
});

test('a query that is aborted while it rests gives up there', async () => {
  const controller = new AbortController();
  let rests = 0;
  const pause = async () => {
    if (++rests === 3) controller.abort(new Error('the client is gone'));
  };
  const paced = evaluatorOver(await tenant(), { pause });
  const query = 'sum by (job) (rate(a_total[1m]))';
  await expect(paced.range(query, RANGE, { signal: controller.signal })).rejects.toThrow('the client is gone');
  expect(rests).toBe(3);
});

test('a vector that is done with is no longer counted, one that is in use is', async () => {
  const store = await tenant();
  const instant = (query: string, maxSamples: number) => store.instant(query, 300_000, { maxSamples });
  // 700 series with 20 samples in the lookback, and one of them as the vector's cell.
  await instant('a_total', 14_700);
  await expect(instant('a_total', 14_699)).rejects.toThrow('too many samples into memory in query execution');
  await instant('topk(1, a_total) + on () topk(1, a_total)', 14_702);
  await expect(instant('a_total + a_total', 15_399)).rejects.toThrow('too many samples');
  await instant('a_total + a_total', 15_400);
});
