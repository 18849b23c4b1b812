import { createTransport, type Transporter } from 'nodemailer';
import { digestOf } from '../alerting/fingerprint.ts';
import type { Message } from '../alerting/message.ts';
import { type EmailIntegration, secretsOf } from '../alerting/receiver.ts';
import { withoutSecrets } from '../model/secret.ts';
import { type Outcome, SENT } from './outcome.ts';
import { isAboutTls, tlsOptions } from './post.ts';
import type { Sending } from './sending.ts';
import { isAddress, linesOf, plainText, shortened, type TextDeps, textOf, titleOf } from './text.ts';

const MOST_ALERTS = 100;
/** So many times as long as for one answer may a mail take as a whole. */
const STEPS = 4;

/** Sends a mail to all of the addresses, as text and as HTML. Mails of one group are one thread. */
export async function sendEmail(integration: EmailIntegration, sending: Sending): Promise<Outcome> {
  const { message, id, text, signal } = sending;
  const { from, to, headers } = integration;
  const transport = openTransport(integration);
  const domain = /@([\w.-]+)/.exec(from)?.[1] ?? 'foresail';
  const thread = `<${digestOf(`${message.tenant}\n${message.groupKey}`)}@${domain}>`;
  // Each step has its end, and a server that answers a word at a time takes many: all of them have one as well.
  const late = AbortSignal.timeout(integration.timeoutMs * STEPS);
  const ended = new Promise<never>((_resolve, reject) => {
    const end = () => reject(Object.assign(new Error('its server took too long'), { code: 'ETIMEDOUT' }));
    AbortSignal.any([signal, late]).addEventListener('abort', end, { once: true });
  });
  ended.catch(() => {});
  try {
    const mail = transport.sendMail({
      ...{ from, to: [...to] },
      subject: oneLine(textOf(integration.subject, message, () => titleOf(message, text), text)),
      text: textOf(integration.text, message, () => `${titleOf(message, text)}\n\n${plainText(message)}\n`, text),
      html: textOf(integration.html, message, () => htmlOf(message, text), text),
      messageId: `<${id.replace(/[^\w.-]/g, '_')}@${domain}>`,
      references: thread,
      headers: { ...headers, 'X-Foresail-Key': id },
    });
    await Promise.race([mail, ended]);
    return SENT;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return failureOf(error, integration);
  } finally {
    transport.close();
  }
}

/** A way to the integration's server. Whoever opens it closes it. */
export function openTransport(integration: EmailIntegration): Transporter {
  const { smarthost, security, hello, authUsername, authPassword, timeoutMs, tls } = integration;
  return createTransport({
    ...smarthost,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(hello !== undefined && { name: hello }),
    ...(authUsername !== undefined && { auth: { user: authUsername, pass: authPassword?.reveal() ?? '' } }),
    tls: tlsOptions(tls),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

export function failureOf(error: unknown, integration: EmailIntegration): Outcome {
  const { code, responseCode, message } = error as {
    readonly code?: string;
    readonly responseCode?: number;
    readonly message: string;
  };
  const said = shortened(withoutSecrets(message, secretsOf(integration)), 200);
  const failed = (reason: Extract<Outcome, { kind: 'failed' }>['reason'], retry: boolean): Outcome => {
    return { kind: 'failed', reason, message: said, retry };
  };
  if (responseCode !== undefined && responseCode >= 500) return failed('refused', false);
  if (responseCode !== undefined) return failed('server-error', true);
  if (code === 'ETIMEDOUT') return failed('timeout', true);
  if (code === 'ETLS' || isAboutTls(code) || /certificate|TLS/i.test(message)) return failed('tls', true);
  if (code === 'EENVELOPE') return failed('refused', false);
  return failed('connection', true);
}

function htmlOf(message: Message, deps: TextDeps): string {
  const { externalUrl } = deps;
  const { alerts, truncatedAlerts } = message;
  const parts = alerts.slice(0, MOST_ALERTS).map((alert) => {
    const { head, lines } = linesOf(alert);
    const rows = lines.map(({ name, text, isLink }) => {
      const value = isLink ? `<a href="${escaped(text)}">${escaped(text)}</a>` : escaped(text);
      return `<tr><th align="left" valign="top" style="padding-right:1em">${escaped(name)}</th><td>${value}</td></tr>`;
    });
    const colour = alert.status === 'firing' ? '#c0392b' : '#27ae60';
    const mark = alert.status === 'firing' ? 'FIRING' : 'RESOLVED';
    return `<h3 style="color:${colour}">${mark} ${escaped(head)}</h3><table>${rows.join('')}</table>`;
  });
  const left = Math.max(0, alerts.length - MOST_ALERTS) + truncatedAlerts;
  const more = left > 0 ? `<p>… and ${left} more</p>` : '';
  const foot = isAddress(externalUrl) ? `<p><a href="${escaped(externalUrl)}">Foresail</a></p>` : '';
  const title = escaped(titleOf(message, deps));
  return `<!doctype html><html><body style="font-family:sans-serif"><h2>${title}</h2>${parts.join('')}${more}${foot}</body></html>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function oneLine(text: string): string {
  return shortened(text.replace(/\s+/g, ' ').trim(), 500);
}
