import { describe, expect, test } from 'vitest';
import type { Samples } from '../model/series.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { findSettings } from './advice/findings.ts';
import { hpaTargetOf } from './advice/hpa-target.ts';
import { openReplays } from './advice/replays.ts';
import type { Advice, AdviceInput, AutoscalerReading, Finding, FindingCode, Unknown } from './advice/types.ts';
import { newUsageTally } from './advice/usage.ts';
import { advise } from './advice.ts';
import type { TraceForecaster } from './simulation/strategies.ts';

const UNKNOWN: Unknown = { kind: 'unknown', message: 'the test has none' };

function policyOf(spec: object = {}) {
  return parsedPolicy('checkout', {
    target: { name: 'checkout' },
    demand: { name: 'rps', query: 'x', capacity: { perReplica: 10 } },
    replicas: { min: 2, max: 60 },
    safety: { minHistory: '1d' },
    ...spec,
  });
}

/** Minutes until the third afternoon: quiet, but for three hours of load that come within five minutes, at ten each day. */
const FROM = 2 * DAY + 9.5 * HOUR;
const TIMES = Float64Array.from({ length: 2 * 1440 + 15 * 60 }, (_, i) => i * MINUTE);
const RUSHES: Samples = {
  times: TIMES,
  values: TIMES.map((t) => {
    const hour = (t % DAY) / HOUR;
    return hour < 10 || hour > 13 ? 30 : 30 + 270 * Math.min(1, (hour - 10) * 12);
  }),
};

/** Repeats yesterday: the real forecaster is tested where it is made. */
function yesterday(_policy: unknown, history: Samples, windowMs: number): TraceForecaster {
  const times = Array.from(history.times);
  const values = Array.from(history.values);
  return {
    append(time, value) {
      times.push(time);
      values.push(value);
    },
    read() {
      const last = times.length - 1;
      const window = values.slice(Math.max(0, last - 1440), last - 1440 + windowMs / MINUTE + 1);
      return {
        ...{ kind: 'ready', issuedAt: times[last]!, peak: Math.max(...window), windowMs, quantile: 0.95 },
        ...{ model: 'yesterday', maeVsLast: 0.5, coverage: null, historyMs: times.length * MINUTE },
      };
    },
  };
}

function hpaOf(change: Partial<AutoscalerReading> = {}): AutoscalerReading {
  return {
    kind: 'read',
    name: 'checkout',
    bounds: { min: 2, max: 60 },
    metrics: [{ type: 'Resource', name: 'cpu', target: { averageUtilization: 60 } }],
    ...change,
  };
}

function adviceOf(change: Partial<AdviceInput> = {}, forecaster = yesterday): Advice {
  const history = { kind: 'read' as const, rows: RUSHES, from: FROM };
  const input: AdviceInput = {
    ...{ policy: policyOf(), history, autoscaler: hpaOf(), requests: UNKNOWN, usage: UNKNOWN, startUpMs: 3 * MINUTE },
    ...change,
  };
  return advise(input, forecaster);
}

