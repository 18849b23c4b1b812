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
  // Both sides, and the sums.
  await expect(instant('a_total + a_total', 16_099)).rejects.toThrow('too many samples');
  await instant('a_total + a_total', 16_100);
});

test.each([
  { query: 'sum by (pod) (a_total)', most: 14_000 + 699 },
  { query: 'count_values("v", a_total)', most: 14_000 + 700 + 99 },
  { query: 'label_replace(a_total, "x", "$1", "pod", "(.*)")', most: 14_000 + 700 + 699 },
  { query: 'a_total or a_total * 2', most: 14_000 + 3 * 700 },
  { query: 'a_total * on (job) group_left () sum by (job) (a_total)', most: 14_000 + 2 * 700 },
  { query: 'count_over_time(vector(1)[1w:1ms])', most: 50_000_000 },
  { query: 'max_over_time(a_total[1d:1s])', most: 50_000_000 },
  { query: 'absent_over_time(a_total[1d:1s])', most: 50_000_000 },
  { query: 'a_total @ 300 + on () group_left () vector(1)', most: 14_000 + 700 },
])('cells are counted before memory is taken for them: $query', async ({ query, most }) => {
  const store = await tenant();
  await expect(store.instant(query, 300_000, { maxSamples: most })).rejects.toThrow('too many samples');
});

test.each([
  'topk(699, a_total)',
  'sort(a_total)',
  'sort_by_label_desc(a_total, "job")',
  'a_total or a_total',
  'a_total unless on (job) b_total',
  'clamp_min(a_total, 5)',
  'hour(a_total)',
  'limit_ratio(0.5, a_total)',
  'count_values("v", a_total)',
  'label_join(a_total, "x", "-", "pod", "le")',
  'a_total * on (job) group_left () sum by (job) (a_total)',
])('rests more than once: %s', async (query) => {
  const store = await tenant();
  let rests = 0;
  const pause = () => {
    rests++;
    return undefined;
  };
  await evaluatorOver(store, { pause }).instant('a_total', 300_000);
  const ofSelector = rests;
  rests = 0;
  await evaluatorOver(store, { pause }).instant(query, 300_000);
  expect(rests).toBeGreaterThan(ofSelector);
});

test('the samples of windows are told with a rest every few series', async () => {
  const store = await tenant();
  let rests = 0;
  const pause = () => {
    rests++;
    return undefined;
  };
  await evaluatorOver(store, { pause }).instant('a_total[5m]', 300_000);
  expect(rests).toBeGreaterThan(700 / 10);
});

test('a function of long windows rests within a series', async () => {
  const store = memoryTenant();
  const times = Float64Array.from({ length: 2_000 }, (_, i) => i * 1_000);
  await store.backfill([{ labels: labelsOf({ __name__: 'a' }), times, values: times }]);
  let rests = 0;
  const pause = () => {
    rests++;
    return undefined;
  };
  const range = { start: 1_000_000, end: 1_999_000, stepMs: 1_000 };
  await evaluatorOver(store, { pause }).range('quantile_over_time(0.5, a[500s])', range);
  // Half a million samples of windows, eight thousand at once.
  expect(rests).toBeGreaterThan(50);
});
