import { describeLeadTime } from '../observe/observe.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { reasonText } from '../scaling/reasons.ts';

/** A decision as a person would tell it, a sentence each: what was planned, why, and what became of it. */
export function decisionText({ input, plan, ownership, act }: DecisionDraft): readonly string[] {
  const { target } = input;
  const bounds = `${plan.bounds.min} to ${plan.bounds.max} replicas`;
  const planned = plan.changed
    ? `the bounds are planned to move from ${target.min} to ${target.max} replicas to ${bounds}`
    : `the bounds are planned to stay at ${bounds}`;
  return [
    capital(planned),
    ...plan.reasons.map(reasonText),
    capital(describeLeadTime(input)),
    // What was written, or was not, names the ownership already; what the cluster refused does not.
    ...(act.message.startsWith(ownership.message) ? [act.message] : [ownership.message, act.message]),
  ].map((text) => (/[.!?]$/.test(text) ? text : `${text}.`));
}

/** Only for texts that begin with a word of ours: names of demands and managers stay as they are. */
function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
