import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Router } from 'express';
import type { CostBudgetSettings } from '../cost/budget.ts';
import type { SpendHour } from '../cost/spend.ts';
import { hourByHour, SPEND_METRICS, spendHourOf } from '../cost/spend-series.ts';
import { type SpendTable, spendTable } from '../cost/spend-table.ts';
import type { WorkloadHour } from '../cost/workload-hour.ts';
import { costBudgetsRoute } from '../http/routes/cost-budgets.ts';
import { costSpendRoute } from '../http/routes/cost-spend.ts';
import { openBudgetLoop } from '../loops/budget-loop.ts';
import { runLoop } from '../loops/run-loop.ts';
import { openSpendLoop } from '../loops/spend-loop.ts';
import { openSuddenCost } from '../loops/sudden-cost.ts';
import { reasonOf } from '../loops/telemetry.ts';
import type { TenantPolicy } from '../loops/tenant-policy.ts';
import type { TellAlerts } from '../model/alert.ts';
import { decodeSamples, type SelectedSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type TimeRange } from '../model/time.ts';
import { readWhatRan } from '../observe/what-ran.ts';
import { callersOf } from './callers.ts';
import { openCostPrices, pricesAhead } from './cost-prices.ts';
import { openCostReports } from './cost-reports.ts';
import { openDemandAhead } from './demand-ahead.ts';
import type { Parts } from './parts.ts';
import { openRequestsRecorder } from './requests-recorder.ts';

const pricedHourOf = (of: WorkloadHour) => ({ ...spendHourOf(of), quantities: of.quantities });

const EVERY_MS = MINUTE;
/** Hours that are made at the first start, where samples of them are there: a quarter of a year has no more. */
const LOOK_BACK_MS = 35 * DAY;
/** What a quarter needs, and the weeks before it. */
const TABLE_MS = 122 * DAY;

