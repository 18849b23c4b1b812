import type { Request, Response, Router } from 'express';
import type { CapacityReport, CapacityRequest } from '../../cost/capacity-report.ts';
import type { CostReport } from '../../cost/cost-report.ts';
import { type PeriodKind, REPORT_PERIODS } from '../../cost/report-period.ts';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { DAY, HOUR, type Millis, SECOND } from '../../model/time.ts';
import { capacityAnswer, reportAnswer } from '../cost/cost-answers.ts';
import { reportCsv } from '../cost/report-csv.ts';
import { reportPage } from '../cost/report-page.ts';
import { withDeadline } from '../deadline.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { forecastGate } from '../forecast-gate.ts';
import { durationOf, instantOf, limitOf, onlyParameters, type Parameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export interface CostReportRouteDeps {
  readonly callerOf: (request: Request) => Caller;
  readonly now: () => Millis;
  readonly timeoutMs: number;
  /** Whether a price book may say what is cheaper when it is reserved. */
  readonly hasBook: boolean;
  readonly reportOf: (
    tenant: TenantId,
    question: {
      readonly period: PeriodKind;
      readonly at: Millis;
      readonly savings: boolean;
      readonly patience: AbortSignal;
    },
  ) => Promise<CostReport>;
  readonly capacityOf: (tenant: TenantId, request: CapacityRequest, signal: AbortSignal) => Promise<CapacityReport>;
}

const FORMATS = ['json', 'html', 'csv'] as const;
/** Simulations of a report are waited for so long, where nothing else is asked for. */
const WAIT_MS = 10 * SECOND;
const HORIZON = { usual: 28 * DAY, least: DAY, most: 92 * DAY } as const;
const MOST_WORKLOADS = 50;

/**
 * `GET /api/v1/cost/report?period=month&at=…&format=html`: what a tenant spent in a week or a month, and what was saved.
 * `GET /api/v1/cost/reservation`: how much capacity to reserve.
 */
export function costReportRoute(router: Router, deps: CostReportRouteDeps): void {
  const gate = forecastGate();
  mount(router, '/api/v1/cost/report', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['period', 'at', 'format', 'savings', 'wait']);
      const period = oneOf(parameters, 'period', REPORT_PERIODS) ?? 'month';
      const format = oneOf(parameters, 'format', FORMATS) ?? 'json';
      const savings = oneOf(parameters, 'savings', ['true', 'false'] as const) !== 'false' && format !== 'csv';
      const at = instantOf(parameters, 'at', deps.now());
      if (at > deps.now()) throw new BadParameterError('at', 'expected an instant that is not in the future');
      const waitMs = Math.min(durationOf(parameters, 'wait') ?? WAIT_MS, deps.timeoutMs);
      const report = await withDeadline(response, deps.timeoutMs + SECOND, (signal) => {
        const patience = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, waitMs))]);
        return deps.reportOf(tenant, { period, at, savings, patience });
      });
      sendReport(response, report, format);
    },
  });
  mount(router, '/api/v1/cost/reservation', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, [...['discount', 'horizon', 'namespace', 'workload', 'limit', 'deferrable', 'delay']]);
      const question = capacityRequest(parameters);
      if (question.discount === undefined && !deps.hasBook) {
        const why = 'expected what a reserved replica is cheaper by, such as 0.4: there is no price book that says it';
        throw new BadParameterError('discount', why);
      }
      const report = await gate.through(tenant, () =>
        withDeadline(response, deps.timeoutMs, (signal) => deps.capacityOf(tenant, question, signal)),
      );
      sendData(response, capacityAnswer(report));
    },
  });
}

function sendReport(response: Response, report: CostReport, format: (typeof FORMATS)[number]): void {
  const name = `costs-${report.showback.period.name}`;
  switch (format) {
    case 'json':
      sendData(response, reportAnswer(report));
      return;
    case 'csv':
      response.set('Content-Disposition', `attachment; filename="${name}.csv"`);
      response.type('text/csv; charset=utf-8').send(reportCsv(report));
      return;
    case 'html':
      // It loads nothing and runs nothing, whatever a name in it says.
      response.set('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
      response.type('text/html; charset=utf-8').send(reportPage(report));
      return;
  }
}

function capacityRequest(parameters: Parameters): CapacityRequest {
  const discount = shareOf(parameters, 'discount');
  const horizonMs = durationOf(parameters, 'horizon') ?? HORIZON.usual;
  if (horizonMs < HORIZON.least || horizonMs > HORIZON.most) {
    throw new BadParameterError('horizon', 'expected a duration of 1d to 92d');
  }
  const share = shareOf(parameters, 'deferrable');
  const delayMs = durationOf(parameters, 'delay');
  if ((share === undefined) !== (delayMs === undefined)) {
    throw new BadParameterError(share === undefined ? 'deferrable' : 'delay', 'expected deferrable and delay together');
  }
  if (delayMs !== undefined && (delayMs < HOUR || delayMs > 7 * DAY)) {
    throw new BadParameterError('delay', 'expected a duration of 1h to 7d');
  }
  const most = limitOf(parameters) ?? 10;
  if (most > MOST_WORKLOADS) throw new BadParameterError('limit', `expected ${MOST_WORKLOADS} at most`);
  return {
    ...{ discount, most, horizonHours: Math.round(horizonMs / HOUR) },
    namespace: parameters.get('namespace') ?? undefined,
    workload: parameters.get('workload') ?? undefined,
    deferrable:
      share === undefined || delayMs === undefined ? undefined : { share, delaySteps: Math.floor(delayMs / HOUR) },
  };
}

function shareOf(parameters: Parameters, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === '') return undefined;
  const share = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(share >= 0 && share <= 1)) throw new BadParameterError(name, 'expected a number of 0 to 1, such as 0.4');
  return share;
}

function oneOf<T extends string>(parameters: Parameters, name: string, known: readonly T[]): T | undefined {
  const text = parameters.get(name);
  if (text === null || text === '') return undefined;
  const found = known.find((one) => one === text);
  if (found === undefined) throw new BadParameterError(name, `expected one of ${known.join(', ')}`);
  return found;
}
