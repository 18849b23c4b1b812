import { z } from 'zod';
import { HORIZONS } from '../model/forecast.ts';
import { ScalingPolicyDocument } from '../scaling/policy.ts';

/** What Foresail's own API answers, as schemas: the OpenAPI document is made from them, and tests hold answers to them. */

const seconds = z.number().describe('Seconds since 1970, UTC.');
const replicas = z.int().min(0);
const bounds = z.object({ min: replicas, max: replicas });
/** A recorded plan's own types are in src/scaling/plan-types.ts; times inside are milliseconds. */
const recorded = z.record(z.string(), z.unknown());

export const PolicyAnswer = z.object({
  source: z
    .enum(['file', 'resource', 'http'])
    .describe('file, or resource (a custom resource of the cluster): HTTP cannot change it.'),
  file: z.string().optional(),
  problems: z
    .array(z.string())
    .optional()
    .describe('Other sources that have a policy of this name and differ, or a newer form of it that is wrong.'),
  policy: ScalingPolicyDocument,
});
const Reason = z.object({ code: z.string(), text: z.string().describe('The reason as a sentence.') });

export const PlanAnswer = z.object({
  at: seconds,
  planner: z.string(),
  bounds: bounds.describe('What the plan asks for.'),
  inForce: bounds.describe('What the target has now.'),
  wanted: replicas
    .nullable()
    .describe('What the forecast asks for before ramps and limits. Null while it is not trusted.'),
  changed: z.boolean(),
  demotion: recorded.nullable().describe('Why the forecast is not trusted.'),
  reasons: z.array(Reason).min(1),
  input: recorded.describe('All that the plan was made from. Times in milliseconds.'),
});

const band = z.object({ quantile: z.number(), values: z.array(z.number().nullable()) });
export const ForecastAnswer = z.array(
  z.object({
    demand: z.string(),
    state: z.enum(['ready', 'insufficient-history', 'no-data', 'stale']),
    issuedAt: seconds.optional(),
    stepSeconds: z.number().optional(),
    times: z.array(seconds).optional(),
    point: z.array(z.number().nullable()).optional(),
    quantiles: z.array(band).optional(),
    peak: z
      .object({
        windowSeconds: z.number(),
        quantiles: z.array(z.object({ quantile: z.number(), value: z.number().nullable() })),
      })
      .optional()
      .describe('Quantiles of the largest demand within the window.'),
    model: z.string().optional(),
    errorVsNaive: z
      .number()
      .nullable()
      .optional()
      .describe('What the gate judges: the loss of the peak over that of the better naive peak. Below 1 is better.'),
    maeVsLast: z
      .number()
      .nullable()
      .optional()
      .describe('Error of the steps against repeating the last value; below 1 is better. The gate does not judge it.'),
    coverage: z.number().nullable().optional().describe('Share of steps at or below their 0.95 quantile.'),
    peakCoverage: z.number().nullable().optional().describe('Share of peaks at or below their 0.95 quantile.'),
    haveSeconds: z.number().optional().describe('History there is, where it is too short.'),
    needSeconds: z.number().optional(),
  }),
);

const figure = z.number().nullable();
const HorizonAccuracy = z.object({
  horizon: z
    .enum(HORIZONS)
    .describe("first step, end of the peak's window, half and all of the horizon; peak: the largest in its window."),
  count: z.number().describe('Forecasts that came true; of recent figures the older the less they count.'),
  errorVsLast: figure.describe('Mean absolute error over that of repeating the last value; below 1 is better.'),
  errorVsSeason: figure.describe('The same against the value at the same local time a day before.'),
  coverage: figure.describe('Share of truths at or below the one-sided 0.95 quantile.'),
  central: figure.describe('Share of truths within the central 95 %.'),
  bias: figure.describe('Mean of forecast less truth over the mean truth; above 0, too much was forecast.'),
});
const DemandAccuracyAnswer = z.object({
  namespace: z.string(),
  policy: z.string(),
  demand: z.string(),
  state: z.enum(['trusted', 'demoted', 'unknown']).describe('unknown: no plan has been made of it yet.'),
  since: seconds.nullable(),
  reason: Reason.nullable().describe('Why it is demoted.'),
  issuedAt: seconds.nullable().describe('Of the newest forecast.'),
  errorVsNaive: figure.describe(
    'What the gate judges: the worse of the fitted and the issued peak against a naive one.',
  ),
  limit: z.number().describe('safety.maxErrorVsNaive of the policy.'),
  recent: z
    .array(HorizonAccuracy.extend({ aheadSeconds: z.number() }))
    .describe('Issued forecasts that came true lately; after two days one counts little more than a third.'),
});
export const AccuracyAnswer = z.array(DemandAccuracyAnswer).describe('The worst first.');
export const PolicyAccuracyAnswer = z.array(
  DemandAccuracyAnswer.extend({
    days: z.array(z.object({ day: seconds.describe('Its beginning, UTC.'), horizons: z.array(HorizonAccuracy) })),
  }),
);

