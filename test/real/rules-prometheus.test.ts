import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { slotsOf } from '../../src/rules/slots.ts';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import { encodeWriteRequest, type OutgoingSeries } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { findPrometheus, NO_PROMETHEUS } from './promql-pair.ts';

/**
 * Prometheus and the real program evaluate the same file of rules, at the same moments, on the same samples. Their clock
 * is the machine's: `FORESAIL_RULES_MINUTES=60` compares an hour; the everyday run takes three minutes, in which groups
 * are evaluated every 5 s.
 */
const MINUTES = Number(process.env['FORESAIL_RULES_MINUTES'] ?? 3);
const RULES = resolve('test/fixtures/rules/all-features.yaml');
/** Time between two samples. */
const STEP_MS = 5_000;
/** Each evaluation is seen several times. */
const POLL_MS = 1_000;
/** How far ahead of the clock samples are sent: a rule never looks at what came too late. */
const AHEAD_MS = 60_000;

const found = await findPrometheus();
let folder: string;
let reference: string;
let child: ChildProcess | undefined;
let own: RunningProgram | undefined;

beforeAll(async () => {
  if (found === undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'foresail-rules-pair-'));
  const common = 'external_labels: {cluster: eu}';
  await writeFile(
    join(folder, 'prometheus.yml'),
    `global: {evaluation_interval: 5s, ${common}}\nrule_files: [${RULES}]\n`,
  );
  await writeFile(
    join(folder, 'foresail.yaml'),
    [
      `rules: {files: [${RULES}], evaluationInterval: 5s}`,
      'externalLabels: {cluster: eu}',
      'externalUrl: http://rules.example',
      'kubernetes: "off"',
    ].join('\n'),
  );
  const [port] = (await freePorts(1)) as [number];
  reference = `http://127.0.0.1:${port}`;
  const flags = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    ...['--web.enable-remote-write-receiver', '--log.level=error'],
    ...['--web.external-url=http://rules.example', '--web.route-prefix=/'],
  ];
  child = spawn(found.program, flags, { stdio: 'ignore' });
  own = await startProgram(['--config', join(folder, 'foresail.yaml')]);
  await waitFor('Prometheus', async () => (await fetch(`${reference}/-/ready`).catch(() => undefined))?.ok === true);
});

afterAll(async () => {
  await own?.[Symbol.asyncDispose]();
  if (child !== undefined && child.exitCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** Every series at one time: waves of different lengths, so that alerts come, go, flap and last. */
function samplesAt(time: number): readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[] {
  const wave = (periodMs: number, phase = 0) => Math.sin((2 * Math.PI * time) / periodMs + phase);
  const whole = (value: number) => Math.max(0, Math.round(value));
  const loads = [
    ['a', 'a0', 35 + 30 * wave(130_000)],
    ['a', 'a1', 25 + 20 * wave(70_000, 1)],
    ['b', 'b0', 40 + 35 * wave(190_000, 2)],
    ['c', 'c0', 20 + 15 * wave(45_000)],
  ] as const;
  const since = time - begins;
  const rate = (job: string) => (job === 'a' ? 30 : 10);
  const failing = wave(160_000) > 0 ? 1 : 0;
  // Counters that only grow: the failing share is of the time that has gone by.
  const counted = (job: string, code: string) =>
    code === '500' ? whole((rate(job) * since) / 4000 + failing) : whole((rate(job) * since) / 1000);
  const buckets = ['0.1', '0.5', '1', '+Inf'].map((le, i) => [le, whole(((i + 1) * since) / 700)] as const);
  return [
    ...loads
      // One that is gone now and then, without a word.
      .filter(([, instance]) => instance !== 'c0' || wave(230_000) > -0.6)
      .map(([job, instance, value]) => [{ __name__: 'load', job, instance }, whole(value)] as const),
    ...['a', 'b'].flatMap((job) =>
      ['200', '500'].map((code) => [{ __name__: 'requests_total', job, code }, counted(job, code)] as const),
    ),
    ...buckets.map(([le, value]) => [{ __name__: 'latency_bucket', le }, value] as const),
    ...['y', 'z'].map(
      (instance, i) => [{ __name__: 'up', instance }, wave(110_000 + i * 30_000) > 0.3 ? 0 : 1] as const,
    ),
  ];
}

let begins = 0;

function seriesOf(from: number, to: number): readonly OutgoingSeries[] {
  const series = new Map<string, { labels: [string, string][]; times: number[]; values: number[] }>();
  for (let time = from; time < to; time += STEP_MS) {
    for (const [labels, value] of samplesAt(time)) {
      const key = JSON.stringify(labels);
      let one = series.get(key);
      if (one === undefined) {
        one = { labels: Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)), times: [], values: [] };
        series.set(key, one);
      }
      one.times.push(time);
      one.values.push(value);
    }
  }
  return [...series.values()].map(({ values, ...one }) => ({ ...one, values: Float64Array.from(values) }));
}

async function send(from: number, to: number): Promise<void> {
  const body = encodeSnappy(encodeWriteRequest(seriesOf(from, to))) as Uint8Array<ArrayBuffer>;
  const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
  for (const url of [reference, own!.url]) {
    const response = await fetch(`${url}/api/v1/write`, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  }
}

async function ask<T>(url: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
  const response = await fetch(`${url}${path}?${new URLSearchParams(parameters)}`);
  const body = (await response.json()) as { status: string; data: T; error?: string };
  if (body.status !== 'success') throw new Error(`${url}${path}: ${body.error}`);
  return body.data;
}

type Stored = ReadonlyMap<string, ReadonlyMap<number, string>>;

/** What rules wrote, sample by sample. */
async function stored(url: string, start: number, end: number): Promise<Stored> {
  const selector = '{__name__=~".+:.+|one|ALERTS|ALERTS_FOR_STATE"}';
  const all = new Map<string, Map<number, string>>();
  const pieceMs = 600_000;
  for (let from = start; from < end; from += pieceMs) {
    const to = Math.min(end, from + pieceMs);
    const query = `${selector}[${to - from}ms]`;
    const { result } = await ask<{ result: { metric: Record<string, string>; values: [number, string][] }[] }>(
      url,
      '/api/v1/query',
      { query, time: String(to / 1000) },
    );
    for (const { metric, values } of result) {
      const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)));
      const one = all.get(key) ?? new Map<number, string>();
      for (const [time, value] of values) one.set(Math.round(time * 1000), value);
      all.set(key, one);
    }
  }
  return all;
}

