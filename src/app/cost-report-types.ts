import type { PeriodKind } from '../cost/report-period.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import type { ReportMail } from '../notify/report-mail.ts';

export interface ReportQuestion {
  readonly period: PeriodKind;
  /** An instant of the period. */
  readonly at: Millis;
  readonly savings: boolean;
  /** Simulations are waited for until this is aborted; those that are not done are said to be under way. */
  readonly patience: AbortSignal;
}

/** Sends a mail to the addresses of a receiver. Resolves once somebody else has it for good. */
export type SendReport = (tenant: TenantId, receiver: string, mail: ReportMail, signal: AbortSignal) => Promise<void>;
