import { describe, expect, test } from 'vitest';
import { limitLegacy, stabilizeLegacy } from './normalize.ts';
import { reconcile } from './reconcile.ts';
import { type HpaSpec, type HpaState, type MetricReading, NEW_HPA } from './types.ts';

const T0 = 1_700_000_000_000;
const SPEC: HpaSpec = {
  minReplicas: 2,
  maxReplicas: 50,
  metrics: [{ type: 'External', name: 'load', target: { averageValue: 100 } }],
};
const WITH_RULES: HpaSpec = { ...SPEC, behavior: {} };

/** Runs the model over a script of `[second, usage]`; a usage of null is a failing metrics API. */
function run(spec: HpaSpec, start: number, script: readonly (readonly [number, number | null])[]) {
  let state: HpaState = NEW_HPA;
  let replicas = start;
  return script.map(([second, usage]) => {
    const metrics: MetricReading[] = spec.metrics.map(() =>
      usage === null ? { kind: 'error', message: 'down' } : { kind: 'values', values: [usage] },
    );
    const observed = { specReplicas: replicas, statusReplicas: replicas, pods: [], metrics };
    const step = reconcile(state, spec, observed, T0 + second * 1000);
    state = step.state;
    replicas = step.desired;
    return step;
  });
}

const replicasOf = (steps: ReturnType<typeof run>) => steps.map((step) => step.desired);
const reasonOf = (step: ReturnType<typeof run>[number] | undefined, type: string) =>
  step?.conditions.find((condition) => condition.type === type)?.reason;

describe('reconcile() bounds, before any metric is read', () => {
  test('a raised minimum jumps at once, even while the metrics API is down', () => {
    const [step] = run({ ...SPEC, minReplicas: 30 }, 3, [[0, null]]);
    expect(step).toMatchObject({ desired: 30, reason: 'Current number of replicas below Spec.MinReplicas' });
    expect(reasonOf(step, 'AbleToScale')).toBe('SucceededRescale');
  });

  test('a lowered maximum cuts at once', () => {
    expect(run({ ...SPEC, maxReplicas: 5 }, 20, [[0, null]])[0]).toMatchObject({ desired: 5, rescaled: true });
  });

  test('a target at 0 stays off, whatever the minimum', () => {
    const [step] = run({ ...SPEC, minReplicas: 8 }, 0, [[0, 5000]]);
    expect(step).toMatchObject({ desired: 0, rescaled: false });
    expect(reasonOf(step, 'ScalingActive')).toBe('ScalingDisabled');
  });

  test('a lowered minimum is not protected by the window: only raw proposals are in its log', () => {
    const first = reconcile(NEW_HPA, { ...SPEC, minReplicas: 30 }, observed(3, 300), T0);
    expect(first.desired).toBe(30);
    const second = reconcile(first.state, SPEC, observed(30, 300), T0 + 15_000);
    expect(second.desired).toBe(3);
  });

  test('with behavior, a raised minimum uses up the rate of the next period', () => {
    const rules = { scaleUp: { policies: [{ type: 'Pods', value: 10, periodSeconds: 60 }] } } as const;
    const raised = { ...SPEC, minReplicas: 13, behavior: rules };
    const first = reconcile(NEW_HPA, raised, observed(3, 300), T0);
    expect(first.desired).toBe(13);
    const second = reconcile(first.state, raised, observed(13, 4000), T0 + 15_000);
    expect(second.desired).toBe(13);
    expect(reasonOf(second, 'ScalingLimited')).toBe('ScaleUpLimit');
  });
});

function observed(replicas: number, usage: number) {
  const metrics: MetricReading[] = [{ kind: 'values', values: [usage] }];
  return { specReplicas: replicas, statusReplicas: replicas, pods: [], metrics };
}