describe('advise() on the target', () => {
  const plain = adviceOf();

  test('a floor that foresees everything lets the HPA fill replicas further, and says what is saved and risked', () => {
    const { target, replay } = plain;
    expect(replay).toMatchObject({ kind: 'replayed', hpaTarget: { ratio: 0.6 }, bounds: { min: 2, max: 60 } });
    if (target.kind === 'unknown' || replay.kind === 'unknown') throw new Error('nothing was replayed');
    expect(target.kind).toBe('raise');
    expect(target.suggested).toBeGreaterThanOrEqual(0.75);
    expect(target.setting).toBe(Math.round(100 * target.suggested));
    expect(target.saves).toBeGreaterThan(0.05);
    const chosen = target.tried.find(({ ratio }) => ratio === target.suggested)!;
    expect(chosen.podHoursPerDay).toBeCloseTo(replay.asIs.podHoursPerDay * (1 - target.saves), 6);
    expect(chosen.minutesOverPerDay).toBeLessThanOrEqual(1440 * 0.001);
    expect(target.alone.minutesOverPerDay).toBeGreaterThan(chosen.minutesOverPerDay);
    expect(target.text).toContain('raise it from 60 % to');
    expect(target.text).toContain('spec.metrics[0].resource.target.averageUtilization');
  });

  test('each target that was tried costs no more than the one before it', () => {
    const { target } = plain;
    const hours = target.kind === 'unknown' ? [] : target.tried.map(({ podHoursPerDay }) => podHoursPerDay);
    expect(hours.length).toBeGreaterThan(3);
    expect(hours).toEqual(hours.toSorted((a, b) => b - a));
  });

  test('without trust in the forecast no other target is advised', () => {
    const none: TraceForecaster = { append: () => {}, read: () => ({ kind: 'none', message: 'gone' }) };
    expect(adviceOf({}, () => none).target).toEqual({
      kind: 'unknown',
      message:
        'the forecast was not trusted for 100 % of the time that was replayed: its floor cannot carry another target yet',
    });
  });

  test.each([
    { name: 'nothing', rows: { times: new Float64Array(), values: new Float64Array() }, message: 'has no samples' },
    { name: 'below zero', rows: { times: TIMES, values: TIMES.map(() => -1) }, message: 'is negative at times' },
    { name: 'too short', rows: { times: TIMES.subarray(-9), values: TIMES.subarray(-9) }, message: 'is shorter than' },
  ])('a history that is $name gives a reason', ({ rows, message }) => {
    const { replay, target, findings } = adviceOf({ history: { kind: 'read', rows, from: FROM } });
    for (const each of [replay, target]) {
      expect(each).toMatchObject({ kind: 'unknown', message: expect.stringContaining(message) });
    }
    expect(findings).toEqual([]);
  });

  test('so does a replica of which nobody knows what it carries', () => {
    const capacity = { utilization: { query: 'u', target: 0.8 } };
    const { replay } = adviceOf({ policy: policyOf({ demand: { name: 'rps', query: 'x', capacity } }) });
    expect(replay).toMatchObject({ kind: 'unknown', message: expect.stringContaining('neither given nor learned') });
  });

  test.each([
    { name: 'no HPA', autoscaler: UNKNOWN, ratio: 0.7, value: null },
    { name: 'an HPA without metrics', autoscaler: hpaOf({ metrics: [] }), ratio: 0.8, value: 80 },
    {
      name: 'an average of the demand',
      autoscaler: hpaOf({ metrics: [{ type: 'External', name: 'rps', target: { averageValue: 6 } }] }),
      ratio: 0.6,
      value: 6,
    },
    {
      name: 'an average of something else',
      autoscaler: hpaOf({ metrics: [{ type: 'Pods', name: 'bytes', target: { averageValue: 1e9 } }] }),
      ratio: 0.7,
      value: null,
    },
    {
      name: 'the stricter of two',
      autoscaler: hpaOf({
        metrics: [
          { type: 'Resource', name: 'memory', target: { averageUtilization: 90 } },
          { type: 'Resource', name: 'cpu', target: { averageUtilization: 50 } },
        ],
      }),
      ratio: 0.5,
      value: 50,
    },
    {
      name: 'CPU of which a full replica uses 80 %',
      autoscaler: hpaOf(),
      policy: policyOf({
        demand: { name: 'rps', query: 'x', capacity: { perReplica: 10, utilization: { query: 'u', target: 0.8 } } },
      }),
      ratio: 0.75,
      value: 60,
    },
  ])('how full the HPA lets replicas become: $name', ({ ratio, value, policy = policyOf(), autoscaler }) => {
    const target = hpaTargetOf(policy, autoscaler);
    expect(target.ratio).toBeCloseTo(ratio, 12);
    expect(target.metric?.value ?? null).toBe(value);
  });
});

/** The findings alone: no other target is searched for. */
function findingsOf(hpa: Partial<AutoscalerReading>, spec?: object, ahead?: Samples): readonly Finding[] {
  const [policy, autoscaler] = [policyOf(spec), hpaOf(hpa)];
  const history = { kind: 'read' as const, rows: RUSHES, from: FROM, ...(ahead !== undefined && { ahead }) };
  const target = hpaTargetOf(policy, autoscaler);
  const replays = openReplays({ policy, startUpMs: 3 * MINUTE }, history, yesterday);
  const present = { autoscaler, ratio: target.ratio };
  const [asIs, alone] = [replays.withFloor(present), replays.alone(present)];
  const suspected = { policy, autoscaler, requests: UNKNOWN, history, target, leadTimeMs: 3.25 * MINUTE };
  return findSettings(suspected, { replays, present, asIs, alone });
}

interface SettingRow {
  readonly name: string;
  readonly hpa: Partial<AutoscalerReading>;
  readonly policy?: object;
  readonly code: FindingCode;
  readonly setting: string;
  readonly suggested: string;
  /** Whether changing it means fewer minutes over capacity, alone, or fewer pod-hours. */
  readonly gains: 'minutes-alone' | 'minutes' | 'pod-hours' | 'nothing';
}

