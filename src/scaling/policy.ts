import { z } from 'zod';
import { DAY, MINUTE, parseDuration, parseInstant, WEEK } from '../model/time.ts';
import { calendars, eventFields, excluded, holidays, timeZone } from './calendar-fields.ts';
import { CEL_CRON, CEL_DURATION, CEL_INSTANT, CEL_WINDOW, celRules } from './cel-rules.ts';
import type { CostBudget } from './cost-cap.ts';
import { isCron } from './cron-window.ts';
import type { Objective } from './objective.ts';
import { Slo } from './slo.ts';

/** A ScalingPolicy document: the same in a file, in the HTTP API and as a custom resource. Strict: unknown keys are refused. */

const duration = z
  .string()
  .max(64)
  .refine((text) => succeeds(() => parseDuration(text)), {
    error: (issue) => `expected a duration such as 30s, 5m or 28d, got ${JSON.stringify(issue.input)}`,
  })
  .describe('A duration such as 30s, 5m, 1h30m or 28d.')
  .register(celRules, { rules: [CEL_DURATION] });
const instant = z
  .string()
  .max(64)
  .refine((text) => succeeds(() => parseInstant(text)), {
    error: (issue) => `expected a time such as 2026-08-03T10:00:00Z, got ${JSON.stringify(issue.input)}`,
  })
  .describe('ISO 8601; without a zone it is UTC.')
  .register(celRules, { rules: [CEL_INSTANT] });
const percent = z
  .string()
  .regex(/^\d+(\.\d+)?%$/, {
    error: (issue) => `expected a percentage such as 50%, got ${JSON.stringify(issue.input)}`,
  })
  .describe('Per cent of the bound in force.');
const replicas = z.int().min(1).max(100_000);
const cron = z
  .string()
  .max(256)
  .refine(isCron, {
    error: (issue) =>
      `expected a cron expression of five fields such as "0 7 * * 1-5", got ${JSON.stringify(issue.input)}`,
  })
  .describe('Minute, hour, day of month, month, day of week, in the time zone of the policy.')
  .register(celRules, { rules: [CEL_CRON] });
const kubernetesName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, {
    error: 'expected a Kubernetes name: lower case letters, digits, - and .',
  });

const utilization = z.strictObject({
  query: z
    .string()
    .min(1)
    .describe(
      'PromQL. Its value is the mean utilization of the ready replicas, 1 where all that they ask for is used.',
    ),
  target: z
    .number()
    .gt(0)
    .max(10)
    .describe('Utilization of a replica that carries all it can: higher than the target of the autoscaler.'),
});

const demand = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, { error: 'expected a metric name: letters, digits and _' })
    .default('foresail_demand')
    .describe('Name of the recorded demand series and its forecasts.'),
  query: z.string().min(1).describe('PromQL. Its value is the demand; several series are summed.'),
  step: duration.default('1m'),
  history: duration.default('28d'),
  capacity: z
    .strictObject({
      perReplica: z
        .number()
        .positive()
        .optional()
        .describe('Demand that one ready replica carries. With utilization too: where that cannot be learned.'),
      utilization: utilization.optional().describe('Learns what a replica carries from how busy replicas are.'),
      fill: z.number().gt(0).max(1).default(0.9).describe("How full the floor's replicas may be."),
    })
    .refine((capacity) => capacity.perReplica !== undefined || capacity.utilization !== undefined, {
      error: 'expected perReplica, utilization or both',
    }),
});

const { demandFactor, ...whenever } = eventFields(instant);
const event = z
  .strictObject({ ...whenever, demandFactor: demandFactor.optional(), floor: replicas.optional() })
  .refine((e) => (e.demandFactor === undefined) !== (e.floor === undefined), {
    error: 'expected exactly one of demandFactor and floor',
  })
  .register(celRules, {
    rules: [
      {
        rule: 'has(self.demandFactor) != has(self.floor)',
        message: 'expected exactly one of demandFactor and floor',
      },
      CEL_WINDOW,
    ],
  });

