import { z } from 'zod';
import { formatInstant, type Millis } from '../model/time.ts';
import type { DecisionDraft } from './decision-types.ts';
import { judgedError } from './demotion.ts';
import type { Plan } from './plan-types.ts';
import type { ScalingPolicy } from './policy.ts';
import { demotionText } from './reasons.ts';
import type { ConditionReason } from './told-reasons.ts';

/** What a ScalingPolicy's status says in the cluster. The schema of the custom resource is made from this one. */

const condition = z.strictObject({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().min(0).optional(),
  lastTransitionTime: z.string().meta({ format: 'date-time' }).describe('When the status last changed.'),
  reason: z.string().min(1).max(1024).describe('One word, CamelCase.'),
  message: z.string().max(32_768).describe('The same in plain words.'),
});

export const PolicyStatus = z.strictObject({
  observedGeneration: z.int().min(0).optional().describe('The generation of the spec that all of this is about.'),
  target: z.string().optional().describe('What is scaled, as KIND/NAME.'),
  floor: z.int().min(0).optional().describe('The least replicas that the last decision asks for.'),
  ceiling: z.int().min(0).optional().describe('The most replicas that the last decision allows.'),
  replicas: z.int().min(0).optional().describe('Replicas that run now.'),
  reason: z.string().max(1024).optional().describe('What decided the floor, as one word.'),
  message: z.string().max(32_768).optional().describe('The last decision in plain words.'),
  accuracy: z
    .string()
    .max(256)
    .optional()
    .describe(
      'How the issued forecasts of peaks compare with naive ones, lately: better or worse, in per cent of the error.',
    ),
  lastDecisionTime: z.string().meta({ format: 'date-time' }).optional().describe('When that was decided.'),
  conditions: z
    .array(condition)
    .max(16)
    .optional()
    .describe(
      'Accepted: the policy is right, and it is the one in force. Active: it moves the bounds. Degraded: something keeps it from doing so as it should. Conflicting: another source has a policy of this name that differs.',
    ),
});

export type PolicyStatus = z.infer<typeof PolicyStatus>;
type PolicyCondition = z.infer<typeof condition>;

/** A status as it is made here: its reasons are a closed list. One that is read from the cluster may have any. */
export interface ToldStatus extends Omit<PolicyStatus, 'conditions'> {
  conditions: ToldCondition[];
}

export type ToldCondition = PolicyCondition & {
  type: 'Accepted' | 'Active' | 'Degraded' | 'Conflicting';
  reason: ConditionReason;
};

/** What became of a custom resource, and of the policy that it is. */
export interface StatusInput {
  readonly now: Millis;
  readonly generation: number;
  readonly previous: PolicyStatus | undefined;
  readonly verdict: {
    readonly kind: 'accepted' | 'invalid' | 'overridden' | 'no-tenant';
    readonly message: string;
    readonly conflict?: string;
  };
  /** The policy in force, where it is this one. */
  readonly policy: ScalingPolicy | undefined;
  /** The last decision on it, and what the last pass could not do. */
  readonly last: DecisionDraft | undefined;
  /** A decision as a person would tell it, a sentence each. */
  readonly textOf: (draft: DecisionDraft) => readonly string[];
  readonly notes: { readonly readable: boolean; readonly problems: readonly string[] } | undefined;
}

const REFUSED = { invalid: 'Invalid', overridden: 'OverriddenByFile', 'no-tenant': 'NoTenant' } as const;
/** Reasons that say why nothing is asked for, before any figure. */
const FIRST_WORD: readonly string[] = ['Paused', 'Released', 'Maintenance', 'ScaledToZero'];
const GIVEN_UP: readonly string[] = ['give-up', 'given-up'];

/** The status of a custom resource. Times of conditions that did not change stay as they were. */
export function policyStatus(input: StatusInput): ToldStatus {
  const { now, generation, previous, policy, last } = input;
  const conditions = [acceptedOf(input), activeOf(input), degradedOf(input), conflictingOf(input)].map(
    (condition): ToldCondition => {
      const before = previous?.conditions?.find(({ type }) => type === condition.type);
      const since = before?.status === condition.status ? before.lastTransitionTime : formatInstant(now);
      return { ...condition, observedGeneration: generation, lastTransitionTime: since };
    },
  );
  if (policy === undefined) return { observedGeneration: generation, conditions };
  const target = `${policy.target.kind}/${policy.target.name}`;
  if (last === undefined) return { observedGeneration: generation, target, conditions };
  const { plan, input: seen } = last;
  return {
    observedGeneration: generation,
    target,
    floor: plan.bounds.min,
    ceiling: plan.bounds.max,
    replicas: seen.target.statusReplicas,
    reason: decidingReason(plan),
    message: input.textOf(last).join(' ').slice(0, 4096),
    accuracy: accuracyOf(last),
    lastDecisionTime: formatInstant(last.at),
    conditions,
  };
}

/** How two statuses differ: in nothing but the time, in words and figures that move all the time, or in what they mean. */
export function statusChange(before: PolicyStatus | undefined, after: PolicyStatus): 'none' | 'words' | 'meaning' {
  if (meaningOf(before) !== meaningOf(after)) return 'meaning';
  return wordsOf(before) === wordsOf(after) ? 'none' : 'words';
}

