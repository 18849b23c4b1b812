import { describe, expect, test } from 'vitest';
import type { PodRevision } from '../model/deploy.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, SECOND } from '../model/time.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { worldPolicy } from '../testing/scale-world.ts';
import { compareRevisions, openDeployWatch, type SeenRevisions } from './deploy-watch.ts';

const T0 = 20_000 * DAY;
const POLICY = worldPolicy('web', { mode: 'enforce' });
const WORKLOAD = { kind: 'Deployment', name: 'web' };

/** `a@0 b@60`: a pod of the template `a` made at T0, one of `b` a minute later. */
const pods = (text: string): readonly PodRevision[] =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [revision, seconds] = word.split('@');
      return { revision: revision!, images: [`web:${revision}`], createdAt: T0 + Number(seconds) * SECOND };
    });

describe('compareRevisions()', () => {
  test.each([
    { name: 'the first look', looks: ['a@0 a@0'], want: [] },
    { name: 'the first look, in the middle of a rollout', looks: ['a@0 b@60 b@70'], want: [60] },
    { name: 'scaling up and down', looks: ['a@0 a@0', 'a@0 a@0 a@30', 'a@30'], want: [] },
    { name: 'a rollout', looks: ['a@0 a@0', 'a@0 a@0 b@60', 'a@0 b@60 b@65', 'b@60 b@65'], want: [60] },
    { name: 'a rollout that was over between two looks', looks: ['a@0 a@0', 'b@60 b@65'], want: [60] },
    { name: 'one that is scaled meanwhile', looks: ['a@0', 'a@0 b@60', 'a@0 b@60 a@70', 'b@60 b@80'], want: [60] },
    { name: 'one that is undone half-way', looks: ['a@0 a@0', 'a@0 a@0 b@60', 'a@0 a@0 a@90'], want: [60, 200] },
    { name: 'a way back to an earlier one', looks: ['a@0', 'b@60', 'a@120'], want: [60, 120] },
    { name: 'scaled to zero and back', looks: ['a@0', '', 'a@60'], want: [] },
    { name: 'pods of one second', looks: ['a@0 a@60', 'b@60 a@60'], want: [60] },
  ])('$name', ({ looks, want }) => {
    let seen: SeenRevisions | undefined;
    const found: number[] = [];
    for (const look of looks) {
      const after = compareRevisions(seen, pods(look), T0 + 200 * SECOND);
      seen = after.seen;
      if (after.since !== undefined) found.push((after.since - T0) / SECOND);
    }
    expect(found).toEqual(want);
  });
});

test('openDeployWatch() sees deploys of the tenant, also one while it did not run, and survives what cannot be read', async () => {
  const keyValue = memoryKeyValue();
  let answer = pods('a@0 a@0');
  let isForbidden = false;
  const failures: string[] = [];
  const open = () =>
    openDeployWatch({
      keyValue,
      readPodRevisions: async () => {
        if (isForbidden) throw new TypeError('pods is forbidden');
        return answer;
      },
      onFailure: ({ message }) => failures.push(message),
    });
  const { signal } = new AbortController();
  const all = { start: T0 - DAY, end: T0 + DAY };
  const first = await open();
  first.noted(DEFAULT_TENANT, POLICY, WORKLOAD, T0);
  await first.pass(T0, signal);
  expect(first.of(DEFAULT_TENANT, all)).toEqual([]);

  answer = pods('a@0 b@60');
  await first.pass(T0 + 10 * SECOND, signal);
  expect(first.of(DEFAULT_TENANT, all)).toEqual([]);
  const second = await open();
  second.noted(DEFAULT_TENANT, POLICY, WORKLOAD, T0 + MINUTE);
  await second.pass(T0 + MINUTE, signal);
  const deploy = { namespace: 'shop', workload: 'web', revision: 'b', images: ['web:b'], at: T0 + MINUTE };
  expect(second.of(DEFAULT_TENANT, all)).toEqual([deploy]);
  expect(second.of('other' as TenantId, all)).toEqual([]);
  expect(second.of(DEFAULT_TENANT, { start: T0, end: T0 + SECOND })).toEqual([]);

  isForbidden = true;
  await second.pass(T0 + 2 * MINUTE, signal);
  await second.pass(T0 + 3 * MINUTE, signal);
  expect(failures).toEqual(['pods is forbidden']);
  expect((await open()).of(DEFAULT_TENANT, all)).toEqual([deploy]);
  await second.sweep(new Set(), T0 + 31 * DAY);
  expect((await open()).of(DEFAULT_TENANT, all)).toEqual([]);
});
