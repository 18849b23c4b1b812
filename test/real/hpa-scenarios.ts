import type { HpaSpec, MetricReading, MetricSpec, PodState } from '../../src/scaling/hpa/types.ts';
import type { ControlPlane } from '../../src/testing/control-plane.ts';
import type { HpaScenario } from '../../src/testing/hpa-differential.ts';
import { TARGET } from '../../src/testing/hpa-objects.ts';

const NOW = Math.floor(Date.now() / 1000) * 1000;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const WINDOW_MS = 10 * SECOND;

interface Letter {
  readonly pod: Partial<PodState>;
  /** When its sample was taken. The default is well after it became ready. */
  readonly sampled?: number;
}

const RUNNING = { phase: 'Running', startTime: NOW - HOUR } as const;
const STARTING = { phase: 'Running', startTime: NOW } as const;
const ready = (lastTransition: number) => ({ status: true, lastTransition });
const unready = (lastTransition: number) => ({ status: false, lastTransition });

/** The controllers run with an initialisation period of 15 minutes and a delay of initial readiness of 30 s. */
const LETTERS: Readonly<Record<string, Letter>> = {
  /** Ready for long. */
  r: { pod: { ...RUNNING, ready: ready(NOW - HOUR) } },
  /** Never ready. */
  u: { pod: { ...RUNNING, ready: unready(NOW - HOUR) } },
  /** Ready once. */
  w: { pod: { ...RUNNING, ready: unready(NOW - HOUR / 2) } },
  /** Just started, with a sample of a whole window since it was ready. */
  s: { pod: { ...STARTING, ready: ready(NOW) } },
  /** Just started, with a sample that is partly of before. */
  h: { pod: { ...STARTING, ready: ready(NOW) }, sampled: NOW + 5 * SECOND },
  /** Just started, not ready. */
  n: { pod: { ...STARTING, ready: unready(NOW) } },
  /** Just started, readiness unknown. */
  q: { pod: { ...STARTING, ready: { status: 'Unknown', lastTransition: NOW } } },
  /** Without a Ready condition. */
  x: { pod: RUNNING },
  p: { pod: { phase: 'Pending' } },
  f: { pod: { phase: 'Failed', startTime: NOW - HOUR } },
  /** Going away, still ready. */
  d: { pod: { ...RUNNING, ready: ready(NOW - HOUR), deleting: true } },
};

const MAIN = [{ name: 'main', requests: { cpu: 1, memory: 100 } }];

function podsOf(letters: string, containers: PodState['containers'] = MAIN, requests?: PodState['requests']) {
  return [...letters].map((letter, i): PodState => {
    const { pod } = LETTERS[letter]!;
    return { name: `pod-${i}`, phase: 'Running', containers, ...(requests !== undefined && { requests }), ...pod };
  });
}

/** Samples of the pods of `letters`; null: none of that pod. */
function samples(letters: string, levels: readonly (number | null)[]): MetricReading {
  return {
    kind: 'pods',
    samples: levels.flatMap((value, i) => {
      const time = LETTERS[letters[i] ?? 'r']!.sampled ?? NOW + 30 * SECOND;
      return value === null ? [] : [{ pod: `pod-${i}`, value, time, windowMs: WINDOW_MS }];
    }),
  };
}

const values = (...list: number[]): MetricReading => ({ kind: 'values', values: list });
const down = (message: string): MetricReading => ({ kind: 'error', message });

const load: MetricSpec = { type: 'External', name: 'load', target: { averageValue: 100 } };
const total: MetricSpec = { type: 'External', name: 'total', target: { value: 15 } };
const qps: MetricSpec = { type: 'Pods', name: 'qps', target: { averageValue: 20 } };
const cpu: MetricSpec = { type: 'Resource', name: 'cpu', target: { averageUtilization: 50 } };
const service = { kind: 'Service', name: 'web' };
const mainCpu: MetricSpec = { ...cpu, type: 'ContainerResource', container: 'main' };

/** Scales down without waiting. */
const AT_ONCE = { scaleDown: { stabilizationWindowSeconds: 0 } };
const specOf = (metric: MetricSpec | readonly MetricSpec[], rest: Partial<HpaSpec> = {}): HpaSpec => ({
  minReplicas: 1,
  maxReplicas: 50,
  metrics: 'type' in metric ? [metric] : metric,
  ...rest,
});

