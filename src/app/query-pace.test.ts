import { expect, test } from 'vitest';
import { openTenantTurns } from '../ingest/tenant-turns.ts';
import { parseTenant } from '../model/tenant.ts';
import { queryPace } from './query-pace.ts';

test('queryPace() gives each tenant a turn, however many queries it has', async () => {
  let now = 0;
  const pauseOf = queryPace(openTenantTurns().turn, () => now, { turnMs: 4 });
  const seen: string[] = [];
  const query = async (tenant: string, pieces: number) => {
    const pause = pauseOf(parseTenant(tenant));
    for (let piece = 0; piece < pieces; piece++) {
      await pause();
      seen.push(tenant);
      now += 4;
    }
  };
  await Promise.all([...Array.from({ length: 5 }, () => query('noisy', 2)), query('quiet', 2)]);
  expect(seen).toHaveLength(12);
  // In turns: the small query is done once the other tenant had as many.
  expect(seen.slice(0, 4).filter((tenant) => tenant === 'quiet')).toHaveLength(2);
});

test('queryPace() goes on within a turn, and rests once another tenant has had its own', async () => {
  let now = 0;
  const pauseOf = queryPace(openTenantTurns().turn, () => now, { turnMs: 4 });
  const [a, b] = [pauseOf(parseTenant('a')), pauseOf(parseTenant('b'))];
  await a();
  expect(a()).toBeUndefined();
  now = 4;
  expect(a()).toBeInstanceOf(Promise);
  await b();
  expect(b()).toBeUndefined();
  expect(a()).toBeInstanceOf(Promise);
});

test('queryPace() makes turns short while another tenant waits', async () => {
  let now = 0;
  const pauseOf = queryPace(openTenantTurns().turn, () => now, { turnMs: 4, shortTurnMs: 1 });
  const [a, b] = [pauseOf(parseTenant('a')), pauseOf(parseTenant('b'))];
  await a();
  const ofB = b();
  expect(a()).toBeUndefined();
  now = 1;
  const ofA = a();
  expect(ofA).toBeInstanceOf(Promise);
  await ofB;
  await ofA;
  now = 2;
  expect(a()).toBeUndefined();
});
