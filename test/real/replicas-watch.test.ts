import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { HOUR, MINUTE, SECOND } from '../../src/model/time.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import type { OutgoingSeries } from '../../src/wire/encode-write-request.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { FORESAIL_ROLE, kubeconfigOf } from './replica-plane.ts';
import {
  findVictoriaMetrics,
  NO_VICTORIA_METRICS,
  remoteWriteTo,
  startVictoriaMetrics,
  type VictoriaMetrics,
} from './victoria-metrics.ts';

const assets = await findControlPlane();
const engineProgram = await findVictoriaMetrics();
const missing = assets === undefined ? NO_CONTROL_PLANE : engineProgram === undefined ? NO_VICTORIA_METRICS : undefined;
const NAMES = ['one', 'two', 'three'] as const;
const LEASE_MS = 15 * SECOND;
const STEP_MS = 15 * SECOND;
const RULES = Array.from({ length: 6 }, (_, i) => `Rule${i}`);
/** Longer than a group's interval, a pass and a lease, so that what would be told twice has been. */
const QUIET_MS = 20 * SECOND;

interface Told {
  readonly key: string;
  readonly status: string;
  readonly names: readonly string[];
}

/**
 * Three real processes with a folder each, a real API server and a real VictoriaMetrics; one webhook that hears of
 * alerts, and takes each message for what it is, as Slack or a pager does: nothing is left out for its key.
 */
