import {
  addAhead,
  type BudgetMemory,
  type BudgetStep,
  type BudgetView,
  type CostBudgetSettings,
  judgeBudget,
  NO_MEMORY,
  type SpendAhead,
} from '../cost/budget.ts';
import { periodAround } from '../cost/period.ts';
import type { ByResource } from '../cost/prices.ts';
import { affordableReplicas, nextCeiling, projectPattern, timesFactor } from '../cost/project.ts';
import { type SpendRow, type SpendTable, unitAt } from '../cost/spend-table.ts';
import { type Alert, END_TOLD_FOR_MS, type TellAlerts } from '../model/alert.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis } from '../model/time.ts';
import type { CostCeiling } from '../scaling/cost-cap.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { budgetAlert, RUNBOOK } from './budget-alert.ts';

/** History that a projection is made of. */
const HISTORY_MS = 28 * DAY;

export interface BudgetLoopDeps {
  readonly now: () => Millis;
  readonly keyValue: Pick<KeyValue, 'read' | 'write' | 'list'>;
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
  /** Is told of a budget of which what was kept cannot be read: it begins without. */
  readonly onUnreadable?: (budget: CostBudgetSettings, error: unknown) => void;
  /** What is known of prices to come. Left out: they stay as they were. */
  readonly prices?: PricesAhead;
}

export interface PricesAhead {
  /** Undefined: it is not known what hours of it will cost. */
  readonly at: (tenant: TenantId, row: SpendRow, hour: Millis) => ByResource | undefined;
  /** When prices change that are known by their day. */
  readonly changes: readonly Millis[];
}

/** What outlives the process. Plain JSON. */
interface Kept {
  readonly periodStart: Millis;
  /** The settings by which it was judged: by others, nothing is remembered. */
  readonly rule: string;
  readonly memory: BudgetMemory;
  readonly step: BudgetStep;
  readonly since: Millis;
  /** Left out by earlier versions, as `rule` and `memory` were. */
  readonly spent?: number;
  readonly projected: number | null;
  /** What is told of it now: ended once the budget is gone. */
  readonly told?: Pick<Alert, 'labels' | 'startsAt' | 'generatorUrl'>;
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
/** Spend that is older says nothing new of a budget: hours of long ago are being made, or none can be. */
const STALE_AFTER_MS = DAY;

/** Judges cost budgets whenever an hour of spend is new, tells how they stand, and says which maxima they ask for. */
export function openBudgetLoop(deps: BudgetLoopDeps) {
  const judged = new Map<string, Judged>();
  const latestCeilings = new Map<TenantId, ReadonlyMap<string, readonly CostCeiling[]>>();

  async function readKept(budget: CostBudgetSettings): Promise<Kept | undefined> {
    const bytes = await deps.keyValue.read(keyOf(budget));
    if (bytes === undefined) return undefined;
    try {
      return decodeJson<Kept>(bytes);
    } catch (error) {
      // It never can be: the next judgement writes it anew.
      deps.onUnreadable?.(budget, error);
      return undefined;
    }
  }

  function ceilingOf(
    { name, amount, period }: CostBudgetSettings,
    replicas: number,
    { spent, projected }: { readonly spent: number; readonly projected: number | null },
  ): CostCeiling {
    const money = { spent, projected: projected ?? spent, amount };
    return { budget: name, replicas, ...money, period, currency: deps.currency };
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
    const rule = ruleOf(budget);
    const wasLowering = Object.keys(before?.ceilings ?? {}).length > 0;
    const question = { tenant: budget.tenant, isCapped: wasLowering };
    const parts = await aheadOf(question, table, rows, hours, signal);
    const ahead = addAhead([...parts.values()]);
    const was = isSame && before.rule === rule ? before.memory : NO_MEMORY;
    const { verdict, memory } = judgeBudget(budget, { spent, reachedAt, ahead, upTo }, was);
    const { step, projected } = verdict;
    const changed = !isSame || step !== before.step;
    const since = changed ? now : before.since;
    const ended = (before?.ended ?? []).filter(({ at }) => now - at < END_TOLD_FOR_MS);
    const hadStep = before !== undefined && before.step !== 'within' && changed;
    const isLowering = budget.onCap === 'lower' && step === 'cap';
    const lowering = { budget, table, parts, spent, hours, now, unitOf: unitNow(budget.tenant, table) };
    // By another amount, a ceiling may be too low: it begins anew from what it should be.
    const held = isSame ? before.ceilings : {};
    const ceilings = isLowering ? lowered(held, { ...lowering, mayRise: before?.rule !== rule }) : {};
    const view: BudgetView = {
      ...{ budget, period, upTo, verdict, since },
      estimated: table.estimated(rows, start) + guessed,
      made: ahead?.made ?? null,
      ceilings: Object.fromEntries(Object.entries(ceilings).map(([key, { replicas }]) => [key, replicas])),
    };
    const kept: Kept = {
      ...{ periodStart: period.start, rule, memory, step, since, spent, projected, ceilings },
      ended: hadStep ? [...ended, { step: before.step, since: before.since, at: now }] : ended,
      ...(step !== 'within' && { told: toldOf(budgetAlert(ofView(view), { step, startsAt: since })) }),
    };
    await deps.keyValue.write([{ key: keyOf(budget), value: encodeJson(kept) }]);
    return { upTo, view, kept };
  }

  const ofView = (view: BudgetView) => ({ url: deps.url, currency: deps.currency, view });

  /** What a replica-hour of a row costs now, as far as it is known. */
  function unitNow(tenant: TenantId, { upTo }: SpendTable) {
    const { prices } = deps;
    return prices && ((row: SpendRow) => unitAt(row, prices.at(tenant, row, upTo)));
  }

  /** What prices that are known to change make of the hours ahead: by which factor each is dearer than now. */
  function dearerBy(tenant: TenantId, { upTo, ...table }: SpendTable, rows: readonly SpendRow[], hours: number) {
    const factors = new Float64Array(hours).fill(1);
    const { prices } = deps;
    const changes = prices?.changes.filter((at) => at > upTo && at < upTo + hours * HOUR) ?? [];
    if (prices === undefined || changes.length === 0) return undefined;
    for (const at of [...changes].sort((a, b) => a - b)) {
      let [now, then] = [0, 0];
      for (const row of rows) {
        const [unit, next] = [upTo, at].map((hour) => unitAt(row, prices.at(tenant, row, hour)));
        // Of what has no price that is known, the share of the others counts.
        if (unit === undefined || next === undefined) continue;
        const replicaHours = table.replicaHours(row, upTo - 7 * DAY);
        now += unit * replicaHours;
        then += next * replicaHours;
      }
      if (now > 0) factors.fill(then / now, Math.ceil((at - upTo) / HOUR));
    }
    return factors;
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
      const values = table.hourly(own, table.upTo - HISTORY_MS, unitNow(tenant, table));
      const spend = { end: table.upTo, values };
      const [{ namespace, policy }] = own as [SpendRow];
      const made =
        policy === undefined || hours === 0
          ? undefined
          : await deps.forecastOf(tenant, { namespace, policy, isCapped }, spend, hours, signal);
      const part = made ?? projectPattern(spend, hours);
      const factors = dearerBy(tenant, table, own, hours);
      if (part !== undefined) parts.set(key, factors === undefined ? part : timesFactor(part, factors));
    }
    return parts;
  }

