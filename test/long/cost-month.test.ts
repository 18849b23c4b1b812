import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import type { Labels } from '../../src/model/labels.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/model/time.ts';
import { fakeCluster } from '../../src/testing/fake-cluster.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { createLogger, startApp } from '../built-app.ts';
import { jumpClock, PROGRAM_LOOPS } from '../jump-clock.ts';

/*
 * Thirty days of three tenants on the built program, on a clock that jumps from hour to hour. The samples that
 * kube-state-metrics would have sent come in; what is spent is added up here, independently, in whole millionths.
 *
 * acme: a workload with a policy, whose demand trebles on day 10: its budget would be used up on day 24.
 * globex: a workload that is three times as large on day 13 alone. initech: a new workload from day 19 on.
 */

const START = Date.parse('2026-06-01T00:00:00Z');
const DAYS = 30;
const HISTORY_DAYS = 14;
/** Days count from 1. */
const LAUNCH_DAY = 10;
const LAUNCH = START + (LAUNCH_DAY - 1) * DAY;
const TENANTS = ['acme', 'globex', 'initech'];
const SURGE = { start: START + 12 * DAY, end: START + 13 * DAY };
const NEWCOMER = START + 18 * DAY;
/** While the cap binds, the program ends and starts again. */
const RESTART = START + 13 * DAY + 5 * HOUR;
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const runFile = promisify(execFile);

const PRICE = { cpu: 0.04, memory: 0.005 };
const BOOK = `
currency: EUR
regions:
  eu-central-1:
    - onDemand: {cpuCoreHour: 0.04, memoryGibHour: 0.005}
      spot: {cpuCoreHour: 0.012, memoryGibHour: 0.0015}
`;

const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  mode: enforce
  target: {name: web}
  demand: {name: rps, query: load, step: 1h, capacity: {perReplica: 10}}
  replicas: {min: 2, max: 90}
  forecast: {horizon: 4h}
  safety: {maxForecastAge: 3h}