describe('three replicas that watch', () => {
  let plane: ControlPlane;
  let engine: VictoriaMetrics;
  let hook: Server;
  let folder: string;
  let timer: NodeJS.Timeout | undefined;
  let load = 100;
  let isSwitchedOn = 1;
  const programs = new Map<string, RunningProgram>();
  const told: Told[] = [];

  beforeEach(({ skip }) => {
    if (missing !== undefined) skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-replicas-watch-'));
    hook = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      request.on('end', () => {
        const { status, alerts } = JSON.parse(text) as { status: string; alerts: { labels: Record<string, string> }[] };
        const names = alerts.map(({ labels }) => labels['alertname']!);
        told.push({ key: String(request.headers['idempotency-key']), status, names });
        response.writeHead(200).end();
      });
    });
    hook.listen(0, '127.0.0.1');
    engine = await startVictoriaMetrics(engineProgram!);
    plane = await startControlPlane(assets!);
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '-f', '-'], FORESAIL_ROLE);
    await mkdir(join(folder, 'policies'));
    await writeFile(join(folder, 'rules.yaml'), rulesText());
    const until = Math.floor(Date.now() / STEP_MS) * STEP_MS;
    const times = Array.from({ length: (6 * HOUR) / STEP_MS }, (_, i) => until - 6 * HOUR + i * STEP_MS);
    expect(await remoteWriteTo(`${engine.url}/api/v1/write`, [loadAt(times)])).toBe(204);
    timer = setInterval(() => void sendLive().catch(() => {}), 5 * SECOND);
    await Promise.all(NAMES.map(start));
    await settled(3);
  });
  afterAll(async () => {
    clearInterval(timer);
    for (const program of programs.values()) await program[Symbol.asyncDispose]();
    hook?.closeAllConnections();
    hook?.close();
    await plane?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('each rule that fires is told once', async () => {
    await waitFor('every rule to be told', async () => [...RULES, 'Switched'].every((name) => timesTold(name) > 0));
    await delay(QUIET_MS);
    for (const name of [...RULES, 'Switched']) expect([name, timesTold(name)]).toEqual([name, 1]);
  });

  test('alerts that are posted to any of them are told once, and all of them show them', async () => {
    for (const name of NAMES) await post(name, `Posted-${name}`);
    await waitFor('the posted alerts to be told', async () => NAMES.every((name) => timesTold(`Posted-${name}`) > 0));
    for (const at of NAMES) {
      await waitFor(`the alerts at ${at}`, async () => {
        const shown = await namesAt(at);
        return [...RULES, ...NAMES.map((name) => `Posted-${name}`)].every((name) => shown.includes(name));
      });
    }
    await delay(QUIET_MS);
    for (const name of NAMES) expect([name, timesTold(`Posted-${name}`)]).toEqual([name, 1]);
  });

  test('a silence that is sent to one of them holds on all', async () => {
    await silence('one', 'Hushed');
    for (const at of NAMES) {
      await waitFor(`the silence at ${at}`, async () => (await silencesAt(at)).includes('active Hushed'));
    }
    for (const name of NAMES) await post(name, 'Hushed', name);
    await post('two', 'Heard');
    await waitFor('the other alert to be told', async () => timesTold('Heard') > 0);
    await delay(QUIET_MS);
    expect(timesTold('Hushed')).toBe(0);
  });

  test('an anomaly is told once, and what is said of it to one of them is known to all', async ({ annotate }) => {
    await waitFor('the watch to be ready', async () =>
      (await Promise.all(NAMES.map((name) => get(name, '/api/v1/watches')))).every(
        ({ data }) => (data as { series: number }[])[0]?.series === 1,
      ),
    );
    load = 900;
    await waitFor('the anomaly to be told', async () => toldOf(/Anomaly/).length > 0);
    const ids = async (name: string) =>
      ((await get(name, '/api/v1/anomalies')).data as { id: string; feedback: unknown }[]) ?? [];
    await waitFor('the anomaly on all', async () =>
      (await Promise.all(NAMES.map(ids))).every((found) => found.length > 0),
    );
    const { id } = (await ids('one'))[0]!;
    const said = await fetch(`${programs.get('one')!.url}/api/v1/anomalies/${id}/feedback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ verdict: 'normal', note: 'a sale' }),
    });
    expect(said.status).toBe(200);
    for (const name of NAMES) {
      await waitFor(`what was said at ${name}`, async () =>
        JSON.stringify((await ids(name)).find((each) => each.id === id)?.feedback ?? null).includes('normal'),
      );
    }
    await delay(QUIET_MS);
    await annotate(`told of the anomaly: ${JSON.stringify(toldOf(/Anomaly/))}`);
    expect(toldOf(/Anomaly/).filter(({ status }) => status === 'firing').length).toBe(1);
  });

  test('the one that tells is killed: nothing is told again, silences hold, what comes and ends is told', async ({
    annotate,
  }) => {
    const [teller] = await tellers();
    expect(teller).toBeDefined();
    // The last thing that it is sent is taken: it is told by another one where it had not been yet.
    await post(teller!, 'Last');
    process.kill(programs.get(teller!)!.pid, 'SIGKILL');
    const killedAt = Date.now();
    const [left, right] = NAMES.filter((name) => name !== teller) as [string, string];
    for (const name of [left, right]) await post(name, `After-${name}`);
    await post(left, 'Hushed', 'after');
    await waitFor('what came after it to be told', async () =>
      [`After-${left}`, `After-${right}`, 'Last'].every((name) => timesTold(name) > 0),
    );
    await annotate(`the others told of alerts ${((Date.now() - killedAt) / SECOND).toFixed(1)} s after the kill`);
    for (const name of [left, right]) expect(await silencesAt(name)).toContain('active Hushed');
    isSwitchedOn = 0;
    await waitFor('the end of one to be told', async () => timesTold('Switched', 'resolved') > 0);
    await delay(2 * MINUTE);
    for (const name of RULES) expect([name, timesTold(name), timesTold(name, 'resolved')]).toEqual([name, 1, 0]);
    expect([timesTold('Switched'), timesTold('Switched', 'resolved')]).toEqual([1, 1]);
    for (const name of [left, right]) expect(timesTold(`After-${name}`)).toBe(1);
    expect(timesTold('Hushed')).toBe(0);
    // Sent by both at most, under one key.
    expect(new Set(told.filter(({ names }) => names.includes('Last')).map(({ key }) => key)).size).toBe(1);
  });

  test('one that comes back with an empty folder knows the silences and alerts, and tells nothing again', async () => {
    const [gone] = NAMES.filter((name) => !programs.get(name)!.alive()) as [string];
    await start(gone);
    await settled(3);
    await waitFor('the silence', async () => (await silencesAt(gone)).includes('active Hushed'));
    await waitFor('the alerts', async () => {
      const shown = await namesAt(gone);
      return RULES.every((name) => shown.includes(name));
    });
    await delay(QUIET_MS * 2);
    for (const name of RULES) expect([name, timesTold(name), timesTold(name, 'resolved')]).toEqual([name, 1, 0]);
    expect(timesTold('Hushed')).toBe(0);
  });

  test('while nothing can be shared, a silence is refused, and who asks is told why', async () => {
    await plane.kubectl(['apply', '-f', '-'], {
      ...FORESAIL_ROLE,
      rules: FORESAIL_ROLE.rules.filter(({ resources }) => !resources.includes('configmaps')),
    });
    let answer: Response | undefined;
    await waitFor('a refusal', async () => {
      answer = await send('one', '/api/v2/silences', silenceOf('Refused'));
      return answer.status === 503;
    });
    const problem = (await answer!.json()) as { code: string; detail?: string };
    expect(JSON.stringify(problem)).toContain('not_shared');
    const { problems } = (await get('one', '/api/v1/status')).data as { problems: readonly string[] };
    expect(problems.join('\n')).toContain('configmaps');
  });

  async function start(name: string): Promise<void> {
    const kubeconfig = programs.has(name) ? join(folder, `${name}.json`) : await kubeconfigOf(plane, folder, name);
    const config = join(folder, `${name}.yaml`);
    const { port } = hook.address() as AddressInfo;
    await writeFile(join(folder, 'hook'), `http://127.0.0.1:${port}/`);
    const lines = [
      `kubernetes: {kubeconfig: ${kubeconfig}}`,
      `storage: {kind: prometheus, write: {url: '${engine.url}/api/v1/write'}, query: {url: '${engine.url}'}, timeout: 3s, queueBytes: 0}`,
      'policies: [policies]',
      'customResources: off',
      'training: {every: off}',
      `coordination: {kind: lease, namespace: shop, leaseDuration: ${LEASE_MS / SECOND}s}`,
      'rules: {files: [rules.yaml], evaluationInterval: 3s}',
      'alerting:',
      '  receivers: [{name: hook, webhookConfigs: [{url: {file: hook}}]}]',
      "  route: {receiver: hook, groupBy: ['...'], groupWait: 1s, groupInterval: 2s, repeatInterval: 4h}",
      'anomalies:',
      `  watches: [{name: load, query: shop_load, step: ${STEP_MS / SECOND}s, history: 6h}]`,
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    programs.set(name, await startProgram(['--config', config]));
  }

  /** Each in a group of its own, so that it is seen whether the groups' replicas and the one that tells agree. */
  function rulesText(): string {
    const groups = RULES.map(
      (name) => `- name: ${name}\n  rules: [{alert: ${name}, expr: vector(1), labels: {severity: warning}}]`,
    );
    const switched =
      '- name: switched\n  rules: [{alert: Switched, expr: shop_switch > 0, labels: {severity: warning}}]';
    return `groups:\n${[...groups, switched].join('\n')}\n`;
  }

  function loadAt(times: readonly number[]): OutgoingSeries {
    const at = (t: number) => load + 3 * Math.sin(t / 97_000) + Math.sin(t / 7_000);
    return { labels: labelsOf({ __name__: 'shop_load' }), times, values: Float64Array.from(times, at) };
  }

  async function sendLive(): Promise<void> {
    const now = Date.now();
    const labels = labelsOf({ __name__: 'shop_switch' });
    await remoteWriteTo(`${engine.url}/api/v1/write`, [
      loadAt([now]),
      { labels, times: [now], values: Float64Array.of(isSwitchedOn) },
    ]);
  }

  async function settled(members: number): Promise<void> {
    await waitFor(`${members} members`, async () => {
      const texts = await Promise.all([...programs.values()].filter((one) => one.alive()).map(metricsOf));
      return texts.every(
        (text) => text.includes(`coordination_members ${members}\n`) && text.includes('coordination_acting 1\n'),
      );
    });
  }

  async function metricsOf({ url }: RunningProgram): Promise<string> {
    return await (await fetch(`${url}/metrics`)).text();
  }

  /** Those that have told somebody something. */
  async function tellers(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [name, program] of programs) {
      if (program.alive() && /^foresail_notifications_total\{.*\} [1-9]/m.test(await metricsOf(program)))
        found.push(name);
    }
    return found;
  }

  function toldOf(pattern: RegExp): readonly Told[] {
    return told.filter(({ names }) => names.some((name) => pattern.test(name)));
  }

  function timesTold(name: string, status = 'firing'): number {
    return told.filter((each) => each.status === status && each.names.includes(name)).length;
  }

  async function send(name: string, path: string, body: unknown): Promise<Response> {
    return await fetch(`${programs.get(name)!.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  async function get(name: string, path: string): Promise<{ readonly data: unknown }> {
    const answer = await fetch(`${programs.get(name)!.url}${path}`);
    const body = (await answer.json()) as { data?: unknown };
    return body.data === undefined ? { data: body } : { data: body.data };
  }

  async function post(name: string, alertname: string, of = ''): Promise<void> {
    const endsAt = new Date(Date.now() + 10 * MINUTE).toISOString();
    const answer = await send(name, '/api/v2/alerts', [{ labels: { alertname, of, severity: 'warning' }, endsAt }]);
    expect([answer.status, await answer.text()]).toEqual([200, '{}']);
  }

  async function silence(name: string, alertname: string): Promise<void> {
    const answer = await send(name, '/api/v2/silences', silenceOf(alertname));
    expect(answer.status).toBe(200);
  }

  function silenceOf(alertname: string) {
    const [startsAt, endsAt] = [Date.now(), Date.now() + HOUR].map((time) => new Date(time).toISOString());
    const matchers = [{ name: 'alertname', value: alertname, isRegex: false, isEqual: true }];
    return { matchers, startsAt, endsAt, createdBy: 'a person', comment: 'planned work' };
  }

  async function silencesAt(name: string): Promise<readonly string[]> {
    const { data } = await get(name, '/api/v2/silences');
    return (data as { status: { state: string }; matchers: { value: string }[] }[]).map(
      ({ status, matchers }) => `${status.state} ${matchers[0]!.value}`,
    );
  }

  async function namesAt(name: string): Promise<readonly string[]> {
    const { data } = await get(name, '/api/v2/alerts');
    return (data as { labels: Record<string, string> }[]).map(({ labels }) => labels['alertname']!);
  }
});
