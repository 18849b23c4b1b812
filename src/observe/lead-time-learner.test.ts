import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE, SECOND } from '../model/time.ts';
import type { PodStart } from '../scaling/lead-time-estimate.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { worldPolicy } from '../testing/scale-world.ts';
import { openLeadTimeLearner } from './lead-time-learner.ts';

const T0 = 20_000 * DAY;
const AUTO = { ...worldPolicy('web', { mode: 'enforce' }), leadTime: { kind: 'auto' as const } };
const WORKLOAD = { kind: 'Deployment', name: 'web' };
const starts = (count: number, seconds: number): PodStart[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ uid: `${seconds}-${i}`, createdAt: T0 - MINUTE, scheduledMs: 0, readyMs: seconds * SECOND },
  }));

test('openLeadTimeLearner() assumes until it has seen enough, learns, and knows it after a restart', async () => {
  const keyValue = memoryKeyValue();
  let pods = starts(2, 40);
  let looks = 0;
  const learner = await openLeadTimeLearner(keyValue, async () => {
    looks++;
    return pods;
  });
  const at = (now: number, of = learner) => of.leadTimeOf(DEFAULT_TENANT, AUTO, WORKLOAD, now);
  expect(await at(T0)).toMatchObject({ ms: 3 * MINUTE, source: 'assumed', why: expect.stringContaining('2 starts') });
  pods = starts(8, 40);
  expect(await at(T0 + MINUTE)).toMatchObject({ source: 'assumed' });
  expect(looks).toBe(1);
  const learned = { ms: 60 * SECOND, source: 'learned', figures: { pods: 8, p50Ms: 40 * SECOND } };
  expect(await at(T0 + 5 * MINUTE)).toMatchObject(learned);
  expect(learner.learnedMs(DEFAULT_TENANT, AUTO)).toBe(60 * SECOND);

  const again = await openLeadTimeLearner(keyValue, async () => {
    throw new TypeError('pods is forbidden');
  });
  expect(again.learnedMs(DEFAULT_TENANT, AUTO)).toBe(60 * SECOND);
  expect(await at(T0 + 6 * MINUTE, again)).toMatchObject(learned);
  expect(await again.sweep(T0 + 91 * DAY)).toBe(1);
  expect(await at(T0 + 91 * DAY, again)).toMatchObject({ source: 'assumed', why: 'pods is forbidden' });
});

test('openLeadTimeLearner() leaves a given lead time alone, and does not look', async () => {
  const learner = await openLeadTimeLearner(memoryKeyValue(), async () => {
    throw new TypeError('never');
  });
  const given = worldPolicy('web', { mode: 'enforce' });
  expect(await learner.leadTimeOf(DEFAULT_TENANT, given, WORKLOAD, T0)).toEqual({ ms: 2 * MINUTE, source: 'given' });
});
