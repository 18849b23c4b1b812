import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import { appendSeries } from '../storage/append-series.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { demandLabels, readRecorded } from './demand-series.ts';
import { openFillDemand } from './fill-demand.ts';

const NOW = 1_800_000_000_000;
const policy = parsedPolicy('web', {
  target: { name: 'web' },
  demand: { query: 'demand', history: '2h', capacity: { perReplica: 1 } },
  replicas: { min: 1, max: 9 },
});
const [spec] = policy.demands as [(typeof policy.demands)[number]];
const labels = demandLabels(policy, spec);

async function open() {
  const storage = memoryTenant();
  const times = Float64Array.from({ length: 300 }, (_, i) => NOW - 3 * HOUR + i * MINUTE);
  await appendSeries(storage, [{ labels: labelsOf({ __name__: 'demand' }), times, values: times.map((_, i) => i) }]);
  const state = {
    now: NOW,
    tenure: 'a' as string | undefined,
    fails: false,
    policies: [{ tenant: DEFAULT_TENANT, policy }],
  };
  const telemetry = recordedTelemetry();
  const { pass } = openFillDemand({
    now: () => state.now,
    telemetry,
    policies: async () => state.policies,
    storageOf: () => ({
      ...storage,
      range: async (...query) => {
        if (state.fails) throw Object.assign(new Error('away'), { code: 'engine_unavailable' });
        return await storage.range(...query);
      },
    }),
    share: { tenureOf: () => state.tenure, fingerprint: () => '' },
  });
  const signal = new AbortController().signal;
  const recorded = async () =>
    [...(await readRecorded(storage, labels, { start: NOW - 2 * HOUR, end: NOW }, MINUTE)).values].filter((value) =>
      Number.isFinite(value),
    ).length;
  return { state, storage, telemetry, pass: () => pass(signal), recorded };
}

test('ten minutes into a tenure what nobody recorded is recorded, once, and what stands there stays', async () => {
  const { state, storage, pass, recorded } = await open();
  const kept = { labels, times: Float64Array.of(NOW - HOUR), values: Float64Array.of(12_345) };
  await storage.backfill([kept], 'demand');
  await pass();
  state.now += 9 * MINUTE;
  await pass();
  expect(await recorded()).toBe(1);
  state.now += MINUTE;
  await pass();
  // History is two hours long, and ends five minutes before: what is younger may still be under way.
  expect(await recorded()).toBe(117);
  const [value] = (await readRecorded(storage, labels, { start: NOW - HOUR, end: NOW - HOUR }, MINUTE)).values;
  expect(value).toBe(12_345);
  state.now += 30 * MINUTE;
  await pass();
  expect(await recorded()).toBe(117);
});

test('another tenure fills again; one that ended records nothing', async () => {
  const { state, pass, recorded } = await open();
  await pass();
  state.tenure = undefined;
  state.now += 20 * MINUTE;
  await pass();
  expect(await recorded()).toBe(0);
  state.tenure = 'b';
  await pass();
  state.now += 10 * MINUTE;
  await pass();
  expect(await recorded()).toBeGreaterThan(90);
});

test('what fails is counted and tried again', async () => {
  const { state, telemetry, pass, recorded } = await open();
  await pass();
  state.now += 10 * MINUTE;
  state.fails = true;
  await pass();
  expect([...telemetry.counts]).toEqual([['loopFailures{loop=fill-demand,reason=engine_unavailable}', 1]]);
  state.fails = false;
  await pass();
  expect(await recorded()).toBe(117);
});