function meaningOf(status: PolicyStatus | undefined): string {
  if (status === undefined) return '';
  const { observedGeneration, target, floor, ceiling, replicas, reason, conditions = [] } = status;
  const states = conditions.map(({ type, status: state, reason: why, observedGeneration: of }) => [
    type,
    state,
    why,
    of,
  ]);
  return JSON.stringify([observedGeneration, target, floor, ceiling, replicas, reason, states]);
}

function wordsOf(status: PolicyStatus | undefined): string {
  const { message, accuracy, conditions = [] } = status ?? {};
  return JSON.stringify([message, accuracy, conditions.map((condition) => condition.message)]);
}

type Verdict = Omit<ToldCondition, 'lastTransitionTime' | 'observedGeneration'>;

function acceptedOf({ verdict }: StatusInput): Verdict {
  const { kind, message } = verdict;
  if (kind === 'accepted') return { type: 'Accepted', status: 'True', reason: 'Valid', message };
  return { type: 'Accepted', status: 'False', reason: REFUSED[kind], message };
}

function conflictingOf({ verdict: { conflict } }: StatusInput): Verdict {
  const type = 'Conflicting';
  if (conflict !== undefined) return { type, status: 'True', reason: 'SourcesDiffer', message: conflict };
  return {
    type,
    status: 'False',
    reason: 'OneSource',
    message: 'no other source has a policy of this name that differs',
  };
}

function activeOf({ verdict, policy, last, notes }: StatusInput): Verdict {
  const active = (status: Verdict['status'], reason: ConditionReason, message: string): Verdict => {
    return { type: 'Active', status, reason, message };
  };
  if (policy === undefined) return active('False', 'NotAccepted', verdict.message);
  if (notes?.readable === false) return active('False', 'TargetUnreadable', sentences(notes.problems));
  if (last === undefined) return active('Unknown', 'Starting', 'nothing was decided yet');
  if (policy.paused) return active('False', 'Paused', 'the policy is paused: the original bounds are in force');
  if (policy.mode === 'observe') {
    return active('False', 'Observing', 'mode is observe: it computes and records, and changes nothing');
  }
  const { plan, ownership } = last;
  if (GIVEN_UP.includes(ownership.kind)) return active('False', 'GivenUp', ownership.message);
  if (ownership.kind === 'left') return active('False', 'LeftAlone', ownership.message);
  if (plan.demotion !== null) return active('False', plan.demotion.code, demotionText(plan.demotion));
  return active('True', 'Enforcing', `the floor of ${plan.bounds.min} is what the forecast asks for`);
}

function degradedOf({ policy, last, notes }: StatusInput): Verdict {
  if (policy === undefined) {
    return { type: 'Degraded', status: 'False', reason: 'NotAccepted', message: 'it is not in force' };
  }
  return { type: 'Degraded', ...degradation(last, notes) };
}

/** Whether something keeps a policy that is in force from its work, and what: the condition `Degraded`. */
export function degradation(last: DecisionDraft | undefined, notes: StatusInput['notes']): Omit<Verdict, 'type'> {
  const degraded = (reason: ConditionReason, message: string) => ({ status: 'True' as const, reason, message });
  if (notes?.readable === false) return degraded('TargetUnreadable', sentences(notes.problems));
  if (last === undefined) return { status: 'Unknown', reason: 'Starting', message: 'nothing was decided yet' };
  const { plan, ownership, act } = last;
  if (GIVEN_UP.includes(ownership.kind)) return degraded('GivenUp', ownership.message);
  if (['owned', 'refused', 'failed'].includes(act.kind)) return degraded('WriteRefused', act.message);
  if (notes !== undefined && notes.problems.length > 0) return degraded('DemandUnreadable', sentences(notes.problems));
  const { demotion } = plan;
  if (demotion === null) return { status: 'False', reason: 'AsExpected', message: 'nothing keeps it from its work' };
  const learning = demotion.code === 'InsufficientHistory' || demotion.code === 'ForecastMissing';
  return { status: learning ? 'False' : 'True', reason: demotion.code, message: demotionText(demotion) };
}

/** The reason that decided the floor: the last that set it, but for what only says that all is well. */
function decidingReason({ reasons, bounds, demotion }: Plan): string {
  const first = reasons[0]?.code ?? 'Unknown';
  if (FIRST_WORD.includes(first)) return first;
  if (demotion !== null) return demotion.code;
  const setting = reasons.filter(
    (reason) => reason.code !== 'DesiredWithinRange' && 'replicas' in reason && reason.replicas === bounds.min,
  );
  return setting.at(-1)?.code ?? reasons.at(-1)?.code ?? first;
}

/** Of the policy's worst forecast. */
function accuracyOf({ input: { demands } }: DecisionDraft): string {
  const errors = demands.flatMap(({ forecast }) => (forecast.kind === 'ready' ? [judgedError(forecast)] : []));
  const known = errors.filter((error) => error !== null);
  if (known.length === 0) return 'not known yet';
  const error = Math.max(...known);
  const percent = Math.round(Math.abs(error - 1) * 100);
  if (percent === 0) return 'as naive';
  return error < 1 ? `${percent}% better` : `${percent}% worse`;
}

function sentences(problems: readonly string[]): string {
  return problems.join('; ').slice(0, 4096) || 'the last pass could not be finished';
}
