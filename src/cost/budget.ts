import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis } from '../model/time.ts';
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
  /** When the step is left if the projection stays as low: null where nothing says that it will be. */
  readonly leavesAt: Millis | null;
}

/** What a judgement needs of the one before, within one period and with the same settings. Plain JSON. */
export interface BudgetMemory {
  readonly step: BudgetStep;
  /** The highest step that was reached by what is spent. */
  readonly spentStep: BudgetStep;
  /** Since when the projection is clearly below the share of each step that is held. */
  readonly below: Readonly<Partial<Record<BudgetStep, Millis>>>;
}

export const NO_MEMORY: BudgetMemory = { step: 'within', spentStep: 'within', below: {} };

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

/** A projection is clearly below a share that it undercuts by this much. */
const CLEARLY = 0.97;
/** And has to stay there for so long before a step is left. */
const LEFT_AFTER_MS = DAY;

/**
 * How a budget stands, by what is spent and by what is projected for its period. A step that was reached by what is spent
 * is not left within the period. One that was reached by what is projected is left once the projection has been more than
 * 3 % below its share for a day, at every judgement: projections waver, and nobody is told twice for that.
 */
export function judgeBudget(
  budget: Pick<CostBudgetSettings, 'amount' | 'warn' | 'critical' | 'cap'>,
  {
    spent,
    reachedAt,
    ahead,
    upTo,
  }: {
    readonly spent: number;
    readonly reachedAt: Millis | null;
    readonly ahead: SpendAhead | undefined;
    readonly upTo: Millis;
  },
  was: BudgetMemory,
): { readonly verdict: BudgetVerdict; readonly memory: BudgetMemory } {
  const { amount, warn, critical, cap } = budget;
  const total = (sums: Float64Array | undefined) => (sums === undefined ? null : spent + (sums.at(-1) ?? 0));
  const projected = total(ahead?.sums);
  const limits: readonly (readonly [BudgetStep, number])[] = [
    ['warn', warn],
    ['critical', critical],
    ['cap', cap],
  ];
  const rank = (step: BudgetStep) => BUDGET_STEPS.indexOf(step);
  let [step, spentStep]: [BudgetStep, BudgetStep] = ['within', was.spentStep];
  let leavesAt: Millis | null = null;
  const below: Partial<Record<BudgetStep, Millis>> = {};
  for (const [name, share] of limits) {
    const limit = toMicros(amount * share);
    if (spent >= limit && rank(spentStep) < rank(name)) spentStep = name;
    const isSpent = rank(spentStep) >= rank(name);
    // Where nothing is projected, a step stands as it stood.
    const isBelow = projected !== null && projected < toMicros(limit * CLEARLY);
    const isHeld = rank(was.step) >= rank(name);
    const since = isHeld && !isSpent && isBelow ? (was.below[name] ?? upTo) : undefined;
    const isLeft = !isHeld || (since !== undefined && upTo - since >= LEFT_AFTER_MS);
    if (!isSpent && (projected ?? 0) < limit && isLeft) continue;
    [step, leavesAt] = [name, since === undefined ? null : since + LEFT_AFTER_MS];
    if (since !== undefined) below[name] = since;
  }
  return {
    verdict: {
      ...{ step, by: step !== 'within' && spentStep === step ? 'spent' : 'projected', spent, projected },
      lower: total(ahead?.lower),
      upper: total(ahead?.upper),
      crossing: reachedAt ?? crossingOf(amount - spent, ahead),
      leavesAt,
    },
    memory: { step, spentStep, below },
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