describe('advise() on the settings of the HPA', () => {
  test('an HPA with the defaults has nothing against the forecast', () => {
    expect(findingsOf({})).toEqual([]);
    expect(adviceOf({ autoscaler: UNKNOWN, history: UNKNOWN }).findings).toEqual(UNKNOWN);
  });

  test.each<SettingRow>([
    {
      name: 'a maximum below the peak',
      hpa: { bounds: { min: 2, max: 25 } },
      ...{ code: 'MaxBelowPeak', setting: 'spec.maxReplicas', suggested: '34', gains: 'minutes' },
    },
    {
      name: 'both maxima below the peak',
      hpa: { bounds: { min: 2, max: 25 } },
      policy: { replicas: { min: 2, max: 28 } },
      ...{ code: 'MaxBelowPeak', setting: 'spec.maxReplicas and policy.spec.replicas.max', suggested: '34' },
      gains: 'minutes',
    },
    {
      name: 'a scale-up that is off',
      hpa: { behavior: { scaleUp: { selectPolicy: 'Disabled' } } },
      ...{ code: 'ScaleUpDisabled', setting: 'spec.behavior.scaleUp.selectPolicy', suggested: 'Max' },
      gains: 'minutes-alone',
    },
    {
      name: 'a scale-up window',
      hpa: { behavior: { scaleUp: { stabilizationWindowSeconds: 300 } } },
      ...{ code: 'ScaleUpWindow', setting: 'spec.behavior.scaleUp.stabilizationWindowSeconds', suggested: '0' },
      gains: 'minutes-alone',
    },
    {
      name: 'policies slower than the rush',
      hpa: { behavior: { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } } },
      ...{ code: 'ScaleUpPolicies', setting: 'spec.behavior.scaleUp.policies' },
      suggested: '100 % or 4 pods in 15 s, the larger',
      gains: 'minutes-alone',
    },
    {
      name: 'a tolerance that reaches beyond capacity',
      hpa: {
        metrics: [{ type: 'Resource', name: 'cpu', target: { averageUtilization: 80 } }],
        behavior: { scaleUp: { tolerance: 0.3 } },
      },
      ...{ code: 'ToleranceHidesRises', setting: 'spec.behavior.scaleUp.tolerance', suggested: '0.18' },
      gains: 'nothing',
    },
    {
      name: 'a target beyond capacity',
      hpa: { metrics: [{ type: 'Resource', name: 'cpu', target: { averageUtilization: 120 } }] },
      ...{ code: 'ToleranceHidesRises', setting: 'spec.metrics[0].resource.target.averageUtilization' },
      ...{ suggested: '90 %', gains: 'minutes-alone' },
    },
    {
      name: 'no scale-down window',
      hpa: { behavior: { scaleDown: { stabilizationWindowSeconds: 0 } } },
      ...{ code: 'ScaleDownWindowShort', setting: 'spec.behavior.scaleDown.stabilizationWindowSeconds' },
      ...{ suggested: '300', gains: 'nothing' },
    },
    {
      name: 'a long scale-down window',
      hpa: { behavior: { scaleDown: { stabilizationWindowSeconds: 3600 } } },
      ...{ code: 'ScaleDownWindowLong', setting: 'spec.behavior.scaleDown.stabilizationWindowSeconds' },
      ...{ suggested: '300', gains: 'pod-hours' },
    },
    {
      name: 'a scale-down that is off',
      hpa: { behavior: { scaleDown: { selectPolicy: 'Disabled' } } },
      ...{ code: 'ScaleDownPolicies', setting: 'spec.behavior.scaleDown.selectPolicy' },
      ...{ suggested: '100 % in 15 s, after the window', gains: 'pod-hours' },
    },
    {
      name: 'a minimum above the policy’s',
      hpa: { bounds: { min: 12, max: 60 } },
      ...{ code: 'MinAboveNeed', setting: 'spec.minReplicas', suggested: '2', gains: 'pod-hours' },
    },
  ])('$name', ({ hpa, policy, code, setting, suggested, gains }) => {
    const findings = findingsOf(hpa, policy);
    expect(findings.map((finding) => finding.code)).toContain(code);
    const finding = findings.find((one) => one.code === code)!;
    expect(finding).toMatchObject({ setting, suggested });
    const effect = finding.effect!;
    if (gains === 'minutes') expect(effect.minutesOverPerDay).toBeLessThan(-10);
    if (gains === 'minutes-alone') expect(effect.alone.minutesOverPerDay).toBeLessThan(-0.5);
    if (gains === 'pod-hours') {
      expect(effect.podHoursPerDay).toBeLessThan(-1);
      expect(finding.kind).toBe('cost');
    }
    expect(finding.text).toMatch(/changed, a day has .*pod-hours/);
  });

  test('a scale-down that changes little is not told of', () => {
    const policies = [{ type: 'Percent' as const, value: 100, periodSeconds: 30 }];
    expect(findingsOf({ behavior: { scaleDown: { policies } } })).toEqual([]);
  });

  test('what a replica costs is told in money', () => {
    const costBudget = { monthly: 1000, perReplicaHour: 0.5, currency: 'EUR' };
    const [finding] = findingsOf({ bounds: { min: 12, max: 60 } }, { costBudget });
    expect(finding!.text).toMatch(/pod-hours less \([\d.]+ EUR\)/);
  });

  test('a maximum is compared with what is forecast, too', () => {
    const ahead = { times: Float64Array.of(3 * DAY + HOUR), values: Float64Array.of(630) };
    const [finding] = findingsOf({}, undefined, ahead);
    expect(finding).toMatchObject({ code: 'MaxBelowPeak', suggested: '70' });
    expect(finding!.text).toContain('the forecast reaches 630, which takes 70 replicas, and at most 60 may run');
  });

  const requests = (app: number | null, proxy: number | null) => ({
    kind: 'read' as const,
    containers: [
      { name: 'app', cpu: app, memory: null },
      { name: 'proxy', cpu: proxy, memory: 1e8 },
    ],
  });

  test.each([
    { name: 'one container without', given: requests(0.5, null), want: ['RequestsMissing'] },
    { name: 'all with', given: requests(0.5, 0.1), want: [] },
    { name: 'not known', given: UNKNOWN, want: [] },
    {
      name: 'a container that does not count',
      given: requests(0.5, null),
      hpa: {
        metrics: [{ type: 'ContainerResource', name: 'cpu', container: 'app', target: { averageUtilization: 60 } }],
      },
      want: [],
    },
  ] as const)('missing requests: $name', ({ given, want, ...more }) => {
    const hpa = hpaOf('hpa' in more ? { metrics: more.hpa.metrics } : {});
    const { findings } = adviceOf({ requests: given, history: UNKNOWN, autoscaler: hpa });
    expect(findings).toMatchObject(want.map((code) => ({ code })));
    expect(findings).toHaveLength(want.length);
  });
});