const schedule = z.strictObject({ cron, duration, min: replicas });
const maintenance = z.strictObject({ cron, duration });

const costBudget = z
  .strictObject({
    monthly: z.number().positive().describe('For a calendar month in UTC.'),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, { error: 'expected a currency such as USD' })
      .default('USD'),
    perReplicaHour: z.number().positive().describe('What one replica costs in an hour.'),
    warn: percent.default('80%').describe('Of the monthly sum, by the projected spend.'),
    critical: percent.default('95%'),
    cap: percent.default('110%'),
    onCap: z
      .enum(['alert', 'lower'])
      .default('alert')
      .describe(
        'lower: the maximum follows what runs, down, and never cuts it, until the projected spend is below the cap.',
      ),
  })
  .refine(({ warn, critical, cap }) => ratioOf(warn) <= ratioOf(critical) && ratioOf(critical) <= ratioOf(cap), {
    error: 'expected warn to be at most critical, and critical at most cap',
  });

const spec = z.strictObject({
  mode: z.enum(['observe', 'enforce']).default('observe').describe('observe: compute and record, change nothing.'),
  paused: z.boolean().default(false).describe('Ramp back to the original bounds and stay there.'),
  takeOver: z
    .enum(['once', 'never'])
    .default('once')
    .describe('once: take minReplicas over from another manager, announced. never: leave it and say who holds it.'),
  target: z.strictObject({
    kind: z
      .enum(['HorizontalPodAutoscaler', 'ScaledObject'])
      .default('HorizontalPodAutoscaler')
      .describe('What has the bounds: an HPA, or for KEDA its ScaledObject, never the HPA that KEDA makes of it.'),
    name: kubernetesName,
  }),
  timeZone: timeZone.default('UTC'),
  demand: z.union([demand, z.array(demand).min(1).max(10)]),
  leadTime: z
    .union([z.literal('auto'), duration])
    .default('auto')
    .describe('From the decision to a ready pod.'),
  replicas: z
    .strictObject({ min: z.int().min(0).max(100_000), max: replicas })
    .refine(({ min, max }) => min <= max, { error: 'expected min to be at most max' })
    .register(celRules, { rules: [{ rule: 'self.min <= self.max', message: 'expected min to be at most max' }] }),
  forecast: z
    .strictObject({
      quantile: z
        .number()
        .min(0.01)
        .max(0.99)
        .default(0.95)
        .describe('Of the largest demand within the lead time: the highest that is taken.'),
      shortageCost: z
        .number()
        .positive()
        .max(1_000_000)
        .default(5)
        .describe(
          'What a minute with more demand than replicas costs, in minutes of the replicas that carry the mean demand. A quantile below `quantile` is taken where that costs less; a very large number always takes `quantile`.',
        ),
      objective: z
        .strictObject({
          overCapacityMinutes: z
            .string()
            .regex(/^\d+(\.\d+)?\/(day|week|month)$/, {
              error: (issue) => `expected minutes over a period such as 5/month, got ${JSON.stringify(issue.input)}`,
            })
            .describe('Minutes with more demand than replicas that are accepted: a number, / and day, week or month.'),
        })
        .optional()
        .describe('Chooses the quantile in place of `quantile`, which is used where it cannot.'),
      horizon: duration.default('2h'),
      seasons: z.union([z.literal('auto'), z.array(duration).max(4)]).default('auto'),
      holidays: holidays.optional(),
      calendars,
      exclude: excluded(instant),
      events: z.array(event).max(1000).default([]),
    })
    .prefault({}),
  schedules: z.array(schedule).max(1000).default([]).describe('Floors at set times.'),
  maintenance: z.array(maintenance).max(1000).default([]).describe('Windows in which nothing is changed.'),
  ramp: z
    .strictObject({
      maxUpPerMinute: percent.default('100%'),
      maxDownPerMinute: percent.default('25%'),
      holdDown: duration.default('3m').describe('How long a floor stays after its last reason to be that high.'),
    })
    .prefault({}),
  safety: z
    .strictObject({
      minHistory: duration.default('2d'),
      maxForecastAge: duration.default('15m'),
      maxErrorVsNaive: z.number().positive().default(1),
    })
    .prefault({}),
  costBudget: costBudget.optional(),
  slos: z.array(Slo).max(20).optional().describe('Objectives of the workload: rules and alerts are made of them.'),
  usage: z
    .strictObject({
      cpu: z.string().min(1).optional().describe('PromQL. Cores in use, one series for each pod and container.'),
      memory: z.string().min(1).optional().describe('PromQL. Bytes in use, one series for each pod and container.'),
    })
    .optional()
    .describe("What advice on requests is made from. Left out: cAdvisor's series of the workload's pods."),
});