describe('reconcile() limits and windows', () => {
  test.each([
    { name: 'legacy: doubles at most', spec: SPEC, start: 5, script: [[0, 5000]], want: [10], reason: 'ScaleUpLimit' },
    { name: 'legacy: up to 4 from one', spec: SPEC, start: 2, script: [[0, 5000]], want: [4], reason: 'ScaleUpLimit' },
    {
      name: 'rules: double or four more',
      spec: WITH_RULES,
      start: 3,
      script: [[0, 5000]],
      want: [7],
      reason: 'ScaleUpLimit',
    },
    { name: 'stops at max', spec: SPEC, start: 40, script: [[0, 9000]], want: [50], reason: 'TooManyReplicas' },
    {
      name: 'stops at min',
      spec: SPEC,
      start: 3,
      script: [
        [0, 10],
        [301, 10],
      ],
      want: [3, 2],
      reason: 'TooFewReplicas',
    },
    { name: 'in range', spec: SPEC, start: 10, script: [[0, 1000]], want: [10], reason: 'DesiredWithinRange' },
    {
      name: 'legacy: the window holds',
      spec: SPEC,
      start: 10,
      script: [
        [0, 300],
        [300, 300],
        [301, 300],
      ],
      want: [10, 10, 3],
      reason: 'DesiredWithinRange',
    },
    {
      name: 'rules: the window holds',
      spec: WITH_RULES,
      start: 10,
      script: [
        [0, 300],
        [299, 300],
        [300, 300],
      ],
      want: [10, 10, 3],
      reason: 'DesiredWithinRange',
    },
    {
      name: 'one failing metric alone: nothing',
      spec: SPEC,
      start: 10,
      script: [[0, null]],
      want: [10],
      reason: undefined,
    },
  ] as const)('$name', ({ spec, start, script, want, reason }) => {
    const steps = run(spec, start, script);
    expect(replicasOf(steps)).toEqual(want);
    expect(reasonOf(steps.at(-1), 'ScalingLimited')).toBe(reason);
  });

  test('a scale-up window waits for the lowest recommendation', () => {
    const spec = { ...SPEC, behavior: { scaleUp: { stabilizationWindowSeconds: 60 } } };
    const steps = run(spec, 4, [
      [0, 800],
      [15, 900],
      [59, 900],
      [60, 900],
      [75, 900],
    ]);
    expect(replicasOf(steps)).toEqual([4, 4, 4, 8, 9]);
    expect(reasonOf(steps[0], 'AbleToScale')).toBe('ScaleUpStabilized');
  });

  test('rates count from where the period began', () => {
    const behavior = {
      scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] },
    } as const;
    const steps = run({ ...SPEC, behavior }, 10, [
      [0, 300],
      [15, 300],
      [59, 300],
      [60, 300],
      [75, 300],
    ]);
    expect(replicasOf(steps)).toEqual([9, 9, 9, 8, 8]);
    expect(reasonOf(steps[1], 'ScalingLimited')).toBe('ScaleDownLimit');
  });

  test.each([
    { select: 'Max', want: 6 },
    { select: 'Min', want: 9 },
    { select: 'Disabled', want: 10 },
  ] as const)('scale down by the policy that $select selects', ({ select, want }) => {
    const policies = [
      { type: 'Pods', value: 1, periodSeconds: 60 },
      { type: 'Percent', value: 34, periodSeconds: 60 },
    ] as const;
    const behavior = { scaleDown: { stabilizationWindowSeconds: 0, selectPolicy: select, policies } };
    expect(replicasOf(run({ ...SPEC, behavior }, 10, [[0, 300]]))).toEqual([want]);
  });
});

describe('reconcile() with several metrics', () => {
  const two: HpaSpec = {
    ...SPEC,
    metrics: [
      { type: 'External', name: 'load', target: { averageValue: 100 } },
      { type: 'External', name: 'queue', target: { averageValue: 10 } },
    ],
  };
  const error: MetricReading = { kind: 'error', message: 'no route' };
  const value = (usage: number): MetricReading => ({ kind: 'values', values: [usage] });
  test.each([
    { name: 'the largest wins', metrics: [value(1200), value(150)], want: 15, active: 'ValidMetricFound' },
    { name: 'one fails, the other scales up', metrics: [error, value(150)], want: 15, active: 'ValidMetricFound' },
    {
      name: 'one fails, the other would scale down',
      metrics: [value(300), error],
      want: 10,
      active: 'FailedGetExternalMetric',
    },
    { name: 'all fail', metrics: [error, error], want: 10, active: 'FailedGetExternalMetric' },
  ])('$name', ({ metrics, want, active }) => {
    const observation = { specReplicas: 10, statusReplicas: 10, pods: [], metrics };
    const step = reconcile(NEW_HPA, two, observation, T0);
    expect(step.desired).toBe(want);
    expect(reasonOf(step, 'ScalingActive')).toBe(active);
    expect(step.error === null).toBe(metrics.every((metric) => metric !== error));
  });
});

