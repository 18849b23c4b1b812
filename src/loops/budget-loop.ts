import {
  addAhead,
  type BudgetStep,
  type BudgetView,
  type CostBudgetSettings,
  judgeBudget,
  type SpendAhead,
} from '../cost/budget.ts';
import { periodAround } from '../cost/period.ts';
import { affordableReplicas, nextCeiling, projectPattern } from '../cost/project.ts';
import type { SpendRow, SpendTable } from '../cost/spend-table.ts';
import { type Alert, END_TOLD_FOR_MS } from '../model/alert.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis } from '../model/time.ts';
import type { CostCeiling } from '../scaling/cost-cap.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import type { KeyValue } from '../storage/key-value.ts';
import { budgetAlert } from './budget-alert.ts';

/** History that a projection is made of. */
const HISTORY_MS = 28 * DAY;

export interface BudgetLoopDeps {
  readonly now: () => Millis;
  readonly keyValue: Pick<KeyValue, 'read' | 'write'>;
  readonly currency: string;
  /** Where people reach this server. */
  readonly url: string;
  /** What a workload will cost by the forecast of its demand, where there is one. */
  readonly forecastOf: (
    tenant: TenantId,
    of: { readonly namespace: string; readonly policy: string; readonly isCapped: boolean },
    spend: { readonly end: Millis; readonly values: Float64Array },
    hours: number,
    signal: AbortSignal,
  ) => Promise<SpendAhead | undefined>;
}

/** What outlives the process. Plain JSON. */
interface Kept {
  readonly periodStart: Millis;
  readonly step: BudgetStep;
  readonly since: Millis;
  readonly ended: readonly { readonly step: BudgetStep; readonly since: Millis; readonly at: Millis }[];
  readonly ceilings: Readonly<Record<string, { readonly replicas: number; readonly at: Millis }>>;
}

interface Judged {
  readonly upTo: Millis;
  readonly view: BudgetView;
  readonly kept: Kept;
}

/** A ceiling moves once in so long. */
const STEP_EVERY_MS = HOUR;

