import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTenant } from '../model/tenant.ts';
import { TIER_LIMITS } from '../model/tenant-limits.ts';
import { encodeWriteRequest } from '../wire/encode-write-request.ts';
import { openBodyShares } from './body-shares.ts';
import { countItems } from './count-items.ts';
import { IntakeFullError, openIntake } from './intake.ts';
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
    const turns = openTenantTurns((next) => waiting.push(next));
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
      expect(first.judge(80, () => expect.unreachable())).toBe(false);
      first.charge(80);
      expect(() => first.judge(1_000, () => 30)).toThrow(/ingestion rate limit/);
    }
    await expect(intake.admit(A)).rejects.toMatchObject({ id: 'err-mimir-tenant-max-ingestion-rate' });
    pass(1_000);
    using again = await intake.admit(A);
    expect(again.judge(1_000, () => 30)).toBe(true);
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
