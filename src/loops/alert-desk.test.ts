import { expect, test } from 'vitest';
import type { Message } from '../alerting/message.ts';
import type { Route } from '../alerting/route.ts';
import { TOLD_FOR_MS } from '../model/alert.ts';
import { labelsOf } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openAlertDesk } from './alert-desk.ts';

const ACME = 'acme' as TenantId;
const ROUTE: Route = {
  ...{ receiver: 'team', matchers: [], continue: false, groupBy: ['alertname'] as const, routes: [] },
  ...{ groupWaitMs: 0, groupIntervalMs: 10 * SECOND, repeatIntervalMs: 4 * HOUR },
};

/** A desk that can be ended and begun anew on what it wrote. */
function world({ alertsPerTenant = 100 } = {}) {
  const clock = simClock(0);
  const keyValue = memoryKeyValue();
  const messages: Message[] = [];
  const refused: string[] = [];
  async function begin() {
    const stop = new AbortController();
    const desk = await openAlertDesk({
      ...{ keyValue, clock, pause: () => undefined, acts: () => true },
      settings: {
        ...{ routeOf: () => ROUTE, serves: () => true, inhibitRules: [], alertsPerTenant },
        flapping: { starts: 4, withinMs: HOUR, settleMs: 15 * MINUTE },
      },
      enqueue: async (those) => ({ changes: [], added: () => messages.push(...those) }),
      on: {
        refused: (reason) => refused.push(reason),
        news() {},
        fault: (error) => expect(error).toBeUndefined(),
        pass() {},
      },
    });
    const running = desk.run(stop.signal);
    return {
      desk,
      async end() {
        stop.abort();
        await running;
      },
      tell: (of: string, more: { readonly endsAt?: number } = {}) =>
        desk.tell(ACME, [
          {
            labels: labelsOf({ alertname: 'A', of }),
            ...{ annotations: {}, startsAt: clock.now(), generatorUrl: '' },
            ...more,
          },
        ]),
    };
  }
  const told = () => messages.map(({ alerts }) => alerts.map(({ status, labels }) => `${status} ${labels['of']}`));
  return { begin, clock, told, refused };
}

test('an alert that ended since nobody told it does not fire again after a restart', async () => {
  const { begin, clock, told } = world();
  const before = await begin();
  await before.tell('a');
  await clock.advance(TOLD_FOR_MS + 2 * MINUTE);
  expect(told()).toEqual([['firing a'], ['resolved a']]);
  await before.end();
  const after = await begin();
  await clock.advance(30 * MINUTE);
  expect(told()).toEqual([['firing a'], ['resolved a']]);
  await after.end();
});

test('after a restart an alert is believed for as long as its rule may wait before it tells it again', async () => {
  const { begin, clock, told } = world();
  const before = await begin();
  await before.tell('a');
  await clock.advance(MINUTE);
  await before.end();
  const after = await begin();
  await clock.advance(10 * MINUTE);
  await after.tell('a');
  await clock.advance(MINUTE);
  expect(told()).toEqual([['firing a']]);
  // One that is told no more ends all the same.
  await clock.advance(20 * MINUTE);
  expect(told()).toEqual([['firing a'], ['resolved a']]);
  await after.end();
});

test('alerts that have ended make room for those that fire', async () => {
  const { begin, clock, told, refused } = world({ alertsPerTenant: 2 });
  const { tell, end } = await begin();
  await tell('a');
  await tell('b');
  await clock.advance(SECOND);
  await tell('a', { endsAt: clock.now() });
  await clock.advance(MINUTE);
  await tell('c');
  await clock.advance(MINUTE);
  expect(told().flat()).toContain('firing c');
  await tell('d');
  expect(refused).toEqual(['limit']);
  await end();
});