/** One metric whose value is given for each step. */
function valueSteps(
  name: string,
  metric: MetricSpec,
  replicas: number,
  list: readonly (number | readonly number[])[],
  rest: Partial<HpaSpec> & { readonly pods?: string; readonly paceMs?: number } = {},
): HpaScenario {
  const { pods = '', paceMs, ...spec } = rest;
  return {
    name,
    replicas,
    spec: specOf(metric, spec),
    pods: podsOf(pods),
    steps: list.map((each) => ({ metrics: [values(...(typeof each === 'number' ? [each] : each))] })),
    ...(paceMs !== undefined && { paceMs }),
  };
}

/** One step of a metric of pods. */
function podStep(
  name: string,
  metric: MetricSpec,
  replicas: number,
  letters: string,
  levels: readonly (number | null)[],
  pods: readonly PodState[] = podsOf(letters),
): HpaScenario {
  const spec = specOf(metric, { behavior: AT_ONCE });
  return { name, replicas, spec, pods, steps: [{ metrics: [samples(letters, levels)] }] };
}

const EXTERNAL: readonly HpaScenario[] = [
  valueSteps('average: up, at most double', load, 3, [800, 800]),
  valueSteps('average: up to four from one', load, 1, [800]),
  valueSteps('average: within tolerance, then beyond', load, 10, [1090, 910, 1110]),
  valueSteps('average: down', load, 10, [300], { behavior: AT_ONCE }),
  valueSteps('average: stops at the maximum', load, 8, [5000], { maxReplicas: 10 }),
  valueSteps('average: stops at the minimum', load, 5, [10], { minReplicas: 3, behavior: AT_ONCE }),
  valueSteps('average: items are summed', load, 5, [[300, 500]]),
  valueSteps('average: a sum below zero', load, 3, [[5, -6]]),
  valueSteps('average: a flood', { ...load, target: { averageValue: 0.001 } }, 3, [9e12]),
  valueSteps('average: thousandths are rounded up', { ...load, target: { averageValue: 0.3 } }, 4, [1.2005, 1.5]),
  valueSteps('average: an empty answer', load, 3, [[]]),
  valueSteps('average: zero', load, 3, [0], { behavior: AT_ONCE }),
  valueSteps('average: with a selector', { ...load, matchLabels: { b: '2', a: '1' } }, 3, [400]),
  {
    name: 'average: fewer replicas in the status than in the spec',
    replicas: 10,
    spec: specOf(load, { behavior: AT_ONCE }),
    steps: [
      { statusReplicas: 5, metrics: [values(1000)] },
      { statusReplicas: 0, metrics: [values(1000)] },
      { statusReplicas: 5, metrics: [values(520)] },
    ],
  },
  { name: 'average: the API is down', replicas: 3, spec: specOf(load), steps: [{ metrics: [down('no route')] }] },
  valueSteps('value: up by ready pods', total, 3, [20], { pods: 'rrr' }),
  valueSteps('value: pods that are not ready do not count', total, 5, [60], { pods: 'uruxp' }),
  valueSteps('value: pods that go away count', total, 3, [30], { pods: 'rrd' }),
  valueSteps('value: down', total, 6, [8], { pods: 'rrrrrr', behavior: AT_ONCE }),
  valueSteps('value: no pods', total, 3, [15.9, 30]),
  valueSteps('value: a flood wraps around', total, 4, [9e12], { pods: 'rrrr', behavior: AT_ONCE }),
];

const OBJECT: readonly HpaScenario[] = [
  valueSteps('object value', { ...total, type: 'Object', describedObject: service }, 3, [20], { pods: 'rrr' }),
  valueSteps('object average', { ...load, type: 'Object', describedObject: service }, 5, [720]),
  {
    name: 'object: the API is down',
    replicas: 3,
    spec: specOf({ ...total, type: 'Object', describedObject: service }),
    steps: [{ metrics: [down('no adapter')] }],
  },
];

