import { describe, expect, test } from 'vitest';
import { MINUTE, SECOND } from '../../model/time.ts';
import { groupPods } from './pods.ts';
import { propose } from './proposals.ts';
import { DEFAULT_FLAGS, type MetricReading, type MetricSpec, type Observation, type PodState } from './types.ts';

/** The numbers are those of Kubernetes's own `replica_calculator_test.go`, told again as tables. */
const NOW = 1_700_000_000_000;
const FLAGS = { ...DEFAULT_FLAGS, cpuInitializationPeriodMs: 2 * MINUTE, initialReadinessDelayMs: 10 * SECOND };
const CONTEXT = { now: NOW, flags: FLAGS, tolerance: { up: 0.1, down: 0.1 } };

/** One letter a pod: r ready, u not ready, h just started, p pending, f failed, d going away. */
function podsOf(letters: string, requests: readonly number[] = []): PodState[] {
  return [...letters].map((letter, i) => {
    const startTime = letter === 'h' ? NOW : NOW - 3 * MINUTE;
    return {
      name: `pod-${i}`,
      phase: letter === 'p' ? 'Pending' : letter === 'f' ? 'Failed' : 'Running',
      deleting: letter === 'd',
      startTime,
      ready: { status: 'rh'.includes(letter), lastTransition: startTime },
      containers: [{ name: 'main', requests: { cpu: requests[i] ?? 1 } }],
    };
  });
}

function samples(levels: readonly number[]): MetricReading {
  return {
    kind: 'pods',
    samples: levels.map((value, i) => ({ pod: `pod-${i}`, value, time: NOW, windowMs: MINUTE })),
  };
}

function observe(current: number, pods: readonly PodState[]): Observation {
  return { specReplicas: current, statusReplicas: current, pods, metrics: [] };
}

describe('propose(): cpu utilization', () => {
  test.each([
    { name: 'scales up', current: 3, pods: 'rrr', levels: [0.3, 0.5, 0.7], target: 30, want: 5 },
    { name: 'counts unready pods as idle', current: 3, pods: 'urr', levels: [0.3, 0.5, 0.7], target: 30, want: 4 },
    { name: 'counts hot pods as idle', current: 3, pods: 'hrr', levels: [0.3, 0.5, 0.7], target: 30, want: 4 },
    { name: 'stays when unready pods turn it', current: 3, pods: 'ruu', levels: [0.4, 0.5, 0.7], target: 30, want: 3 },
    { name: 'ignores failed pods', current: 2, pods: 'rrff', levels: [0.5, 0.7], target: 30, want: 4 },
    { name: 'ignores pods going away', current: 2, pods: 'rrdd', levels: [0.5, 0.7], target: 30, want: 4 },
    { name: 'scales down', current: 5, pods: 'rrrrr', levels: [0.1, 0.3, 0.5, 0.25, 0.25], target: 50, want: 3 },
    { name: 'down, unready', current: 5, pods: 'rrruu', levels: [0.1, 0.3, 0.5, 0.25, 0.25], target: 50, want: 2 },
    { name: 'down, pending', current: 5, pods: 'rpppp', levels: [0.1], target: 50, want: 1 },
    { name: 'down, hot', current: 5, pods: 'rrrhh', levels: [0.1, 0.3, 0.5, 0.25, 0.25], target: 50, want: 2 },
    { name: 'skips unknown pods', current: 4, pods: 'rrrr', levels: [4, 9.5, 3, 7, 3.2, 2], target: 100, want: 24 },
    { name: 'missing as full', current: 4, pods: 'rrrr', levels: [0.4, 0.095], target: 100, want: 3 },
    { name: 'missing, in band', current: 2, pods: 'rr', levels: [1], target: 100, want: 2 },
    { name: 'missing, up turned', current: 2, pods: 'rr', levels: [1.9], target: 100, want: 2 },
    { name: 'missing, down turned', current: 2, pods: 'rr', levels: [0.6], target: 100, want: 2 },
    { name: 'missing and unready', current: 3, pods: 'urr', levels: [0.1, 0.45], target: 50, want: 3 },
    { name: 'missing and hot', current: 3, pods: 'hrr', levels: [0.1, 0.45], target: 50, want: 3 },
    { name: 'missing, unready, up', current: 3, pods: 'urr', levels: [0.1, 2], target: 50, want: 4 },
    { name: 'missing, unready, down', current: 4, pods: 'urrr', levels: [0.1, 0.1, 0.1], target: 50, want: 3 },
    { name: 'rolling update with surge', current: 2, pods: 'rrr', levels: [0.1, 0.1], target: 50, want: 2 },
  ])('$name', ({ current, pods, levels, target, want }) => {
    const metric: MetricSpec = { type: 'Resource', name: 'cpu', target: { averageUtilization: target } };
    const proposal = propose(metric, samples(levels), observe(current, podsOf(pods)), CONTEXT);
    expect(proposal).toMatchObject({ kind: 'replicas', replicas: want });
  });

  test.each([
    { target: 56, want: 9 }, // 1 / (2 * 0.9) + 0.01, in per cent: just beyond the band
    { target: 55, want: 10 },
  ])('near the edge of the band: $target', ({ target, want }) => {
    const requests = [400, 200, 310, 290, 302, 298, 301, 299, 300, 300].map((m) => m / 1000);
    const levels = Array.from({ length: 10 }, () => 0.15);
    const metric: MetricSpec = { type: 'Resource', name: 'cpu', target: { averageUtilization: target } };
    const proposal = propose(metric, samples(levels), observe(10, podsOf('rrrrrrrrrr', requests)), CONTEXT);
    expect(proposal).toMatchObject({ replicas: want });
  });

  test('per mille differences within tolerance change nothing', () => {
    const metric: MetricSpec = { type: 'Resource', name: 'cpu', target: { averageUtilization: 100 } };
    const proposal = propose(metric, samples([1.01, 1.03, 1.02]), observe(3, podsOf('rrr', [0.9, 1, 1.1])), CONTEXT);
    expect(proposal).toMatchObject({ replicas: 3 });
  });

  test.each([
    { name: 'no samples', pods: podsOf('rrr'), levels: [], want: 'no metrics returned from resource metrics API' },
    { name: 'no pods', pods: [], levels: [1], want: 'no pods returned by selector' },
    { name: 'only unready', pods: podsOf('uu'), levels: [1, 1], want: 'did not receive metrics for targeted pods' },
    {
      name: 'no request',
      pods: podsOf('r').map((p) => ({ ...p, containers: [{ name: 'main' }] })),
      levels: [0.2],
      want: 'missing request for cpu in container main of Pod pod-0',
    },
  ])('fails with $name', ({ pods, levels, want }) => {
    const metric: MetricSpec = { type: 'Resource', name: 'cpu', target: { averageUtilization: 100 } };
    const proposal = propose(metric, samples(levels), observe(2, pods), CONTEXT);
    expect(proposal).toMatchObject({ kind: 'failed', reason: 'FailedGetResourceMetric' });
    expect(proposal).toHaveProperty('message', expect.stringContaining(want));
  });
});