`;

const random = (seed: number): number => {
  let t = (seed + 0x6d2b79f5) >>> 0;
  t = Math.imul(t ^ (t >>> 15), 1 | t);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

function loadAt(t: number): number {
  const usual = 160 + 80 * Math.sin((2 * Math.PI * t) / DAY) + 10 * (random(t / HOUR) - 0.5);
  return t >= LAUNCH ? 3 * usual : usual;
}

interface Workload {
  readonly tenant: string;
  readonly namespace: string;
  readonly name: string;
  readonly cpu: number;
  readonly gib: number;
  replicasAt(hour: number): number;
}

const cluster = fakeCluster('shop', ['web'], { min: 2, max: 90 });
const WORKLOADS: readonly Workload[] = [
  {
    tenant: 'acme',
    namespace: 'shop',
    name: 'web',
    cpu: 0.5,
    gib: 1,
    replicasAt: () => cluster.state('web').statusReplicas,
  },
  {
    ...{ tenant: 'globex', namespace: 'mill', name: 'grinder', cpu: 1.25, gib: 3 },
    replicasAt: (hour) => (hour >= SURGE.start && hour < SURGE.end ? 18 : 6) + (hour % DAY < 8 * HOUR ? 0 : 2),
  },
  { tenant: 'initech', namespace: 'desk', name: 'printer', cpu: 0.1, gib: 0.125, replicasAt: () => 3 },
  {
    tenant: 'initech',
    namespace: 'desk',
    name: 'plotter',
    cpu: 2,
    gib: 8,
    replicasAt: (hour) => (hour < NEWCOMER ? Number.NaN : 4),
  },
];

/** What the hour of a workload costs, in millionths: cores and memory are rounded once each. */
const microsOf = ({ cpu, gib }: Workload, replicas: number): number =>
  Math.round(replicas * cpu * PRICE.cpu * 1e6) + Math.round(replicas * gib * PRICE.memory * 1e6);

interface Sent {
  readonly labels: Labels;
  readonly times: readonly number[];
  readonly values: Float64Array;
}

/** What kube-state-metrics says over an hour. */
function samplesOf(workload: Workload, hour: number, replicas: number): readonly Sent[] {
  const { namespace, name, cpu, gib } = workload;
  const times = Array.from({ length: 60 }, (_, i) => hour + i * MINUTE);
  const row = (labels: Record<string, string>, value: number): Sent => ({
    labels: Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)),
    times,
    values: new Float64Array(60).fill(value),
  });
  const pod = { namespace, pod: `${name}-5d4f8c7b9-x2x4z`, container: 'main', node: 'n1' };
  return [
    row({ __name__: 'kube_deployment_status_replicas', namespace, deployment: name }, replicas),
    row({ __name__: 'kube_pod_container_resource_requests', ...pod, resource: 'cpu', unit: 'core' }, cpu),
    row(
      { __name__: 'kube_pod_container_resource_requests', ...pod, resource: 'memory', unit: 'byte' },
      gib * 1024 ** 3,
    ),
    row({ __name__: 'kube_node_labels', node: 'n1', label_topology_kubernetes_io_region: 'eu-central-1' }, 1),
  ];
}

interface Budget {
  readonly name: string;
  readonly state: string;
  readonly spent: number;
  readonly projected: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly projectedBy: string | null;
  readonly crossing: { readonly day: string } | null;
  readonly ceilings: readonly { readonly policy: string; readonly replicas: number }[];
}

const folder = mkdtempSync(join(tmpdir(), 'foresail-cost-month-'));
let stop: AbortController;
let clock: ReturnType<typeof jumpClock>;
let app: Awaited<ReturnType<typeof startApp>>;
let running: Promise<void>;
/** Of June, by tenant, and by tenant and workload: millionths. */
const expected = new Map<string, number>();
/** Maxima that were written since the last start. */
const written: number[] = [];

async function startAt(now: number): Promise<void> {
  stop = new AbortController();
  clock = jumpClock(now, { count: PROGRAM_LOOPS, signal: stop.signal });
  const settings = loadSettings({ file: join(folder, 'foresail.yaml'), env: {} });
  const apply: typeof cluster.apply = async (change, ...more) => {
    written.push(change.max);
    return await cluster.apply(change, ...more);
  };
  const target = { name: 'fake', cluster: { ...cluster, apply }, close: async () => {} };
  app = await startApp({ settings, clock, log: createLogger('silent'), cluster: target });
}

async function run(): Promise<void> {
  running = app.run(stop.signal);
  await clock.settled();
}

async function end(): Promise<void> {
  stop.abort();
  await running;
  await app[Symbol.asyncDispose]();
}

async function post(tenant: string, series: readonly Sent[]): Promise<void> {
  const body = new Uint8Array(encodeSnappy(encodeWriteRequest(series)));
  const headers = { 'x-scope-orgid': tenant };
  const { status } = await fetch(`${app.url}/api/v1/write`, { method: 'POST', body, headers });
  expect(status).toBe(204);
}

async function read<T>(tenant: string, path: string): Promise<T> {
  const response = await fetch(`${app.url}${path}`, { headers: { 'x-scope-orgid': tenant } });
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

const ask = async <T>(tenant: string, path: string) => (await read<{ data: T }>(tenant, path)).data;

interface Told {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Alerts of this name that the alerting part has of a tenant now. */
const toldOf = async (tenant: string, name: string) =>
  (await read<Told[]>(tenant, '/api/v2/alerts')).filter(({ labels }) => labels['alertname'] === name);

/** What May cost before Foresail was there is imported: the projections begin with it. */
async function importHistory(): Promise<void> {
  for (const tenant of TENANTS) {
    const lines: string[] = [];
    for (const workload of WORKLOADS.filter((each) => each.tenant === tenant)) {
      const hours = Array.from({ length: HISTORY_DAYS * 24 }, (_, i) => START - HISTORY_DAYS * DAY + i * HOUR);
      const merged = new Map<string, { metric: object; values: number[]; timestamps: number[] }>();
      for (const hour of hours) {
        const replicas = workload.name === 'web' ? Math.ceil(loadAt(hour) / 8) : workload.replicasAt(hour);
        if (Number.isNaN(replicas)) continue;
        for (const { labels, times, values } of samplesOf(workload, hour, replicas)) {
          const key = JSON.stringify(labels);
          const found = merged.get(key) ?? { metric: Object.fromEntries(labels), values: [], timestamps: [] };
          found.values.push(...values);
          found.timestamps.push(...times);
          merged.set(key, found);
        }
      }
      lines.push(...[...merged.values()].map((each) => JSON.stringify(each)));
    }
    if (tenant === 'acme') {
      const timestamps = Array.from({ length: HISTORY_DAYS * 24 }, (_, i) => START - HISTORY_DAYS * DAY + i * HOUR);
      lines.push(JSON.stringify({ metric: { __name__: 'load' }, values: timestamps.map(loadAt), timestamps }));
    }
    const headers = { 'x-scope-orgid': tenant };
    const { status } = await fetch(`${app.url}/api/v1/import`, {
      method: 'POST',
      body: `${lines.join('\n')}\n`,
      headers,
    });
    expect(status).toBe(200);
  }
}

beforeAll(async () => {
  writeFileSync(join(folder, 'prices.yaml'), BOOK);
  writeFileSync(join(folder, 'web.yaml'), POLICY);
  writeFileSync(
    join(folder, 'foresail.yaml'),
    `