  /** Its ceilings, while its period lasts: no other one is lowered by them. */
  function addCeilings(to: Map<string, CostCeiling[]>, budget: CostBudgetSettings, kept: Kept): void {
    if (budget.onCap !== 'lower' || !isCurrent(budget, kept)) return;
    // Records of before money was kept say no reason that could be told: they wait for the first judgement.
    const { spent, projected } = kept;
    if (typeof spent !== 'number') return;
    for (const [policy, { replicas }] of Object.entries(kept.ceilings)) {
      to.set(policy, [...(to.get(policy) ?? []), ceilingOf(budget, replicas, { spent, projected })]);
    }
  }

  const isCurrent = ({ period, timeZone }: CostBudgetSettings, { periodStart }: Kept) =>
    periodStart === periodAround(period, timeZone, deps.now()).start;

  function alertsOf({ view, kept }: Pick<Judged, 'view' | 'kept'>): readonly Alert[] {
    const of = ofView(view);
    const alerts: Alert[] = [];
    if (kept.step !== 'within') alerts.push(budgetAlert(of, { step: kept.step, startsAt: kept.since }));
    for (const { step, since, at } of kept.ended) {
      // What the next period begins with goes on: its alert has the same labels.
      if (deps.now() - at < END_TOLD_FOR_MS && step !== 'within' && step !== kept.step) {
        alerts.push(budgetAlert(of, { step, startsAt: since, endsAt: at }));
      }
    }
    return alerts;
  }