describe('propose(): container resource', () => {
  const target = { averageUtilization: 50 };
  const podsWith = (main: number, sidecar?: number): PodState[] =>
    podsOf('rr').map((pod) => ({
      ...pod,
      containers: [
        { name: 'main', requests: { cpu: main } },
        { name: 'sidecar', ...(sidecar !== undefined && { requests: { cpu: sidecar } }) },
      ],
    }));
  test.each([
    { name: 'only its own request counts', container: 'main', pods: podsWith(1, 9), want: 4 },
    { name: 'the others need none', container: 'main', pods: podsWith(1), want: 4 },
    { name: 'the request of the pod as a whole does not count', container: 'main', pods: podsWith(1), want: 4 },
  ])('$name', ({ container, pods, want }) => {
    const metric: MetricSpec = { type: 'ContainerResource', name: 'cpu', container, target };
    const whole = pods.map((pod) => ({ ...pod, requests: { cpu: 100 } }));
    expect(propose(metric, samples([1, 1]), observe(2, whole), CONTEXT)).toMatchObject({
      replicas: want,
      metric: 'cpu container resource utilization (percentage of request)',
      status: { averageUtilization: 100, averageValue: 1 },
    });
  });

  test.each([
    { name: 'its own request is missing', container: 'sidecar', want: 'missing request for cpu in container sidecar' },
    { name: 'no pod has the container', container: 'other', want: 'no metrics returned matched known pods' },
  ])('fails where $name', ({ container, want }) => {
    const metric: MetricSpec = { type: 'ContainerResource', name: 'cpu', container, target };
    expect(propose(metric, samples([1, 1]), observe(2, podsWith(1)), CONTEXT)).toMatchObject({
      reason: 'FailedGetContainerResourceMetric',
      message: expect.stringContaining(want),
    });
  });

  test('the request of the pod as a whole counts for a Resource metric', () => {
    const metric: MetricSpec = { type: 'Resource', name: 'cpu', target };
    const whole = podsWith(1, 1).map((pod) => ({ ...pod, requests: { cpu: 4 } }));
    expect(propose(metric, samples([1, 1]), observe(2, whole), CONTEXT)).toMatchObject({ replicas: 1 });
  });
});

