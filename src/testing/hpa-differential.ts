import { setTimeout as delay } from 'node:timers/promises';
import { type KubeApi, type KubeCall, messageOf } from '../kube/api.ts';
import type { Millis } from '../model/time.ts';
import { type Reconciled, reconcile } from '../scaling/hpa/reconcile.ts';
import {
  type ControllerFlags,
  type HpaSpec,
  type HpaState,
  type MetricReading,
  NEW_HPA,
  type Observation,
  type PodState,
} from '../scaling/hpa/types.ts';
import type { ControlPlane } from './control-plane.ts';
import { answerOf, deploymentObject, hpaObject, podObject, podStatus, statusOf, TARGET } from './hpa-objects.ts';
import type { MetricsAnswer, MetricsQuestion } from './metrics-apis.ts';

/** A script that the real controller and the model both play. Each has a namespace of its own. */
export interface HpaScenario {
  readonly name: string;
  readonly spec: HpaSpec;
  /** `spec.replicas` and `status.replicas` at first. */
  readonly replicas: number;
  readonly pods?: readonly PodState[];
  /** Each is one pass of the controller that reads metrics. */
  readonly steps: readonly HpaStep[];
  /** Time between the answers of two steps, ms: for what windows and rates do. Without it, as fast as it goes. */
  readonly paceMs?: number;
}

export interface HpaStep {
  /** What the metrics APIs answer, one for each metric. */
  readonly metrics?: readonly MetricReading[];
  /** Changed before it. */
  readonly spec?: Partial<HpaSpec>;
  readonly replicas?: number;
  /** `status.replicas`; without it, whatever `spec.replicas` is by then. */
  readonly statusReplicas?: number;
  /** What the model is told of obstacles, and how they are made. Where no metric is read any more, it is the last step. */
  readonly obstacle?: Pick<Observation, 'scaleError' | 'selectorError' | 'updateError'>;
  readonly make?: (kubectl: ControlPlane['kubectl'], namespace: string) => Promise<unknown>;
  readonly readsNothing?: boolean;
}

/** How one pass ended: in the cluster, and by the model. */
export interface ComparedPass {
  readonly pass: string;
  readonly real: PassResult;
  readonly model: PassResult;
}

export interface PassResult {
  readonly replicas: number;
  readonly desired: number;
  readonly conditions: Readonly<Record<string, string>>;
  readonly metrics: readonly unknown[];
}

export interface PlayDeps {
  readonly api: KubeApi;
  readonly kubectl: ControlPlane['kubectl'];
  readonly flags: ControllerFlags;
}

export interface RunningScenario {
  /** Answers a question of the controller. Where it is the first of a pass, the pass before is over and is compared. */
  answer(question: MetricsQuestion): Promise<MetricsAnswer>;
  /** Resolves when the script is over. */
  readonly passes: Promise<readonly ComparedPass[]>;
}

const SETTLING: MetricReading = { kind: 'error', message: 'settling' };
const DEADLINE_MS = 240_000;
/** Stands for the count of a target that does not exist. */
const NO_TARGET = -1;

/**
 * Makes the objects and plays the script. Between two steps one pass is made to fail (every metric answers with an
 * error, which leaves nothing behind but conditions), so that the next one surely sees all that the step changed.
 */
