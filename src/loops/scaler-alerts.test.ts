import { afterEach, describe, expect, test } from 'vitest';
import type { Message } from '../alerting/message.ts';
import type { Route } from '../alerting/route.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { forecastOf, openScaleWorld, type ScaleWorld, worldPolicy } from '../testing/scale-world.ts';
import { openAlertDesk } from './alert-desk.ts';
import { openScalerAlerts } from './scaler-alerts.ts';

/** The scaler, its alerts, and the desk that has them told, on a clock of their own. */

const ROUTE: Route = {
  ...{ receiver: 'team', matchers: [], continue: false, groupBy: ['alertname', 'policy'] as const, routes: [] },
  ...{ groupWaitMs: 0, groupIntervalMs: 30 * SECOND, repeatIntervalMs: 4 * HOUR },
};

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

describe('an operator is told', () => {
  test.each<{
    name: string;
    alertname: string;
    forMs: number;
    begin: (world: ScaleWorld) => void;
    end: (world: ScaleWorld) => void;
    description: RegExp;
  }>([
    {
      name: 'that a forecast lost its accuracy, and that it is trusted again',
      alertname: 'ForesailForecastDemoted',
      forMs: 15 * MINUTE,
      begin: (world) => {
        world.forecast = (now) => inaccurate(forecastOf(900, now));
      },
      end: (world) => {
        world.forecast = (now) => forecastOf(900, now);
      },
      description:
        /^The forecast of \w+ was lately 3 times as wrong as a naive one.*a floor of \d+ .* to 50; \d+ replicas run$/,
    },
    {
      name: 'that no demand comes in any more, and that it does again',
      alertname: 'ForesailDemandStale',
      forMs: 10 * MINUTE,
      begin: (world) => {
        const at = world.clock.now() - HOUR;
        world.forecast = () => forecastOf(900, at);
      },
      end: (world) => {
        world.forecast = (now) => forecastOf(900, now);
      },
      description: /^The forecast of \w+ is 1h.* old/,
    },
    {
      name: 'that the limits hold a policy back, and that they do no more',
      alertname: 'ForesailPolicyHeld',
      forMs: 15 * MINUTE,
      begin: (world) => {
        world.forecast = (now) => forecastOf(9000, now);
      },
      end: (world) => {
        world.forecast = (now) => forecastOf(900, now);
      },
      description:
        /^100 is more than the policy or the autoscaler allows: cut to 50\. Decided at 2024.*: a floor of 50/,
    },
    {
      name: 'that the cluster refuses the bounds, and that it takes them again',
      alertname: 'ForesailTargetRefused',
      forMs: 10 * MINUTE,
      begin: (world) => {
        world.cluster.read = async () => {
          throw new Error('horizontalpodautoscalers.autoscaling "web" is forbidden');
        };
      },
      end: (world) => {
        world.cluster.read = reading.get(world)!;
      },
      description: /is forbidden/,
    },
  ])('$name: once, and not before it has lasted', async ({ alertname, forMs, begin, end, description }) => {
    const { world, run, told, messages } = await openWorld();
    await run(10 * MINUTE);
    begin(world);
    await run(forMs - 2 * MINUTE);
    expect(told()).toEqual([]);
    await run(5 * MINUTE);
    expect(told()).toEqual([`firing ${alertname}`]);
    await run(20 * MINUTE);
    expect(told()).toEqual([`firing ${alertname}`]);
    end(world);
    await run(30 * MINUTE);
    expect(told()).toEqual([`firing ${alertname}`, `resolved ${alertname}`]);
    const [{ alerts }] = messages as [Message];
    expect(alerts[0]!.labels).toEqual({
      ...{ alertname, severity: 'warning', namespace: 'shop', policy: 'web', workload: 'web' },
    });
    expect(alerts[0]!.annotations).toMatchObject({
      summary: expect.stringContaining('shop/web'),
      description: expect.stringMatching(description),
      remedy: expect.stringMatching(/\w/),
      runbook_url: `docs/runbooks/alerts.md#${alertname.toLowerCase()}`,
      picture: 'http://here/#shop/web',
    });
  });

  test('that a target was given up to another manager, whom it names', async () => {
    const { world, run, told, messages } = await openWorld();
    await run(5 * MINUTE);
    for (let i = 0; i < 3; i++) {
      world.cluster.set('web', 3, 'helm');
      await run(MINUTE);
    }
    await run(5 * MINUTE);
    expect(told()).toEqual(['firing ForesailTargetContested']);
    expect(messages[0]!.alerts[0]!.annotations['description']).toContain('helm');
  });

  test('of nothing that is over at once, nor of a policy that only observes', async () => {
    const { world, run, told } = await openWorld();
    for (let i = 0; i < 4; i++) {
      world.forecast = (now) => forecastOf(9000, now);
      await run(5 * MINUTE);
      world.forecast = (now) => forecastOf(900, now);
      await run(5 * MINUTE);
    }
    world.forecast = (now) => forecastOf(9000, now);
    world.policies[0] = worldPolicy('web', { mode: 'observe' });
    await run(20 * MINUTE);
    expect(told()).toEqual([]);
  });

  test('once of what is over for a moment again and again', async () => {
    const { world, run, told } = await openWorld();
    for (let i = 0; i < 4; i++) {
      world.forecast = (now) => forecastOf(9000, now);
      await run(20 * MINUTE);
      world.forecast = (now) => forecastOf(400, now);
      await run(3 * MINUTE);
    }
    expect(told()).toEqual(['firing ForesailPolicyHeld']);
  });

  test('of an end that came while the program was down, and of no beginning twice', async () => {
    const { world, run, restart, told } = await openWorld();
    world.forecast = (now) => forecastOf(9000, now);
    await run(30 * MINUTE);
    await restart();
    await run(30 * MINUTE);
    expect(told()).toEqual(['firing ForesailPolicyHeld']);
    world.forecast = (now) => forecastOf(900, now);
    await restart();
    await run(30 * MINUTE);
    expect(told()).toEqual(['firing ForesailPolicyHeld', 'resolved ForesailPolicyHeld']);
  });

  test('of nothing that another process acts on', async () => {
    const { world, run, told, keyValue } = await openWorld({ acts: false });
    world.forecast = (now) => forecastOf(9000, now);
    await run(20 * MINUTE);
    expect(told()).toEqual([]);
    expect(await keyValue.read('scaler-alert/default/shop/web')).toBe(undefined);
  });

  test('of no end where this process does not act on the policy for a moment, such as after a restart', async () => {
    const { world, run, restart, told, acting } = await openWorld();
    world.forecast = (now) => forecastOf(9000, now);
    await run(30 * MINUTE);
    for (let i = 0; i < 3; i++) {
      acting.is = false;
      await restart();
      await run(2 * MINUTE);
      acting.is = true;
      await run(20 * MINUTE);
    }
    expect(told()).toEqual(['firing ForesailPolicyHeld']);
    // Another one acts on it now, and tells of it or does not.
    acting.is = false;
    await run(20 * MINUTE);
    expect(told()).toEqual(['firing ForesailPolicyHeld', 'resolved ForesailPolicyHeld']);
  });

  test('of the end of a policy that is deleted', async () => {
    const { world, run, told, keyValue } = await openWorld();
    world.forecast = (now) => forecastOf(9000, now);
    await run(30 * MINUTE);
    world.policies.length = 0;
    await run(30 * MINUTE);
    expect(told()).toEqual(['firing ForesailPolicyHeld', 'resolved ForesailPolicyHeld']);
    const left: string[] = [];
    for await (const [key] of keyValue.list({ gte: 'scaler-alert/', lt: 'scaler-alert0' })) left.push(key);
    expect(left).toEqual([]);
  });
});

