import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import { CostReportAnswer } from '../../src/http/cost/cost-answers.ts';
import { type OpenCostPod, type OpenCostServer, openOpenCost } from '../../src/testing/opencost.ts';
import { type RunningProgram, startingAt, startProgram } from '../program.ts';

/** What runs is priced by a server that answers as OpenCost does, for two tenants: nothing that it says is left out. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A Wednesday. */
const NOW = Date.UTC(2026, 10, 25, 10, 30);
const MONDAY = Date.UTC(2026, 10, 23);
const HOURS = (NOW - 30 * MINUTE - MONDAY) / HOUR;

const SETTINGS = (url: string, unallocated: string) => `
kubernetes: off
tenancy: {mode: on, namespaces: {shop: acme, data: acme, mill: globex}}
cost:
  currency: EUR
  prices: [{match: {namespace: data}, perReplicaHour: 0.5}]
  openCost: {url: '${url}', timeout: 2s}
  showback: {unallocated: ${unallocated}}
`;

const pod = (namespace: string, controller: string, cpuCost: number, controllerKind = 'deployment'): OpenCostPod => ({
  ...{ namespace, controller, controllerKind, cpuCost, ramCost: cpuCost / 4 },
});
const podsIn = (): readonly OpenCostPod[] => [
  pod('shop', 'web', 0.04),
  pod('shop', 'web', 0.04),
  pod('shop', 'worker', 0.12),
  { namespace: 'shop', cpuCost: 0.01, ramCost: 0.0025 },
  pod('shop', 'agent', 0.004, 'daemonset'),
  // It has a price of its own in the settings.
  pod('data', 'etl', 0.4),
  pod('mill', 'grinder', 0.2),
  { namespace: '__unmounted__', cpuCost: 0, ramCost: 0, pvCost: 0.03 },
];
const IDLE = 0.15;
/** An hour of each, in hundred-thousandths. */
const WEB = 10_000;
const WORKER = 15_000;
const BARE = 1_250;
const AGENT = 500;
const ETL = 50_000;
const OVERHEAD = 18_000;
/** Of the overheads a tenant has what its namespaces cost, as OpenCost says: 0.2675 and 0.5 against 0.25. */
const ACME = (0.2675 + 0.5) / (0.2675 + 0.5 + 0.25);