listen: 127.0.0.1:0
data: data
retention: 90d
policies: [web.yaml]
kubernetes: off
tenancy: {mode: on, namespaces: {shop: acme, mill: globex, desk: initech}}
training: {every: off}
loops: {scale: 15m}
cost:
  priceBook: prices.yaml
  budgets:
    - {name: shop, tenant: acme, match: {namespace: shop}, amount: ${AMOUNT}, onCap: lower}
    - {name: mill, tenant: globex, amount: 10000}
`,
  );
  await startAt(START + 20 * SECOND);
  await importHistory();
  await run();
});

/** What 24 days cost, when nothing is capped: 9 at the old demand and the rest at three times of it. */
const AMOUNT = (() => {
  let micros = 0;
  for (let hour = START; hour < START + 24 * DAY; hour += HOUR) {
    micros += microsOf(WORKLOADS[0]!, Math.ceil(loadAt(hour) / 8));
  }
  return Math.floor(micros / 1e6);
})();

afterAll(async () => {
  await end();
  rmSync(folder, { recursive: true, force: true });
});

test('a month of three tenants: the warning on the day of the crossing, the cap in steps, and sums to the cent', async () => {
  const hours: (Budget & { readonly day: number })[] = [];
  const maxima: number[] = [];
  /** When each alert was first told, by tenant and name, and for budgets the step. */
  const told = new Map<string, { readonly day: number; readonly alert: Told }>();
  for (let hour = START; hour < START + DAYS * DAY; hour += HOUR) {
    if (hour === RESTART) {
      const { max } = cluster.state('web');
      const [budget] = await ask<Budget[]>('acme', '/api/v1/cost/budgets');
      expect(budget!.ceilings).not.toEqual([]);
      await end();
      written.length = 0;
      await startAt(hour + 20 * SECOND);
      await run();
      // Whichever loop is first: nothing lets go of the cap, not even until it is judged again.
      expect(Math.max(...written, cluster.state('web').max)).toBeLessThanOrEqual(max);
    }
    cluster.setReplicas('web', Math.ceil(loadAt(hour) / 8));
    const ran = WORKLOADS.map((workload) => ({ workload, replicas: workload.replicasAt(hour) }));
    await clock.jump(hour + HOUR + 20 * SECOND - clock.now(), async () => {
      for (const { workload, replicas } of ran) {
        if (Number.isNaN(replicas)) continue;
        await post(workload.tenant, samplesOf(workload, hour, replicas));
        for (const of of [workload.tenant, `${workload.tenant} ${workload.name}`]) {
          expected.set(of, (expected.get(of) ?? 0) + microsOf(workload, replicas));
        }
      }
      const times = [hour + HOUR];
      await post('acme', [{ labels: [['__name__', 'load']], times, values: Float64Array.of(loadAt(hour + HOUR)) }]);
    });
    const { max } = cluster.state('web');
    if (max !== maxima.at(-1)) maxima.push(max);
    const day = Math.floor((hour - START) / DAY) + 1;
    const [budget] = await ask<Budget[]>('acme', '/api/v1/cost/budgets');
    if (budget !== undefined) hours.push({ ...budget, day });
    for (const tenant of TENANTS) {
      for (const name of ['ForesailBudget', 'ForesailSuddenCost']) {
        for (const alert of await toldOf(tenant, name)) {
          const key = [tenant, name, alert.labels['step']].filter((part) => part !== undefined).join(' ');
          if (!told.has(key)) told.set(key, { day, alert });
        }
      }
    }
  }
  if (process.env['COST_MONTH'] !== undefined) {
    const lines = hours.map(({ day, state, spent, projected, lower, upper, ceilings }, i) =>
      [day, i % 24, state, spent, projected, lower, upper, ceilings[0]?.replicas].join(' '),
    );
    writeFileSync(process.env['COST_MONTH'], `${lines.join('\n')}\n`);
  }
  // The last hour is made once its samples had time to arrive.
  await clock.jump(15 * MINUTE);

  // Until the launch the month would have cost less than four fifths, and nobody is told of the budget.
  expect(new Set(hours.filter(({ day }) => day < LAUNCH_DAY).map(({ state }) => state))).toEqual(new Set(['within']));
  // The projection crosses on the day of the launch, two weeks before the money is gone; it is told on that day.
  const crossed = hours.find(({ projected }) => (projected ?? 0) >= 0.8 * AMOUNT)!;
  expect(crossed.day).toBe(LAUNCH_DAY);
  const warnings = [...told].filter(([key]) => key.startsWith('acme ForesailBudget'));
  expect(warnings[0]![1].day).toBe(LAUNCH_DAY);
  expect(warnings[0]![1].alert.annotations['runbook_url']).toContain('foresailbudget');
  // Once two days of the new demand are seen, the day is right on which the money would be gone.
  const seen = hours.find(({ day }) => day === LAUNCH_DAY + 2)!;
  expect(seen.state).toBe('cap');
  expect(['2026-06-23', '2026-06-24', '2026-06-25']).toContain(seen.crossing!.day);
  // It holds: what is spent stays within the cap, but for what ran already.
  expect(expected.get('acme')! / 1e6).toBeLessThan(1.12 * AMOUNT);

  // Both anomalies are told the day after, with their causes.
  expect(told.get('globex ForesailSuddenCost')).toMatchObject({
    day: 14,
    alert: { annotations: { cause: 'replicas of mill/grinder' } },
  });
  expect(told.get('initech ForesailSuddenCost')).toMatchObject({
    day: 20,
    alert: { annotations: { cause: 'new workload of desk/plotter' } },
  });
  expect(told.has('globex ForesailBudget warn')).toBe(false);

  // In steps, each at most a tenth, or one, below the one before, and never below what ran.
  const steps = maxima.slice(1, maxima.findIndex((max, i) => i > 0 && max > maxima[i - 1]!) >>> 0);
  expect(steps.length).toBeGreaterThan(3);
  for (const [i, max] of steps.entries())
    if (i > 0) expect(max).toBeGreaterThanOrEqual(Math.floor(0.9 * steps[i - 1]!) - 1);

  for (const tenant of TENANTS) {
    const end = START + DAYS * DAY;
    const sums = await ask<{ total: { cost: number; estimated: number } }>(
      tenant,
      `/api/v1/cost/spend?start=${START / 1000}&end=${end / 1000}&by=namespace`,
    );
    expect(Math.round(sums.total.cost * 1e6), tenant).toBe(expected.get(tenant));
    expect(sums.total.estimated, tenant).toBe(0);
    // PromQL over the same series says the same to the cent.
    const query = encodeURIComponent('sum(sum_over_time(foresail_spend_hourly[30d]))');
    const answer = await ask<{ result: { value: [number, string] }[] }>(
      tenant,
      `/api/v1/query?query=${query}&time=${end / 1000}`,
    );
    expect(Number(answer.result[0]!.value[1]).toFixed(2), tenant).toBe((expected.get(tenant)! / 1e6).toFixed(2));
  }

  for (const tenant of TENANTS) await checkReports(tenant);

  // Who lowered the maximum, and why, is in the audit record.
  const decisions = await ask<{ reasons: { code: string; text: string }[] }[]>(
    'acme',
    '/api/v1/policies/shop/web/decisions?limit=100',
  );
  const reason = decisions.flatMap(({ reasons }) => reasons).find(({ code }) => code === 'CostCap');
  expect(reason?.text).toContain('the cost budget shop');
}, 1_800_000);

interface Report {
  readonly currency: string;
  readonly total: { readonly total: number; readonly estimated: number };
  readonly hours: { readonly hours: number; readonly missing: number };
  readonly workloads: readonly { readonly name: string; readonly total: number }[];
  readonly namespaces: readonly { readonly total: number }[];
  readonly days: readonly { readonly recorded: number; readonly estimated: number }[];
}

/** The month's report in every form, by the API and on the shell, has the sum that was added up here, to the cent. */
async function checkReports(tenant: string): Promise<void> {
  const cents = (amount: number) => Math.round(amount * 100);
  const sum = Math.round(expected.get(tenant)! / 1e4);
  const text = (sum / 100).toFixed(2);
  const query = `period=month&at=${START / 1000}&savings=false`;
  const told = async (format: string) => {
    const response = await fetch(`${app.url}/api/v1/cost/report?${query}&format=${format}`, {
      headers: { 'x-scope-orgid': tenant },
    });
    expect(response.status).toBe(200);
    return await response.text();
  };
  const onShell = async (format: string) => {
    const file = join(folder, `${tenant}.${format}`);
    const words = ['cost', 'report', '--no-savings', '--at', '2026-06-10', '--output', file];
    await runFile(process.execPath, [MAIN, ...words, '--url', app.url, '--tenant', tenant]);
    return readFileSync(file, 'utf8');
  };
  for (const forms of [told, onShell]) {
    const json = JSON.parse(await forms('json')) as Report | { readonly data: Report };
    const report = 'data' in json ? json.data : json;
    expect(report).toMatchObject({ currency: 'EUR', hours: { hours: DAYS * 24, missing: 0 } });
    expect(report.total.estimated).toBe(0);
    expect(cents(report.total.total), tenant).toBe(sum);
    for (const rows of [report.workloads, report.namespaces]) {
      expect(rows.reduce((total, row) => total + cents(row.total), 0)).toBe(sum);
    }
    expect(report.days.reduce((total, { recorded, estimated }) => total + cents(recorded) + cents(estimated), 0)).toBe(
      sum,
    );
    for (const { name, total } of report.workloads) {
      // Each is rounded up or down to a cent, so that they add up.
      expect(Math.abs(total * 1e6 - expected.get(`${tenant} ${name}`)!), name).toBeLessThan(1e4);
    }
    const rows = (await forms('csv'))
      .trim()
      .split('\r\n')
      .map((row) => row.split(','));
    const [head] = rows as [string[]];
    const column = (row: readonly string[], name: string) => row[head.indexOf(name)]!;
    const sumOf = (table: string) =>
      rows
        .filter((row) => column(row, 'table') === table)
        .reduce((total, row) => total + cents(Number(column(row, 'total'))), 0);
    for (const table of ['total', 'namespace', 'workload', 'region', 'plan', 'day']) {
      expect(sumOf(table), `${tenant} ${table}`).toBe(sum);
    }
    const page = await forms('html');
    expect(page.replaceAll(',', '')).toContain(`EUR ${text}<`);
    const footers = [...page.matchAll(/<tfoot><tr><td>sum<\/td>(.*?)<\/tr><\/tfoot>/g)];
    expect(footers.length).toBeGreaterThanOrEqual(4);
    for (const [, cells] of footers) {
      const amounts = [...cells!.matchAll(/<td>([^<]*)<\/td>/g)].map(([, cell]) => cell!.replaceAll(',', ''));
      expect(amounts[3], tenant).toBe(text);
    }
  }
}
