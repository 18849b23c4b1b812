import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type KubeApi, openKubeApi } from '../../src/kube/api.ts';
import { DEFAULT_FLAGS } from '../../src/scaling/hpa/types.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
} from '../../src/testing/control-plane.ts';
import { agree, type ComparedPass, playScenario, type RunningScenario } from '../../src/testing/hpa-differential.ts';
import { serveMetricsApis } from '../../src/testing/metrics-apis.ts';
import { SCENARIOS } from './hpa-scenarios.ts';

const assets = await findControlPlane();

/** What differs from the defaults is set so that windows end within seconds, and pods stay young for the whole test. */
const FLAGS = { ...DEFAULT_FLAGS, downscaleStabilizationMs: 6000, cpuInitializationPeriodMs: 900_000 };
const GATES = '--feature-gates=HPAConfigurableTolerance=true,HPAScaleToZero=true';

/**
 * The model against the HPA controller of a real kube-controller-manager: both play the same scripts, and after every
 * pass of the controller the replicas and the status of the HPA must be what the model says. No other controller runs,
 * so pods and the target's status are exactly what a script has.
 */
describe('the model of the HPA controller, against the controller', () => {
  let plane: ControlPlane;
  let api: KubeApi;
  let server: AsyncDisposable;
  const running = new Map<string, RunningScenario>();

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    plane = await startControlPlane(assets, {
      controllers: ['horizontal-pod-autoscaler-controller'],
      flags: {
        'kube-apiserver': [GATES],
        'kube-controller-manager': [
          GATES,
          '--horizontal-pod-autoscaler-downscale-stabilization=6s',
          '--horizontal-pod-autoscaler-cpu-initialization-period=15m',
          // Answers are held back until a script wants them: no scenario waits for another one's turn.
          `--concurrent-horizontal-pod-autoscaler-syncs=${SCENARIOS.length + 10}`,
          '--kube-api-qps=1000',
          '--kube-api-burst=2000',
        ],
      },
    });
    api = await openKubeApi({ kubeconfig: plane.kubeconfig, timeoutMs: 60_000 });
    server = await serveMetricsApis(
      plane,
      async (question) => (await running.get(question.namespace)?.answer(question)) ?? { failure: 'not yet' },
    );
    for (const [i, scenario] of SCENARIOS.entries()) {
      const namespace = `scenario-${i}`;
      running.set(namespace, await playScenario(scenario, namespace, { api, kubectl: plane.kubectl, flags: FLAGS }));
    }
  }, 300_000);
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
  });

  test.each(SCENARIOS.map(({ name }, i) => ({ name, namespace: `scenario-${i}` })))('$name', async ({ namespace }) => {
    const passes = await running.get(namespace)!.passes;
    expect(passes.length).toBeGreaterThan(0);
    const first = passes.find(({ real, model }) => !agree(real, model));
    if (first !== undefined) expect(first.real, first.pass).toEqual(first.model);
    expect(passes.every(({ real, model }: ComparedPass) => agree(real, model))).toBe(true);
  });
});