let openCost: OpenCostServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-opencost-'));
  openCost = await openOpenCost({ podsIn, idleIn: () => IDLE });
});
afterAll(async () => {
  await openCost?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Report = z.infer<typeof CostReportAnswer>;

async function startWith(unallocated: string): Promise<RunningProgram> {
  writeFileSync(join(folder, 'foresail.yaml'), SETTINGS(openCost.url, unallocated));
  const program = await startProgram(['--config', join(folder, 'foresail.yaml')], startingAt(NOW, folder));
  for (const [tenant, namespace, deployment, replicas] of [
    ['acme', 'shop', 'web', 2],
    ['acme', 'shop', 'worker', 1],
    ['acme', 'data', 'etl', 1],
    ['globex', 'mill', 'grinder', 3],
    // Another tenant that says it runs the same is told nothing of what that costs.
    ['initech', 'shop', 'web', 2],
  ] as const) {
    const times = Array.from({ length: (NOW - MONDAY) / MINUTE }, (_, i) => MONDAY + i * MINUTE);
    const metric = { __name__: 'kube_deployment_status_replicas', namespace, deployment };
    const body = JSON.stringify({ metric, timestamps: times, values: times.map(() => replicas) });
    const headers = { 'x-scope-orgid': tenant };
    const { status } = await fetch(`${program.url}/api/v1/import`, { method: 'POST', body, headers });
    expect(status).toBe(200);
  }
  return program;
}

async function reportOf({ url }: RunningProgram, tenant: string): Promise<Report> {
  const query = `period=week&at=${MONDAY / 1000}&savings=false`;
  const response = await fetch(`${url}/api/v1/cost/report?${query}`, { headers: { 'x-scope-orgid': tenant } });
  const body = (await response.json()) as { data?: unknown; error?: string };
  expect(body.error).toBeUndefined();
  return CostReportAnswer.strict().parse(body.data);
}

async function eventually(program: RunningProgram, tenant: string, isIt: (report: Report) => boolean): Promise<Report> {
  const until = Date.now() + 240_000;
  for (;;) {
    const report = await reportOf(program, tenant);
    if (isIt(report)) return report;
    if (Date.now() > until) throw new Error(`${JSON.stringify(report).slice(0, 3000)}\n${program.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const cents = (perHour: number) => Math.round((perHour * HOURS) / 1000);
const totals = ({ workloads }: Report) =>
  Object.fromEntries(workloads.map(({ namespace, name, total }) => [`${namespace}/${name}`, Math.round(total * 100)]));

test('spend is what OpenCost says, with idle and unmounted cost shared by the rule, and adds up to the cent', async () => {
  await using program = await startWith('proportional');
  const acme = await eventually(
    program,
    'acme',
    ({ until, total }) => until * 1000 === MONDAY + HOURS * HOUR && total.total > 0,
  );
  const own = WEB + WORKER + BARE + AGENT + ETL;
  expect(Math.round(acme.total.total * 100)).toBe(cents(own + ACME * OVERHEAD));
  expect(Math.round(acme.pot.shared * 100)).toBe(cents(BARE + ACME * OVERHEAD));
  expect(acme.pot.unshared).toBe(0);
  // Pods on their own are shared in their namespace; what the cluster has to itself, among all.
  const inShop = WEB + WORKER + AGENT;
  const paid = (of: number, isInShop: boolean) =>
    cents(of + (isInShop ? (BARE * of) / inShop : 0) + (ACME * OVERHEAD * of) / (inShop + ETL));
  const told = totals(acme);
  expect(Object.keys(told).sort()).toEqual(['data/etl', 'shop/daemonset:agent', 'shop/web', 'shop/worker']);
  for (const [name, of, isInShop] of [
    ['shop/web', WEB, true],
    ['shop/worker', WORKER, true],
    ['shop/daemonset:agent', AGENT, true],
    ['data/etl', ETL, false],
  ] as const) {
    expect(Math.abs(told[name]! - paid(of, isInShop)), name).toBeLessThanOrEqual(1);
  }
  const globex = await eventually(
    program,
    'globex',
    ({ until, total }) => until * 1000 === MONDAY + HOURS * HOUR && total.total > 0,
  );
  expect(Math.round(globex.total.total * 100)).toBe(cents(25_000 + (1 - ACME) * OVERHEAD));
  expect((await reportOf(program, 'initech')).total.total).toBe(0);
});

test('without sharing they stand in rows of their own', async () => {
  await using program = await startWith('none');
  const acme = await eventually(
    program,
    'acme',
    ({ until, total }) => until * 1000 === MONDAY + HOURS * HOUR && total.total > 0,
  );
  const told = totals(acme);
  expect(Object.keys(told).sort()).toEqual([
    '__unallocated__/__idle__',
    '__unallocated__/__unmounted__',
    'data/etl',
    'shop/__unallocated__',
    'shop/daemonset:agent',
    'shop/web',
    'shop/worker',
  ]);
  expect(Math.abs(told['shop/__unallocated__']! - cents(BARE))).toBeLessThanOrEqual(1);
  expect(Math.round(acme.pot.unshared * 100)).toBe(
    told['__unallocated__/__idle__']! + told['__unallocated__/__unmounted__']! + told['shop/__unallocated__']!,
  );
});

test('where it does not answer nothing is made, and once it does nothing is missing', async () => {
  openCost.manner = 'error';
  const before = openCost.asked.length;
  await using program = await startWith('proportional');
  while (openCost.asked.length === before) await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await reportOf(program, 'acme')).total.total).toBe(0);
  openCost.manner = 'well';
  const acme = await eventually(
    program,
    'acme',
    ({ until, total }) => until * 1000 === MONDAY + HOURS * HOUR && total.total > 0,
  );
  expect(Math.round(acme.total.total * 100)).toBe(cents(WEB + WORKER + BARE + AGENT + ETL + ACME * OVERHEAD));
  expect(acme.hours.estimated).toBe(0);
});
