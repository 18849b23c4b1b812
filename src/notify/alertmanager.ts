import type { MessageAlert } from '../alerting/message.ts';
import { type AlertmanagerIntegration, secretsOf } from '../alerting/receiver.ts';
import { formatInstant, type Millis } from '../model/time.ts';
import type { Outcome } from './outcome.ts';
import { postJson } from './post.ts';

/** Alerts of one request. */
const BATCH = 500;

export interface AlertmanagerSending {
  readonly alerts: readonly MessageAlert[];
  /** Until when those that fire are believed without being told again. */
  readonly until: Millis;
  readonly now: Millis;
  readonly signal: AbortSignal;
}

/** Tells one instance all of the alerts: instances share what they sent, not what they heard. */
export async function sendToInstance(
  url: string,
  integration: AlertmanagerIntegration,
  { alerts, until, now, signal }: AlertmanagerSending,
): Promise<Outcome> {
  const { access, timeoutMs } = integration;
  let last: Outcome = { kind: 'sent' };
  for (let at = 0; at < alerts.length; at += BATCH) {
    const body = JSON.stringify(alerts.slice(at, at + BATCH).map((alert) => postableAlert(alert, until)));
    const secrets = secretsOf(integration);
    last = await postJson({ url: `${url}/api/v2/alerts`, body, access, timeoutMs, secrets, now, signal });
    if (last.kind === 'failed') return last;
  }
  return last;
}

function postableAlert({ labels, annotations, startsAt, endsAt, generatorUrl }: MessageAlert, until: Millis): object {
  return {
    ...{ labels, annotations },
    startsAt: formatInstant(startsAt),
    endsAt: formatInstant(endsAt ?? until),
    ...(/^https?:\/\//.test(generatorUrl) && { generatorURL: generatorUrl }),
  };
}
