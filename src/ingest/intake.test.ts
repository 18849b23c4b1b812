import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTenant } from '../model/tenant.ts';
import { TIER_LIMITS } from '../model/tenant-limits.ts';
import { encodeWriteRequest } from '../wire/encode-write-request.ts';
import { openBodyShares } from './body-shares.ts';
import { countItems, ItemCount } from './count-items.ts';
import { IntakeFullError, openIntake } from './intake.ts';
import { openRecentUse } from './recent-use.ts';
import { openSlots } from './slots.ts';
import { openTenantTurns } from './tenant-turns.ts';

const A = parseTenant('a');
const B = parseTenant('b');
const C = parseTenant('c');

describe('openBodyShares()', () => {
  test('leaves a rest for who comes next, however many hold all that they may', () => {
    const shares = openBodyShares(30_000);
    const taken = ['a', 'b', 'c', 'd'].map((name) => {
      const budget = shares.of(parseTenant(name));
      const all = budget.left;
      budget.left -= all;
      expect(budget.left).toBeLessThanOrEqual(0);
      return all;
    });
    expect(taken).toEqual([20_000, 6_666, 2_222, 741]);
  });

  test('gets back what was given', () => {
    const bytes = fc.integer({ min: 1, max: 400 });
    const step = fc.record({ tenant: fc.constantFrom(A, B, C), bytes });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const shares = openBodyShares(10_000);
        const taken = steps.filter(({ tenant, bytes }) => {
          const budget = shares.of(tenant);
          if (bytes > budget.left) return false;
          budget.left -= bytes;
          return true;
        });
        for (const { tenant, bytes } of taken) shares.of(tenant).left += bytes;
        expect([A, B, C].map((tenant) => shares.of(tenant).left)).toEqual([6_666, 6_666, 6_666]);
      }),
    );
  });
});

describe('openTenantTurns()', () => {
  test('gives each tenant its turn, and each its own in order', async () => {
    const waiting: (() => void)[] = [];
    const turns = openTenantTurns({ now: () => 0, defer: (next) => waiting.push(next) });
    const order: string[] = [];
    const done = [A, A, A, A, B, B, C].map((tenant, i) => turns.turn(tenant).then(() => order.push(`${tenant}${i}`)));
    while (waiting.length > 0) {
      waiting.shift()!();
      await Promise.resolve();
      await Promise.resolve();
    }
    await Promise.all(done);
    expect(order).toEqual(['a0', 'b4', 'c6', 'a1', 'b5', 'a2', 'a3']);
  });

  test('lets a tenant that used little go before all that one in a flood has waiting', async () => {
    const { turns, passTurn, pass } = byHand();
    const order: string[] = [];
    const ask = (tenant: typeof A, name: string) => turns.turn(tenant).then(() => order.push(name));
    for (let i = 0; i < 20; i++) void ask(A, 'flood');
    for (let i = 0; i < 10; i++) await passTurn(10);
    pass(20);
    void ask(B, 'b1');
    void ask(B, 'b2');
    for (let i = 0; i < 3; i++) await passTurn(1);
    expect(order.slice(10)).toEqual(['b1', 'b2', 'flood']);
  });

  test('lets nobody wait more than a second for tenants that were never seen before', async () => {
    const { turns, passTurn, now } = byHand();
    let isServed = false;
    for (let i = 0; i < 100; i++) {
      void turns.turn(A);
      await passTurn(10);
    }
    void turns.turn(A).then(() => {
      isServed = true;
    });
    const began = now();
    for (let i = 0; !isServed; i++) {
      void turns.turn(parseTenant(`new-${i}`));
      await passTurn(10);
    }
    expect(now() - began).toBeLessThan(1_000);
  });

  test('lets who comes later go before those who had a turn', async () => {
    const turns = openTenantTurns();
    const order: string[] = [];
    const flood = [1, 2, 3, 4, 5].map(async (i) => {
      await turns.turn(A);
      order.push(`a${i}`);
      if (i === 1) void turns.turn(B).then(() => order.push('b'));
    });
    await Promise.all(flood);
    expect(order.indexOf('b')).toBeLessThanOrEqual(2);
  });
});

