import { servesTenant } from '../alerting/receiver.ts';
import type { Settings } from '../config/load.ts';
import { CodedError } from '../model/errors.ts';
import { sendReportMail } from '../notify/report-mail.ts';
import type { SendReport } from './cost-report-types.ts';

/** A report did not reach a receiver. It is tried again. */
class ReportNotSentError extends CodedError {
  override readonly name = 'ReportNotSentError';
  readonly code = 'report_not_sent';
}

/** Sends reports to the email addresses of alerting's receivers. Undefined where there are no receivers. */
export function reportSender({ alerting }: Pick<Settings, 'alerting'>): SendReport | undefined {
  const { receivers } = alerting;
  if (receivers.length === 0) return undefined;
  return async (tenant, name, mail) => {
    const receiver = receivers.find((one) => one.name === name && servesTenant(one, tenant));
    const emails = receiver?.integrations.filter((integration) => integration.kind === 'email') ?? [];
    if (emails.length === 0) {
      throw new ReportNotSentError(
        `cannot send a report to ${name}: the tenant has no such receiver with an email address`,
      );
    }
    for (const integration of emails) {
      const outcome = await sendReportMail(integration, mail);
      if (outcome.kind === 'failed') {
        throw new ReportNotSentError(`cannot send a report to ${name}: ${outcome.message}`);
      }
    }
  };
}
