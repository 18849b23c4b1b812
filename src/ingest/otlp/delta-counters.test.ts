import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Labels, labelsKey } from '../../model/labels.ts';
import type { NativeHistogram } from '../../wire/native-histogram.ts';
import { accumulate } from './delta.ts';
import { DeltaCounters } from './delta-counters.ts';

const LABELS: Labels = [['__name__', 'hits_total']];
const KEY = labelsKey(LABELS);
const NOW = 1_785_751_200_000;

/** A store of one series. */
function openStore() {
  const samples = new Map<number, number>();
  const reader = {
    async select() {
      const times = Float64Array.from([...samples.keys()].sort((a, b) => a - b));
      const values = times.map((time) => samples.get(time)!);
      return samples.size === 0 ? [] : [{ labels: LABELS, chunks: [{ encoding: 'plain' as const, times, values }] }];
    },
    histograms: async () => [],
    starts: async () => [],
  };
  return { samples, reader };
}

/** What `increase` over everything finds: a fall is a counter that began anew. */
function increaseOf(samples: ReadonlyMap<number, number>): number {
  const values = [...samples].sort(([a], [b]) => a - b).map(([, value]) => value);
  return values.slice(1).reduce((sum, value, i) => sum + (value < values[i]! ? value : value - values[i]!), 0);
}

describe('DeltaCounters', () => {
  const step = fc.record({
    gap: fc.constantFrom(0, 0, 0, 0.2, 1, 5),
    value: fc.nat(100),
    retries: fc.nat(2),
    restart: fc.boolean(),
  });

  test('count every delta once, whatever is sent again and whenever they forget', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { samples, reader } = openStore();
        let counters = new DeltaCounters(() => NOW);
        let time = NOW - 1_000_000;
        const sent: { start: number; time: number; value: number; labels: Labels }[] = [];
        for (const { gap, value, retries, restart } of steps) {
          const start = time + gap * 10_000;
          time = start + 10_000;
          sent.push({ start, time, value, labels: LABELS });
          if (restart) counters = new DeltaCounters(() => NOW);
          for (let attempt = 0; attempt <= retries; attempt++) {
            // A retry may carry older deltas as well.
            const batch = sent.slice(attempt === 0 ? -1 : -2);
            const answers = await counters.count(
              batch,
              batch.map(() => KEY),
              reader,
            );
            for (const answer of answers) {
              expect(answer.kind).not.toBe('late');
              if (answer.kind !== 'samples') continue;
              for (const sample of answer.samples) samples.set(sample.time, sample.value as number);
            }
          }
        }
        expect(increaseOf(samples)).toBe(sent.reduce((sum, { value }) => sum + value, 0));
      }),
    );
  });

  test('take a second delta of one time for another writer, and a stored one for a retry', async () => {
    const { samples, reader } = openStore();
    const counters = new DeltaCounters(() => NOW);
    const delta = (value: number) => ({ start: NOW - 20_000, time: NOW - 10_000, value, labels: LABELS });
    const [first] = await counters.count([delta(5)], [KEY], reader);
    if (first?.kind === 'samples') for (const { time, value } of first.samples) samples.set(time, value as number);
    expect(await counters.count([delta(5), delta(6)], [KEY, KEY], reader)).toEqual([
      { kind: 'duplicate' },
      { kind: 'late' },
    ]);
  });
});

describe('accumulate()', () => {
  const at = { start: 1_000, time: 20_000, value: 7 };
  test.each([
    {
      name: 'begins with a zero',
      counter: undefined,
      delta: { start: 1_000, time: 2_000, value: 3 },
      want: [
        [1_000, 1_000, 0],
        [1_000, 2_000, 3],
      ],
    },
    {
      name: 'without a start begins as it is',
      counter: undefined,
      delta: { start: 0, time: 2_000, value: 3 },
      want: [[0, 2_000, 3]],
    },
    {
      name: 'adds what follows',
      counter: at,
      delta: { start: 20_000, time: 30_000, value: 3 },
      want: [[1_000, 30_000, 10]],
    },
    {
      name: 'adds what follows by a little',
      counter: at,
      delta: { start: 22_000, time: 30_000, value: 3 },
      want: [[1_000, 30_000, 10]],
    },
    {
      name: 'adds what has no start',
      counter: at,
      delta: { start: 0, time: 90_000, value: 3 },
      want: [[1_000, 90_000, 10]],
    },
    {
      name: 'takes a start after the end for none',
      counter: at,
      delta: { start: 99_000, time: 90_000, value: 3 },
      want: [[1_000, 90_000, 10]],
    },
    {
      name: 'adds what overlaps',
      counter: at,
      delta: { start: 15_000, time: 25_000, value: 3 },
      want: [[1_000, 25_000, 10]],
    },
    {
      name: 'begins anew after a gap',
      counter: at,
      delta: { start: 30_000, time: 40_000, value: 3 },
      want: [
        [30_000, 30_000, 0],
        [30_000, 40_000, 3],
      ],
    },
    {
      name: 'hands a staleness marker on',
      counter: at,
      delta: { start: 20_000, time: 30_000, value: undefined },
      want: [[1_000, 30_000, undefined]],
    },
    {
      name: 'goes down too',
      counter: at,
      delta: { start: 20_000, time: 30_000, value: -9 },
      want: [[1_000, 30_000, -2]],
    },
  ])('$name', ({ counter, delta, want }) => {
    expect(accumulate(counter, delta).samples.map(({ start, time, value }) => [start, time, value])).toEqual(want);
  });

  test('begins a histogram anew where zero buckets differ', () => {
    const of = (zeroThreshold: number): NativeHistogram => {
      return {
        count: 1,
        sum: Float64Array.of(1),
        schema: 0,
        zeroThreshold,
        zeroCount: 0,
        positive: new Map([[1, 1]]),
        negative: new Map(),
      };
    };
    const next = (value: NativeHistogram) =>
      accumulate({ start: 1, time: 2_000, value: of(0.1) }, { start: 2_000, time: 3_000, value }).samples;
    expect(next(of(0.1))).toMatchObject([{ start: 1, value: { count: 2 } }]);
    expect(next(of(0.2))).toMatchObject([{ start: 2_001, value: { count: 1 } }]);
  });
});
