import type { EmailIntegration } from '../alerting/receiver.ts';
import { failureOf, openTransport } from './email.ts';
import { type Outcome, SENT } from './outcome.ts';

/** A mail that is no alert, ready to be sent. */
export interface ReportMail {
  /** The same each time that it is sent, for what sees it twice. */
  readonly id: string;
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  readonly attachments: readonly { readonly name: string; readonly type: string; readonly content: string }[];
}

/** Sends a report to all of the addresses, once. */
export async function sendReportMail(integration: EmailIntegration, mail: ReportMail): Promise<Outcome> {
  const { from, to, headers } = integration;
  const domain = /@([\w.-]+)/.exec(from)?.[1] ?? 'foresail';
  const transport = openTransport(integration);
  try {
    await transport.sendMail({
      ...{ from, to: [...to], subject: mail.subject, text: mail.text, html: mail.html },
      attachments: mail.attachments.map(({ name, type, content }) => ({ filename: name, contentType: type, content })),
      messageId: `<${mail.id.replace(/[^\w.-]/g, '_')}@${domain}>`,
      headers: { ...headers, 'X-Foresail-Key': mail.id },
    });
    return SENT;
  } catch (error) {
    return failureOf(error, integration);
  } finally {
    transport.close();
  }
}
