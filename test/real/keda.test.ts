import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openKubeCluster } from '../../src/kube/cluster.ts';
import type { Cluster, TargetRef, TargetState } from '../../src/scaling/cluster.ts';
import {
  type ControlPlane,
  findControlPlane,
  freePorts,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type Keda, missingKeda, startKeda } from '../../src/testing/keda.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { deployment, policy, requestPolicy } from './shop-objects.ts';

const assets = await findControlPlane();
const missing = assets === undefined ? NO_CONTROL_PLANE : missingKeda(assets);

/** How long Foresail and KEDA are watched beside each other. */
const MINUTES = Number(process.env['KEDA_MINUTES'] ?? 1);
/** KEDA sees a ScaledObject's change and writes its HPA; on a busy machine that takes a while. */
const MOVES_EVERY_MS = 10_000;

/** The real program and the real keda-operator on a real control plane. */
describe('ScaledObjects beside the real KEDA', () => {
  let plane: ControlPlane;
  let keda: Keda;
  let cluster: Cluster & AsyncDisposable;
  let program: RunningProgram;
  let folder: string | undefined;
  let scalerAddress: string;

  beforeEach(({ skip }) => {
    if (missing !== undefined) skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-keda-test-'));
    plane = await startControlPlane(assets!, { controllers: true });
    keda = await startKeda(assets!, plane);
    cluster = await openKubeCluster({ kubeconfig: plane.kubeconfig });
    await plane.kubectl(['create', 'namespace', 'shop']);
    await apply('web', { minReplicaCount: 2, maxReplicaCount: 20 }, always());
    await apply('sleepy', { cooldownPeriod: 1 }, never());
    const config = join(folder, 'foresail.yaml');
    const [port] = await freePorts(1);
    scalerAddress = `127.0.0.1:${port}`;
    const scaler = `kedaScaler: {listen: '${scalerAddress}'}`;
    await writeFile(config, `kubernetes: {kubeconfig: ${plane.kubeconfig}}\nloops: {scale: 1s}\n${scaler}\n`);
    program = await startProgram(['--config', config]);
    await waitFor('the HPA of KEDA', async () => (await hpaOf('web')).min === 2);
  });
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await keda?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('a raised minReplicaCount moves the HPA of KEDA and the pods, with the original kept', async () => {
    await put('web', { replicas: { min: 6, max: 20 } });
    await waitFor('the HPA and the Deployment', async () => {
      return (await hpaOf('web')).min === 6 && (await read('web')).specReplicas === 6;
    });
    expect(await read('web')).toMatchObject({
      min: 6,
      max: 20,
      minManagers: ['foresail'],
      maxManagers: ['kubectl-client-side-apply'],
      ownership: { policy: 'shop/web', original: { min: 2, max: 20 }, takenFrom: ['kubectl-client-side-apply'] },
    });
    await waitFor('ready pods', async () => (await readyReplicas('web')) === 6, 120_000);
    expect(await plane.kubectl(['-n', 'shop', 'describe', 'scaledobject', 'web'])).toMatch(
      /TookOver .*minReplicaCount is taken over from kubectl-client-side-apply/,
    );
  });

  test('the HPA of KEDA is refused as a target, with the ScaledObject as the remedy, and never written', async () => {
    await put('wrong', {
      target: { kind: 'HorizontalPodAutoscaler', name: 'keda-hpa-web' },
      replicas: { min: 9, max: 20 },
    });
    await waitFor('a decision', async () => (await decisions('wrong')) !== '[]');
    expect(await decisions('wrong')).toContain('{kind: ScaledObject, name: web}');
    // KEDA copies the ScaledObject's annotations to its HPA: that makes the HPA no target of ours.
    const { min, managers, text } = await hpaOf('web');
    expect(text).toContain('foresail.dev/ownership');
    expect({ min, ours: managers.includes('foresail') }).toEqual({ min: 6, ours: false });
    expect((await cluster.listOwned()).map(({ ref }) => `${ref.kind} ${ref.name}`)).toEqual(['ScaledObject web']);
    const hpa: TargetRef = { kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'keda-hpa-web' };
    const { uid, resourceVersion, max } = (await cluster.read(hpa)) as TargetState;
    const change = { ref: hpa, uid, resourceVersion, min: 9, max, force: true };
    expect(await cluster.apply({ ...change, ownership: (await read('web')).ownership })).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('ScaledObject web'),
    });
    await requestPolicy(program.url, 'DELETE', 'wrong');
  });

  test.each([
    { annotation: 'paused', value: 'true', before: 6, after: 8, hasHpa: false },
    { annotation: 'paused-replicas', value: '6', before: 8, after: 9, hasHpa: false },
    { annotation: 'paused-scale-out', value: 'true', before: 9, after: 10, hasHpa: true },
  ])('the annotation $annotation is respected, with the reason, until it is gone', async ({
    annotation,
    value,
    before,
    after,
    hasHpa,
  }) => {
    const name = `autoscaling.keda.sh/${annotation}`;
    await plane.kubectl(['-n', 'shop', 'annotate', 'scaledobject', 'web', `${name}=${value}`]);
    await waitFor(
      'KEDA to pause',
      async () => (await plane.kubectl(['-n', 'shop', 'get', 'hpa'])).includes('keda-hpa-web') === hasHpa,
    );
    await waitFor('the pause to be seen', async () => (await read('web')).pause?.annotation === name);
    await put('web', { replicas: { min: after, max: 20 } });
    await waitFor('the reason', async () => {
      return JSON.stringify(await requestPolicy(program.url, 'GET', 'web/plan')).includes(
        `the annotation ${name} of the target pauses it: the floor stays at ${before}, not ${after}`,
      );
    });
    await delay(3_000);
    expect((await read('web')).min).toBe(before);
    await plane.kubectl(['-n', 'shop', 'annotate', 'scaledobject', 'web', `${name}-`]);
    await waitFor(
      'the floor and the HPA',
      async () => (await read('web')).min === after && (await hpaOf('web')).min === after,
    );
  });

  test('a workload at zero is woken for a floor, and sleeps again where the policy asks for zero', async () => {
    await waitFor('KEDA to scale to zero', async () => (await read('sleepy')).specReplicas === 0, 120_000);
    expect(await read('sleepy')).toMatchObject({ min: 0, max: 100, minManagers: [] });
    await put('sleepy', { replicas: { min: 0, max: 5 }, schedules: [{ cron: '* * * * *', duration: '2m', min: 1 }] });
    await waitFor('KEDA to wake it', async () => (await read('sleepy')).specReplicas === 1, 120_000);
    expect(await read('sleepy')).toMatchObject({
      min: 1,
      minManagers: ['foresail'],
      ownership: { original: { min: 0 } },
    });
    await put('sleepy', { replicas: { min: 0, max: 5 } });
    await waitFor('KEDA to scale to zero again', async () => (await read('sleepy')).specReplicas === 0, 240_000);
  });

  test('the operator asks our external scaler, which refuses until there is a forecast, and then answers', async () => {
    const metadata = { scalerAddress, policy: 'queue', quantile: '0.9' };
    await apply('queue', {}, { type: 'external', metadata }, 0);
    await apply('pushed', {}, { type: 'external-push', metadata }, 0);
    await waitFor('a refusal for want of the policy', async () => (await calls('GetMetricSpec', 'NOT_FOUND')) > 0);
    await put('queue', {
      mode: 'observe',
      replicas: { min: 1, max: 20 },
      demand: { name: 'queue_demand', query: 'queue_length', step: '1m', capacity: { perReplica: 10, fill: 0.9 } },
      safety: { minHistory: '1h', maxErrorVsNaive: 1000 },
    });
    await waitFor('a refusal for want of a forecast', async () => {
      return (await calls('GetMetrics', 'FAILED_PRECONDITION')) > 0;
    });
    // What a replica carries is known without a forecast, so KEDA has its HPA; it does not wake the workload.
    expect(await plane.kubectl(['-n', 'shop', 'get', 'hpa'])).toContain('keda-hpa-queue');

    const now = Math.floor(Date.now() / 60_000) * 60;
    const rows = Array.from({ length: 360 }, (_, i) => `${now - (359 - i) * 60},${40 + 10 * Math.sin(i / 10)}`);
    const csv = join(folder!, 'queue.csv');
    await writeFile(csv, `timestamp,value\n${rows.join('\n')}\n`);
    const words = ['import', 'csv', '--input', csv, '--metric', 'queue_length', '--url', program.url];
    await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...words]);
    for (const method of ['GetMetricSpec', 'IsActive', 'GetMetrics', 'StreamIsActive', 'StreamMetricSpec']) {
      await waitFor(`an answer to ${method}`, async () => (await calls(method, 'OK')) > 0, 300_000);
    }
    for (const name of ['queue', 'pushed']) {
      await waitFor(`the HPA of ${name}`, async () => (await hpaOf(name)).min === 1, 300_000);
      const { metrics } = JSON.parse((await hpaOf(name)).text).spec;
      expect(metrics).toMatchObject([
        {
          type: 'External',
          external: {
            metric: { name: 's0-foresail-queue-queue_demand' },
            target: { type: 'AverageValue', averageValue: '9' },
          },
        },
      ]);
      // A forecast above zero is an active trigger: KEDA wakes the workload.
      await waitFor(`${name} to be active`, async () => (await read(name)).specReplicas >= 1, 120_000);
    }
    const before = await refusals('NOT_FOUND');
    await requestPolicy(program.url, 'DELETE', 'queue');
    // Which method meets it first is the operator's affair: it may ask for the specification anew, and then for no more.
    await waitFor('refusals once the policy is gone', async () => (await refusals('NOT_FOUND')) > before + 1, 120_000);
  });

  test(`beside each other for ${MINUTES} minutes nobody sets anything back`, async ({ annotate }) => {
    const end = Date.now() + MINUTES * 60_000;
    const slowest = { hpa: 0 };
    let moves = 0;
    for (let floor = 11; Date.now() < end; floor = floor === 11 ? 14 : 11, moves++) {
      const started = Date.now();
      await put('web', { replicas: { min: floor, max: 20 } });
      await waitFor(`the HPA at ${floor}`, async () => (await hpaOf('web')).min === floor);
      slowest.hpa = Math.max(slowest.hpa, Date.now() - started);
      for (;;) {
        const [state, hpa] = [await read('web'), await hpaOf('web')];
        expect(state).toMatchObject({
          min: floor,
          minManagers: ['foresail'],
          ownership: { setBackAt: [], givenUp: null },
        });
        expect({ min: hpa.min, ours: hpa.managers.includes('foresail') }).toEqual({ min: floor, ours: false });
        if (Date.now() - started >= MOVES_EVERY_MS) break;
        await delay(500);
      }
    }
    const told = await plane.kubectl(['-n', 'shop', 'describe', 'scaledobject', 'web']);
    expect(told).not.toContain('GivenUp');
    const conflicts = await writes('conflict');
    await annotate(
      `${moves} moves in ${MINUTES} minutes, the HPA followed within ${slowest.hpa} ms at most; writes: ${await writes('applied')} applied, ${conflicts} met a change in between, ${await writes('owned')} owned`,
    );
    expect(await writes('owned')).toBe(0);
    expect(await writes('refused')).toBe(0);
  });

  test('foresail release --all gives the ScaledObjects back with the server down', async () => {
    process.kill(program.pid, 'SIGTERM');
    await waitFor('the program to end', async () => !program.alive());
    const words = ['release', '--all', '--now', '--kubeconfig', plane.kubeconfig];
    const { stdout } = await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...words]);
    expect(stdout).toContain('shop/ScaledObject:web');
    expect(await read('web')).toMatchObject({
      min: 2,
      max: 20,
      minManagers: ['kubectl-client-side-apply'],
      ownership: null,
    });
    const sleepy = await plane.kubectl(['-n', 'shop', 'get', 'so', 'sleepy', '-o', 'json', '--show-managed-fields']);
    expect(JSON.parse(sleepy).spec).not.toHaveProperty('minReplicaCount');
    for (const name of ['web', 'sleepy']) {
      const text = await plane.kubectl(['-n', 'shop', 'get', 'so', name, '-o', 'json', '--show-managed-fields']);
      expect(text).not.toContain('foresail');
    }
    expect(await cluster.listOwned()).toEqual([]);
    await waitFor('the HPA to follow', async () => (await hpaOf('web')).min === 2);
  });

  async function read(name: string): Promise<TargetState> {
    const state = await cluster.read({ kind: 'ScaledObject', namespace: 'shop', name });
    if (state.kind === 'missing') throw new Error(state.message);
    return state;
  }

  async function hpaOf(name: string) {
    const text = await plane.kubectl([
      '-n',
      'shop',
      'get',
      'hpa',
      `keda-hpa-${name}`,
      '-o',
      'json',
      '--show-managed-fields',
    ]);
    const { spec, metadata } = JSON.parse(text);
    const managers: readonly string[] = metadata.managedFields.map(({ manager }: { manager: string }) => manager);
    return { min: spec.minReplicas as number, managers, text };
  }

  async function readyReplicas(name: string): Promise<number> {
    return JSON.parse(await plane.kubectl(['-n', 'shop', 'get', 'deployment', name, '-o', 'json'])).status
      .readyReplicas;
  }

  async function apply(name: string, bounds: object, trigger: object, replicas = 1): Promise<void> {
    await plane.kubectl(['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [deployment(name, { replicas }), scaledObject(name, bounds, trigger)],
    });
  }

  function put(name: string, how: object) {
    return requestPolicy(program.url, 'PUT', name, scaledObjectPolicy(name, how));
  }

  async function decisions(name: string): Promise<string> {
    return JSON.stringify(((await requestPolicy(program.url, 'GET', `${name}/decisions`)) as { data: unknown }).data);
  }

  const writes = (outcome: string) => counted('foresail_bounds_writes_total', [outcome]);
  const calls = (method: string, code: string) => counted('foresail_keda_scaler_calls_total', [method, code]);

  const refusals = (code: string) => counted('foresail_keda_scaler_calls_total', [code]);

  async function counted(metric: string, labels: readonly string[]): Promise<number> {
    const text = await (await fetch(`${program.url}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(metric) && labels.every((label) => line.includes(`"${label}"`)))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
});

function scaledObject(name: string, bounds: object, trigger: object) {
  return {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: { name, namespace: 'shop' },
    spec: { scaleTargetRef: { name }, pollingInterval: 2, ...bounds, triggers: [trigger] },
  };
}

/** Active but for the last minute of a day. Its value is for KEDA's metrics adapter, which is not here. */
function always() {
  return cron('0 0 * * *', '59 23 * * *');
}

/** Inactive for hours to come. */
function never() {
  const hour = (new Date().getUTCHours() + 12) % 24;
  return cron(`0 ${hour} * * *`, `5 ${hour} * * *`);
}

function cron(start: string, end: string) {
  return { type: 'cron', metadata: { timezone: 'Etc/UTC', start, end, desiredReplicas: '1' } };
}

/** Without a demand the floor is the policy's own minimum. */
function scaledObjectPolicy(name: string, how: object) {
  return policy(name, {
    mode: 'enforce',
    target: { kind: 'ScaledObject', name },
    demand: { name: `${name}_demand`, query: `demand{app="${name}"}`, capacity: { perReplica: 1 } },
    ramp: { maxUpPerMinute: '10000%', maxDownPerMinute: '99%', holdDown: '1s' },
    ...how,
  });
}
