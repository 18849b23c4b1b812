import type { TenantId } from '../model/tenant.ts';
import { HOUR, type Millis } from '../model/time.ts';
import { toMicros } from './money.ts';
import type { BudgetPeriod } from './period.ts';
import type { SpendMatch } from './prices.ts';

/** A cost budget of the settings. Shares are ratios of `amount`. */
export interface CostBudgetSettings {
  readonly name: string;
  readonly tenant: TenantId;
  readonly match: SpendMatch;
  readonly period: BudgetPeriod;
  readonly timeZone: string;
  readonly amount: number;
  readonly warn: number;
  readonly critical: number;
  readonly cap: number;
  readonly onCap: 'alert' | 'lower';
}

export const BUDGET_STEPS = ['within', 'warn', 'critical', 'cap'] as const;
export type BudgetStep = (typeof BUDGET_STEPS)[number];

/** What spend is expected to come to, hour by hour from `from` on: sums from its beginning, with a 95 % interval. */
export interface SpendAhead {
  readonly from: Millis;
  /** `sums[i]` is the spend of hours 0 to i. */
  readonly sums: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** `forecast`: of the demand, by the policy. `pattern`: as in the weeks before. */
  readonly made: 'forecast' | 'pattern';
}

export interface BudgetVerdict {
  readonly step: BudgetStep;
  /** Whether what is spent or what is projected has passed the step's share. */
  readonly by: 'spent' | 'projected';
  readonly spent: number;
  /** Of the whole period. Null: too little is known to project. */
  readonly projected: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  /** When the amount is reached as projected, or was: null where it is not within the period. */
  readonly crossing: Millis | null;
}

/** How a budget stands, for people. */
export interface BudgetView {
  readonly budget: CostBudgetSettings;
  readonly period: { readonly start: Millis; readonly end: Millis };
  /** What was spent up to here counts; the rest is projected. */
  readonly upTo: Millis;
  readonly verdict: BudgetVerdict;
  /** Since when it is at its step. */
  readonly since: Millis;
  /** Part of what was spent that was estimated. */
  readonly estimated: number;
  readonly made: SpendAhead['made'] | null;
  /** Maxima that it asks for, by NAMESPACE/POLICY. */
  readonly ceilings: Readonly<Record<string, number>>;
}

/** A step lets go once its share is undercut by this much. */
const LETS_GO = 0.97;

/**
 * How a budget stands, by what is spent and by what is projected for its period.
 * @param was The step of the last time: steps let go 3 % below where they begin, so that nobody is told twice for noise.
 */
export function judgeBudget(
  budget: Pick<CostBudgetSettings, 'amount' | 'warn' | 'critical' | 'cap'>,
  {
    spent,
    reachedAt,
    ahead,
  }: { readonly spent: number; readonly reachedAt: Millis | null; readonly ahead: SpendAhead | undefined },
  was: BudgetStep,
): BudgetVerdict {
  const { amount, warn, critical, cap } = budget;
  const total = (sums: Float64Array | undefined) => (sums === undefined ? null : spent + (sums.at(-1) ?? 0));
  const projected = total(ahead?.sums);
  const limits: readonly (readonly [BudgetStep, number])[] = [
    ['cap', cap],
    ['critical', critical],
    ['warn', warn],
  ];
  const rank = (step: BudgetStep) => BUDGET_STEPS.indexOf(step);
  let step: BudgetStep = 'within';
  let by: BudgetVerdict['by'] = 'projected';
  for (const [name, share] of limits) {
    // What is spent does not come back: only what is projected may waver.
    const whole = toMicros(amount * share);
    const limit = toMicros(whole * (rank(was) >= rank(name) ? LETS_GO : 1));
    if (spent < whole && (projected ?? 0) < limit) continue;
    [step, by] = [name, spent >= whole ? 'spent' : 'projected'];
    break;
  }
  return {
    ...{ step, by, spent, projected },
    lower: total(ahead?.lower),
    upper: total(ahead?.upper),
    crossing: reachedAt ?? crossingOf(amount - spent, ahead),
  };
}

/** The hour in which what is left is used up. */
function crossingOf(left: number, ahead: SpendAhead | undefined): Millis | null {
  if (ahead === undefined) return null;
  const i = ahead.sums.findIndex((sum) => sum >= left);
  return i === -1 ? null : ahead.from + i * HOUR;
}

/** Sums of several: their errors are taken to go together, so that the interval is rather too wide. */
export function addAhead(parts: readonly SpendAhead[]): SpendAhead | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  const add = (pick: (part: SpendAhead) => Float64Array) =>
    pick(first).map((_, i) => parts.reduce((sum, part) => sum + (pick(part)[i] ?? 0), 0));
  return {
    from: first.from,
    sums: add(({ sums }) => sums),
    lower: add(({ lower }) => lower),
    upper: add(({ upper }) => upper),
    made: parts.some(({ made }) => made === 'forecast') ? 'forecast' : 'pattern',
  };
}
