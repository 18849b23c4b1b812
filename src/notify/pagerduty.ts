import { digestOf } from '../alerting/fingerprint.ts';
import type { Message } from '../alerting/message.ts';
import { type PagerDutyIntegration, secretsOf } from '../alerting/receiver.ts';
import { formatInstant } from '../model/time.ts';
import type { Outcome } from './outcome.ts';
import { postJson } from './post.ts';
import type { Sending } from './sending.ts';
import { gravest, isAddress, plainText, shortened, type TextDeps, textOf, titleOf } from './text.ts';

/** PagerDuty's bounds. */
const MOST_SUMMARY = 1_024;
const MOST_DETAILS = 30_000;

/** An event of the Events API v2. One group is one incident, whatever happens in it. */
function pagerDutyBody({ routingKey, description }: PagerDutyIntegration, message: Message, deps: TextDeps): object {
  const { tenant, receiver, groupKey, status, commonAnnotations, commonLabels, alerts } = message;
  const summary = textOf(description, message, () => titleOf(message, deps), deps);
  const link = commonAnnotations['runbook_url'] ?? '';
  const picture = commonAnnotations['picture'] ?? '';
  return {
    routing_key: routingKey.reveal(),
    dedup_key: `foresail-${digestOf(`${tenant}\n${receiver}\n${groupKey}`)}`,
    event_action: status === 'firing' ? 'trigger' : 'resolve',
    client: 'Foresail',
    client_url: deps.externalUrl,
    payload: {
      summary: shortened(summary || 'alert', MOST_SUMMARY),
      source: commonLabels['instance'] ?? commonLabels['namespace'] ?? deps.externalUrl,
      severity: gravest(message),
      timestamp: formatInstant(Math.min(...alerts.map(({ startsAt }) => startsAt), message.at)),
      ...(commonLabels['workload'] !== undefined && { component: commonLabels['workload'] }),
      class: commonLabels['alertname'] ?? 'alert',
      custom_details: {
        ...(deps.saysTenant && { tenant }),
        ...{ firing: alerts.filter((alert) => alert.status === 'firing').length + message.truncatedAlerts },
        ...{ resolved: alerts.filter((alert) => alert.status === 'resolved').length },
        alerts: shortened(plainText(message), MOST_DETAILS),
      },
    },
    links: isAddress(link) ? [{ href: link, text: 'Runbook' }] : [],
    images: /^https:/.test(picture) && isAddress(picture) ? [{ src: picture, alt: 'What was seen' }] : [],
  };
}

export async function sendPagerDuty(integration: PagerDutyIntegration, sending: Sending): Promise<Outcome> {
  const { message, now, signal, text } = sending;
  const body = JSON.stringify(pagerDutyBody(integration, message, text));
  const { url, timeoutMs } = integration;
  return postJson({ url, body, timeoutMs, secrets: secretsOf(integration), now, signal });
}
