import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareLabels, encodeLabels, type Labels, labelsOf } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { type Chunk, type SelectedSeries, upperBound } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { loadCore } from './core.ts';
import { Head } from './head.ts';
import { chunksOf } from './head-series.ts';
import { readerOf } from './reader.ts';

const MATCHERS: readonly (readonly Matcher[])[] = [
  [{ name: '__name__', op: '=', value: 'a' }],
  [{ name: 'pod', op: '=~', value: 'p.*' }],
  [
    { name: '__name__', op: '=', value: 'a' },
    { name: 'zone', op: '=', value: '' },
  ],
  [{ name: 'zone', op: '!=', value: 'z1' }],
];
const STEP = 15_000;
const NOW = 1_785_750_000_000;

/** Of a sample at a time: with falls, without any, and with NaN. */
const VALUES = [
  (t: number) => t % 1_013,
  (t: number) => t / 1_000,
  (t: number) => (t % 45_000 === 0 ? Number.NaN : t / 7),
];

const label = (of: string, most: number) => fc.integer({ min: 0, max: most }).map((n) => `${of}${n}`);
const labels = fc
  .record({ __name__: fc.constantFrom('a', 'b'), pod: label('p', 30), zone: fc.option(label('z', 2), { nil: '' }) })
  .map((record) => labelsOf(record));
const commands = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      labels,
      samples: fc.integer({ min: 0, max: 300 }),
      values: fc.constantFrom(...VALUES),
      late: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('remove' as const), labels }),
    fc.record({ kind: fc.constant('ask' as const), back: fc.integer({ min: 0, max: 400 }) }),
  ),
  { maxLength: 60 },
);

test('what is read of many series at once, and selected again, is what reading each of them alone gives', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (all) => {
      const head = new Head(7, await loadCore());
      const tenant = head.addTenant(DEFAULT_TENANT);
      const reader = readerOf(head, () => tenant);
      for (const command of all) {
        if (command.kind === 'add') {
          if (tenant.find(encodeLabels(command.labels)) !== undefined) continue;
          const series = head.addSeries(tenant, tenant.nextRef, encodeLabels(command.labels), 'raw');
          const shift = command.late ? 7_000 : 0;
          const times = Float64Array.from({ length: command.samples }, (_, i) => NOW - (300 - i) * STEP + shift);
          if (times.length > 0) head.live.restoreRun(series.slot, { times, values: times.map(command.values) });
        } else if (command.kind === 'remove') {
          const series = tenant.find(encodeLabels(command.labels));
          if (series !== undefined) tenant.remove(series);
        } else await compare(head, reader, { start: NOW - command.back * STEP, end: NOW - (command.back >> 1) * STEP });
      }
      await compare(head, reader, { start: NOW - 100 * STEP, end: NOW });
    }),
    { numRuns: 60 },
  );
});

async function compare(head: Head, reader: ReturnType<typeof readerOf>, range: { start: number; end: number }) {
  const tenant = head.tenants.get(DEFAULT_TENANT)!;
  const floor = head.floorsOf(DEFAULT_TENANT).raw;
  for (const matchers of MATCHERS) {
    const each = tenant.series
      .select(matchers)
      .map((series) => ({ labels: series.labels, chunks: chunksOf(head.live, series, range, floor) }))
      .filter(({ chunks }) => chunks.length > 0)
      .sort((a, b) => compareLabels(a.labels, b.labels));
    const selected = await reader.select(matchers, range);
    expect(selected.map(({ labels: of, chunks }) => ({ labels: of, chunks: chunks.map(plainOf) }))).toEqual(each);
    for (const { chunks } of selected) {
      for (const { values, ascends } of chunks) {
        expect(ascends === true).toBe(values.every((value, i) => value >= (values[i - 1] ?? value)));
      }
    }
    const taken: SelectedSeries[] = [];
    const all = await reader.selectEach!(matchers, range, (series) => {
      const copies = series.chunks.map((chunk) => ({
        ...chunk,
        times: chunk.times.slice(),
        values: chunk.values.slice(),
      }));
      taken.push({ ...series, chunks: copies });
    });
    expect(all).toBe(true);
    expect(taken).toEqual(selected);
    const newest = each.map(({ labels: of, chunks }) => {
      const { times, values } = chunks.at(-1)!;
      const at = upperBound(times, range.end) - 1;
      return { labels: of, time: times[at], value: values[at] };
    });
    const alone = await reader.select(matchers, range, { newestAlone: true });
    expect(
      alone.map(({ labels: of, chunks: [only] }) => ({ labels: of, time: only!.times[0], value: only!.values[0] })),
    ).toEqual(newest);
    expect(await reader.labelValues('pod', [], range)).toEqual(valuesOf('pod', await reader.series([], range)));
  }
}

function plainOf({ encoding, times, values }: Chunk): Chunk {
  return { encoding, times, values };
}

function valuesOf(name: string, series: readonly Labels[]): readonly string[] {
  return [...new Set(series.flatMap((of) => of.filter(([key]) => key === name).map(([, value]) => value)))].sort();
}
