import type { Router } from 'express';
import type { CostReport } from '../cost/cost-report.ts';
import { minorDigits } from '../cost/minor-units.ts';
import { periodAt, periodBefore } from '../cost/report-period.ts';
import { policySavings, totalSavings } from '../cost/savings.ts';
import { showback } from '../cost/showback.ts';
import type { SpendHour } from '../cost/spend.ts';
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
  /** Hours before it are told of; later ones are not made yet. */
  readonly upTo: (tenant: TenantId) => Promise<Millis>;
}

/** Reports of what was spent, on request and by mail, and advice on reserved capacity. Nothing moves before `run`. */
export function openCostReports(parts: Parts, { spendOf, upTo }: CostReportDeps) {
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
    const told = showback({
      ...{ period, until, currency, digits: minorDigits(currency), rule, spend },
      before: { period: before, spend: spendBefore },
    });
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
    const all = own.map(({ namespace, name, mode, target }, i) =>
      policySavings({ namespace, policy: name, mode, target: target.name, ...played[i]!, spend }),
    );
    return { total: totalSavings(all), policies: all };
  }

  return {
    routes: [
      (router: Router) =>
        costReportRoute(router, {
          callerOf: callersOf(settings).callerOf,
          now: clock.now,
          timeoutMs: settings.limits.queryTimeoutMs,
          reportOf,
          capacityOf: async (tenant, question, signal) => {
            const end = Math.min(Math.floor(clock.now() / HOUR) * HOUR, await upTo(tenant));
            const spend = await spendOf(tenant, { start: end - CAPACITY_HISTORY_MS, end });
            return await adviseCapacity(parts, { ...question, tenant, end, spend }, signal);
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

/** How far back a forecast of what runs looks. */
const CAPACITY_HISTORY_MS = 26 * WEEK;