/** Ties spend, cost budgets and sudden cost to the parts. Nothing moves before `run`. */
export function openCosts(parts: Parts, tell: TellAlerts) {
  const { settings, clock, telemetry, metrics, keyValue, policies, samples, storage, log } = parts;
  const { cost, limits, retentionMs } = settings;
  let inForce: readonly TenantPolicy[] = [];
  const policyOf = ({
    tenant,
    namespace,
    policy,
  }: {
    tenant: TenantId;
    namespace: string;
    policy: string | undefined;
  }) =>
    inForce.find((each) => each.tenant === tenant && each.policy.namespace === namespace && each.policy.name === policy)
      ?.policy;
  const recorder = openRequestsRecorder(parts);
  const url = settings.externalUrl;
  const demandAhead = openDemandAhead(parts);
  const budgets = openBudgetLoop({
    ...{ now: clock.now, keyValue, currency: cost.currency, url, prices: pricesAhead(parts, policyOf) },
    onUnreadable({ tenant, name }, error) {
      telemetry.count('loopFailures', { loop: 'cost', reason: reasonOf(error) });
      log.warn({ err: error, tenant, budget: name }, 'cannot read what was kept of a cost budget: it is judged anew');
    },
    async forecastOf(tenant, { namespace, policy: name, isCapped }, spent, hours, signal) {
      const policy = policyOf({ tenant, namespace, policy: name });
      return policy && (await demandAhead(tenant, { policy, isCapped }, spent, hours, signal));
    },
  });
  const sudden = openSuddenCost({
    ...{ now: clock.now, keyValue, currency: cost.currency, url, limits: cost.suddenCost, hoursIn },
  });
  const tables = new Map<TenantId, SpendTable>();
  const budgeted = new Map<TenantId, CostBudgetSettings[]>();
  for (const budget of cost.budgets) {
    budgeted.set(budget.tenant, [...(budgeted.get(budget.tenant) ?? []), budget]);
  }
  const prices = openCostPrices(parts, policyOf, hoursIn);
  const spend = openSpendLoop({
    now: clock.now,
    keyValue,
    readWhatRan: (tenant, start, hours, signal) =>
      readWhatRan(storage.tenant(tenant), {
        ...{ start, hours, signal, labels: cost.labels, maxSamples: limits.querySamples },
        defaults: { region: cost.region, plan: cost.plan },
      }),
    backfillOf: samples.own,
    ...{ priceOf: prices.priceOf, othersOf: prices.othersOf },
    defaultPlace: { region: cost.region, plan: cost.plan },
    lookBackMs: Math.min(LOOK_BACK_MS, retentionMs),
    onHours(tenant, hours) {
      metrics.costHours.inc(hours.length);
      tables.get(tenant)?.add(hours.map(pricedHourOf));
      log.debug({ tenant, hours: hours.length }, 'hours of spend were made');
    },
    onHalved(tenant, hours) {
      telemetry.count('loopSkips', { loop: 'cost', reason: 'slice-halved' });
      log.debug({ tenant, hours }, 'what ran exceeds the limit of samples of a query: fewer hours are read at a time');
    },
    onDropped: (reason, count) => metrics.droppedSamples.inc({ reason: `spend_${reason}` }, count),
  });

  /** Hands over the hours that begin in [start, end) as they are kept, in order of time, and lets others run between. */
  async function eachHour(
    tenant: TenantId,
    { start, end }: TimeRange,
    take: (hours: readonly WorkloadHour[]) => void,
  ): Promise<void> {
    const range = { start: start + HOUR, end: end - 1 + HOUR };
    const found: Pick<SelectedSeries, 'labels' | 'chunks'>[] = [];
    for (const metric of SPEND_METRICS) {
      found.push(...(await storage.tenant(tenant).select([{ name: '__name__', op: '=', value: metric }], range)));
    }
    function* decoded() {
      for (const { labels, chunks } of found) yield { labels, ...decodeSamples(chunks, range) };
    }
    for (const hours of hourByHour(decoded())) {
      if (hours.length > 0) take(hours);
      await yieldTurn();
    }
  }

  async function hoursIn(tenant: TenantId, range: TimeRange): Promise<readonly WorkloadHour[]> {
    const all: WorkloadHour[] = [];
    await eachHour(tenant, range, (hours) => all.push(...hours));
    return all;
  }

  /** What the hours that begin in [start, end) cost, in order of time and names. */
  async function spendOf(tenant: TenantId, range: TimeRange): Promise<readonly SpendHour[]> {
    const all: SpendHour[] = [];
    await eachHour(tenant, range, (hours) => all.push(...hours.map(spendHourOf)));
    return all;
  }

  /** What budgets are judged on: read once, then kept up to date with what is made. */
  async function tableOf(tenant: TenantId): Promise<SpendTable> {
    let table = tables.get(tenant);
    // A quarter that has begun, and the history before it, fit; hours beyond are read no more once the table is made anew.
    if (table === undefined || clock.now() - table.base > 2 * TABLE_MS) {
      const start = Math.floor((clock.now() - TABLE_MS) / HOUR) * HOUR;
      const made = spendTable(start);
      await eachHour(tenant, { start, end: clock.now() }, (hours) => made.add(hours.map(pricedHourOf)));
      table = made;
      tables.set(tenant, table);
    }
    table.upTo = Math.max(table.upTo, await spend.upTo(tenant));
    return table;
  }

  async function judge(tenant: TenantId, signal: AbortSignal): Promise<void> {
    const own = budgeted.get(tenant);
    if (own === undefined) return;
    const table = await tableOf(tenant);
    const alerts = await budgets.pass(tenant, own, table, signal);
    parts.ceilings.set(tenant, budgets.ceilings(tenant));
    for (const { budget, verdict } of budgets.views(tenant)) {
      const labels = { tenant: parts.tenantNames(tenant), budget: budget.name };
      metrics.costBudgetRatio.set({ ...labels, kind: 'spent' }, verdict.spent / budget.amount);
      if (verdict.projected === null) continue;
      metrics.costBudgetRatio.set({ ...labels, kind: 'projected' }, verdict.projected / budget.amount);
    }
    if (alerts.length > 0) await tell(tenant, alerts);
  }

  async function makeSpend(tenant: TenantId, signal: AbortSignal): Promise<void> {
    const own = inForce.filter((each) => each.tenant === tenant);
    await spend.pass(tenant, own, signal);
    metrics.costUnpriced.set({ tenant: parts.tenantNames(tenant) }, spend.unpriced(tenant).length);
  }

  async function judgeDays(tenant: TenantId): Promise<void> {
    const alerts = await sudden.pass(tenant, await spend.upTo(tenant));
    if (alerts.length > 0) await tell(tenant, alerts);
  }

  /** One that cannot be done keeps nobody from the others: what is known is judged, and told while it lasts. */
  async function attempt(tenant: TenantId, signal: AbortSignal, what: () => Promise<void>): Promise<void> {
    if (signal.aborted) return;
    try {
      await what();
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('loopFailures', { loop: 'cost', reason: reasonOf(error) });
      telemetry.log.warn({ err: error, tenant }, 'cannot tell what was spent: it is tried again');
    }
  }

  let isSwept = false;
  async function pass(signal: AbortSignal): Promise<void> {
    inForce = await policies.list();
    await recorder.pass(inForce, signal);
    for (const tenant of await tenantsOf()) {
      await attempt(tenant, signal, () => makeSpend(tenant, signal));
      await attempt(tenant, signal, () => judge(tenant, signal));
      await attempt(tenant, signal, () => judgeDays(tenant));
    }
    // Settings are read at the start: budgets go at no other time.
    if (isSwept) return;
    const swept = await budgets.sweep(cost.budgets, tell);
    if (swept > 0) log.info({ budgets: swept }, 'cost budgets that are no more in the settings are forgotten');
    isSwept = true;
  }

  async function tenantsOf(): Promise<readonly TenantId[]> {
    return [
      ...new Set([
        ...(await storage.tenants()),
        ...inForce.map(({ tenant }) => tenant),
        ...cost.budgets.map(({ tenant }) => tenant),
        ...prices.tenants(),
      ]),
    ];
  }

  const { callerOf } = callersOf(settings);
  const routes: readonly ((router: Router) => void)[] = [
    (router) =>
      costSpendRoute(router, {
        ...{ callerOf, now: clock.now, currency: cost.currency },
        eachSpend: (tenant, range, take) => eachHour(tenant, range, (hours) => take(hours.map(spendHourOf))),
        upTo: spend.upTo,
        unpriced: spend.unpriced,
      }),
    (router) => costBudgetsRoute(router, { callerOf, currency: cost.currency, budgetsOf: budgets.views }),
  ];
  const reports = openCostReports(parts, { spendOf, hoursIn, upTo: spend.upTo });
  return {
    routes: [...routes, ...reports.routes],
    spendOf,
    /** To be awaited before anything is planned: maxima that a cap had lowered stay where they are. */
    async restore(): Promise<void> {
      for (const [tenant, ceilings] of await budgets.restored(cost.budgets)) parts.ceilings.set(tenant, ceilings);
    },
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([
        runLoop({ name: 'cost', intervalMs: EVERY_MS, clock, telemetry }, pass, signal),
        reports.run(signal),
      ]);
    },
  };
}
