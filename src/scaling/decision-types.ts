import type { Millis } from '../model/time.ts';
import type { Plan, PlanInput } from './plan-types.ts';

/** A decision as it is kept: all that is needed to explain it, and to compute its plan again. Plain JSON. */
export interface Decision {
  /** Sorts by time. */
  readonly id: string;
  readonly at: Millis;
  readonly tenant: string;
  /** Why it was kept. */
  readonly occasion: 'first' | 'bounds' | 'reasons' | 'mode' | 'outcome' | 'hourly';
  readonly namespace: string;
  readonly policy: string;
  /** `release`: the policy is gone, and its bounds go back. */
  readonly mode: 'observe' | 'enforce' | 'release';
  /** The planner's version. */
  readonly planner: string;
  readonly input: PlanInput;
  readonly plan: Plan;
  /** What was decided about the fields' owner, as a word and as a sentence. */
  readonly ownership: Verdict;
  readonly act: ActOutcome;
  /** The decision as a person would tell it, a sentence each. */
  readonly text: readonly string[];
}

/** What a pass decided. Its text is made only where the decision is kept: nearly all repeat the last one. */
export type DecisionDraft = Omit<Decision, 'id' | 'occasion' | 'text'>;

export interface Verdict {
  readonly kind: string;
  readonly message: string;
}

/** What became of the bounds. */
export interface ActOutcome {
  /**
   * `none`: nothing was written, and the message says why. `failed`: there was no answer, and the write may have come
   * into force or not. The others are what the cluster answered.
   */
  readonly kind: 'none' | 'applied' | 'conflict' | 'owned' | 'refused' | 'failed';
  readonly message: string;
}