export async function playScenario(
  scenario: HpaScenario,
  namespace: string,
  { api, kubectl, flags }: PlayDeps,
): Promise<RunningScenario> {
  const cluster = clusterOf({ api, kubectl }, namespace);
  const { steps, pods = [], paceMs } = scenario;
  const metricCount = scenario.spec.metrics.length;
  let spec = scenario.spec;
  let replicas = scenario.replicas;
  let statusReplicas = scenario.replicas;
  let state: HpaState = NEW_HPA;
  let last: Reconciled | null = null;
  let desired = 0;

  const modelPass = (metrics: readonly MetricReading[], now: Millis, obstacle: HpaStep['obstacle'] = {}) => {
    const observed = { specReplicas: replicas, statusReplicas, pods, metrics, ...obstacle };
    last = reconcile(state, spec, observed, now, flags);
    // A pass that fails shows the count that was desired before it.
    const active = last.conditions.find(({ type }) => type === 'ScalingActive')?.status !== false;
    const able = last.conditions.find(({ type }) => type === 'AbleToScale')?.status !== false;
    if (last.error === null || (active && able)) desired = last.desired;
    state = last.state;
    replicas = last.desired;
  };
  const outOfBounds = () => replicas > 0 && (replicas > spec.maxReplicas || replicas < (spec.minReplicas ?? 1));

  const passes: ComparedPass[] = [];
  const over = settleable<readonly ComparedPass[]>();
  let next = 0;
  let settled = false;
  let ended = false;
  let begun: Millis | null = null;
  /** What this pass answers, and how many of its metrics are answered. */
  let readings: readonly MetricReading[] = [];
  let asked = 0;

  const compare = (pass: string, real: PassResult) =>
    passes.push({ pass, real, model: resultOf(last!, replicas, desired) });

  async function change(step: HpaStep): Promise<void> {
    const before = { state, last, desired };
    modelPass(Array(metricCount).fill(SETTLING), Date.now());
    if (step.spec !== undefined) {
      spec = { ...spec, ...step.spec };
      // The pass under way read the HPA before: its status is refused as out of date.
      const { recommendations } = state;
      ({ last, desired } = before);
      state = { ...before.state, recommendations };
      await cluster.patchHpa(spec);
    }
    replicas = step.replicas ?? replicas;
    statusReplicas = step.statusReplicas ?? replicas;
    await cluster.patchDeployment(replicas, statusReplicas);
    await step.make?.(kubectl, namespace);
  }

  /** The end of a script after which the controller reads no more metrics: looked at until both agree, or too long. */
  async function watchEnd({ obstacle }: HpaStep): Promise<void> {
    while (outOfBounds()) modelPass([], Date.now());
    const { metrics } = last!;
    modelPass([], Date.now(), obstacle);
    // Without a scale nothing of the status but a condition is written.
    if (obstacle?.scaleError !== undefined) {
      last = { ...last!, metrics };
      replicas = NO_TARGET;
    }
    const wanted = resultOf(last!, replicas, desired);
    let real = await cluster.read();
    for (let tries = 0; tries < 60 && !agree(real, wanted); tries++) {
      await delay(500);
      real = await cluster.read();
    }
    compare('end', real);
    over.resolve(passes);
  }

  async function beginPass(): Promise<void> {
    while (outOfBounds()) modelPass([], Date.now());
    // After an answer that was held back the next pass begins at once, from an HPA that may not be up to date yet: the
    // API server then refuses its status, so only the passes of the steps themselves are compared.
    const comparable = last !== null && (!settled || paceMs === undefined);
    if (comparable) compare(settled ? `before step ${next}` : `step ${next - 1}`, await cluster.read());
    const step = steps[next];
    if (step === undefined) {
      ended = true;
      over.resolve(passes);
      return;
    }
    if (!settled) {
      await change(step);
      readings = Array(metricCount).fill(SETTLING);
      settled = true;
      if (step.readsNothing !== true) return;
      ended = true;
      watchEnd(step).catch(over.reject);
      return;
    }
    if (paceMs !== undefined && begun !== null) await delay(begun + next * paceMs - Date.now());
    begun ??= Date.now();
    readings = step.metrics ?? [];
    settled = false;
    next++;
    modelPass(readings, Date.now(), step.obstacle);
  }

  await cluster.create(scenario);
  const timer = setTimeout(() => {
    const message = `${scenario.name}: the controller did not come to step ${next} within ${DEADLINE_MS / 1000} s`;
    over.reject(new Error(message));
  }, DEADLINE_MS);
  const running: RunningScenario = {
    answer: async (question) => {
      const index = asked;
      asked = (asked + 1) % metricCount;
      try {
        if (index === 0 && !ended) await beginPass();
      } catch (error) {
        over.reject(error);
      }
      return answerOf(question, ended ? SETTLING : (readings[index] ?? SETTLING), spec.metrics[index]!);
    },
    passes: over.promise.finally(() => clearTimeout(timer)),
  };
  // A script may go wrong before anybody waits for it.
  running.passes.catch(() => {});
  return running;
}

