import { expect, test } from 'vitest';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { DAY, HOUR } from '../model/time.ts';
import { Expiry } from './expire.ts';
import { StoreFaults } from './faults.ts';
import type { Sweep } from './partition-expiry.ts';
import type { PartitionName } from './partition-key.ts';

const NAME: PartitionName = { retention: 'raw', day: Date.parse('2026-08-03T00:00:00Z') };
const BRIEF = parseTenant('brief');
const USUAL = parseTenant('usual');
const KEPT: Readonly<Record<string, number>> = { brief: DAY, usual: 15 * DAY };

test('what could not be taken out of a partition is waited for by the retention of each tenant', async () => {
  let now = NAME.day;
  let failing = false;
  const swept: string[] = [];
  const partitions = {
    names: [NAME],
    sweep: async (_: PartitionName, { isKept, byNobody }: Sweep) => {
      swept.push([BRIEF, USUAL].filter((tenant) => !isKept(tenant)).join());
      return !byNobody;
    },
  };
  const keep = async () => {
    if (failing) throw new Error('no room');
  };
  const expiry = new Expiry(partitions, new StoreFaults(), { keepers: [keep] });
  const floorsOf = (tenant: TenantId) => ({ raw: now - KEPT[tenant]!, demand: now - 400 * DAY });
  const passAt = async (time: number) => {
    now = NAME.day + time;
    await expiry.run(floorsOf, [BRIEF, USUAL]);
    return swept.splice(0);
  };
  expect(await passAt(DAY + HOUR)).toEqual([]);
  expect(await passAt(2 * DAY)).toEqual(['brief']);
  failing = true;
  expect(await passAt(16 * DAY)).toEqual([]);
  expect(await passAt(17 * DAY - HOUR)).toEqual([]);
  expect(await passAt(17 * DAY)).toEqual(['brief,usual']);
});

test('what waits for its points is not gone through each time', async () => {
  let mayGo = async () => false;
  const seen: string[] = [];
  const partitions = {
    names: [NAME],
    sweep: async () => {
      seen.push('sweep');
      return false;
    },
  };
  const faults = new StoreFaults();
  const keep = async () => void seen.push('keep');
  const expiry = new Expiry(partitions, faults, { keepers: [keep], mayGo: () => mayGo() });
  const passAt = async (time: number) => {
    const floor = NAME.day + time - DAY;
    await expiry.run(() => ({ raw: floor, demand: Number.NEGATIVE_INFINITY }), [USUAL]);
    return seen.splice(0);
  };
  expect(await passAt(DAY + HOUR)).toEqual(['keep']);
  expect([...(await passAt(2 * DAY)), ...(await passAt(2 * DAY + HOUR))]).toEqual([]);
  mayGo = async () => {
    throw new Error('no room');
  };
  expect(await passAt(2 * DAY + 2 * HOUR)).toEqual([]);
  expect(faults.standing).toMatchObject([{ chore: 'drop', message: 'no room' }]);
  mayGo = async () => true;
  expect(await passAt(2 * DAY + 3 * HOUR)).toEqual(['keep', 'sweep']);
  expect(faults.standing).toEqual([]);
});

test('what no points can be made of is waited for a day, and then goes by its name, told and counted', async () => {
  const told: string[] = [];
  const swept: string[] = [];
  const partitions = {
    names: [NAME],
    sweep: async () => {
      swept.push('sweep');
      return false;
    },
  };
  const faults = new StoreFaults(({ chore, place, reason }) => told.push(`${chore} ${place} ${reason}`));
  let failure: Error | undefined;
  const mayGo = async () => {
    if (failure !== undefined) throw failure;
    return false;
  };
  const expiry = new Expiry(partitions, faults, { mayGo });
  const passAt = async (time: number) => {
    const floor = NAME.day + time - DAY;
    await expiry.run(() => ({ raw: floor, demand: Number.NEGATIVE_INFINITY }), [USUAL]);
    return swept.splice(0);
  };
  // However late it is: points that are merely not made yet are waited for.
  expect(await passAt(9 * DAY)).toEqual([]);
  failure = new Error('cannot be opened');
  expect([...(await passAt(10 * DAY)), ...(await passAt(11 * DAY - HOUR))]).toEqual([]);
  // It came back, and is broken once more: the day begins anew.
  failure = undefined;
  expect(await passAt(11 * DAY - HOUR)).toEqual([]);
  failure = new Error('cannot be opened');
  expect([...(await passAt(11 * DAY)), ...(await passAt(12 * DAY - HOUR))]).toEqual([]);
  expect(faults.standing).toMatchObject([{ chore: 'drop', message: 'cannot be opened' }]);
  told.length = 0;
  expect(await passAt(12 * DAY)).toEqual(['sweep']);
  expect(told).toEqual(['drop raw-2026-08-03 other', 'drop raw-2026-08-03 points_lost']);
  expect(faults.standing).toEqual([]);
});
