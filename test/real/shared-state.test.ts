import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { HOUR, SECOND } from '../../src/model/time.ts';
import {
  type ControlPlane,
  findControlPlane,
  freePorts,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import type { OutgoingSeries } from '../../src/wire/encode-write-request.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { type AuditedWrite, auditedWrites, auditFlags, FORESAIL_ROLE, kubeconfigOf } from './replica-plane.ts';
import { deployment, hpa, policy } from './shop-objects.ts';
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
const TARGETS = Array.from({ length: 9 }, (_, i) => `web-${i}`);
const NAMES = ['one', 'two', 'three'] as const;
const LEASE_MS = 15_000;
const STEP_MS = 30_000;
const HISTORY_MS = 6 * HOUR;
const PER_REPLICA = 10;

interface Peak {
  readonly issuedAt: number;
  readonly peak: { readonly quantiles: readonly { readonly quantile: number; readonly value: number }[] };
}

/**
 * Three real processes, a real control plane and a real VictoriaMetrics. History goes straight to the engine, as a
 * Prometheus would send it, and live samples to one of the three alone.
 */
describe('three replicas over one engine', () => {
  let plane: ControlPlane;
  let engine: VictoriaMetrics;
  let folder: string;
  let timer: NodeJS.Timeout | undefined;
  const programs = new Map<string, RunningProgram & { readonly metricsPort: number }>();

  beforeEach(({ skip }) => {
    if (missing !== undefined) skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-shared-state-'));
    engine = await startVictoriaMetrics(engineProgram!);
    plane = await startControlPlane(assets!, { flags: { 'kube-apiserver': await auditFlags(folder) } });
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '-f', '-'], { ...FORESAIL_ROLE, rules: [...FORESAIL_ROLE.rules, ...METRICS_RULES] });
    const items = TARGETS.flatMap((name) => [deployment(name, { replicas: 2 }), hpa(name, { min: 2, max: 40 })]);
    await plane.kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
    await mkdir(join(folder, 'policies'));
    await ask(2);
    const until = Math.floor(Date.now() / STEP_MS) * STEP_MS;
    const times = Array.from({ length: HISTORY_MS / STEP_MS }, (_, i) => until - HISTORY_MS + i * STEP_MS);
    expect(
      await remoteWriteTo(
        `${engine.url}/api/v1/write`,
        TARGETS.map((name) => demandOf(name, times)),
      ),
    ).toBe(204);
    await Promise.all(NAMES.map(start));
    timer = setInterval(() => void sendLive().catch(() => {}), 5 * SECOND);
  });
  afterAll(async () => {
    clearInterval(timer);
    for (const program of programs.values()) {
      if (program.alive()) process.kill(program.pid, 'SIGCONT');
      await program[Symbol.asyncDispose]();
    }
    await plane?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('each forecasts the same from what one of them was sent, and the floors rise to it', async ({ annotate }) => {
    await waitFor('the floors', async () => (await floors()).every((floor) => floor >= 5));
    await annotate(`floors: ${(await floors()).join(', ')}; ${await compareForecasts(NAMES)}`);
  });

  test('each of them answers external metrics of every policy, whoever acts on it', async () => {
    for (const name of NAMES) await answersAll(name);
    const [one, two, three] = await Promise.all(NAMES.map((name) => values(name, 'foresail_forecast_peak')));
    for (const target of TARGETS) {
      expect(near(one![target]!, three![target]!)).toBe(true);
      expect(near(two![target]!, three![target]!)).toBe(true);
    }
  });

  test('one that is killed: the others serve all policies, with the floors in force and the same forecasts', async ({
    annotate,
  }) => {
    const before = await floors();
    process.kill(programs.get('one')!.pid, 'SIGKILL');
    const killedAt = Date.now();
    await delay(LEASE_MS * 1.5);
    for (const name of ['two', 'three'] as const) await answersAll(name);
    (await floors()).forEach((floor, i) => {
      expect(floor).toBeGreaterThanOrEqual(before[i]!);
    });
    await ask(16);
    await reach(16);
    const writers = new Set((await writes()).filter(({ at }) => at > killedAt).map(({ user }) => user));
    expect([...writers].sort()).toEqual(['three', 'two']);
    await annotate(await compareForecasts(['two', 'three']));
  });

  test('one that is frozen past its lease: the last one serves all, and the frozen one writes nothing when it wakes', async ({
    annotate,
  }) => {
    const { pid } = programs.get('two')!;
    await ask(18);
    await waitFor('its first write', async () =>
      (await writes()).some((each) => each.user === 'two' && each.min === 18),
    );
    process.kill(pid, 'SIGSTOP');
    await reach(18);
    await ask(20);
    await reach(20);
    await answersAll('three');
    const wokenAt = Date.now();
    process.kill(pid, 'SIGCONT');
    await delay(LEASE_MS * 0.8);
    expect((await writes()).filter(({ user, at }) => user === 'two' && at >= wokenAt)).toEqual([]);
    await answersAll('two');
    await annotate(await compareForecasts(['two', 'three']));
  });

  test('one that comes back with an empty folder forecasts the same', async ({ annotate }) => {
    await start('one');
    await answersAll('one');
    await annotate(await compareForecasts(['one', 'three']));
  });

  test('what was acknowledged is in the engine, each sample once, though the engine was away; floors hold', async ({
    annotate,
  }) => {
    const { url } = programs.get('three')!;
    const acknowledged: number[] = [];
    const statuses = new Set<number>();
    const first = Date.now();
    const before = await floors();
    const sendAll = async (from: number, to: number, { insists = false } = {}) => {
      for (let i = from; i < to; i++) {
        const labels = labelsOf({ __name__: 'acknowledged', app: 'probe' });
        const one = { labels, times: [first + i], values: Float64Array.of(i) };
        const status = await remoteWriteTo(`${url}/api/v1/write`, [one]);
        statuses.add(status);
        if (status === 204) acknowledged.push(i);
        else if (insists) {
          // As Prometheus does: it keeps what was not acknowledged, and sends it again.
          await delay(250);
          i--;
        }
      }
    };
    await sendAll(0, 100);
    await engine.stop();
    await sendAll(100, 104);
    expect(await (await fetch(`${url}/api/v1/status`)).text()).toContain(`cannot write to the engine at ${engine.url}`);
    await engine.start();
    await sendAll(104, 200, { insists: true });
    expect([...statuses].sort()).toEqual([204, 503]);
    expect(acknowledged.length).toBe(196);
    await waitFor('all of them to be found', async () => {
      const answer = await fetch(`${engine.url}/api/v1/query?nocache=1&query=acknowledged[1h]`);
      const { data } = (await answer.json()) as { data: { result: { values: [number, string][] }[] } };
      const found = data.result.flatMap((each) => each.values.map(([, value]) => Number(value)));
      return JSON.stringify(found) === JSON.stringify(acknowledged);
    });
    (await floors()).forEach((floor, i) => {
      expect(floor).toBeGreaterThanOrEqual(before[i]!);
    });
    await annotate(`${acknowledged.length} of 200 acknowledged, and found`);
  });

  test('nothing unsafe was written: no floor fell, and none was written twice', async () => {
    const written = await writes();
    for (const target of TARGETS) {
      const floorsOf = written
        .filter(({ name, status, min }) => name === target && status === 200 && min !== undefined)
        .map(({ min }) => min!);
      expect(floorsOf).toEqual([...floorsOf].sort((a, b) => a - b));
      expect(new Set(floorsOf).size).toBe(floorsOf.length);
    }
  });

  test('the recorded demand is in the engine, but for two steps around each of the two take-overs at most', async ({
    annotate,
  }) => {
    const recorded = async () => {
      const answer = await fetch(`${engine.url}/api/v1/query?nocache=1&query=foresail_demand{namespace="shop"}[10m]`);
      const { data } = (await answer.json()) as {
        data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
      };
      return data.result;
    };
    // What is written is found some seconds later.
    await waitFor('the demand of every policy', async () => {
      const policies = (await recorded()).map(({ metric }) => metric['policy']);
      return policies.sort().join() === [...TARGETS].sort().join();
    });
    const holes = (await recorded()).map(({ values: all }) => (all.at(-1)![0] - all[0]![0]) / 30 + 1 - all.length);
    expect(Math.max(...holes)).toBeLessThanOrEqual(4);
    await annotate(`steps that nobody recorded around the two take-overs, by policy: ${holes.join(', ')}`);
  });

  async function start(name: string): Promise<void> {
    const [metricsPort] = (await freePorts(1)) as [number];
    const kubeconfig =
      name === 'one' && programs.has('one') ? join(folder, 'one.json') : await kubeconfigOf(plane, folder, name);
    const config = join(folder, `${name}.yaml`);
    const lines = [
      `kubernetes: {kubeconfig: ${kubeconfig}}`,
      `storage: {kind: prometheus, write: {url: '${engine.url}/api/v1/write'}, query: {url: '${engine.url}'}, timeout: 3s, queueBytes: 0}`,
      'policies: [policies]',
      'customResources: off',
      'loops: {scale: 2s}',
      'training: {every: off}',
      `externalMetrics: {listen: '127.0.0.1:${metricsPort}', apiService: leave}`,
      `coordination: {kind: lease, namespace: shop, leaseDuration: ${LEASE_MS / SECOND}s}`,
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    const program = await startProgram(['--config', config]);
    programs.set(name, { ...program, metricsPort });
  }

  /** The file that all of them read says another minimum, from one moment to the next. */
  async function ask(min: number): Promise<void> {
    const next = join(folder, 'next');
    const documents = TARGETS.map((name) =>
      JSON.stringify(
        policy(name, {
          mode: 'enforce',
          target: { name },
          demand: {
            query: `sum(shop_demand{app="${name}"})`,
            step: '30s',
            history: '6h',
            capacity: { perReplica: PER_REPLICA },
          },
          leadTime: '1m',
          replicas: { min, max: 40 },
          ramp: { maxUpPerMinute: '1000%', maxDownPerMinute: '10%', holdDown: '1h' },
          safety: { minHistory: '1h', maxErrorVsNaive: 100 },
        }),
      ),
    );
    await writeFile(next, documents.join('\n---\n'));
    await rename(next, join(folder, 'policies', 'all.yaml'));
  }

  /** An hour's wave, different for each. */
  function demandOf(name: string, times: readonly number[]): OutgoingSeries {
    const i = TARGETS.indexOf(name);
    const at = (t: number) => 60 + 4 * i + 20 * Math.sin((2 * Math.PI * t) / HOUR + i) + 3 * Math.sin(t / 97_000 + i);
    return { labels: labelsOf({ __name__: 'shop_demand', app: name }), times, values: Float64Array.from(times, at) };
  }

  async function sendLive(): Promise<void> {
    const url = `${programs.get('three')!.url}/api/v1/write`;
    await remoteWriteTo(
      url,
      TARGETS.map((name) => demandOf(name, [Date.now()])),
    );
  }

  async function floors(): Promise<readonly number[]> {
    const text = await plane.kubectl(['-n', 'shop', 'get', 'hpa', '-o', 'json']);
    const { items } = JSON.parse(text) as { items: { metadata: { name: string }; spec: { minReplicas: number } }[] };
    return TARGETS.map((target) => items.find(({ metadata }) => metadata.name === target)!.spec.minReplicas);
  }

  async function reach(min: number): Promise<void> {
    await waitFor(`every floor at ${min}`, async () => (await floors()).every((floor) => floor >= min));
  }

  /** Every policy's floor, as it stands in the cluster, its demand and its forecast. */
  async function answersAll(name: string): Promise<void> {
    await waitFor(`${name} to answer metrics of all policies`, async () => {
      const current = await floors();
      const [desired, demand, peak, ahead] = await Promise.all(
        ['foresail_desired_replicas', 'foresail_demand_now', 'foresail_forecast_peak', 'foresail_forecast_demand'].map(
          (metric) => values(name, metric),
        ),
      );
      return TARGETS.every(
        (target, i) =>
          desired![target] === current[i] && demand![target]! > 0 && peak![target]! > 0 && ahead![target]! > 0,
      );
    });
  }

  async function values(name: string, metric: string): Promise<Readonly<Record<string, number>>> {
    const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/${metric}`;
    const { items = [] } = (await askMetrics(programs.get(name)!.metricsPort, path)) as { items?: MetricItem[] };
    return Object.fromEntries(items.map(({ metricLabels, value }) => [metricLabels.policy, quantityOf(value)]));
  }

  function askMetrics(port: number, path: string): Promise<unknown> {
    const pair = {
      cert: readFileSync(join(plane.folder, 'admin.crt')),
      key: readFileSync(join(plane.folder, 'admin.key')),
    };
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, agent: false, rejectUnauthorized: false, ...pair };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve(JSON.parse(text)));
      });
      sent.on('error', reject).end();
    });
  }

  /** Of the same issue: waits until these have forecast each policy from the same last sample. */
  async function compareForecasts(names: readonly string[]): Promise<string> {
    const ratios: number[] = [];
    for (const target of TARGETS) {
      await waitFor(`forecasts of ${target} from the same sample`, async () => {
        const found = await Promise.all(names.map((name) => forecastOf(name, target)));
        if (found.some((each) => each === undefined || each.issuedAt !== found[0]?.issuedAt)) return false;
        const peaks = found.map((each) => each!.peak.quantiles.find(({ quantile }) => quantile === 0.95)!.value);
        ratios.push(Math.max(...peaks) / Math.min(...peaks));
        return true;
      });
    }
    for (const ratio of ratios) expect(ratio).toBeLessThan(1.05);
    return `largest ratio of the peaks of ${names.join(', ')}: ${Math.max(...ratios).toFixed(4)}`;
  }

  async function forecastOf(name: string, target: string): Promise<Peak | undefined> {
    const answer = await fetch(`${programs.get(name)!.url}/api/v1/policies/shop/${target}/forecast`);
    const { data } = (await answer.json()) as { data: readonly Partial<Peak>[] };
    const forecast = data?.[0];
    return forecast?.peak === undefined ? undefined : (forecast as Peak);
  }

  const writes = (): Promise<readonly AuditedWrite[]> => auditedWrites(folder);
});

interface MetricItem {
  readonly metricLabels: { readonly policy: string };
  readonly value: string;
}

const near = (a: number, b: number) => Math.abs(a - b) <= 0.1 * Math.max(a, b);

/** `12`, `12500m` */
function quantityOf(text: string): number {
  return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text);
}

/** What serving metrics takes besides. */
const METRICS_RULES = [
  { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
];