/** Turns that last as long as they are told to. */
function byHand() {
  const waiting: (() => void)[] = [];
  let now = 0;
  return {
    turns: openTenantTurns({ now: () => now, defer: (next) => waiting.push(next) }),
    now: () => now,
    pass: (ms: number) => (now += ms),
    async passTurn(ms: number) {
      waiting.shift()!();
      await Promise.resolve();
      await Promise.resolve();
      now += ms;
      waiting.shift()!();
    },
  };
}

describe('openSlots()', () => {
  test('lets a number of each tenant in, and the others as those leave', async () => {
    const slots = openSlots({ perTenant: 1, inFlight: 10 });
    const first = await slots.take(A)!;
    const isIn = [false, false];
    const others = isIn.map((_, i) =>
      slots.take(A)!.then((slot) => {
        isIn[i] = true;
        return slot;
      }),
    );
    await slots.take(B)!;
    expect(isIn).toEqual([false, false]);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    const second = await others[0]!;
    expect(isIn).toEqual([true, false]);
    // A slow one leaves its place, and is still in flight.
    second.leave();
    second.leave();
    (await others[1]!)[Symbol.dispose]();
    second[Symbol.dispose]();
    await slots.take(A)!;
  });

  test('lets one tenant have half of all that may be in flight', async () => {
    const slots = openSlots({ perTenant: 1, inFlight: 6 });
    const first = await slots.take(A)!;
    const takes = (tenant: typeof A, count: number) =>
      Array.from({ length: count }, () => slots.take(tenant) !== undefined);
    expect(takes(A, 3)).toEqual([true, true, false]);
    first.leave();
    expect(takes(A, 1)).toEqual([false]);
    expect(takes(B, 4)).toEqual([true, true, true, false]);
    expect(takes(C, 1)).toEqual([false]);
    first[Symbol.dispose]();
    expect(takes(C, 2)).toEqual([true, false]);
  });
});

describe('openIntake()', () => {
  const limits = { ...TIER_LIMITS.starter, ingestion_rate: 10, ingestion_burst_size: 100 };
  function open(changes: object = {}) {
    let now = 0;
    const intake = openIntake({ limitsOf: () => ({ ...limits, ...changes }), now: () => now });
    return { intake, pass: (ms: number) => (now += ms) };
  }

  test("refuses what is over the rate, in Mimir's words, and says when to come again", () => {
    const { intake, pass } = open();
    intake.take(A, 95);
    expect(() => intake.take(A, 30)).toThrow(
      expect.objectContaining({
        id: 'err-mimir-tenant-max-ingestion-rate',
        reason: 'rate_limited',
        retryAfterSeconds: 3,
        message: expect.stringMatching(
          /^the request has been rejected because the tenant exceeded the ingestion rate limit, set to 10 items\/s with a maximum allowed burst of 100\. .*\(err-mimir-tenant-max-ingestion-rate\)\. To adjust the related per-tenant limits, configure ingestion_rate and ingestion_burst_size/,
        ),
      }),
    );
    intake.take(B, 95);
    pass(2_500);
    intake.take(A, 30);
    expect(() => intake.take(A, 101)).toThrow(expect.objectContaining({ retryAfterSeconds: 60 }));
  });

  test('refuses requests of who was told to wait before they are read', async () => {
    const { intake, pass } = open();
    {
      using first = await intake.admit(A);
      expect(first.isToCount(80)).toBe(false);
      first.charge(80);
      expect(first.isToCount(1_000)).toBe(true);
      expect(() => first.take(30)).toThrow(/ingestion rate limit/);
    }
    await expect(intake.admit(A)).rejects.toMatchObject({ id: 'err-mimir-tenant-max-ingestion-rate' });
    pass(1_000);
    using again = await intake.admit(A);
    expect(again.isToCount(1_000)).toBe(true);
    again.take(30);
  });

  test('refuses requests over their rate', async () => {
    const { intake, pass } = open({ request_rate: 2, request_burst_size: 1 });
    (await intake.admit(A))[Symbol.dispose]();
    await expect(intake.admit(A)).rejects.toMatchObject({
      id: 'err-mimir-tenant-max-request-rate',
      retryAfterSeconds: 1,
    });
    (await intake.admit(B))[Symbol.dispose]();
    pass(500);
    (await intake.admit(A))[Symbol.dispose]();
  });

  test('lets one long body of a tenant in at a time, and short ones meanwhile', async () => {
    const intake = openIntake({ now: () => 0 });
    const LONG = 8 << 20;
    const isIn: string[] = [];
    const admit = async (name: string, tenant: typeof A, bytes: number) => {
      const admission = await intake.admit(tenant, bytes);
      isIn.push(name);
      return admission;
    };
    const first = await admit('long', A, LONG);
    const second = admit('long too', A, LONG);
    using _short = await admit('short', A, 1_000);
    using _other = await admit("another's", B, LONG);
    expect(isIn).toEqual(['long', 'short', "another's"]);
    first[Symbol.dispose]();
    using _second = await second;
    expect(isIn.at(-1)).toBe('long too');
  });

  test('refuses to let more wait than it has room for', async () => {
    const intake = openIntake({ now: () => 0, slots: { perTenant: 1, inFlight: 4 } });
    using _first = await intake.admit(A);
    void intake.admit(A);
    await expect(intake.admit(A)).rejects.toThrow(IntakeFullError);
  });
});

