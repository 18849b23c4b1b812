import { z } from 'zod';

/** What the API answers of right-sizing advice. */

const seconds = z.number().describe('Seconds since 1970, UTC.');
const share = z.number().describe('0 to 1.');
const unknown = z.object({ message: z.string().describe('Why it is not known.') });
const outcome = z.object({
  podHoursPerDay: z.number(),
  minutesOverPerDay: z.number().describe('Minutes with more demand than the ready replicas carry.'),
});

const Replay = z
  .object({
    from: seconds,
    to: seconds,
    perReplica: z.number().describe('Demand that one replica carries.'),
    bounds: z.object({ min: z.int(), max: z.int() }).describe("The owner's, of the HPA."),
    hpaTarget: z.object({
      ratio: z.number().describe('How full of what it carries the HPA lets a replica become.'),
      setting: z.string().nullable().describe('Where that stands in the HPA.'),
      value: z.number().nullable(),
      why: z.string(),
    }),
    asIs: outcome.describe("The HPA over the policy's floor, with everything as it is."),
    alone: outcome.describe('The HPA without a floor.'),
    demoted: share.describe('Of the time: the forecast was not trusted.'),
  })
  .describe("The policy's own history, replayed through the simulator.");

const Target = z.object({
  advice: z.enum(['raise', 'lower', 'keep']),
  suggested: z.number().describe('How full replicas may become.'),
  value: z.number().nullable().describe('The same in the unit of the setting of the HPA.'),
  saves: z.number().describe('Share of the pod-hours; below 0 it costs.'),
  limit: share.describe('Of the time: accepted over capacity.'),
  alone: outcome.describe('The HPA without a floor at the suggested target: what is risked.'),
  tried: z.array(outcome.extend({ ratio: z.number(), isKept: z.boolean().describe('Within the limit.') })),
  text: z.string(),
});

const Finding = z.object({
  code: z.string(),
  kind: z.enum(['risk', 'cost']),
  setting: z.string(),
  present: z.string(),
  suggested: z.string().nullable(),
  effect: outcome
    .extend({ alone: outcome.describe('The same for the HPA without a floor.') })
    .nullable()
    .describe('Changes in a day with the suggested value; below 0 is less. Null where it cannot be replayed.'),
  text: z.string(),
});

const Resource = z
  .object({
    request: z.number().nullable(),
    target: z.number(),
    lower: z.number(),
    upper: z.number().nullable(),
    verdict: z.enum(['keep', 'raise', 'lower', 'set', 'unknown']),
    savesPerDay: z.number().nullable().describe('Core-hours or byte-hours; below 0 it costs.'),
    text: z.string(),
  })
  .nullable()
  .describe('Cores or bytes, as the Vertical Pod Autoscaler would have them. Null without samples.');

const Requests = z.object({
  containers: z.array(
    z.object({
      container: z.string().nullable().describe('Null: of whole pods.'),
      cpu: Resource,
      memory: Resource,
      days: z.number().describe('That the samples span.'),
    }),
  ),
  message: z.string().nullable().describe('Why what is asked for now is not known.'),
  hpaTarget: z
    .object({ present: z.number(), suggested: z.number(), text: z.string() })
    .nullable()
    .describe("The HPA's CPU target that keeps pods as busy with the new requests."),
});

export const AdviceAnswer = z.object({
  namespace: z.string(),
  policy: z.string(),
  replay: z.union([Replay, unknown]),
  target: z.union([Target, unknown]),
  findings: z.union([z.array(Finding), unknown]).describe('Settings of the HPA that work against the forecast.'),
  requests: z.union([Requests, unknown]),
});