function differences(expected: Stored, got: Stored): { readonly compared: number; readonly wrong: readonly string[] } {
  const wrong: string[] = [];
  let compared = 0;
  for (const key of new Set([...expected.keys(), ...got.keys()])) {
    const [a, b] = [expected.get(key) ?? new Map<number, string>(), got.get(key) ?? new Map<number, string>()];
    for (const time of [...new Set([...a.keys(), ...b.keys()])].sort()) {
      compared++;
      const [x, y] = [a.get(time), b.get(time)];
      if (x === y) continue;
      const [p, q] = [Number(x), Number(y)];
      if (x !== undefined && y !== undefined && Math.abs(p - q) <= 1e-12 * Math.abs(p)) continue;
      wrong.push(`${key} at ${new Date(time).toISOString()}: Prometheus ${x}, here ${y}`);
    }
  }
  return { compared, wrong };
}

interface AlertAnswer {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
  readonly activeAt: string;
  readonly keepFiringSince?: string;
  readonly value: string;
}

/** What can be told of an alert on both sides: the time since when is that of the slot. */
function shownAlert({ activeAt, keepFiringSince, annotations, labels, ...more }: AlertAnswer): string {
  const toMillis = (time: string | undefined) => time && Math.floor(Date.parse(time));
  return JSON.stringify({
    ...more,
    activeAt: toMillis(activeAt),
    keepFiringSince: toMillis(keepFiringSince),
    // The words of an error are each program's own.
    annotations: Object.entries(annotations)
      .sort()
      .map(([name, text]) => [name, text.replace(/<error expanding template.*/, '<error>')]),
    labels: Object.entries(labels).sort(),
  });
}

interface AlertsOfRule {
  /** Of which evaluation, of which rule. */
  readonly key: string;
  readonly alerts: readonly string[];
}

/** The alerts of each rule, with the slot of the evaluation that found them. */
async function alertsOf(url: string): Promise<readonly AlertsOfRule[]> {
  const { groups } = await ask<{
    groups: { name: string; file: string; interval: number; rules: RuleAnswer[] }[];
  }>(url, '/api/v1/rules', { type: 'alert' });
  return groups.flatMap(({ name, file, interval, rules }) => {
    const slots = slotsOf(file, name, interval * 1000);
    return rules.flatMap((rule, i): AlertsOfRule[] => {
      if (rule.lastEvaluation.startsWith('0001')) return [];
      const slot = slots.at(Date.parse(rule.lastEvaluation));
      return [{ key: `${name} ${i} ${rule.name} @${slot}`, alerts: (rule.alerts ?? []).map(shownAlert).sort() }];
    });
  });
}

interface RuleAnswer {
  readonly name: string;
  readonly lastEvaluation: string;
  readonly alerts?: readonly AlertAnswer[];
}

/**
 * What was seen of each evaluation on either side. A program shows a rule's alerts some moments before it shows when it
 * was evaluated, so that of one evaluation more than one list may be seen: the two agree where one was seen on both sides.
 */
