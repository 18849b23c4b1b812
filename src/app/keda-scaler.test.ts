import { describe, expect, test } from 'vitest';
import type { ForecastStatus } from '../model/issued-forecast.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { forecastOf, worldPolicy } from '../testing/scale-world.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openScalerMemory } from './keda-scaler.ts';

const ASKED = { namespace: 'shop', policy: 'web' };

function openWorld() {
  const clock = simClock(1_700_000_000_000);
  const policies: ScalingPolicy[] = [worldPolicy('web', { mode: 'observe' })];
  const world = { reads: 0, status: undefined as ForecastStatus | undefined };
  const memory = openScalerMemory({
    clock,
    policies: { list: async () => policies.map((policy) => ({ tenant: DEFAULT_TENANT, policy })) },
    forecasts: {
      tenant: (_: TenantId) => ({
        latest: async () => {
          world.reads++;
          return world.status;
        },
      }),
    },
  });
  const forecast = (peak: number) => {
    world.status = { kind: 'forecast', forecast: forecastOf(peak, clock.now()) };
  };
  return { clock, policies, world, memory, forecast };
}

describe('openScalerMemory()', () => {
  test('reads the store at the first question, and answers from memory until the next pass', async () => {
    const { world, memory, forecast } = openWorld();
    forecast(450);
    const demands = [{ name: 'foresail_demand', perReplica: 90, forecast: { kind: 'trusted', peak: 450 } }];
    for (let i = 0; i < 3; i++) expect(await memory.read(ASKED)).toEqual({ kind: 'policy', demands });
    expect(world.reads).toBe(1);
    forecast(900);
    await memory.refresh();
    expect(await memory.read(ASKED)).toMatchObject({ demands: [{ forecast: { peak: 900 } }] });
    expect(world.reads).toBe(2);
  });

  test('refuses a forecast that has become stale in memory', async () => {
    const { clock, memory, forecast } = openWorld();
    forecast(450);
    await memory.read(ASKED);
    clock.set(HOUR);
    const message = expect.stringContaining('the forecast of foresail_demand is 1h old');
    expect(await memory.read(ASKED)).toMatchObject({ demands: [{ forecast: { kind: 'untrusted', message } }] });
  });

  test('says that there is no forecast yet, no policy, and none any more', async () => {
    const { memory, policies } = openWorld();
    expect(await memory.read(ASKED)).toMatchObject({ demands: [{ forecast: { kind: 'untrusted' } }] });
    expect(await memory.read({ ...ASKED, namespace: 'other' })).toEqual({
      kind: 'unknown-policy',
      message: 'there is no policy other/web',
    });
    policies.length = 0;
    await memory.refresh();
    expect(await memory.read(ASKED)).toMatchObject({ kind: 'unknown-policy' });
  });

  test('reads nothing for policies that nobody asks about any more', async () => {
    const { clock, world, memory, forecast } = openWorld();
    forecast(450);
    await memory.read(ASKED);
    clock.set(11 * MINUTE);
    await memory.refresh();
    await memory.refresh();
    expect(world.reads).toBe(1);
  });
});