const PODS: readonly HpaScenario[] = [
  podStep('pods: up', qps, 3, 'rrr', [30, 20, 40]),
  podStep('pods: down', qps, 5, 'rrrrr', [12, 12, 12, 12, 12]),
  podStep('pods: readiness does not matter', qps, 4, 'runh', [50, 10, 30, 40]),
  podStep('pods: missing on the way down', qps, 4, 'rrrr', [8, 8, null, null]),
  podStep('pods: missing on the way up', qps, 4, 'rrrr', [50, 50, 50, null]),
  podStep('pods: missing, exactly at target', qps, 4, 'rrrr', [20, 20, null, null]),
  podStep('pods: pending on the way up', qps, 3, 'rrp', [60, 60]),
  podStep('pods: a sample of a pod that is gone', qps, 2, 'rrp', [80, 80, null, 80]),
  podStep('pods: pending alone', qps, 2, 'pp', [60, 60]),
  podStep('pods: no samples', qps, 2, 'rr', []),
];

const RESOURCE: readonly HpaScenario[] = [
  podStep('cpu: up', cpu, 3, 'rrr', [0.5, 0.7, 0.9]),
  podStep('cpu: never ready counts as idle', cpu, 3, 'urr', [0.5, 0.9, 1.2]),
  podStep('cpu: a fresh start counts as idle', cpu, 3, 'hrr', [0.5, 0.9, 1.2]),
  podStep('cpu: a fresh start with a sample of its own', cpu, 3, 'srr', [0.5, 0.9, 1.2]),
  podStep('cpu: not ready yet', cpu, 3, 'nrr', [0.5, 0.9, 1.2]),
  podStep('cpu: readiness unknown', cpu, 3, 'qrr', [0.5, 0.9, 1.2]),
  podStep('cpu: ready once', cpu, 3, 'wrr', [0.5, 0.9, 1.2]),
  podStep('cpu: no Ready condition', cpu, 3, 'xrr', [0.5, 0.9, 1.2]),
  podStep('cpu: failed and going away are ignored', cpu, 2, 'rrfd', [0.9, 0.9, 9, 9]),
  podStep('cpu: unready on the way down', cpu, 5, 'rrruu', [0.1, 0.2, 0.1, 0.9, 0.9]),
  podStep('cpu: missing counts as full on the way down', cpu, 4, 'rrrr', [0.1, 0.1, null, null]),
  podStep('cpu: missing counts as idle on the way up', cpu, 4, 'rrrr', [0.9, 0.9, 0.9, null]),
  podStep('cpu: the direction turns', cpu, 4, 'rrrr', [0.6, null, null, null]),
  podStep('cpu: unready alone', cpu, 2, 'uu', [0.5, 0.5]),
  // Of one pod alone: the controller names the first it comes to, and takes them in no order.
  podStep(
    'cpu: a request is missing',
    cpu,
    2,
    'rr',
    [0.9, 0.9],
    [...podsOf('r', [...MAIN, { name: 'sidecar' }]), ...podsOf('rr').slice(1)],
  ),
  podStep('cpu: requests of the pod', cpu, 2, 'rr', [1.5, 1.5], podsOf('rr', [{ name: 'main' }], { cpu: 2 })),
  podStep('cpu: a target above the request, one missing', { ...cpu, target: { averageUtilization: 150 } }, 3, 'rrr', [
    0.2,
    0.2,
    null,
  ]),
  podStep('cpu: by value', { ...cpu, target: { averageValue: 0.25 } }, 3, 'rrh', [0.5, 0.5, 0.5]),
  podStep('memory: readiness does not matter', { ...cpu, name: 'memory' }, 3, 'urh', [90, 90, 90]),
  {
    name: 'cpu: pods without the metric',
    replicas: 2,
    spec: specOf(cpu),
    pods: podsOf('rr'),
    steps: [{ metrics: [{ kind: 'pods', samples: [], anyItem: true }] }],
  },
  podStep('container: its own request', mainCpu, 2, 'rr', [0.9, 0.9], podsOf('rr', [...MAIN, { name: 'sidecar' }])),
  podStep('container: by value', { ...mainCpu, target: { averageValue: 0.2 } }, 2, 'rr', [0.4, 0.3]),
  podStep('container: no pod has it', { ...mainCpu, container: 'other' }, 2, 'rr', [0.4, 0.3]),
];

const queue: MetricSpec = { type: 'External', name: 'queue', target: { averageValue: 10 } };
const two = specOf([load, queue], { behavior: AT_ONCE });

