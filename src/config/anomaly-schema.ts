import { z } from 'zod';
import { parseDuration } from '../model/time.ts';

const duration = z.string().refine(isDuration, {
  error: (issue) => `expected a duration such as 30s, 5m or 1h30m, got ${JSON.stringify(issue.input)}`,
});
const score = z.number().gt(0).lt(1);
const count = z.int().min(1).max(30);
const name = z
  .string()
  .max(100)
  .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, { error: 'expected a metric name: letters, digits and _' });
const labelName = z.string().regex(/^[a-zA-Z_]\w*$/, { error: 'expected the name of a label' });
const timeZone = z
  .string()
  .max(64)
  .refine(isZone, {
    error: (issue) => `expected a time zone such as Europe/Berlin, got ${JSON.stringify(issue.input)}`,
  });

/** When a striking sample is an anomaly; the same for all that is watched, and for one watch. */
const thresholds = {
  alertScore: score.describe('Score from which a sample is striking, and told as a warning.'),
  incidentScore: score.describe('Score from which an anomaly is an incident, told as critical.'),
  direction: z.enum(['both', 'up', 'down']).describe('Which side of what was expected counts.'),
  leastDeviation: z
    .number()
    .min(0)
    .describe('Deviation from what was expected below which nothing is an anomaly, in the unit of the series.'),
  leastRatio: z.number().min(0).describe('The same as a part of what was expected: 0.2 is 20 %.'),
  strikes: count.describe('So many of the last `of` samples have to be striking.'),
  of: count.describe('See `strikes`.'),
  holdOff: duration.describe(
    'After the end of an anomaly, for so long, one like it is held, and begins when that is over if it still goes on. What is more severe, went the other way, or is of another kind begins at once.',
  ),
  endAfter: z.int().min(1).max(1000).describe('Samples in a row that are not striking, after which it has ended.'),
  missingAfter: z
    .number()
    .min(0)
    .max(10_000)
    .describe('Usual intervals without a sample, after which a series is missing; 0: never.'),
  missingMembers: z
    .enum(['off', 'on'])
    .describe(
      'off: one of many series that has no samples any more, while most go on, has ended. on: it is missing, unless another one took its place or its workload has fewer replicas.',
    ),
  writes: z
    .enum(['all', 'verdicts', 'none'])
    .describe('Which series are written. verdicts: NAME:anomalous and NAME:anomaly_score alone.'),
};

const watch = z.strictObject({
  name: name.describe('First part of the names of the series that are written: NAME:anomalous, NAME:anomaly_score, …'),
  tenant: z.string().min(1).default('default').describe('Whose series are watched.'),
  query: z.string().min(1).describe('PromQL; every series of its result is watched.'),
  step: duration.default('1m').describe('Time between two evaluations.'),
  history: duration.default('1d').describe('What a new watch learns from before it judges; 10m at least.'),
  labels: z
    .record(labelName, z.string())
    .default({})
    .describe('Added to what is written and told, where a series has no label of the name.'),
  group: z
    .array(labelName)
    .max(20)
    .default([])
    .describe('Series with the same values of these labels are one group, and told as one; none: all of the watch.'),
  compare: z
    .enum(['past', 'peers'])
    .default('past')
    .describe(
      'past: each series with its own. peers: what it is off the median of its group, with the same of its past.',
    ),
  timeZone: timeZone.optional().describe('Of days and weeks. Not set: that of the section.'),
  maxSeries: z.int().min(1).max(100_000).default(1000).describe('Series beyond are not watched, and counted.'),
  alertScore: thresholds.alertScore.optional(),
  incidentScore: thresholds.incidentScore.optional(),
  direction: thresholds.direction.optional(),
  leastDeviation: thresholds.leastDeviation.optional(),
  leastRatio: thresholds.leastRatio.optional(),
  strikes: thresholds.strikes.optional(),
  of: thresholds.of.optional(),
  holdOff: thresholds.holdOff.optional(),
  endAfter: thresholds.endAfter.optional(),
  missingAfter: thresholds.missingAfter.optional(),
  missingMembers: thresholds.missingMembers.optional(),
  writes: thresholds.writes.optional(),
});

export const AnomalySection = z.strictObject({
  demands: z
    .enum(['on', 'off'])
    .default('on')
    .describe("Whether the demands of every policy are watched, beside their forecasts and by the policy's clock."),
  watches: z
    .array(watch)
    .max(1000)
    .default([])
    .describe('What else is watched: {name, query, step, group, …}. docs/how-to/watch-anomalies.md.')
    .meta({ examples: [[{ name: 'shop_errors', query: 'sum by (app) (rate(errors_total[5m]))', group: ['app'] }]] }),
  timeZone: timeZone.default('UTC').describe('Of the watches that name none.'),
  defaults: z
    .strictObject({
      alertScore: thresholds.alertScore.default(0.6),
      incidentScore: thresholds.incidentScore.default(0.8),
      direction: thresholds.direction.default('both'),
      leastDeviation: thresholds.leastDeviation.default(0),
      leastRatio: thresholds.leastRatio.default(0),
      strikes: thresholds.strikes.default(1),
      of: thresholds.of.default(1),
      holdOff: thresholds.holdOff.default('10m'),
      endAfter: thresholds.endAfter.default(5),
      missingAfter: thresholds.missingAfter.default(5),
      missingMembers: thresholds.missingMembers.default('off'),
      writes: thresholds.writes.default('all'),
    })
    .prefault({})
    .describe('For demands, and for watches that say nothing else.'),
});

function isDuration(text: string): boolean {
  try {
    return parseDuration(text) > 0;
  } catch {
    return false;
  }
}

function isZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
