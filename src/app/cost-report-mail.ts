import type { CostReportSettings } from '../config/cost-settings.ts';
import type { CostReport } from '../cost/cost-report.ts';
import { type PeriodKind, periodAt, periodBefore, type ReportPeriod } from '../cost/report-period.ts';
import { plainMoney } from '../http/cost/money-words.ts';
import { reportCsv } from '../http/cost/report-csv.ts';
import { reportPage, reportTitle } from '../http/cost/report-page.ts';
import { reportText } from '../http/cost/report-text.ts';
import { runLoop } from '../loops/run-loop.ts';
import { reasonOf } from '../loops/telemetry.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import type { ReportMail } from '../notify/report-mail.ts';
import { encodeJson, readJson } from '../storage/json-value.ts';
import type { ReportQuestion, SendReport } from './cost-report-types.ts';
import type { Parts } from './parts.ts';

export interface ReportMailParts extends Pick<Parts, 'clock' | 'keyValue' | 'metrics' | 'telemetry'> {
  readonly settings: { readonly cost: Pick<Parts['settings']['cost'], 'reports'> };
  readonly coordination: Pick<Parts['coordination'], 'membership' | 'shared'>;
}

export interface ReportMailDeps {
  readonly reportOf: (tenant: TenantId, question: ReportQuestion) => Promise<CostReport>;
  readonly upTo: (tenant: TenantId) => Promise<Millis>;
  readonly sendReport: SendReport | undefined;
}

const EVERY_MS = 10 * MINUTE;
/** Spend of the last hours had time to be made; after so long a report goes out with what there is. */
const WAITED_FOR_MS = 6 * HOUR;
/** The simulation of the last days is waited for so long. */
const SIMULATION_MS = HOUR;
/** Another replica has sent it by then. */
const LEFT_TO_OTHERS_MS = DAY;

/** The newest period that a receiver has the report of. */
interface Sent {
  readonly period: string;
}

/**
 * Mails the reports that the settings name, once a period has ended, to each receiver once: again only where the
 * program ended between sending and writing that down. The first is that of the first period that ends after it was set up.
 */
export async function runReportMails(parts: ReportMailParts, deps: ReportMailDeps, signal: AbortSignal): Promise<void> {
  const { settings, clock, telemetry } = parts;
  const { reports } = settings.cost;
  if (reports.length === 0) return;
  await runLoop(
    { name: 'cost-reports', intervalMs: EVERY_MS, clock, telemetry },
    async (passSignal) => {
      for (const report of reports) await passOf(report, parts, deps, passSignal);
    },
    signal,
  );
}

async function passOf(report: CostReportSettings, parts: ReportMailParts, deps: ReportMailDeps, signal: AbortSignal) {
  const { clock, keyValue, metrics, telemetry, coordination } = parts;
  const { tenant } = report;
  const now = clock.now();
  const kind: PeriodKind = report.period === 'weekly' ? 'week' : 'month';
  const period = periodBefore(periodAt(kind, now));
  const isOurs = coordination.membership?.tenureOf({ namespace: tenant, name: `cost-report-${kind}` }) !== undefined;
  const acts = coordination.membership === undefined || isOurs;
  const { shared } = coordination;
  // Another replica may have sent it: it is asked for as it is now.
  if (shared !== undefined && acts) await shared.refresh();
  let made: CostReport | undefined;
  for (const receiver of report.receivers) {
    const key = `cost-reports/${tenant}/${kind}/${receiver}`;
    const known = shared?.list('reports').get(`${tenant}/${kind}/${receiver}`);
    const sent = known === undefined ? await readJson<Sent>(keyValue, key) : (JSON.parse(known) as Sent);
    // Names of periods sort by time; a clock that was set back sends nothing again.
    if (sent !== undefined && sent.period >= period.name) continue;
    const mark = async () => {
      const written: Sent = { period: period.name };
      await keyValue.write([{ key, value: encodeJson(written) }]);
      if (!acts) return;
      const change = { topic: 'reports', key: `${tenant}/${kind}/${receiver}`, text: JSON.stringify(written) } as const;
      await shared?.write([change]);
    };
    if (sent === undefined || (!acts && now - period.end > LEFT_TO_OTHERS_MS)) {
      await mark();
      continue;
    }
    if (!acts) continue;
    if ((await deps.upTo(tenant)) < period.end && now - period.end < WAITED_FOR_MS) continue;
    if (deps.sendReport === undefined) {
      metrics.costReports.inc({ outcome: 'no_sender' });
      telemetry.log.warn({ tenant, receiver }, 'a cost report cannot be sent: nothing sends mail');
      await mark();
      continue;
    }
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(SIMULATION_MS)]);
      made ??= await deps.reportOf(tenant, { period: kind, at: period.start, savings: true, patience });
      signal.throwIfAborted();
      await deps.sendReport(tenant, receiver, mailOf(made, receiver), signal);
      await mark();
      metrics.costReports.inc({ outcome: 'sent' });
    } catch (error) {
      if (signal.aborted) throw error;
      metrics.costReports.inc({ outcome: 'failed' });
      telemetry.log.warn({ err: error, tenant, receiver, reason: reasonOf(error) }, 'a cost report could not be sent');
    }
  }
}

/** The mail of a report: tables in it, and the page with its picture and the table attached. */
export function mailOf(report: CostReport, receiver: string): ReportMail {
  const { tenant, showback } = report;
  const { period, currency, digits, total } = showback;
  const name = fileName(tenant, period);
  return {
    id: `${name}.${fitId(receiver)}.${fitId(String(showback.until))}`,
    subject: `${reportTitle(report)}: ${currency} ${plainMoney(total.total, digits)}`,
    html: reportPage(report, { picture: false }),
    text: reportText(report),
    attachments: [
      { name: `${name}.html`, type: 'text/html; charset=utf-8', content: reportPage(report) },
      { name: `${name}.csv`, type: 'text/csv; charset=utf-8', content: reportCsv(report) },
    ],
  };
}

/** `costs-shop-2026-11`, without its ending. */
function fileName(tenant: string, { name }: Pick<ReportPeriod, 'name'>): string {
  return `costs-${fitId(tenant)}-${name}`;
}

function fitId(text: string): string {
  return text.replace(/[^\w.-]+/g, '_');
}