test('countItems() counts samples and metadata, and stops where bytes are damaged', () => {
  const body = encodeWriteRequest(
    [3, 0, 2].map((count) => ({
      labels: [['__name__', 'm'] as const],
      times: Array.from({ length: count }, (_, i) => i),
      values: new Float64Array(count),
    })),
    [{ metric: 'm', type: 'gauge', help: '', unit: '' }],
  );
  // A series without samples counts as one of them.
  expect(countItems(body)).toBe(7);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(body.length), (noise, at) => {
      const bytes = Uint8Array.from([...body.subarray(0, at), ...noise]);
      for (const protocol of ['1.0', '2.0'] as const) {
        expect(countItems(bytes, protocol)).toBeLessThanOrEqual(bytes.length / 2);
      }
    }),
  );
});

test('ItemCount counts a long request in pieces, wherever they end', () => {
  const series = (samples: number) => ({
    labels: [['__name__', 'm'.repeat(samples % 100)] as const],
    times: Array.from({ length: samples }, (_, i) => i),
    values: new Float64Array(samples),
  });
  const counts = [30_000, 0, 1, 50_000, 7];
  const body = encodeWriteRequest(counts.map(series));
  const count = new ItemCount('1.0');
  let steps = 1;
  while (!count.step(body)) steps++;
  expect(steps).toBeGreaterThan(2);
  expect(count.items).toBe(80_009);
});

test('RecentUse forgets half in half a second', () => {
  let now = 0;
  const use = openRecentUse<string>(() => now);
  use.add('a', 80);
  now = 1_000;
  use.add('a', 5);
  expect(use.of('a')).toBeCloseTo(25);
  expect(use.of('b')).toBe(0);
});

test('openIntake() forgets tenants whose rates are unused, and none that owes', () => {
  let now = 0;
  let looks = 0;
  const limitsOf = () => {
    looks++;
    return { ...TIER_LIMITS.enterprise, ingestion_rate: 10, ingestion_burst_size: 100 };
  };
  const intake = openIntake({ limitsOf, now: () => now });
  const take = (name: string, items: number) => intake.take(parseTenant(name), items);
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 1_023; i++) take(`r${round}-${i}`, 100);
    take('owes', 100);
    // Nobody's bucket is full yet.
    now += 9_999;
    take(`last-${round}`, 1);
    expect(() => take('owes', 100)).toThrow('ingestion rate');
    now += 60_000;
  }
  // Each round looks over the tenants of one or two rounds, not of all before it.
  expect(looks).toBeLessThan(5 * 1_026 + 5 * 3 * 1_026);
});