const WAKEABLE = 'expected replicas.min to be at least 1: 0 is for a ScaledObject, which KEDA wakes from zero';
const wakeableSpec = spec
  .refine(({ target, replicas }) => replicas.min > 0 || target.kind === 'ScaledObject', {
    path: ['replicas', 'min'],
    error: WAKEABLE,
  })
  .register(celRules, {
    rules: [{ rule: "self.replicas.min > 0 || self.target.kind == 'ScaledObject'", message: WAKEABLE }],
  });

export const ScalingPolicyDocument = z.strictObject({
  apiVersion: z.literal('foresail.dev/v1alpha1'),
  kind: z.literal('ScalingPolicy'),
  metadata: z.strictObject({ name: kubernetesName, namespace: kubernetesName }),
  spec: wakeableSpec,
});

/** As parsed: defaults filled in, durations and times still as written. */
export type ScalingPolicyDocument = z.infer<typeof ScalingPolicyDocument>;

/** A policy with its durations in milliseconds and its percentages as ratios. Plain JSON: it is recorded with decisions. */
export interface ScalingPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly mode: 'observe' | 'enforce';
  readonly paused: boolean;
  readonly takeOver: 'once' | 'never';
  readonly target: { readonly kind: 'HorizontalPodAutoscaler' | 'ScaledObject'; readonly name: string };
  readonly timeZone: string;
  readonly demands: readonly DemandSpec[];
  readonly leadTime: { readonly kind: 'auto' } | { readonly kind: 'given'; readonly ms: number };
  readonly replicas: { readonly min: number; readonly max: number };
  /** The highest that is taken. */
  readonly quantile: number;
  /** What being short costs, against the replicas for the mean demand. Left out: `quantile` is taken, whatever it costs. */
  readonly shortageCost?: number;
  /** In place of the quantile, which then only stands in. */
  readonly objective?: Objective;
  readonly horizonMs: number;
  readonly seasonsMs: 'auto' | readonly number[];
  readonly exclude: readonly { readonly start: number; readonly end: number }[];
  readonly events: readonly DeclaredEvent[];
  /** Region of public holidays: `DE-BY`. */
  readonly holidays?: string;
  /** Names of iCal files; left out where there are none. */
  readonly calendars?: readonly string[];
  readonly schedules: readonly { readonly cron: string; readonly durationMs: number; readonly min: number }[];
  readonly maintenance: readonly { readonly cron: string; readonly durationMs: number }[];
  readonly ramp: {
    readonly upRatioPerMinute: number;
    readonly downRatioPerMinute: number;
    readonly holdDownMs: number;
  };
  readonly safety: {
    readonly minHistoryMs: number;
    readonly maxForecastAgeMs: number;
    readonly maxErrorVsNaive: number;
  };
  readonly costBudget?: CostBudget;
  /** Queries of what containers use; left out where cAdvisor's are meant. */
  readonly usage?: { readonly cpu?: string | undefined; readonly memory?: string | undefined };
}

export interface DemandSpec {
  readonly name: string;
  readonly query: string;
  readonly stepMs: number;
  readonly historyMs: number;
  /** Demand that one ready replica carries, as given; left out where it is only learned. */
  readonly perReplica?: number;
  /** What the capacity is learned from. */
  readonly utilization?: { readonly query: string; readonly target: number };
  /** 0 to 1: how full the floor's replicas may be. */
  readonly fill: number;
}

