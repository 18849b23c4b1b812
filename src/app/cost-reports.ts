import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Router } from 'express';
import type { CostReport } from '../cost/cost-report.ts';
import { minorDigits } from '../cost/minor-units.ts';
import { periodAt, periodBefore } from '../cost/report-period.ts';
import { type PolicySavings, policySavings, totalSavings } from '../cost/savings.ts';
import { showbackInSteps } from '../cost/showback.ts';
import type { SpendHour } from '../cost/spend.ts';
import type { WorkloadHour } from '../cost/workload-hour.ts';
import { costReportRoute } from '../http/routes/cost-report.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, type Millis, type TimeRange, WEEK } from '../model/time.ts';
import { callersOf } from './callers.ts';
import { runReportMails } from './cost-report-mail.ts';
import { reportSender } from './cost-report-sender.ts';
import type { ReportQuestion } from './cost-report-types.ts';
import { adviseCapacity } from './cost-reservation.ts';
import { openSavingsDays } from './cost-savings.ts';
import type { Parts } from './parts.ts';

export interface CostReportDeps {
  /** What the tenant's workloads cost in each hour that begins in [start, end), as it is known now. */
  readonly spendOf: (tenant: TenantId, range: TimeRange) => Promise<readonly SpendHour[]>;
  /** The same with what was paid for. */
  readonly hoursIn: (tenant: TenantId, range: TimeRange) => Promise<readonly WorkloadHour[]>;
  /** Hours before it are told of; later ones are not made yet. */
  readonly upTo: (tenant: TenantId) => Promise<Millis>;
}

/** Reports of what was spent, on request and by mail, and advice on reserved capacity. Nothing moves before `run`. */
export function openCostReports(parts: Parts, { spendOf, hoursIn, upTo }: CostReportDeps) {
  const { clock, settings, policies } = parts;
  const { currency, showback: rule } = settings.cost;
  const savingsDays = openSavingsDays(parts);

  async function reportOf(tenant: TenantId, question: ReportQuestion): Promise<CostReport> {
    const now = clock.now();
    const period = periodAt(question.period, question.at);
    const before = periodBefore(period);
    const made = Math.min(Math.floor(now / HOUR) * HOUR, await upTo(tenant));
    const until = Math.min(period.end, Math.max(period.start, made));
    const [spend, spendBefore] = await Promise.all([
      spendOf(tenant, { start: period.start, end: until }),
      spendOf(tenant, { start: before.start, end: before.end }),
    ]);
    const told = await inTurns(
      showbackInSteps({
        ...{ period, until, currency, digits: minorDigits(currency), rule, spend },
        before: { period: before, spend: spendBefore },
      }),
    );
    const range = { start: period.start, end: until };
    const savings = question.savings ? await savingsOf(tenant, range, spend, question.patience) : null;
    return { tenant, madeAt: now, showback: told, savings };
  }

  async function savingsOf(
    tenant: TenantId,
    range: TimeRange,
    spend: readonly SpendHour[],
    patience: AbortSignal,
  ): Promise<CostReport['savings']> {
    const own = (await policies.list()).filter((stored) => stored.tenant === tenant).map(({ policy }) => policy);
    const read = () => Promise.all(own.map((policy) => savingsDays.daysOf(tenant, policy, range)));
    let played = await read();
    if (played.some(({ pending }) => pending > 0)) {
      await savingsDays.settled(tenant, patience);
      played = await read();
    }
    // Each looks at what is its own alone: of hundreds of policies, nobody goes through all hours each time.
    const byNamespace = new Map<string, SpendHour[]>();
    for (const hour of spend) {
      const list = byNamespace.get(hour.namespace);
      if (list === undefined) byNamespace.set(hour.namespace, [hour]);
      else list.push(hour);
    }
    const all: PolicySavings[] = [];
    for (const [i, { namespace, name, mode, target }] of own.entries()) {
      const ours = byNamespace.get(namespace) ?? [];
      all.push(policySavings({ namespace, policy: name, mode, target: target.name, ...played[i]!, spend: ours }));
      await yieldTurn();
    }
    return { total: totalSavings(all), policies: all };
  }

  return {
    routes: [
      (router: Router) =>
        costReportRoute(router, {
          callerOf: callersOf(settings).callerOf,
          now: clock.now,
          timeoutMs: settings.limits.queryTimeoutMs,
          hasBook: settings.cost.priceBook !== undefined,
          reportOf,
          capacityOf: async (tenant, question, signal) => {
            const end = Math.min(Math.floor(clock.now() / HOUR) * HOUR, await upTo(tenant));
            const hours = await hoursIn(tenant, { start: end - CAPACITY_HISTORY_MS, end });
            return await adviseCapacity(parts, { ...question, tenant, end, hours }, signal);
          },
        }),
    ] as const,
    reportOf,
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([
        savingsDays.run(signal),
        runReportMails(parts, { reportOf, upTo, sendReport: reportSender(settings) }, signal),
      ]);
    },
  };
}

/** Lets others run between steps. */
async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await yieldTurn();
  }
}

/** How far back a forecast of what runs looks. */
const CAPACITY_HISTORY_MS = 26 * WEEK;
