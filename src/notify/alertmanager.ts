import type { MessageAlert } from '../alerting/message.ts';
import { type AlertmanagerIntegration, secretsOf } from '../alerting/receiver.ts';
import { formatInstant, type Millis } from '../model/time.ts';
import { type Outcome, SENT } from './outcome.ts';
import { postJson } from './post.ts';

/** Alerts of one request. */
const BATCH = 500;
/** So often is a batch that is refused told in halves, each time that all is told. */
const MOST_SPLITS = 50;

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
  const secrets = secretsOf(integration);
  let worst: Outcome = SENT;
  let splits = MOST_SPLITS;
  const batches: (readonly MessageAlert[])[] = [];
  for (let at = 0; at < alerts.length; at += BATCH) batches.push(alerts.slice(at, at + BATCH));
  for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
    const body = JSON.stringify(batch.map((alert) => postableAlert(alert, until)));
    const outcome = await postJson({ url: `${url}/api/v2/alerts`, body, access, timeoutMs, secrets, now, signal });
    if (outcome.kind === 'sent') continue;
    if (outcome.retry) return outcome;
    worst = outcome;
    // One that it does not like keeps none of the others from it.
    if (batch.length === 1 || splits-- <= 0) continue;
    const half = Math.ceil(batch.length / 2);
    batches.push(batch.slice(0, half), batch.slice(half));
  }
  return worst;
}

function postableAlert({ labels, annotations, startsAt, endsAt, generatorUrl }: MessageAlert, until: Millis): object {
  return {
    ...{ labels, annotations },
    startsAt: formatInstant(startsAt),
    endsAt: formatInstant(endsAt ?? until),
    ...(/^https?:\/\//.test(generatorUrl) && { generatorURL: generatorUrl }),
  };
}