const reading = new WeakMap<ScaleWorld, ScaleWorld['cluster']['read']>();

async function openWorld({ acts = true } = {}) {
  const acting = { is: acts };
  const world = openScaleWorld([worldPolicy('web', { mode: 'enforce' })], ['web']);
  reading.set(world, world.cluster.read);
  const { clock } = world;
  const keyValue = memoryKeyValue();
  const messages: Message[] = [];
  async function begin() {
    const stop = new AbortController();
    const desk = await openAlertDesk({
      ...{ keyValue, clock, pause: () => undefined, acts: () => true },
      settings: {
        ...{ routeOf: () => ROUTE, serves: () => true, inhibitRules: [], alertsPerTenant: 100 },
        flapping: { starts: 4, withinMs: HOUR, settleMs: 15 * MINUTE },
      },
      enqueue: async (those) => ({ changes: [], added: () => messages.push(...those) }),
      on: { refused: (why) => expect(why).toBe(''), news() {}, fault: (error) => expect(error).toBe(''), pass() {} },
    });
    const running = desk.run(stop.signal);
    const alerts = openScalerAlerts({
      ...{ now: clock.now, telemetry: recordedTelemetry(), keyValue, url: 'http://here', tell: desk.tell },
      views: async () => ({
        isComplete: true,
        views: world.policies.map((policy) => ({
          ...{ tenant: DEFAULT_TENANT, policy, acts: acting.is },
          ...{ last: world.drafts.get(policy.name), notes: world.notes.get(policy.name) },
        })),
      }),
    });
    return {
      alerts,
      async end() {
        stop.abort();
        await running;
      },
    };
  }
  let now = await begin();
  ends.push(() => now.end());
  return {
    ...{ world, messages, keyValue, acting },
    async run(ms: number) {
      for (let passed = 0; passed < ms; passed += 30 * SECOND) {
        await world.run(30 * SECOND);
        await now.alerts.pass();
      }
    },
    async restart() {
      await now.end();
      world.restart();
      now = await begin();
    },
    told: () =>
      messages.flatMap(({ alerts }) => alerts.map(({ status, labels }) => `${status} ${labels['alertname']}`)),
  };
}

function inaccurate(forecast: ReturnType<typeof forecastOf>): ReturnType<typeof forecastOf> {
  return { ...forecast, accuracy: { ...forecast.accuracy, maeVsLast: 3, peakVsNaive: 3 } };
}
