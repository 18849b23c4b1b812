import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { MINUTE } from '../model/time.ts';
import { NOW, openStore, restorePast } from '../testing/crash-store.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { chunksOf } from './head-series.ts';
import { readerOf } from './reader.ts';
import type { SampleStore } from './sample-store.ts';

const labelsFor = (n: number) => labelsOf({ __name__: `m${n % 3}`, pod: `p${n}` });

/** One after another, as it was before series were read together. */
function plainly(store: SampleStore, range: { start: number; end: number }) {
  const { series } = store.head.tenants.get(DEFAULT_TENANT)!;
  const floors = store.head.floorsOf(DEFAULT_TENANT);
  const found: Record<string, [number, number][]> = {};
  for (const each of series.values()) {
    const chunks = chunksOf(store.head.live, each, range, floors[each.retention]);
    const { times, values } = decodeSamples(chunks, range);
    if (times.length > 0) found[formatLabels(each.labels)] = [...times].map((time, i) => [time - NOW, values[i]!]);
  }
  return found;
}

test('select() and labelValues() give what is there when they are asked, whatever came and went', async () => {
  const series = fc.nat(8);
  const minutes = fc.integer({ min: -20, max: 0 });
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('write' as const),
      series,
      minutes,
      retention: fc.constantFrom('raw' as const, 'demand' as const),
    }),
    fc.record({ kind: fc.constant('scrape' as const), minutes }),
    fc.record({ kind: fc.constant('past' as const), series, minutes }),
    fc.record({ kind: fc.constant('commit' as const) }),
    fc.record({ kind: fc.constant('drop' as const), minutes, demand: minutes }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await using store = await openStore();
      const reader = readerOf(store.head, () => store.head.tenants.get(DEFAULT_TENANT));
      const write = (all: readonly number[], time: number, retention: 'raw' | 'demand') => {
        const answers = store.ref(
          DEFAULT_TENANT,
          all.map((n) => encodeLabels(labelsFor(n))),
          retention,
        );
        const refs = Uint32Array.from(answers, (answer) => (answer.kind === 'ref' ? answer.ref : 0));
        const times = new Float64Array(all.length).fill(time);
        store.write(DEFAULT_TENANT, { refs, times, values: times.map((t, i) => (t - NOW) * 10 + i) });
      };
      write([0], NOW - 20 * MINUTE, 'raw');
      for (const one of steps) {
        switch (one.kind) {
          case 'write':
            write([one.series], NOW + one.minutes * MINUTE, one.retention);
            break;
          case 'scrape':
            write([1, 2, 3, 4, 5], NOW + one.minutes * MINUTE, 'raw');
            break;
          case 'past': {
            const times = Float64Array.of(NOW + (one.minutes - 30) * MINUTE, NOW + one.minutes * MINUTE);
            restorePast(store, { labels: labelsFor(one.series), times, values: Float64Array.of(7, 8) });
            break;
          }
          case 'commit':
            await store.commit();
            break;
          case 'drop':
            await store.commit();
            await store.head.drop(NOW, () => ({ raw: -one.minutes * MINUTE, demand: -one.demand * MINUTE }));
            break;
        }
        for (const range of [
          { start: -Infinity, end: Infinity },
          { start: NOW - 10 * MINUTE, end: NOW - 3 * MINUTE },
          { start: NOW - 2 * MINUTE, end: NOW },
        ]) {
          const want = plainly(store, range);
          const read = async (newestAlone: boolean) => {
            const selected = await reader.select([], range, { newestAlone });
            // A chunk may touch the range and have nothing in it.
            return selected.flatMap(({ labels, chunks }) => {
              const { times, values } = decodeSamples(chunks, range);
              if (times.length === 0) return [];
              return [[formatLabels(labels), [...times].map((time, i) => [time - NOW, values[i]!])] as const];
            });
          };
          const all = await read(false);
          expect(Object.fromEntries(all)).toEqual(want);
          expect(all.map(([labels]) => labels)).toEqual(Object.keys(want).sort());
          const newest = await read(true);
          expect(newest.map(([labels, samples]) => [labels, samples.at(-1)])).toEqual(
            all.map(([labels, samples]) => [labels, samples.at(-1)]),
          );
          for (const name of ['__name__', 'pod', 'none']) {
            const matching = await reader.labelValues(name, [[{ name, op: '!=', value: '' }]], range);
            expect(await reader.labelValues(name, [], range)).toEqual(matching);
          }
        }
      }
    }),
    { numRuns: PROPERTY_RUNS },
  );
});
