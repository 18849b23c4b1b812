import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { OUTCOME, type RetentionClass } from '../storage/write.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';

const START = Date.parse('2026-08-03T00:00:00Z');
const BRIEF = parseTenant('brief');
const USUAL = parseTenant('usual');
const LONG = parseTenant('long');
const KEPT: Readonly<Record<string, number>> = { brief: 2 * DAY, long: 9 * DAY };
const GRACE_MS = 10 * MINUTE;

let root: string;
let folders = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foresail-retention-'));
});
afterAll(() => rm(root, { recursive: true }));

function open(dir: string, clock: { now: () => number }, { kept = KEPT, aheadMs = GRACE_MS } = {}): Promise<Tsdb> {
  return openTsdb({
    dir,
    clock,
    limits: { retentionMs: { raw: 5 * DAY, demand: 400 * DAY } },
    boundsOf: (tenant) => {
      const rawRetentionMs = kept[tenant];
      const bounds = { maxSeries: 0, maxSeriesPerMetric: 0, outOfOrderMs: 10 * MINUTE, aheadMs };
      return rawRetentionMs === undefined ? bounds : { ...bounds, rawRetentionMs };
    },
  });
}

const LABELS = labelsOf({ __name__: 'm' });
const ALL = { start: -Infinity, end: Infinity };

/** Retention goes by a clock that samples bear out. */
const CLOCK = parseTenant('clock');

/** One sample each three hours. */
async function importDays({ storage }: Tsdb, tenant: TenantId, days: readonly number[], retention?: RetentionClass) {
  const times = Float64Array.from(
    days.flatMap((day) => Array.from({ length: 8 }, (_, i) => START + day * DAY + i * 3 * HOUR)),
  );
  return await storage.tenant(tenant).backfill([{ labels: LABELS, times, values: times.map((_, i) => i) }], retention);
}

async function timesOf({ storage }: Tsdb, tenant: TenantId): Promise<number[]> {
  const found = await storage.tenant(tenant).select([], ALL);
  return found.flatMap(({ chunks }) => chunks.flatMap(({ times }) => [...times]));
}

const daysOf = async (tsdb: Tsdb, tenant: TenantId) => [
  ...new Set((await timesOf(tsdb, tenant)).map((time) => Math.floor((time - START) / DAY))),
];

describe('the retention of a tenant', () => {
  test('hides at once what is older, deletes whole days of it alone, and is the same after a restart', async () => {
    const dir = join(root, String(folders++));
    let now = START + 3 * DAY - 1;
    const clock = { now: () => now };
    let tsdb = await open(dir, clock);
    try {
      for (const tenant of [USUAL, LONG]) await importDays(tsdb, tenant, [0, 1, 2]);
      // What is past its own retention already is not taken.
      expect(await importDays(tsdb, BRIEF, [0, 1, 2])).toMatchObject({ appended: 16, outOfBounds: 8 });
      now = START + 3 * DAY + 12 * HOUR;
      await tsdb.maintain(now);
      expect(await daysOf(tsdb, BRIEF)).toEqual([1, 2]);
      expect((await timesOf(tsdb, BRIEF))[0]).toBe(now - 2 * DAY);
      expect(await daysOf(tsdb, USUAL)).toEqual([0, 1, 2]);

      now = START + 6 * DAY + 1;
      await importDays(tsdb, CLOCK, [3, 4, 5]);
      await tsdb.maintain(now);
      expect(await timesOf(tsdb, BRIEF)).toEqual([]);
      expect(await daysOf(tsdb, USUAL)).toEqual([1, 2]);
      expect(await daysOf(tsdb, LONG)).toEqual([0, 1, 2]);

      // A longer retention shows what is left of the others: what was deleted is no longer there.
      await tsdb[Symbol.asyncDispose]();
      tsdb = await open(dir, clock, { kept: { brief: 100 * DAY, usual: 100 * DAY, long: 9 * DAY } });
      expect(await daysOf(tsdb, BRIEF)).toEqual([]);
      expect(await daysOf(tsdb, USUAL)).toEqual([1, 2]);
      expect(await daysOf(tsdb, LONG)).toEqual([0, 1, 2]);
    } finally {
      await tsdb[Symbol.asyncDispose]();
    }
  });

  test('does not shorten what the program records for 400 days, and lets go of days that nobody keeps', async () => {
    let now = START + DAY;
    await using tsdb = await open(join(root, String(folders++)), { now: () => now });
    await importDays(tsdb, BRIEF, [0], 'demand');
    await importDays(tsdb, BRIEF, [0]);
    await importDays(tsdb, LONG, [0]);
    now = START + 4 * DAY;
    await importDays(tsdb, CLOCK, [1, 2, 3]);
    await tsdb.maintain(now);
    expect(await daysOf(tsdb, BRIEF)).toEqual([0]);
    now = START + 11 * DAY;
    await importDays(tsdb, CLOCK, [8, 9, 10]);
    await tsdb.maintain(now);
    expect(await daysOf(tsdb, BRIEF)).toEqual([0]);
    expect(await daysOf(tsdb, LONG)).toEqual([]);
    expect(await tsdb.storage.tenants()).toEqual([BRIEF, CLOCK]);
  });
});

test("a sample may be as far ahead of now as its tenant's grace period", async () => {
  await using tsdb = await open(join(root, String(folders++)), { now: () => START }, { aheadMs: HOUR });
  const [answer] = await tsdb.storage.tenant(USUAL).ref([encodeLabels(LABELS)]);
  if (answer?.kind !== 'ref') throw new Error('refused');
  const times = Float64Array.of(START + HOUR, START + HOUR + 1);
  const refs = new Uint32Array(2).fill(answer.ref);
  const outcomes = await tsdb.storage.tenant(USUAL).write({ refs, times, values: Float64Array.of(1, 2) });
  expect([...outcomes]).toEqual([OUTCOME.appended, OUTCOME.tooFarInFuture]);
});