export interface DeclaredEvent {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly demandFactor?: number;
  readonly floor?: number;
}

/**
 * Checks a document and resolves it.
 * @throws {z.ZodError} If it is not a policy; each issue has its path and what was expected.
 */
export function parsePolicy(document: unknown): ScalingPolicy {
  return resolvePolicy(ScalingPolicyDocument.parse(document));
}

export function resolvePolicy({ metadata, spec }: ScalingPolicyDocument): ScalingPolicy {
  const demands = Array.isArray(spec.demand) ? spec.demand : [spec.demand];
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    mode: spec.mode,
    paused: spec.paused,
    takeOver: spec.takeOver,
    target: spec.target,
    timeZone: spec.timeZone,
    demands: demands.map(({ name, query, step, history, capacity }) => ({
      name,
      query,
      stepMs: parseDuration(step),
      historyMs: parseDuration(history),
      ...(capacity.perReplica !== undefined && { perReplica: capacity.perReplica }),
      ...(capacity.utilization !== undefined && { utilization: capacity.utilization }),
      fill: capacity.fill,
    })),
    leadTime: spec.leadTime === 'auto' ? { kind: 'auto' } : { kind: 'given', ms: parseDuration(spec.leadTime) },
    replicas: spec.replicas,
    quantile: spec.forecast.quantile,
    shortageCost: spec.forecast.shortageCost,
    ...(spec.forecast.objective !== undefined && { objective: objectiveOf(spec.forecast.objective) }),
    horizonMs: parseDuration(spec.forecast.horizon),
    seasonsMs: spec.forecast.seasons === 'auto' ? 'auto' : spec.forecast.seasons.map(parseDuration),
    exclude: spec.forecast.exclude.map(({ start, end }) => ({ start: parseInstant(start), end: parseInstant(end) })),
    events: spec.forecast.events.map(({ name, start, end, demandFactor, floor }) => ({
      name,
      start: parseInstant(start),
      end: parseInstant(end),
      ...(demandFactor !== undefined && { demandFactor }),
      ...(floor !== undefined && { floor }),
    })),
    ...(spec.forecast.holidays !== undefined && { holidays: spec.forecast.holidays }),
    ...(spec.forecast.calendars.length > 0 && { calendars: spec.forecast.calendars }),
    schedules: spec.schedules.map(({ cron, duration, min }) => ({ cron, durationMs: parseDuration(duration), min })),
    maintenance: spec.maintenance.map(({ cron, duration }) => ({ cron, durationMs: parseDuration(duration) })),
    ramp: {
      upRatioPerMinute: ratioOf(spec.ramp.maxUpPerMinute),
      downRatioPerMinute: ratioOf(spec.ramp.maxDownPerMinute),
      holdDownMs: parseDuration(spec.ramp.holdDown),
    },
    safety: {
      minHistoryMs: parseDuration(spec.safety.minHistory),
      maxForecastAgeMs: parseDuration(spec.safety.maxForecastAge),
      maxErrorVsNaive: spec.safety.maxErrorVsNaive,
    },
    ...(spec.costBudget !== undefined && { costBudget: costBudgetOf(spec.costBudget) }),
    ...(spec.usage !== undefined && { usage: spec.usage }),
  };
}

function costBudgetOf({ warn, critical, cap, ...budget }: z.infer<typeof costBudget>): CostBudget {
  return { ...budget, warn: ratioOf(warn), critical: ratioOf(critical), cap: ratioOf(cap) };
}

/** A month is the mean one of the calendar. */
const PERIODS: Readonly<Record<string, number>> = { day: DAY, week: WEEK, month: (365.25 / 12) * DAY };

function objectiveOf({ overCapacityMinutes }: { readonly overCapacityMinutes: string }): Objective {
  const [minutes, period] = overCapacityMinutes.split('/') as [string, string];
  return { overCapacityMs: Number(minutes) * MINUTE, periodMs: PERIODS[period]! };
}

function ratioOf(percentage: string): number {
  return Number(percentage.slice(0, -1)) / 100;
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
