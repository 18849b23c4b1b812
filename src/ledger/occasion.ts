import { HOUR, type Millis } from '../model/time.ts';
import type { Decision, DecisionDraft } from '../scaling/decision-types.ts';

/** What two decisions are compared by. Figures inside a reason move all the time, so only its code counts. */
export interface DecisionSummary {
  readonly bounds: string;
  readonly reasons: string;
  readonly mode: string;
  readonly outcome: string;
}

export function summaryOf({ plan, mode, ownership, act, input }: DecisionDraft): DecisionSummary {
  let reasons = '';
  for (const { code } of plan.reasons) reasons += `${code},`;
  return {
    bounds: `${plan.bounds.min}-${plan.bounds.max}`,
    reasons: `${reasons}${plan.demotion?.code ?? ''}`,
    mode: `${mode}${input.policy.paused ? ' paused' : ''}`,
    outcome: `${ownership.kind} ${act.kind === 'applied' ? 'none' : act.kind}`,
  };
}

/** Why a decision is worth keeping, or undefined where it repeats the last one within the hour. */
export function occasionOf(
  draft: DecisionDraft,
  last: { readonly at: Millis; readonly summary: DecisionSummary } | undefined,
): Decision['occasion'] | undefined {
  if (last === undefined) return 'first';
  const summary = summaryOf(draft);
  for (const field of ['mode', 'bounds', 'reasons', 'outcome'] as const) {
    if (summary[field] !== last.summary[field]) return field;
  }
  // A write is always kept: it changed the cluster, even where it only repeats a value that somebody had set back.
  if (draft.act.kind === 'applied') return 'bounds';
  // A clock may have been set back.
  return Math.abs(draft.at - last.at) >= HOUR ? 'hourly' : undefined;
}