describe('propose(): pods metric', () => {
  test.each([
    { name: 'scales up', current: 3, pods: 'rrr', levels: [20, 10, 30], target: 15, want: 4 },
    { name: 'readiness does not matter', current: 3, pods: 'rru', levels: [50, 10, 30], target: 15, want: 6 },
    { name: 'nor does a fresh start', current: 3, pods: 'hrh', levels: [50, 15, 30], target: 15, want: 7 },
    { name: 'scales down', current: 5, pods: 'rrrrr', levels: [12, 12, 12, 12, 12], target: 20, want: 3 },
    { name: 'in band', current: 3, pods: 'rrr', levels: [20, 21, 21], target: 20, want: 3 },
    { name: 'missing, at target: not filled up', current: 4, pods: 'rrrr', levels: [20, 20], target: 20, want: 4 },
    { name: 'missing, against the direction', current: 2, pods: 'rrrr', levels: [12, 12], target: 20, want: 2 },
    {
      name: 'a sample of a pod that is gone counts',
      current: 2,
      pods: 'rrp',
      levels: [4, 4, 4, 4],
      target: 1,
      want: 12,
    },
  ])('$name', ({ current, pods, levels, target, want }) => {
    const metric: MetricSpec = { type: 'Pods', name: 'qps', target: { averageValue: target } };
    const proposal = propose(metric, samples(levels), observe(current, podsOf(pods)), CONTEXT);
    expect(proposal).toMatchObject({ replicas: want });
  });
});

describe('propose(): object and external metrics', () => {
  test.each([
    { name: 'value up', type: 'Object', current: 3, pods: 'rrr', usage: [20], target: { value: 15 }, want: 4 },
    { name: 'value, unready', type: 'Object', current: 3, pods: 'uru', usage: [50], target: { value: 10 }, want: 5 },
    { name: 'value down', type: 'Object', current: 5, pods: 'rrrrr', usage: [12], target: { value: 20 }, want: 3 },
    { name: 'value in band', type: 'Object', current: 3, pods: 'rrr', usage: [20.666], target: { value: 20 }, want: 3 },
    { name: 'average up', type: 'Object', current: 3, pods: '', usage: [20], target: { averageValue: 5 }, want: 4 },
    { name: 'average down', type: 'Object', current: 5, pods: '', usage: [6], target: { averageValue: 2 }, want: 3 },
    {
      name: 'average in band',
      type: 'Object',
      current: 4,
      pods: '',
      usage: [20.166],
      target: { averageValue: 5 },
      want: 4,
    },
    {
      name: 'value, unready',
      type: 'External',
      current: 3,
      pods: 'uru',
      usage: [8.6],
      target: { value: 4.4 },
      want: 2,
    },
    {
      name: 'value down',
      type: 'External',
      current: 5,
      pods: 'rrrrr',
      usage: [8.6],
      target: { value: 14.334 },
      want: 3,
    },
    {
      name: 'value in band',
      type: 'External',
      current: 3,
      pods: 'rrr',
      usage: [8.6],
      target: { value: 8.888 },
      want: 3,
    },
    {
      name: 'average up',
      type: 'External',
      current: 3,
      pods: '',
      usage: [8.6],
      target: { averageValue: 2.15 },
      want: 4,
    },
    {
      name: 'average down',
      type: 'External',
      current: 5,
      pods: '',
      usage: [8.6],
      target: { averageValue: 2.867 },
      want: 3,
    },
    {
      name: 'average in band',
      type: 'External',
      current: 3,
      pods: '',
      usage: [8.6],
      target: { averageValue: 2.9 },
      want: 3,
    },
    {
      name: 'items are summed',
      type: 'External',
      current: 2,
      pods: '',
      usage: [30, 30],
      target: { averageValue: 10 },
      want: 6,
    },
    { name: 'value from zero', type: 'External', current: 0, pods: '', usage: [30], target: { value: 10 }, want: 3 },
    {
      name: 'average from zero',
      type: 'External',
      current: 0,
      pods: '',
      usage: [30],
      target: { averageValue: 10 },
      want: 3,
    },
    {
      name: 'nothing from zero',
      type: 'External',
      current: 0,
      pods: '',
      usage: [0],
      target: { averageValue: 10 },
      want: 0,
    },
    {
      name: 'a flood by value wraps around',
      type: 'External',
      current: 2,
      pods: 'rr',
      usage: [9e9],
      target: { value: 1 },
      want: -2_147_483_648,
    },
    {
      name: 'a negative sum passes for an overflow',
      type: 'External',
      current: 2,
      pods: '',
      usage: [5, -6],
      target: { averageValue: 1 },
      want: 2_147_483_647,
    },
    {
      name: 'a flood',
      type: 'External',
      current: 1,
      pods: '',
      usage: [9e15],
      target: { averageValue: 0.001 },
      want: 2_147_483_647,
    },
  ] as const)('$type $name', ({ type, current, pods, usage, target, want }) => {
    const metric: MetricSpec = { type, name: 'qps', target };
    const reading: MetricReading = { kind: 'values', values: usage };
    expect(propose(metric, reading, observe(current, podsOf(pods)), CONTEXT)).toMatchObject({ replicas: want });
  });

  test('a tolerance of its own for each direction', () => {
    const metric: MetricSpec = { type: 'External', name: 'qps', target: { averageValue: 100 } };
    const tight = { ...CONTEXT, tolerance: { up: 0.05, down: 0.5 } };
    const ask = (usage: number) => propose(metric, { kind: 'values', values: [usage] }, observe(35, []), tight);
    expect([3700, 3670, 1800, 1700].map(ask)).toMatchObject([37, 35, 35, 17].map((replicas) => ({ replicas })));
  });

  test('an empty answer is a failure', () => {
    const metric: MetricSpec = { type: 'External', name: 'qps', target: { averageValue: 100 } };
    expect(propose(metric, { kind: 'values', values: [] }, observe(3, []), CONTEXT)).toEqual({
      kind: 'failed',
      reason: 'FailedGetExternalMetric',
      message: 'no metrics returned from external metrics API',
    });
  });
});

