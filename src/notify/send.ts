import type { AlertmanagerIntegration, Integration } from '../alerting/receiver.ts';
import { sendEmail } from './email.ts';
import { sendTeams } from './msteams.ts';
import type { Outcome } from './outcome.ts';
import { sendPagerDuty } from './pagerduty.ts';
import type { Sending } from './sending.ts';
import { sendSlack } from './slack.ts';
import { sendWebhook } from './webhook.ts';

/** Those that are told messages. An Alertmanager is told the alerts themselves, all the time. */
export type MessageIntegration = Exclude<Integration, AlertmanagerIntegration>;

/** Tells a message to one integration, once. */
export function sendMessage(integration: MessageIntegration, sending: Sending): Promise<Outcome> {
  switch (integration.kind) {
    case 'webhook':
      return sendWebhook(integration, sending);
    case 'slack':
      return sendSlack(integration, sending);
    case 'msteams':
      return sendTeams(integration, sending);
    case 'pagerduty':
      return sendPagerDuty(integration, sending);
    case 'email':
      return sendEmail(integration, sending);
  }
}
