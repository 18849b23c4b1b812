import { expect, test } from 'vitest';
import { labelsOf, NO_LABELS } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { appendSeries } from '../storage/append-series.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { withinLookback } from './within-lookback.ts';

const NOW = 1_800_000_000_000;
const ALL: Matcher[] = [{ name: '__name__', op: '=~', value: '.+' }];

test('withinLookback() has nothing older, of whatever is read', async () => {
  const storage = memoryTenant({ now: () => NOW });
  const times = Float64Array.from({ length: 10 }, (_, k) => NOW - (9 - k) * 60_000);
  await appendSeries(storage, [
    { labels: labelsOf({ __name__: 'long' }), times, values: times },
    { labels: labelsOf({ __name__: 'old' }), times: times.subarray(0, 3), values: times.subarray(0, 3) },
  ]);
  const reader = withinLookback(storage, () => NOW - 150_000);
  const whole = { start: 0, end: NOW };
  const [found, ...others] = await reader.select(ALL, whole);
  expect(others).toEqual([]);
  expect(found!.chunks.flatMap((chunk) => [...chunk.times])).toEqual([...times.subarray(7)]);
  expect(await reader.series([], whole)).toEqual([labelsOf({ __name__: 'long' })]);
  expect(await reader.labelValues('__name__', [], whole)).toEqual(['long']);
  expect(await reader.select(ALL, { start: 0, end: NOW - 200_000 })).toEqual([]);
  expect(await reader.labelNames([], { start: 0, end: 5 })).toEqual([...NO_LABELS]);
});
