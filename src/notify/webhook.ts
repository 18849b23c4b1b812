import { createHmac } from 'node:crypto';
import type { Message } from '../alerting/message.ts';
import { secretsOf, type WebhookIntegration } from '../alerting/receiver.ts';
import { formatInstant } from '../model/time.ts';
import type { Outcome } from './outcome.ts';
import { postJson } from './post.ts';
import type { Sending } from './sending.ts';
import type { TextDeps } from './text.ts';

/** As Go writes an instant that there is none of. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** The body of Alertmanager's webhooks, version 4; with tenancy on there is `tenant`, too. */
function webhookBody(message: Message, { externalUrl, saysTenant }: TextDeps): object {
  const { receiver, status, groupKey, groupLabels, commonLabels, commonAnnotations, truncatedAlerts } = message;
  return {
    ...{ version: '4', groupKey, truncatedAlerts, status, receiver },
    ...(saysTenant && { tenant: message.tenant }),
    ...{ groupLabels, commonLabels, commonAnnotations, externalURL: externalUrl },
    alerts: message.alerts.map(({ startsAt, endsAt, generatorUrl, ...alert }) => ({
      ...alert,
      startsAt: formatInstant(startsAt),
      endsAt: endsAt === undefined ? NO_TIME : formatInstant(endsAt),
      generatorURL: generatorUrl,
    })),
  };
}

/**
 * Posts a message as JSON. `Idempotency-Key` is the same whenever it is sent again. Where there is a key to sign with,
 * `X-Foresail-Signature` is `v1=` and the hexadecimal HMAC-SHA256 of `X-Foresail-Timestamp` (seconds), a dot and the body.
 */
export async function sendWebhook(integration: WebhookIntegration, sending: Sending): Promise<Outcome> {
  const { message, id, now, signal, text } = sending;
  const body = JSON.stringify(webhookBody(message, text));
  const headers: Record<string, string> = { 'idempotency-key': id };
  if (integration.signingKey !== undefined) {
    const seconds = String(Math.floor(now / 1000));
    headers['x-foresail-timestamp'] = seconds;
    headers['x-foresail-signature'] = signatureOf(integration.signingKey.reveal(), seconds, body);
  }
  const { access, timeoutMs } = integration;
  const url = integration.url.reveal();
  return postJson({ url, body, headers, access, timeoutMs, secrets: secretsOf(integration), now, signal });
}

/** What a receiver computes as well, and compares. */
function signatureOf(key: string, seconds: string, body: string): string {
  return `v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`;
}
