import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import { CapacityAnswer, CostReportAnswer } from '../../src/http/cost/cost-answers.ts';
import { type RunningProgram, startingAt, startProgram } from '../program.ts';

/**
 * Cost reports and advice on reserved capacity by the real program, from replicas and demand that were imported: over the
 * API and on the shell. Its clock stands on a Wednesday, so that a whole week and most of a month lie behind it.
 */

const runFile = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;
/** Wednesday, 2026-11-25, 10:30 UTC. */
const NOW = Date.UTC(2026, 10, 25, 10, 30) / 1000;
const WEEK = Date.UTC(2026, 10, 16) / 1000;
const DAYS = 24;
/** Nothing was recorded of these hours of the week. */
const GAP = { start: WEEK + 2 * DAY + 5 * HOUR, end: WEEK + 2 * DAY + 8 * HOUR };
const PRICE = 0.123457;

const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  target: {name: web}
  demand: {name: web_rps, query: rps, step: 5m, history: ${DAYS}d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
  safety: {minHistory: 1d}
`;
const SETTINGS = `
kubernetes: off
cost:
  priceBook: prices.yaml
  prices: [{match: {namespace: shop}, perReplicaHour: ${PRICE}}]
`;
const BOOK = `
currency: EUR
regions:
  '*':
    - onDemand: {cpuCoreHour: 0.04, memoryGibHour: 0.01}
      reserved: {cpuCoreHour: 0.024, memoryGibHour: 0.006}
`;

const rpsAt = (t: number) => 150 + 100 * Math.sin((2 * Math.PI * t) / DAY) + 5 * Math.sin(t / 977);
const webAt = (t: number) => Math.ceil(rpsAt(t) / 7);
const batchAt = (t: number) => (t % DAY < 6 * HOUR ? 9 : 0);

let program: RunningProgram;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-cost-'));
  writeFileSync(join(folder, 'foresail.yaml'), SETTINGS);
  writeFileSync(join(folder, 'prices.yaml'), BOOK);
  program = await startProgram(['--config', join(folder, 'foresail.yaml')], startingAt(NOW * 1000, folder));
  const put = await fetch(`${program.url}/api/v1/policies/shop/web`, { method: 'PUT', body: POLICY });
  expect(put.status).toBe(201);
  const line = (labels: object, every: number, valueAt: (t: number) => number) => {
    const first = Math.ceil((NOW - DAYS * DAY) / every) * every;
    const all = Array.from({ length: Math.floor((NOW - first) / every) }, (_, i) => first + i * every);
    const times = all.filter((t) => t < GAP.start || t >= GAP.end);
    return JSON.stringify({ metric: labels, timestamps: times.map((t) => t * 1000), values: times.map(valueAt) });
  };
  const replicas = (deployment: string) => ({
    ...{ __name__: 'kube_deployment_status_replicas', namespace: 'shop', deployment },
  });
  // Paid by the book: a core and two GiB each.
  const requests = (resource: string, amount: number) =>
    line(
      {
        ...{ __name__: 'kube_pod_container_resource_requests', namespace: 'lab', container: 'main', node: 'n1' },
        ...{ pod: 'bench-5d4f8c7b9-x2x4z', resource },
      },
      5 * MINUTE,
      () => amount,
    );
  const lines = [
    requests('cpu', 1),
    requests('memory', 2 * 1024 ** 3),
    line({ ...replicas('bench'), namespace: 'lab' }, MINUTE, () => 4),
    line({ __name__: 'rps' }, 5 * MINUTE, rpsAt),
    line(replicas('web'), MINUTE, webAt),
    line(replicas('batch'), MINUTE, batchAt),
  ];
  const response = await fetch(`${program.url}/api/v1/import`, { method: 'POST', body: lines.join('\n') });
  expect(response.status).toBe(200);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function reportOf(query: string): Promise<z.infer<typeof CostReportAnswer>> {
  const response = await fetch(`${program.url}/api/v1/cost/report?${query}`);
  const body = (await response.json()) as { data?: unknown; error?: string };
  expect(body.error).toBeUndefined();
  return CostReportAnswer.strict().parse(body.data);
}

/** Asks again until it says what is wanted: spend is made, and days are played, in the background. */
async function eventually(query: string, isIt: (report: z.infer<typeof CostReportAnswer>) => boolean) {
  for (let i = 0; i < 120; i++) {
    const report = await reportOf(query);
    if (isIt(report)) return report;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(
    `not within two minutes: ${JSON.stringify(await reportOf(query)).slice(0, 2000)}\n${program.output()}`,
  );
}

const LAST_WEEK = `period=week&at=${WEEK}`;

test('a week adds up to the cent with a sum of its own, and a gap is estimated, not free', async () => {
  const report = await eventually(`${LAST_WEEK}&savings=false`, ({ until }) => until === WEEK + 7 * DAY);
  expect(report).toMatchObject({ tenant: 'default', currency: 'EUR', period: { name: '2026-W47' }, savings: null });
  // Replica-minutes by hand, but for the hours of which nothing is known.
  let hours = 0;
  for (let t = WEEK; t < WEEK + 7 * DAY; t += MINUTE) {
    if (t < GAP.start || t >= GAP.end) hours += (webAt(t) + batchAt(t)) / 60;
  }
  const shop = report.namespaces.find(({ name }) => name === 'shop')!;
  expect(Math.abs(shop.recorded / PRICE / hours - 1)).toBeLessThan(0.01);
  expect(report.hours.estimated).toBeGreaterThanOrEqual(3);
  expect(report.total.estimated).toBeGreaterThan(0);
  const cents = (value: number) => Math.round(value * 100);
  for (const rows of [report.namespaces, report.workloads, report.regions, report.plans]) {
    expect(rows.reduce((sum, { total }) => sum + cents(total), 0)).toBe(cents(report.total.total));
  }
  expect(report.workloads.map(({ name, policy }) => [name, policy])).toEqual([
    ['web', null],
    ['batch', null],
    ['bench', null],
  ]);
  expect(report.before.total).toBeGreaterThan(0);
  // The same amounts, summed by another route of the API.
  const spend = await fetch(`${program.url}/api/v1/cost/spend?start=${WEEK}&end=${WEEK + 7 * DAY}`);
  const { data } = (await spend.json()) as { data: { total: { cost: number } } };
  expect(cents(data.total.cost)).toBe(cents(report.total.total));
});

test('what was saved is simulated day by day, and labelled so', async () => {
  const report = await eventually(`${LAST_WEEK}&wait=60s`, ({ savings }) => savings?.policies[0]?.pending === 0);
  const [web] = report.savings!.policies;
  expect(report.savings).toMatchObject({ simulated: true, total: { policies: 1 } });
  expect(web).toMatchObject({
    namespace: 'shop',
    policy: 'web',
    mode: 'observe',
    days: 6,
    staticPeak: { replicas: 26 },
  });
  // The day with the gap is no day to judge by.
  expect(web!.skipped).toEqual([{ days: 1, why: expect.stringContaining('is not known for 3.') }]);
  expect(web!.pricePerReplicaHour).toBeCloseTo(PRICE, 6);
  expect(web!.ran!.hours).toBe(24 * 6);
  expect(web!.staticPeak.replicaHours).toBe(26 * 24 * 6);
  expect(web!.saved.staticPeak.replicaHours).toBeGreaterThan(0);
  expect(web!.foresail.minutesOver).toBeLessThanOrEqual(web!.reactive.minutesOver);
});

test('the page stands alone, and the table has the same sum', async () => {
  const page = await fetch(`${program.url}/api/v1/cost/report?${LAST_WEEK}&format=html`);
  expect(page.headers.get('content-type')).toContain('text/html');
  const text = await page.text();
  for (const words of ['Costs of default, week 2026-W47', '<svg', 'simulated', '2026-W46 cost', 'shop/batch']) {
    expect(text).toContain(words);
  }
  expect(text).not.toMatch(/<script|https?:\/\/|NaN|undefined|\[object/);
  const csv = await fetch(`${program.url}/api/v1/cost/report?${LAST_WEEK}&format=csv`);
  const rows = (await csv.text())
    .trim()
    .split('\r\n')
    .map((row) => row.split(','));
  const column = (name: string) => rows[0]!.indexOf(name);
  const sumOf = (table: string) =>
    rows
      .filter((row) => row[column('table')] === table)
      .reduce((sum, row) => sum + Math.round(100 * Number(row[column('total')])), 0);
  expect(sumOf('workload')).toBe(sumOf('total'));
  expect(sumOf('day')).toBe(sumOf('total'));
});

test('foresail cost tells, and writes files', async () => {
  const run = async (...words: string[]) =>
    (await runFile(process.execPath, [MAIN, 'cost', ...words, '--url', program.url])).stdout;
  const at = new Date(WEEK * 1000).toISOString();
  const text = await run('report', '--period', 'week', '--at', at);
  for (const words of ['week 2026-W47: EUR', 'WORKLOAD', 'shop/web', 'what Foresail saves (simulated)']) {
    expect(text).toContain(words);
  }
  const file = join(folder, 'costs.html');
  await run('report', '--period', 'week', '--at', at, '--output', file);
  expect(readFileSync(file, 'utf8')).toContain('<!doctype html>');
  await expect(run('report', '--period', 'year')).rejects.toMatchObject({ code: 2 });
});

test('advice on reserved capacity says the level, where it breaks even, and what waiting would do', async () => {
  const ask = async (query: string) => await fetch(`${program.url}/api/v1/cost/reservation?${query}`);
  const response = await ask('discount=0.4&horizon=14d&deferrable=0.2&delay=8h');
  const { data, error } = (await response.json()) as { data?: unknown; error?: string };
  expect(error).toBeUndefined();
  const { commitment, workloads, currency } = CapacityAnswer.strict().parse(data);
  expect(currency).toBe('EUR');
  const web = workloads.find(({ name }) => name === 'shop/web');
  const batch = workloads.find(({ name }) => name === 'shop/batch');
  if (web === undefined || 'message' in web || batch === undefined || 'message' in batch) throw new Error('no advice');
  // Six hours a day are far below 60 % of the time.
  expect(batch).toMatchObject({ level: 0, breakEven: expect.closeTo(0.6, 9) });
  // The demand is a sine: 60 % of the time web runs 17 replicas and more.
  expect(web.level).toBeGreaterThanOrEqual(15);
  expect(web.level).toBeLessThanOrEqual(21);
  expect(web.cost.expected).toBeLessThan(web.withoutReservation.expected);
  for (const point of web.curve) expect(point.expected).toBeGreaterThanOrEqual(web.cost.expected - 1e-9);
  expect(web.deferral!.peak.deferred).toBeLessThan(web.deferral!.peak.now);
  expect(web.deferral!.cost.expected).toBeLessThanOrEqual(web.cost.expected + 1e-9);
  expect(commitment).toMatchObject({ unit: 'commitment', level: expect.any(Number) });
  // Without a discount it is the price book's: of those who are paid by it.
  const byBook = CapacityAnswer.strict().parse(((await (await ask('')).json()) as { data?: unknown }).data);
  expect(byBook).toMatchObject({
    discountFrom: 'price book',
    discount: expect.closeTo(0.4, 9),
    undiscounted: ['shop/batch', 'shop/web'],
    workloads: [{ name: 'lab/bench', level: 4, onDemand: expect.closeTo(0.06, 9), reserved: expect.closeTo(0.036, 9) }],
  });
  expect((await ask('discount=0.4&delay=8h')).status).toBe(400);
  const { stdout } = await runFile(process.execPath, [
    ...[MAIN, 'cost', 'reservation', '--discount', '0.4', '--deferrable', '0.2', '--delay', '8h'],
    ...['--url', program.url],
  ]);
  for (const words of ['shop/web', 'BREAK-EVEN', 'the peak falls from']) expect(stdout).toContain(words);
  const told = (await runFile(process.execPath, [MAIN, 'cost', 'reservation', '--url', program.url])).stdout;
  expect(told).toContain('reserved 40 % cheaper (by the price book, all together)');
  expect(told).toContain('no reserved price is known of shop/batch, shop/web: give one with --discount');
});

test('groups of spend come in pages, the dearest first', async () => {
  const ask = async (query: string) => {
    const response = await fetch(`${program.url}/api/v1/cost/spend?start=${WEEK}&end=${WEEK + DAY}&${query}`);
    return ((await response.json()) as { data: { groups: { total: { cost: number } }[]; left: { next: number } } })
      .data;
  };
  const all = await ask('');
  expect(all).toMatchObject({ left: null, groups: { length: 3 } });
  const first = await ask('limit=2');
  expect(first).toMatchObject({ left: { groups: 1, next: 2, cost: all.groups[2]!.total.cost } });
  expect([...first.groups, ...(await ask(`limit=2&offset=${first.left.next}`)).groups]).toEqual(all.groups);
  const { stdout } = await runFile(process.execPath, [MAIN, 'cost', 'spend', '--limit', '1', '--url', program.url]);
  expect(stdout).toContain('the total has 2 more groups');
});
