import { z } from 'zod';
import { ANOMALY_SEVERITIES } from '../anomaly/anomaly.ts';

/** What the HTTP API says of anomalies, and takes. Times are seconds. */

const seconds = z.number().describe('Seconds since 1970.');
const figure = z.number().nullable().describe('Null: none, or not known.');
const labels = z.record(z.string(), z.string());

export const FeedbackRequest = z.strictObject({
  verdict: z
    .enum(['normal', 'anomaly'])
    .describe(
      'normal: it was none, and one like it is none for three months. anomaly: it was one, and does not teach.',
    ),
  note: z.string().max(1000).default('').describe('Why, for those who come after.'),
  who: z.string().max(200).default('').describe('Who says so, where the credential does not.'),
});

export const AnomalyAnswer = z.object({
  id: z.string(),
  watch: z.string().describe('The name of the watch, or of the demand.'),
  labels,
  policy: z.object({ namespace: z.string(), policy: z.string(), workload: z.string() }).nullable(),
  severity: z.enum(ANOMALY_SEVERITIES),
  confirmed: z.boolean().describe('Of incident severity, or N of M: of a demand, its forecasts do not learn from it.'),
  state: z.enum(['open', 'ended']),
  startedAt: seconds,
  endedAt: seconds.nullable(),
  end: z
    .enum(['quiet', 'usual', 'normal', 'gone'])
    .nullable()
    .describe('usual: it lasted for a day, and is the new usual. normal: somebody said so. gone: its series ended.'),
  peak: z.object({
    at: seconds,
    value: figure,
    expected: figure,
    lower: figure,
    upper: figure,
    score: z.number(),
    direction: z.enum(['up', 'down']),
    part: z.string().describe('What was striking: jump, pattern, shift, season, spread, flat, missing.'),
  }),
  incident: z.string().describe('Anomalies of one incident have the same.'),
  feedback: z
    .object({ verdict: z.enum(['normal', 'anomaly']), who: z.string(), at: seconds, note: z.string() })
    .nullable(),
  picture: z.string().describe('Path of its picture.'),
});

const member = z.object({ anomaly: z.string(), watch: z.string(), labels, startedAt: seconds, score: z.number() });

export const AnomalyRecord = AnomalyAnswer.extend({
  group: z
    .object({
      id: z.string(),
      labels,
      severity: z.enum(ANOMALY_SEVERITIES),
      startedAt: seconds,
      endedAt: seconds.nullable(),
      members: z.array(member).describe('Who moved first and most stands first.'),
      related: z.array(z.object({ watch: z.string(), labels, correlation: z.number() })).describe('What moved alike.'),
      deploys: z
        .array(
          z.object({
            namespace: z.string(),
            workload: z.string(),
            revision: z.string(),
            images: z.array(z.string()),
            startedAt: seconds,
          }),
        )
        .describe('What was deployed shortly before or meanwhile.'),
      order: z
        .array(z.object({ kind: z.enum(['deploy', 'anomaly']), name: z.string(), startedAt: seconds }))
        .describe('Deploys and members in one list: who was first stands first.'),
    })
    .nullable()
    .describe('Null once it is told of no more, a quarter of an hour after its end.'),
});

export const WatchAnswer = z.object({
  name: z.string(),
  policy: z.object({ namespace: z.string(), policy: z.string() }).nullable(),
  query: z.string(),
  stepSeconds: z.number(),
  state: z.enum(['learning', 'ready', 'failing']).describe('learning: none of its series has seen enough.'),
  series: z.int(),
  learning: z.int().describe('Of the series, those that have not seen enough.'),
  anomalous: z.int(),
  refused: z.int().describe('Series beyond the bound, of the last pass.'),
  through: seconds.describe('The last instant that was judged.'),
  lastPassAt: seconds.nullable(),
  error: z.string().nullable(),
});

export const DetectAnswer = z.array(
  z.object({
    series: z.string(),
    timestamp: seconds,
    value: figure,
    expected: z.number(),
    lower: z.number(),
    upper: z.number(),
    score: z.number(),
    anomaly: z.boolean(),
    learning: z.boolean(),
    direction: z.enum(['up', 'down']),
    part: z.string().nullable(),
  }),
);