describe('advise() on requests', () => {
  const queries = { cpu: 'cpu', memory: 'memory' };
  const usage = () => {
    const tally = newUsageTally();
    for (let i = 0; i < 2 * 1440; i++) {
      tally.addCpu('app', 'checkout-0', i * MINUTE, 0.2);
      tally.addMemory('app', 'checkout-0', i * MINUTE, 600 * 1024 ** 2);
    }
    return { kind: 'read' as const, containers: tally.estimates(), queries };
  };
  const asking = (cpu: number | null, memory: number | null) => ({
    kind: 'read' as const,
    containers: [{ name: 'app', cpu, memory }],
  });

  // 0.2 cores lie in the bucket that ends at 0.2077, with 15 % on top 238m; 600 MiB likewise 717Mi.
  test.each([
    { name: 'far too much', given: asking(1, 4 * 1024 ** 3), cpu: 'lower', memory: 'lower' },
    { name: 'too little', given: asking(0.1, 256 * 1024 ** 2), cpu: 'raise', memory: 'raise' },
    { name: 'about right', given: asking(0.25, 750 * 1024 ** 2), cpu: 'keep', memory: 'keep' },
    { name: 'nothing', given: asking(null, null), cpu: 'set', memory: 'set' },
    { name: 'who knows', given: UNKNOWN, cpu: 'unknown', memory: 'unknown' },
  ])('a container that asks for $name', ({ given, cpu, memory }) => {
    const { requests } = adviceOf({ usage: usage(), requests: given, history: UNKNOWN });
    expect(requests).toMatchObject({
      kind: 'advised',
      containers: [{ container: 'app', cpu: { verdict: cpu }, memory: { verdict: memory } }],
    });
  });

  test('what is saved is told, and what the HPA’s target has to become', () => {
    const { requests, replay } = adviceOf({ usage: usage(), requests: asking(1, 4 * 1024 ** 3) });
    if (requests.kind === 'unknown' || replay.kind === 'unknown') throw new Error('nothing is known');
    const [{ cpu } = {}] = requests.containers;
    expect(cpu!.savesPerDay).toBeCloseTo((1 - cpu!.target) * replay.asIs.podHoursPerDay, 9);
    expect(cpu!.text).toMatch(/^lower it from 1000m \(outside .*\) to \d+m: \d+ core-hours a day less$/);
    expect(requests.hpaTarget).toMatchObject({ present: 60, suggested: Math.round(60 / cpu!.target) });
  });

  test('nothing that was used is a reason, and so is a query that failed', () => {
    const none = { kind: 'read' as const, containers: [], queries };
    expect(adviceOf({ usage: none, history: UNKNOWN }).requests).toMatchObject({
      kind: 'unknown',
      message: expect.stringContaining('cpu'),
    });
    expect(adviceOf({ history: UNKNOWN }).requests).toEqual(UNKNOWN);
  });
});