function openEvaluations() {
  const seen = new Map<string, readonly [Set<string>, Set<string>]>();
  return {
    take(side: 0 | 1, rules: readonly AlertsOfRule[]) {
      for (const { key, alerts } of rules) {
        const both = seen.get(key) ?? [new Set<string>(), new Set<string>()];
        seen.set(key, both);
        both[side].add(JSON.stringify(alerts));
      }
    },
    differences() {
      const onBoth = [...seen].filter(([, both]) => both.every((lists) => lists.size > 0));
      const unlike = onBoth.filter(([, [a, b]]) => ![...a].some((list) => b.has(list)));
      return {
        compared: onBoth.length,
        unlike: unlike.map(([key, [a, b]]) => `${key}: Prometheus ${[...a].join(' or ')}, here ${[...b].join(' or ')}`),
      };
    },
  };
}

async function rulesOf(url: string): Promise<unknown> {
  const { groups } = await ask<{ groups: Record<string, unknown>[] }>(url, '/api/v1/rules', { exclude_alerts: 'true' });
  return groups.map(({ lastEvaluation, evaluationTime, rules, ...group }) => ({
    ...group,
    timed: typeof lastEvaluation === 'string' && typeof evaluationTime === 'number',
    rules: (rules as Record<string, unknown>[]).map(
      ({ lastEvaluation: at, evaluationTime: took, lastError, state: _, ...rule }) => ({
        ...rule,
        timed: typeof at === 'string' && typeof took === 'number',
        fails: lastError !== undefined && lastError !== '',
      }),
    ),
  }));
}

async function missedOf(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

test(`a file of all features makes what Prometheus makes of it, over ${MINUTES} minutes`, async ({ skip }) => {
  if (found === undefined) return skip(NO_PROMETHEUS);
  // Nothing is there before both evaluate: so both see everything from its beginning.
  const evaluates = async (url: string) => {
    const { groups } = await ask<{ groups: { lastEvaluation: string }[] }>(url, '/api/v1/rules');
    return groups.length === 5 && groups.every(({ lastEvaluation }) => !lastEvaluation.startsWith('0001'));
  };
  await waitFor('both to evaluate', async () => (await evaluates(reference)) && (await evaluates(own!.url)));
  // The state of alerts is restored with the second evaluation: until then nothing is written of them.
  await sleep(25_000);
  const missedBefore = await missed();
  begins = Math.ceil((Date.now() + 10_000) / STEP_MS) * STEP_MS;
  const end = begins + MINUTES * 60_000;
  let sent = begins;
  const evaluations = openEvaluations();
  const told = { same: 0, other: 0, most: 0, kept: 0 };
  while (Date.now() < end) {
    const to = Math.min(end, Math.ceil((Date.now() + AHEAD_MS) / STEP_MS) * STEP_MS);
    if (to > sent) await send(sent, to);
    sent = Math.max(sent, to);
    const [a, b] = await Promise.all([alertsOf(reference), alertsOf(own!.url)]);
    evaluations.take(0, a);
    evaluations.take(1, b);
    const all = (rules: readonly AlertsOfRule[]) => rules.flatMap(({ alerts }) => alerts).sort();
    // One may have evaluated a moment before the other: that is told apart by evaluations.
    if (JSON.stringify(all(a)) !== JSON.stringify(all(b))) told.other++;
    else {
      told.same++;
      told.most = Math.max(told.most, all(a).length);
      if (all(a).some((alert) => alert.includes('"keepFiringSince":1'))) told.kept++;
    }
    await sleep(POLL_MS);
  }
  await sleep(5_000);
  const until = end - 15_000;
  const [a, b] = await Promise.all([stored(reference, begins, until), stored(own!.url, begins, until)]);
  const { compared, wrong } = differences(a, b);
  const missedNow = await missed();
  const byEvaluation = evaluations.differences();
  const figures = JSON.stringify({
    prometheus: found.today ? 'today' : 'of the path',
    minutes: MINUTES,
    series: a.size,
    compared,
    wrong: wrong.length,
    missed: missedNow.map((count, i) => count - missedBefore[i]!),
    polls: told,
    evaluations: { compared: byEvaluation.compared, unlike: byEvaluation.unlike.length },
  });
  process.stdout.write(`${figures}\n`);
  expect(wrong.slice(0, 20)).toEqual([]);
  expect(compared).toBeGreaterThan(MINUTES * 200);
  for (const name of ['ALERTS', 'ALERTS_FOR_STATE', 'job:load:sum', 'late:load:sum', 'limited:load', 'right:after']) {
    expect(
      [...a.keys()].some((key) => key.includes(`"${name}"`)),
      name,
    ).toBe(true);
  }
  expect(await rulesOf(own!.url)).toEqual(await rulesOf(reference));
  expect(byEvaluation.unlike.slice(0, 20)).toEqual([]);
  expect(byEvaluation.compared).toBeGreaterThan(MINUTES * 50);
  expect(told.same).toBeGreaterThan(told.other);
  expect(told.most).toBeGreaterThan(3);
  expect(told.kept).toBeGreaterThan(0);
}, 7_200_000);

async function missed(): Promise<readonly number[]> {
  return [
    await missedOf(reference, 'prometheus_rule_group_iterations_missed_total{'),
    await missedOf(own!.url, 'foresail_rule_group_iterations_missed_total{'),
  ];
}