describe('groupPods()', () => {
  const base: PodState = { name: 'a', phase: 'Running' };
  const sample = { pod: 'a', value: 1, time: NOW, windowMs: 30 * SECOND };
  const at = (startMs: number, status: boolean, transitionMs: number): PodState => ({
    ...base,
    startTime: NOW - startMs,
    ready: { status, lastTransition: NOW - transitionMs },
  });
  test.each([
    { name: 'memory needs no readiness', pod: base, resource: 'memory', want: 'ready' },
    { name: 'cpu without a Ready condition', pod: { ...base, startTime: NOW }, resource: 'cpu', want: 'unready' },
    { name: 'starting, with a fresh sample', pod: at(MINUTE, true, 30_000), resource: 'cpu', want: 'ready' },
    { name: 'starting, sample too old', pod: at(MINUTE, true, 20_000), resource: 'cpu', want: 'unready' },
    { name: 'starting, not ready', pod: at(MINUTE, false, 60_000), resource: 'cpu', want: 'unready' },
    { name: 'later, never ready', pod: at(10 * MINUTE, false, 10 * MINUTE), resource: 'cpu', want: 'unready' },
    { name: 'later, was ready once', pod: at(10 * MINUTE, false, 9 * MINUTE), resource: 'cpu', want: 'ready' },
    {
      name: 'readiness unknown passes for ready',
      pod: { ...at(MINUTE, true, 30_000), ready: { status: 'Unknown', lastTransition: NOW - 30_000 } },
      resource: 'cpu',
      want: 'ready',
    },
    { name: 'pending', pod: { ...base, phase: 'Pending' }, resource: 'cpu', want: 'unready' },
    { name: 'failed', pod: { ...base, phase: 'Failed' }, resource: 'cpu', want: 'ignored' },
    { name: 'going away', pod: { ...base, deleting: true }, resource: 'cpu', want: 'ignored' },
    { name: 'without a sample', pod: { ...at(600_000, true, 500_000), name: 'b' }, resource: 'cpu', want: 'missing' },
  ] as const)('$name', ({ pod, resource, want }) => {
    const groups = groupPods([pod], new Map([['a', sample]]), resource, NOW, FLAGS);
    const list = (kind: string) => (want === kind ? [pod.name] : []);
    expect(groups).toEqual({
      ready: want === 'ready' ? 1 : 0,
      unready: list('unready'),
      missing: list('missing'),
      ignored: list('ignored'),
    });
  });
});
