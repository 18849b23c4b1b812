import { expect, test } from 'vitest';
import { parseTenant } from '../model/tenant.ts';
import { openQueryGate } from './query-gate.ts';

const LIMITS = { max_query_parallelism: 2, max_outstanding_requests_per_tenant: 2 };
const [A, B] = [parseTenant('a'), parseTenant('b')];
const NEVER = new AbortController().signal;

test('openQueryGate(): as many of a tenant as may run, in order, and no tenant waits for another', async () => {
  const gate = openQueryGate();
  const seen: string[] = [];
  const enter = async (name: string, tenant = A, signal = NEVER) => {
    const leave = await gate.enter(tenant, LIMITS, signal);
    seen.push(name);
    return leave;
  };
  const [first] = [await enter('a1'), await enter('a2')];
  const third = enter('a3');
  const fourth = enter('a4');
  await expect(enter('a5')).rejects.toMatchObject({ code: 'too_many_queries' });
  await enter('b1', B);
  expect(seen).toEqual(['a1', 'a2', 'b1']);
  expect([gate.running(A), gate.running(B)]).toEqual([2, 1]);
  first();
  (await third)();
  await fourth;
  expect(seen).toEqual(['a1', 'a2', 'b1', 'a3', 'a4']);
});

test('openQueryGate(): who gives up leaves the line', async () => {
  const gate = openQueryGate();
  const [first, second] = [await gate.enter(A, LIMITS, NEVER), await gate.enter(A, LIMITS, NEVER)];
  const gone = new AbortController();
  const waiting = gate.enter(A, LIMITS, gone.signal);
  gone.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  first();
  second();
  expect(gate.running(A)).toBe(0);
  (await gate.enter(A, LIMITS, NEVER))();
  expect(gate.running(A)).toBe(0);
});