export const NetworksAnswer = z
  .array(
    z.object({
      version: z.string().describe('shipped: the one that comes with the program.'),
      inForce: z.boolean(),
      trainedAt: seconds.nullable(),
      against: z.string().nullable().describe('The version that it was trained from and judged against.'),
      occasion: z
        .enum(['never-trained', 'schedule', 'drift', 'retry', 'asked'])
        .nullable()
        .describe('Why it was trained; asked: by `foresail train`.'),
      loss: figure.describe('On the last quarter of the series, which no training read. Less is better.'),
      lossOfAgainst: figure.describe('Of the version that it was judged against, on the same.'),
      lossOfLastValue: figure.describe('Of repeating the last value, on the same.'),
      series: z.int().nullable(),
      rows: z.int().nullable(),
      epochs: z.int().nullable(),
    }),
  )
  .describe('Oldest first. What is null is not known.');

const share = z.number().nullable();
const end = z.string().nullable().describe('ISO 8601. Null: not within the window of the objective.');

export const SlosAnswer = z.array(
  z.object({
    name: z.string(),
    source: z.string().describe('A file, or `policy NAMESPACE/NAME`.'),
    description: z.string().optional(),
    objective: z.number().describe('Percent that must be good.'),
    window: z.string(),
    labels: z.record(z.string(), z.string()),
    state: z.enum(['unknown', 'inactive', 'pending', 'firing']).describe('Of its alerts.'),
    series: z.array(
      z.object({
        labels: z.record(z.string(), z.string()),
        errorRatio: share.describe('Of the whole window, 0 to 1.'),
        budgetRemaining: share.describe('1: all of it. Below 0: overrun.'),
        burnRate: z
          .record(z.string(), share)
          .describe('By window: 1 uses the budget up just when the window of the objective ends.'),
        budgetEnds: z
          .object({ '1h': end, '1d': end })
          .describe('When the budget is used up if errors go on as in the last hour, or the last day.'),
      }),
    ),
  }),
);

export const DecisionAnswer = z.object({
  id: z.string(),
  at: seconds,
  namespace: z.string(),
  policy: z.string(),
  mode: z
    .enum(['observe', 'enforce', 'release'])
    .describe('release: the policy let go of the target, and its bounds go back.'),
  bounds,
  changed: z.boolean(),
  reasons: z.array(Reason),
  outcome: z.object({ kind: z.string(), message: z.string().optional() }),
});
export const DecisionList = z.array(DecisionAnswer);
export const DecisionRecord = DecisionAnswer.extend({
  plan: recorded.describe('The plan as recorded. Times in milliseconds.'),
  input: recorded.nullable().describe('All that the plan was made from: planning it again gives the same.'),
});

export const StatusAnswer = z.object({
  version: z.string(),
  startedAt: seconds,
  now: seconds,
  tenant: z.string(),
  role: z.string(),
  store: z.object({ series: z.int(), samples: z.int() }),
  cluster: z.string(),
  problems: z.array(z.string()).describe('What is wrong with policies, a line each.'),
  workloads: z.array(
    z.object({
      namespace: z.string(),
      policy: z.string(),
      source: z.enum(['file', 'resource', 'http']),
      mode: z.enum(['observe', 'enforce']),
      paused: z.boolean(),
      target: z.string(),
      state: z.enum(['starting', 'learning', 'trusting', 'demoted', 'paused', 'unreachable']),
      at: seconds.nullable().describe('When the last plan was made.'),
      bounds: bounds.nullable().describe('What the last plan asks for.'),
      inForce: bounds.nullable(),
      replicas: replicas.nullable(),
      leadTimeSeconds: z.number().nullable(),
      reasons: z.array(Reason),
      troubles: z.array(z.string()),
    }),
  ),
});

export const ErrorAnswerSchema = z.object({
  status: z.literal('error'),
  errorType: z.string(),
  error: z.string(),
  code: z.string().describe('Stable id: docs/errors.md says what each means and what to do.'),
  problems: z
    .array(z.object({ path: z.string(), message: z.string(), suggestion: z.string().optional() }))
    .optional()
    .describe('Each thing that is wrong with a document.'),
});