/** Judges cost budgets whenever an hour of spend is new, tells how they stand, and says which maxima they ask for. */
export function openBudgetLoop(deps: BudgetLoopDeps) {
  const judged = new Map<string, Judged>();
  const latestCeilings = new Map<TenantId, ReadonlyMap<string, readonly CostCeiling[]>>();

  async function readKept(budget: CostBudgetSettings): Promise<Kept | undefined> {
    const bytes = await deps.keyValue.read(keyOf(budget));
    return bytes && decodeJson<Kept>(bytes);
  }

  async function judge(
    budget: CostBudgetSettings,
    table: SpendTable,
    before: Kept | undefined,
    signal: AbortSignal,
  ): Promise<Judged> {
    const now = deps.now();
    const { upTo } = table;
    const period = periodAround(budget.period, budget.timeZone, upTo);
    const start = Math.floor(period.start / HOUR) * HOUR;
    const hours = Math.max(0, Math.round((period.end - upTo) / HOUR));
    const rows = table.rows(budget.match);
    const inPeriod = table.hourly(rows, start);
    const { spent, reachedAt, guessed } = spentOf(inPeriod, start, budget.amount);
    const isSame = before?.periodStart === period.start;
    const wasLowering = Object.keys(before?.ceilings ?? {}).length > 0;
    const parts = await aheadOf({ tenant: budget.tenant, isCapped: wasLowering }, table, rows, hours, signal);
    const ahead = addAhead([...parts.values()]);
    const verdict = judgeBudget(budget, { spent, reachedAt, ahead }, isSame ? before.step : 'within');
    const changed = !isSame || verdict.step !== before.step;
    const since = changed ? now : before.since;
    const ended = (before?.ended ?? []).filter(({ at }) => now - at < END_TOLD_FOR_MS);
    const hadStep = before !== undefined && before.step !== 'within' && changed;
    const isLowering = budget.onCap === 'lower' && verdict.step === 'cap';
    const kept: Kept = {
      ...{ periodStart: period.start, step: verdict.step, since },
      ended: hadStep ? [...ended, { step: before.step, since: before.since, at: now }] : ended,
      ceilings: isLowering ? lowered(isSame ? before.ceilings : {}, { budget, table, parts, spent, hours, now }) : {},
    };
    await deps.keyValue.write([{ key: keyOf(budget), value: encodeJson(kept) }]);
    const view: BudgetView = {
      ...{ budget, period, upTo, verdict, since },
      estimated: table.estimated(rows, start) + guessed,
      made: ahead?.made ?? null,
      ceilings: Object.fromEntries(Object.entries(kept.ceilings).map(([key, { replicas }]) => [key, replicas])),
    };
    return { upTo, view, kept };
  }

  /** By policy, as NAMESPACE/NAME, those without one under an empty name; each as forecast, or as in the weeks before. */
  async function aheadOf(
    { tenant, isCapped }: { readonly tenant: TenantId; readonly isCapped: boolean },
    table: SpendTable,
    rows: readonly SpendRow[],
    hours: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, SpendAhead>> {
    const parts = new Map<string, SpendAhead>();
    for (const [key, own] of byPolicy(rows)) {
      const values = table.hourly(own, table.upTo - HISTORY_MS);
      const spend = { end: table.upTo, values };
      const [{ namespace, policy }] = own as [SpendRow];
      const made =
        policy === undefined || hours === 0
          ? undefined
          : await deps.forecastOf(tenant, { namespace, policy, isCapped }, spend, hours, signal);
      const part = made ?? projectPattern(spend, hours);
      if (part !== undefined) parts.set(key, part);
    }
    return parts;
  }

  return {
    async pass(
      tenant: TenantId,
      budgets: readonly CostBudgetSettings[],
      table: SpendTable,
      signal: AbortSignal,
    ): Promise<readonly Alert[]> {
      const alerts: Alert[] = [];
      const ceilings = new Map<string, CostCeiling[]>();
      for (const budget of budgets) {
        const key = keyOf(budget);
        let one = judged.get(key);
        if (one === undefined || one.upTo !== table.upTo) {
          one = await judge(budget, table, one?.kept ?? (await readKept(budget)), signal);
          judged.set(key, one);
        }
        const { view, kept } = one;
        const of = { url: deps.url, currency: deps.currency, view };
        if (kept.step !== 'within') alerts.push(budgetAlert(of, { step: kept.step, startsAt: kept.since }));
        for (const { step, since, at } of kept.ended) {
          // What the next period begins with goes on: its alert has the same labels.
          if (deps.now() - at < END_TOLD_FOR_MS && step !== 'within' && step !== kept.step) {
            alerts.push(budgetAlert(of, { step, startsAt: since, endsAt: at }));
          }
        }
        for (const [policy, replicas] of Object.entries(view.ceilings)) {
          const { verdict } = view;
          const { name, amount, period } = budget;
          const projected = verdict.projected ?? verdict.spent;
          const ceiling = {
            budget: name,
            replicas,
            spent: verdict.spent,
            projected,
            amount,
            period,
            currency: deps.currency,
          };
          ceilings.set(policy, [...(ceilings.get(policy) ?? []), ceiling]);
        }
      }
      latestCeilings.set(tenant, ceilings);
      return alerts;
    },
    /** Of the last pass, by NAMESPACE/NAME of the policy. */
    ceilings: (tenant: TenantId): ReadonlyMap<string, readonly CostCeiling[]> =>
      latestCeilings.get(tenant) ?? new Map(),
    views: (tenant: TenantId): readonly BudgetView[] =>
      [...judged.values()].map(({ view }) => view).filter(({ budget }) => budget.tenant === tenant),
  };
}

/** What of the period's hours was spent; those before anything was known count as the mean of the first week that is. */
function spentOf(hourly: Float64Array, start: Millis, amount: number) {
  const known = hourly.filter((value) => !Number.isNaN(value));
  const sample = known.subarray(0, 168);
  const mean = sample.length === 0 ? 0 : sample.reduce((sum, value) => sum + value, 0) / sample.length;
  let [spent, guessed] = [0, 0];
  let reachedAt: Millis | null = null;
  for (const [i, value] of hourly.entries()) {
    spent += Number.isNaN(value) ? mean : value;
    if (Number.isNaN(value)) guessed += mean;
    if (spent >= amount) reachedAt ??= start + i * HOUR;
  }
  // Sums of millionths, but for what is guessed.
  return { spent: Math.round(spent * 1e6) / 1e6, reachedAt, guessed };
}

interface Lowering {
  readonly budget: CostBudgetSettings;
  readonly table: SpendTable;
  readonly parts: ReadonlyMap<string, SpendAhead>;
  readonly spent: number;
  readonly hours: number;
  readonly now: Millis;
}

/**
 * One step down for each policy whose turn it is, towards what the rest of the cap pays for. What workloads without a
 * policy will cost is taken off first, since nothing lowers it. A ceiling never rises while the cap binds.
 */
function lowered(before: Kept['ceilings'], { budget, table, parts, spent, hours, now }: Lowering): Kept['ceilings'] {
  const totalOf = (part: SpendAhead) => part.sums.at(-1) ?? 0;
  const fixed = [...parts].filter(([key]) => isFixed(key)).reduce((sum, [, part]) => sum + totalOf(part), 0);
  const movable = [...parts].filter(([key]) => !isFixed(key));
  const all = movable.reduce((sum, [, part]) => sum + totalOf(part), 0);
  const left = Math.max(0, budget.amount * budget.cap - spent - fixed);
  const next: Record<string, { readonly replicas: number; readonly at: Millis }> = {};
  for (const [key, part] of movable) {
    const rows = table.rows(budget.match).filter((row) => keyOfRow(row) === key);
    const lately = table.upTo - 7 * DAY;
    const replicaHours = rows.reduce((sum, row) => sum + table.replicaHours(row, lately), 0);
    const cost = table.hourly(rows, lately).reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : value), 0);
    if (replicaHours === 0 || cost === 0 || hours === 0) continue;
    const perReplicaHour = cost / replicaHours;
    const hourly = part.sums.map((sum, i) => sum - (i === 0 ? 0 : part.sums[i - 1]!));
    const target = affordableReplicas(hourly, perReplicaHour, all === 0 ? 0 : (left * totalOf(part)) / all);
    const peak = Math.ceil(hourly.reduce((most, each) => Math.max(most, each), 0) / perReplicaHour);
    const held = before[key];
    if (held === undefined) next[key] = { replicas: nextCeiling(peak + 1, target), at: now };
    else if (now - held.at < STEP_EVERY_MS || held.replicas <= target) next[key] = held;
    else next[key] = { replicas: nextCeiling(held.replicas, target), at: now };
  }
  return next;
}

function byPolicy(rows: readonly SpendRow[]): ReadonlyMap<string, readonly SpendRow[]> {
  const groups = new Map<string, SpendRow[]>();
  for (const row of rows) {
    const key = keyOfRow(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}

function keyOfRow({ namespace, policy }: SpendRow): string {
  return policy === undefined ? '' : `${namespace}/${policy}`;
}

/** Workloads without a policy. */
function isFixed(key: string): boolean {
  return key === '';
}

function keyOf({ tenant, name }: CostBudgetSettings): string {
  return `cost/budget/${tenant}/${name}`;
}
