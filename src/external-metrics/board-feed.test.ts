import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ForecastStatus } from '../model/issued-forecast.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import { draftOf, forecastOf, NOW } from '../testing/external-metrics.ts';
import { openBoardFeed } from './board-feed.ts';
import { type BoardChange, planValues } from './board-values.ts';
import { METRICS } from './metrics.ts';
import { openMetricsBoard } from './metrics-board.ts';

const KEY = { namespace: 'shop', policy: 'web', demand: 'rps' };
const forecastStatus = (value: number, issuedAt = NOW): ForecastStatus => ({
  kind: 'forecast',
  forecast: forecastOf({ 0.5: value, 0.95: 2 * value }, issuedAt),
});

function openTold() {
  const told: BoardChange[] = [];
  const feed = openBoardFeed((change) => told.push(change));
  const read = (status: ForecastStatus | undefined) =>
    feed.watching(DEFAULT_TENANT, { latest: async () => status }).latest(KEY);
  return { told, feed, read };
}

test('a forecast is told once, and again as soon as anything in it is another', async () => {
  const { told, read } = openTold();
  await read(forecastStatus(5));
  await read(forecastStatus(5));
  expect(told).toHaveLength(1);
  await read(forecastStatus(6));
  await read(forecastStatus(6, NOW + MINUTE));
  const inOneStep = forecastStatus(6, NOW + MINUTE);
  if (inOneStep.kind === 'forecast') inOneStep.forecast.quantiles[1]!.values[7] = 99;
  await read(inOneStep);
  expect(told).toHaveLength(4);
  await read({ kind: 'none', at: NOW, why: { kind: 'no-data' } });
  await read(undefined);
  expect(told.slice(4)).toEqual([expect.objectContaining({ kind: 'forecast', forecast: undefined })]);
});

test('what another process planned is told, and never over a plan as late', () => {
  const { told, feed } = openTold();
  const mine = draftOf({ name: 'web', floor: 7, demands: [{ name: 'rps', value: 5 }] });
  feed.planned(mine);
  const theirs = (plannedAt: number, floor: number) => ({ ...planValues(mine), plannedAt, floor });
  feed.plannedElsewhere(theirs(NOW - SECOND, 5));
  feed.plannedElsewhere(theirs(NOW, 6));
  feed.plannedElsewhere(theirs(NOW + SECOND, 9));
  feed.planned(mine);
  expect(told.map((change) => change.kind === 'plan' && change.plan.floor)).toEqual([7, 9, 7]);
});

test('the steps of a forecast are not copied on their way', async () => {
  const { told, read } = openTold();
  await read(forecastStatus(5));
  const [change] = told;
  if (change?.kind !== 'forecast') throw new Error('expected a forecast');
  const { paths } = change.forecast!;
  expect(paths.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect([paths[0], paths[9], paths[10], paths[19]]).toEqual([6, 15, 11, 20]);
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant('plan' as const),
    name: fc.constantFrom('a', 'b'),
    floor: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant('forecast' as const), name: fc.constantFrom('a', 'b'), peak: fc.option(fc.nat(9)) }),
  fc.record({ kind: fc.constant('keep' as const), names: fc.subarray(['a', 'b']) }),
);
const tenants = fc.constantFrom(DEFAULT_TENANT, 'other' as TenantId);

test('a board that is told everything at once answers as the one that was told each change', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, tenants), { maxLength: 20 }), async (steps) => {
      const open = () => openMetricsBoard({ now: () => NOW, passIntervalMs: 15 * SECOND });
      const [early, late] = [open(), open()];
      const feed = openBoardFeed((change) => early.apply(change));
      // A namespace is one tenant's at a time: what the one before had there is forgotten first.
      let owner: TenantId = DEFAULT_TENANT;
      for (const [each, tenant] of steps) {
        if (tenant !== owner) feed.keepOnly([]);
        owner = tenant;
        if (each.kind === 'plan') {
          const demands = [{ name: 'rps', value: each.floor }];
          feed.planned({ ...draftOf({ name: each.name, floor: each.floor, demands }), tenant });
        } else if (each.kind === 'forecast') {
          const status = each.peak === null ? undefined : forecastStatus(each.peak);
          await feed.watching(tenant, { latest: async () => status }).latest({ ...KEY, policy: each.name });
        } else {
          feed.keepOnly(each.names.map((name) => ({ tenant, policy: { namespace: 'shop', name } })));
        }
      }
      for (const change of feed.all()) late.apply(structuredClone(change));
      for (const metric of Object.keys(METRICS)) {
        for (const policy of ['a', 'b']) {
          const selector = [{ key: 'policy', operator: 'in', values: [policy] }] as const;
          expect(late.select('shop', metric, selector)).toEqual(early.select('shop', metric, selector));
        }
      }
    }),
  );
});

test('a namespace that passes to another tenant has the metrics of that one alone', async () => {
  const board = openMetricsBoard({ now: () => NOW, passIntervalMs: 15 * SECOND });
  const feed = openBoardFeed(board.apply);
  const other = 'other' as TenantId;
  const planned = (tenant: TenantId, floor: number) =>
    feed.planned({ ...draftOf({ name: 'web', floor, demands: [{ name: 'rps', value: 1 }] }), tenant });
  const floors = () => board.select('shop', 'foresail_desired_replicas', []);
  planned(DEFAULT_TENANT, 3);
  planned(other, 7);
  expect(floors()).toMatchObject({ kind: 'values', values: [{ value: 7 }] });
  feed.keepOnly([{ tenant: other, policy: { namespace: 'shop', name: 'web' } }]);
  expect(floors()).toMatchObject({ kind: 'values', values: [{ value: 7 }] });
});