const SEVERAL: readonly HpaScenario[] = [
  { name: 'two: the largest wins', replicas: 10, spec: two, steps: [{ metrics: [values(1200), values(150)] }] },
  { name: 'two: one fails, up', replicas: 10, spec: two, steps: [{ metrics: [down('no route'), values(150)] }] },
  { name: 'two: one fails, down', replicas: 10, spec: two, steps: [{ metrics: [values(300), down('no route')] }] },
  { name: 'two: both fail', replicas: 10, spec: two, steps: [{ metrics: [down('first'), down('second')] }] },
  { name: 'two: neither asks for any', replicas: 3, spec: two, steps: [{ metrics: [values(0), values(0)] }] },
  {
    name: 'two kinds: pods and a total',
    replicas: 3,
    spec: specOf([cpu, load]),
    pods: podsOf('rrr'),
    steps: [{ metrics: [samples('rrr', [0.6, 0.7, 0.8]), values(400)] }],
  },
];

const BOUNDS: readonly HpaScenario[] = [
  {
    name: 'bounds: a lowered maximum cuts at once',
    replicas: 20,
    spec: specOf(load),
    steps: [{ metrics: [values(2000)] }, { spec: { maxReplicas: 6 }, metrics: [values(2000)] }],
  },
  {
    name: 'bounds: a raised minimum jumps while the metrics are down',
    replicas: 3,
    spec: specOf(load),
    steps: [{ metrics: [values(300)] }, { spec: { minReplicas: 30 }, metrics: [down('no route')] }],
  },
  {
    name: 'bounds: a lowered minimum is not protected by the window',
    replicas: 12,
    spec: specOf(load, { minReplicas: 12, behavior: { scaleDown: { stabilizationWindowSeconds: 3000 } } }),
    steps: [{ metrics: [values(300)] }, { spec: { minReplicas: 2 }, metrics: [values(300)] }],
  },
  {
    name: 'bounds: somebody else scales beyond them',
    replicas: 5,
    spec: specOf(load, { minReplicas: 2, maxReplicas: 10 }),
    steps: [
      { replicas: 15, metrics: [values(1000)] },
      { replicas: 1, metrics: [values(200)] },
    ],
  },
  {
    name: 'bounds: a target at 0 is off',
    replicas: 3,
    spec: specOf(load),
    steps: [{ metrics: [values(300)] }, { replicas: 0, readsNothing: true }],
  },
  valueSteps('bounds: from 0 by value', total, 0, [40], { minReplicas: 0 }),
  valueSteps('bounds: from 0 by average', load, 0, [250], { minReplicas: 0 }),
  valueSteps('bounds: down to 0', load, 2, [0], { minReplicas: 0, behavior: AT_ONCE }),
];

const rule = (type: 'Pods' | 'Percent', value: number, periodSeconds: number) => ({ type, value, periodSeconds });
const up = (...policies: ReturnType<typeof rule>[]) => ({ scaleUp: { policies } });
const downBy = (...policies: ReturnType<typeof rule>[]) => ({
  scaleDown: { stabilizationWindowSeconds: 0, policies },
});
const paceMs = 4000;