/** A promise with the two functions that settle it. */
function settleable<T>() {
  let settle!: { resolve: (value: T) => void; reject: (reason: unknown) => void };
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

function resultOf({ conditions, metrics }: Reconciled, replicas: number, desired: number): PassResult {
  return {
    replicas,
    desired,
    conditions: Object.fromEntries(
      conditions.map(({ type, status, reason, message }) => [
        type,
        `${status ? 'True' : 'False'} ${reason}: ${message}`,
      ]),
    ),
    metrics,
  };
}

/** Whether they say the same. What the controller puts before the words of an API, and its list of HPAs, is not compared. */
export function agree(real: PassResult, model: PassResult): boolean {
  const types = Object.keys(model.conditions);
  return (
    real.replicas === model.replicas &&
    real.desired === model.desired &&
    Object.keys(real.conditions).length === types.length &&
    types.every((type) => sameCondition(real.conditions[type], model.conditions[type]!)) &&
    sameNumbers(real.metrics, model.metrics)
  );
}

/** Quantities are printed and read again: nine digits of a number must be the same. */
function sameNumbers(a: readonly unknown[], b: readonly unknown[]): boolean {
  const text = (list: readonly unknown[]) =>
    JSON.stringify(list, (_, value) => (typeof value === 'number' ? value.toPrecision(9) : value));
  return text(a) === text(b);
}

function sameCondition(real: string | undefined, model: string): boolean {
  if (model.includes('AmbiguousSelector')) return real?.startsWith(model) === true;
  const [start, detail] = model.split(/(?<=the replica count: |target scale: |current scale: )/);
  return real === model || (detail !== undefined && real?.startsWith(start!) === true && real.includes(detail));
}

interface HpaStatus {
  readonly desiredReplicas?: number;
  readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
  readonly currentMetrics?: readonly Parameters<typeof statusOf>[0][] | null;
}

function clusterOf({ api, kubectl }: Omit<PlayDeps, 'flags'>, namespace: string) {
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const hpas = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const call = async <T>(what: KubeCall): Promise<T> => {
    const answer = await api.request(what);
    if (answer.status >= 300) throw new Error(`${what.method} ${what.path}: ${messageOf(answer)}`);
    return answer.body as T;
  };
  const post = (path: string, body: object) => call({ method: 'POST', path, body });
  const patch = (path: string, body: object) =>
    call({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body });

  return {
    create: async ({ replicas, spec, pods: wanted = [] }: HpaScenario) => {
      await post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
      await post(deployments, deploymentObject(namespace, replicas));
      await patch(`${deployments}/${TARGET}/status`, { status: { replicas } });
      for (const pod of wanted) {
        await post(pods, podObject(namespace, pod));
        await patch(`${pods}/${pod.name}/status`, { status: podStatus(pod) });
      }
      for (const pod of wanted.filter(({ deleting }) => deleting === true)) {
        await kubectl(['-n', namespace, 'delete', 'pod', pod.name, '--wait=false']);
      }
      await post(hpas, hpaObject(namespace, spec));
    },
    patchHpa: ({ minReplicas = null, maxReplicas }: { minReplicas?: number | null; maxReplicas: number }) =>
      patch(`${hpas}/${TARGET}`, { spec: { minReplicas, maxReplicas } }),
    patchDeployment: async (replicas: number, statusReplicas: number) => {
      await patch(`${deployments}/${TARGET}`, { spec: { replicas } });
      await patch(`${deployments}/${TARGET}/status`, { status: { replicas: statusReplicas } });
    },
    read: async (): Promise<PassResult> => {
      const deployment = await api.request({ method: 'GET', path: `${deployments}/${TARGET}` });
      const { status } = await call<{ status: HpaStatus }>({ method: 'GET', path: `${hpas}/${TARGET}` });
      const entries = (status.conditions ?? []).map(
        (each) => [each.type, `${each.status} ${each.reason}: ${each.message}`] as const,
      );
      return {
        replicas: (deployment.body as { spec?: { replicas?: number } }).spec?.replicas ?? NO_TARGET,
        desired: status.desiredReplicas ?? 0,
        conditions: Object.fromEntries(entries),
        metrics: (status.currentMetrics ?? []).map(statusOf),
      };
    },
  };
}