  /** What was told last, by an earlier process too, while its period lasts. */
  function lastAlerts(budget: CostBudgetSettings, one: Judged | undefined, kept: Kept): readonly Alert[] {
    if (!isCurrent(budget, kept)) return [];
    if (one !== undefined) return alertsOf(one);
    if (kept.told === undefined) return [];
    const summary = `the ${budget.period} cost budget ${budget.name} stands as it was told last: no newer spend is known`;
    return [{ ...kept.told, annotations: { summary, runbook_url: `${RUNBOOK}#foresailbudget` } }];
  }

  return {
    /**
     * The maxima that were asked for when the program ended, by tenant: they hold until the first judgement, whenever
     * that is.
     */
    async restored(budgets: readonly CostBudgetSettings[]) {
      const byTenant = new Map<TenantId, Map<string, CostCeiling[]>>();
      for (const budget of budgets) {
        if (budget.onCap !== 'lower') continue;
        const own = byTenant.get(budget.tenant) ?? new Map<string, CostCeiling[]>();
        try {
          const kept = await readKept(budget);
          if (kept !== undefined) addCeilings(own, budget, kept);
        } catch (error) {
          deps.onUnreadable?.(budget, error);
        }
        if (own.size > 0) byTenant.set(budget.tenant, own);
      }
      for (const [tenant, ceilings] of byTenant) latestCeilings.set(tenant, ceilings);
      return byTenant;
    },
    /** Tells the end of what budgets said that are no more in the settings, and forgets them. */
    async sweep(budgets: readonly CostBudgetSettings[], tell: TellAlerts): Promise<number> {
      const known = new Set(budgets.map(keyOf));
      const gone: { readonly key: string; readonly tenant: TenantId; readonly kept: Kept }[] = [];
      for await (const [key, value] of deps.keyValue.list(keysUnder(KEYS))) {
        if (known.has(key)) continue;
        const tenant = parseTenant(key.slice(KEYS.length, key.lastIndexOf('/')));
        gone.push({ key, tenant, kept: decodeJson<Kept>(value) });
      }
      for (const { key, tenant, kept } of gone) {
        if (kept.told !== undefined) {
          const name = key.slice(key.lastIndexOf('/') + 1);
          const summary = `the cost budget ${name} is no more in the settings`;
          await tell(tenant, [{ ...kept.told, annotations: { summary }, endsAt: deps.now() }]);
        }
        await deps.keyValue.write([{ key, value: undefined }]);
      }
      return gone.length;
    },
    /** What is to be told now. Of spend that is more than a day old nothing is judged: what was said last is said on. */
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
        if (deps.now() - table.upTo > STALE_AFTER_MS) {
          const kept = one?.kept ?? (await readKept(budget));
          if (kept === undefined) continue;
          alerts.push(...lastAlerts(budget, one, kept));
          addCeilings(ceilings, budget, kept);
          continue;
        }
        if (one === undefined || one.upTo !== table.upTo) {
          one = await judge(budget, table, one?.kept ?? (await readKept(budget)), signal);
          judged.set(key, one);
        }
        alerts.push(...alertsOf(one));
        addCeilings(ceilings, budget, one.kept);
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
  readonly mayRise: boolean;
  readonly unitOf: ((row: SpendRow) => number | undefined) | undefined;
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
function lowered(
  before: Kept['ceilings'],
  { budget, table, parts, spent, hours, now, unitOf, mayRise }: Lowering,
): Kept['ceilings'] {
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
    const cost = table.hourly(rows, lately, unitOf).reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : value), 0);
    if (replicaHours === 0 || cost === 0 || hours === 0) continue;
    const perReplicaHour = cost / replicaHours;
    const hourly = part.sums.map((sum, i) => sum - (i === 0 ? 0 : part.sums[i - 1]!));
    const target = affordableReplicas(hourly, perReplicaHour, all === 0 ? 0 : (left * totalOf(part)) / all);
    const peak = Math.ceil(hourly.reduce((most, each) => Math.max(most, each), 0) / perReplicaHour);
    const held = before[key];
    if (mayRise && held !== undefined && held.replicas < target) next[key] = { replicas: target, at: now };
    else if (held === undefined) next[key] = { replicas: nextCeiling(peak + 1, target), at: now };
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

const KEYS = 'cost/budget/';

function keyOf({ tenant, name }: CostBudgetSettings): string {
  return `${KEYS}${tenant}/${name}`;
}

/** What a judgement depends on beside the spend. */
function ruleOf({ match, period, timeZone, amount, warn, critical, cap }: CostBudgetSettings): string {
  return JSON.stringify([match, period, timeZone, amount, warn, critical, cap]);
}

function toldOf({ labels, startsAt, generatorUrl }: Alert): NonNullable<Kept['told']> {
  return { labels, startsAt, generatorUrl };
}
