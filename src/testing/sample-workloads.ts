import type { DecisionView, DemandForecast, ReplayTable, WorkloadPicture, WorkloadView } from '../http/deps.ts';
import type { Forecast } from '../model/forecast.ts';
import type { Samples } from '../model/series.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import type { Demotion, Plan, TargetReading } from '../scaling/plan-types.ts';
import { parsePolicy, type ScalingPolicy } from '../scaling/policy.ts';
import { NOW } from './http-deps.ts';

/** Workloads for looking at the page: one that is trusted, one that learns, one in trouble. The wave is made up. */

export function samplePolicy(name: string, spec: object = {}): ScalingPolicy {
  return parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      target: { name },
      timeZone: 'Europe/Berlin',
      demand: { query: 'sum(rate(http_requests_total[2m]))', capacity: { perReplica: 120 } },
      replicas: { min: 2, max: 60 },
      ...spec,
    },
  });
}

export function sampleWorkload(policy: ScalingPolicy, changes: Partial<WorkloadView> = {}): WorkloadView {
  const plan = samplePlan(14, null);
  return {
    policy,
    source: 'file',
    last: { at: NOW - 8_000, plan, sentences: SENTENCES },
    target: sampleTarget(14, 15),
    leadTimeMs: 95_000,
    troubles: [],
    ...changes,
  };
}

const SENTENCES = [
  'Demand may reach 1,480 in the next 2m35s (quantile 0.95): at 120 a replica and 90 % fill that is 14 replicas.',
  'The floor is within the limits of the policy.',
];

export function samplePlan(floor: number, demotion: Demotion | null): Plan {
  const reasons: Plan['reasons'] =
    demotion === null
      ? [
          { code: 'DesiredWithinRange', replicas: floor },
          { code: 'DesiredWithinRange', replicas: floor },
        ]
      : [{ code: 'Demoted', demotion, replicas: floor }];
  return {
    planner: 'test',
    now: NOW,
    bounds: { min: floor, max: 60 },
    wanted: demotion === null ? floor : null,
    changed: false,
    reasons,
    demotion,
    memory: { recent: [] },
  };
}

function sampleTarget(min: number, replicas: number): TargetReading {
  return { min, max: 60, original: { min: 2, max: 60 }, specReplicas: replicas, statusReplicas: replicas };
}

export function samplePicture(hole = true): WorkloadPicture {
  const times = ticks(NOW - DAY, NOW, 5 * MINUTE).filter((t) => !hole || t < NOW - 9 * HOUR || t > NOW - 7.5 * HOUR);
  const demand = samples(times, (t, i) => wave(t) * (1 + 0.06 * Math.sin(i * 12.9898) * Math.cos(i * 4.1)));
  return {
    demand,
    floor: samples(times, (t) => Math.max(2, Math.ceil(wave(t + 10 * MINUTE) / 105))),
    replicas: samples(times, (t, i) => Math.max(2, Math.ceil(wave(t + 4 * MINUTE) / 100 + 0.6 * Math.sin(i)))),
  };
}

export function sampleForecast(): DemandForecast['forecast'] {
  const stepMs = MINUTE;
  const point = Float64Array.from({ length: 120 }, (_, i) => wave(NOW + (i + 1) * stepMs));
  const path = (quantile: number, z: number) => ({
    quantile,
    values: point.map((value, i) => Math.max(0, value * (1 + z * (0.05 + i * 0.0006)))),
  });
  const forecast: Forecast = {
    issuedAt: NOW - MINUTE,
    stepMs,
    point,
    quantiles: [
      path(0.025, -1.96),
      path(0.1, -1.28),
      path(0.5, 0),
      path(0.9, 1.28),
      path(0.95, 1.64),
      path(0.975, 1.96),
    ],
    peak: {
      windowMs: 155_000,
      quantiles: [
        { quantile: 0.5, value: 1400 },
        { quantile: 0.95, value: 1480 },
      ],
    },
    model: 'mix(ridge 0.71, yesterday 0.29)',
    seasons: [1440, 10_080],
    accuracy: { mae: 31, maeVsLast: 0.54, coverage: 0.953, origins: 400, peakVsNaive: 0.5, peakCoverage: 0.95 },
    historyMs: 28 * DAY,
  };
  return { kind: 'ready', ...forecast };
}

export function sampleDecisions(policy: ScalingPolicy): readonly DecisionView[] {
  return [14, 13, 12, 10, 9, 9].map((floor, i) => ({
    id: `d${i}`,
    at: NOW - i * 11 * MINUTE,
    namespace: policy.namespace,
    policy: policy.name,
    mode: policy.mode,
    plan: samplePlan(floor, null),
    sentences: SENTENCES,
    outcome: i === 3 ? { kind: 'conflict', message: 'changed since it was read' } : { kind: 'applied' },
  }));
}

export function sampleReplay(): ReplayTable {
  const rows = ['checkout', 'search'].flatMap((policy, k) =>
    [
      { strategy: 'reactive', minutesOverCapacity: 212, overCapacityRatio: 0.049, unmetDemand: 18_200, podHours: 611 },
      { strategy: 'yesterday', minutesOverCapacity: 96, overCapacityRatio: 0.022, unmetDemand: 9_100, podHours: 702 },
      { strategy: 'foresail', minutesOverCapacity: 31, overCapacityRatio: 0.007, unmetDemand: 1_930, podHours: 689 },
      { strategy: 'oracle', minutesOverCapacity: 0, overCapacityRatio: 0, unmetDemand: 0, podHours: 640 },
    ].map((row) => ({ namespace: 'shop', policy, ...row, podHours: row.podHours + k * 40 })),
  );
  return { range: { start: NOW - 3 * DAY, end: NOW }, rows };
}

function wave(t: number): number {
  const hour = ((t % DAY) / HOUR + 2) % 24;
  const dip = 380 * Math.exp(-((hour - 13) ** 2) / 1.2);
  return 180 + 1500 * Math.exp(-((hour - 13.2) ** 2) / 18) - dip;
}

function ticks(start: number, end: number, stepMs: number): readonly number[] {
  return Array.from({ length: Math.floor((end - start) / stepMs) + 1 }, (_, i) => start + i * stepMs);
}

function samples(times: readonly number[], value: (t: number, i: number) => number): Samples {
  return { times: Float64Array.from(times), values: Float64Array.from(times, value) };
}