describe('reconcile() where something stands in the way', () => {
  const shown = (step: ReturnType<typeof reconcile>, type: string) =>
    step.conditions.find((condition) => condition.type === type);
  test('the scale cannot be read: nothing else is, and nothing is remembered', () => {
    const step = reconcile(NEW_HPA, SPEC, { ...observed(3, 5000), scaleError: 'gone' }, T0);
    expect(step).toMatchObject({ desired: 3, rescaled: false, error: 'gone', state: { recommendations: [] } });
    expect(shown(step, 'AbleToScale')).toMatchObject({ status: false, reason: 'FailedGetScale' });
  });

  test.each(['InvalidSelector', 'AmbiguousSelector'] as const)('%s: no metric is read', (reason) => {
    const step = reconcile(NEW_HPA, SPEC, { ...observed(3, 5000), selectorError: { reason, message: 'two' } }, T0);
    expect(step).toMatchObject({ desired: 3, rescaled: false, error: 'two', metrics: [] });
    expect(shown(step, 'ScalingActive')).toEqual({ type: 'ScalingActive', status: false, reason, message: 'two' });
  });

  test('the scale cannot be written: no event is stored', () => {
    const step = reconcile(NEW_HPA, WITH_RULES, { ...observed(3, 5000), updateError: 'no' }, T0);
    expect(step).toMatchObject({ desired: 3, rescaled: false, error: 'no', state: { scaleUpEvents: [] } });
    expect(shown(step, 'AbleToScale')).toMatchObject({ status: false, reason: 'FailedUpdateScale' });
  });

  test('an HPA that names no metric has the default one', () => {
    const step = reconcile(NEW_HPA, { ...SPEC, metrics: [] }, { ...observed(3, 0), metrics: [] }, T0);
    expect(step.conditions.find(({ type }) => type === 'ScalingActive')?.reason).toBe('FailedGetResourceMetric');
  });
});

describe('normalization tables', () => {
  test.each([
    { name: 'below min', current: 5, desired: 1, min: 2, max: 15, want: 2, reason: 'TooFewReplicas' },
    { name: 'above max', current: 8, desired: 20, min: 1, max: 15, want: 15, reason: 'TooManyReplicas' },
    { name: 'above twice', current: 2, desired: 20, min: 1, max: 15, want: 4, reason: 'ScaleUpLimit' },
    { name: 'in range', current: 5, desired: 7, min: 1, max: 15, want: 7, reason: 'DesiredWithinRange' },
    { name: 'max within the limit', current: 10, desired: 100, min: 1, max: 20, want: 20, reason: 'TooManyReplicas' },
  ])('limitLegacy() $name', ({ current, desired, min, max, want, reason }) => {
    expect(limitLegacy(current, desired, min, max)).toEqual({ replicas: want, reason });
  });

  const ago = (seconds: number, replicas: number) => ({ at: T0 - seconds * 1000, replicas });
  test.each([
    { name: 'an empty log', log: [], desired: 5, want: 5, length: 1 },
    { name: 'the largest of the window', log: [ago(60, 6), ago(30, 9)], desired: 5, want: 9, length: 3 },
    { name: 'an old entry is overwritten', log: [ago(400, 20), ago(30, 4)], desired: 5, want: 5, length: 2 },
    { name: 'exactly as old as the window counts', log: [ago(300, 20)], desired: 5, want: 20, length: 2 },
  ])('stabilizeLegacy() $name', ({ log, desired, want, length }) => {
    const { stabilized, log: next } = stabilizeLegacy(log, desired, T0, 300_000);
    expect({ stabilized, length: next.length }).toEqual({ stabilized: want, length });
  });
});