/** Answers come every 4 s, and windows and periods end 2 s from any of them. The default downscale window is set to 6 s. */
const RULES: readonly HpaScenario[] = [
  valueSteps('legacy: the downscale window', load, 10, [1000, 300, 300, 300], { paceMs }),
  valueSteps('rules: defaults, up', load, 3, [2000, 2000], { behavior: {} }),
  valueSteps('rules: the default downscale window', load, 10, [1000, 300, 300], { paceMs, behavior: {} }),
  valueSteps('rules: pods a period, up', load, 3, [2000, 2000, 2000], { paceMs, behavior: up(rule('Pods', 2, 6)) }),
  valueSteps('rules: per cent a period, up', load, 10, [5000, 5000, 5000], {
    paceMs,
    behavior: up(rule('Percent', 10, 6)),
  }),
  valueSteps('rules: the smaller of two, up', load, 10, [5000], {
    behavior: { scaleUp: { selectPolicy: 'Min', policies: [rule('Percent', 50, 60), rule('Pods', 3, 60)] } },
  }),
  valueSteps('rules: the larger of two, up', load, 10, [5000], {
    behavior: up(rule('Percent', 50, 60), rule('Pods', 3, 60)),
  }),
  valueSteps('rules: up is disabled', load, 3, [2000], { behavior: { scaleUp: { selectPolicy: 'Disabled' } } }),
  valueSteps('rules: down is disabled', load, 10, [300], { behavior: { scaleDown: { selectPolicy: 'Disabled' } } }),
  valueSteps('rules: pods a period, down', load, 10, [100, 100, 100], { paceMs, behavior: downBy(rule('Pods', 2, 6)) }),
  valueSteps('rules: per cent a period, down', load, 10, [100, 100, 100], {
    paceMs,
    behavior: downBy(rule('Percent', 15, 6)),
  }),
  valueSteps('rules: the smaller of two, down', load, 10, [100], {
    behavior: {
      scaleDown: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Min',
        policies: [rule('Percent', 50, 60), rule('Pods', 3, 60)],
      },
    },
  }),
  valueSteps('rules: an upscale window', load, 4, [800, 900, 900, 900], {
    paceMs,
    behavior: { scaleUp: { stabilizationWindowSeconds: 6 } },
  }),
  valueSteps('rules: two windows', load, 10, [1500, 600, 1200, 1200], {
    paceMs,
    behavior: { scaleUp: { stabilizationWindowSeconds: 6 }, scaleDown: { stabilizationWindowSeconds: 10 } },
  }),
  valueSteps('rules: a period counts both ways', load, 10, [1400, 900, 2000], {
    paceMs,
    behavior: { ...up(rule('Pods', 4, 30)), ...downBy(rule('Pods', 6, 30)) },
  }),
  valueSteps('rules: a value that wraps around', load, 10, [2000], { behavior: up(rule('Pods', 2_147_483_647, 60)) }),
  valueSteps('rules: a tolerance for each direction', load, 35, [3700, 3670, 1800, 1700], {
    behavior: { scaleUp: { tolerance: 0.05 }, scaleDown: { tolerance: 0.5, stabilizationWindowSeconds: 0 } },
  }),
  {
    name: 'rules: a raised minimum uses up the rate',
    replicas: 3,
    spec: specOf(load, { behavior: up(rule('Pods', 10, 600)) }),
    steps: [{ metrics: [values(300)] }, { spec: { minReplicas: 13 }, metrics: [values(4000)] }],
  },
];

/** An admission policy that refuses more than three replicas of the target. */
function refuseScaling(kubectl: ControlPlane['kubectl'], namespace: string): Promise<string> {
  const metadata = { name: namespace };
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const rule = { apiGroups: ['apps'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['deployments/scale'] };
  return kubectl(['create', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicy',
        metadata,
        spec: {
          matchConstraints: { resourceRules: [rule] },
          validations: [{ expression: 'object.spec.replicas <= 3', message: 'no more than three' }],
        },
      },
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata,
        spec: {
          policyName: namespace,
          validationActions: ['Deny'],
          matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
        },
      },
    ],
  });
}

const OBSTACLES: readonly HpaScenario[] = [
  {
    name: 'obstacle: the target is gone',
    replicas: 3,
    spec: specOf(load),
    steps: [
      { metrics: [values(300)] },
      {
        readsNothing: true,
        obstacle: { scaleError: `deployments.apps "${TARGET}" not found` },
        make: (kubectl, namespace) => kubectl(['-n', namespace, 'delete', 'deployment', TARGET]),
      },
    ],
  },
  {
    name: 'obstacle: the count is refused',
    replicas: 3,
    spec: specOf(load, { behavior: {} }),
    steps: [
      { make: refuseScaling, metrics: [values(300)] },
      { obstacle: { updateError: 'no more than three' }, metrics: [values(500)] },
      { obstacle: { updateError: 'no more than three' }, metrics: [values(600)] },
    ],
  },
  {
    name: 'obstacle: two HPAs on the same pods',
    replicas: 3,
    spec: specOf(load),
    pods: podsOf('rrr'),
    steps: [
      { metrics: [values(300)] },
      {
        readsNothing: true,
        obstacle: { selectorError: { reason: 'AmbiguousSelector', message: `pods by selector app=${TARGET}` } },
        make: (kubectl, namespace) =>
          kubectl(['-n', namespace, 'autoscale', 'deployment', TARGET, '--name=other', '--max=9', '--cpu-percent=50']),
      },
    ],
  },
];

export const SCENARIOS: readonly HpaScenario[] = [
  ...EXTERNAL,
  ...OBJECT,
  ...PODS,
  ...RESOURCE,
  ...SEVERAL,
  ...BOUNDS,
  ...RULES,
  ...OBSTACLES,
];
