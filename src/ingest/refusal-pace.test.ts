import { expect, test } from 'vitest';
import { parseTenant } from '../model/tenant.ts';
import { openRefusalPace } from './refusal-pace.ts';

const NOISY = parseTenant('noisy');
const OTHER = parseTenant('other');

function pace() {
  let now = 0;
  const waits: number[] = [];
  const paid = openRefusalPace(
    () => now,
    async (ms) => void waits.push(ms),
  );
  return { ...paid, waits, pass: (ms: number) => (now += ms) };
}

test('openRefusalPace() tells the first fifty at once, and then as many as have paid', async () => {
  const { wait, waits } = pace();
  for (let i = 0; i < 53; i++) await wait(NOISY, 5);
  expect(waits).toEqual([5, 10]);
});

test('openRefusalPace() lets nobody wait for another, nor longer than five seconds', async () => {
  const { wait, waits, pass } = pace();
  for (let i = 0; i < 10_000; i++) await wait(NOISY, 5);
  expect(Math.max(...waits)).toBe(5_000);
  const before = waits.length;
  await wait(OTHER, 5);
  await wait(undefined, 5);
  expect(waits.length).toBe(before);
  pass(6_000);
  await wait(NOISY, 5);
  expect(waits.length).toBe(before);
});
