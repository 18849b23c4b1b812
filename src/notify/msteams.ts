import type { Message } from '../alerting/message.ts';
import { secretsOf, type TeamsIntegration } from '../alerting/receiver.ts';
import type { Outcome } from './outcome.ts';
import { postJson } from './post.ts';
import type { Sending } from './sending.ts';
import { gravest, isAddress, linesOf, shortened, type TextDeps, textOf, titleOf } from './text.ts';

const COLOURS = { critical: 'Attention', warning: 'Warning', info: 'Accent' } as const;
/** Teams refuses cards of more than 28 kB. */
const MOST_ALERTS = 8;
const MOST_LINE = 800;
const MOST_TEXT = 12_000;

/** What a workflow "When a Teams webhook request is received" takes: a message with an adaptive card. */
function teamsBody({ title, text }: TeamsIntegration, message: Message, deps: TextDeps): object {
  const heading = shortened(
    textOf(title, message, () => titleOf(message, deps), deps),
    500,
  );
  const colour = message.status === 'firing' ? COLOURS[gravest(message)] : 'Good';
  const body: object[] = [{ ...block(heading), weight: 'Bolder', size: 'Medium', color: colour }];
  if (text === undefined) body.push(...defaultBlocks(message));
  else
    body.push(
      block(
        shortened(
          textOf(text, message, () => defaultText(message), deps),
          MOST_TEXT,
        ),
      ),
    );
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          msteams: { width: 'Full' },
          body,
          actions: actionsOf(message, deps.externalUrl),
        },
      },
    ],
  };
}

const block = (text: string) => ({ type: 'TextBlock', text, wrap: true });

function defaultBlocks({ alerts, truncatedAlerts }: Message): readonly object[] {
  const blocks = alerts.slice(0, MOST_ALERTS).flatMap((alert) => {
    const { head, lines } = linesOf(alert);
    const facts = lines.map(({ name, text }) => ({ title: name, value: shortened(escaped(text), MOST_LINE) }));
    const mark = alert.status === 'resolved' ? ' (resolved)' : '';
    return [
      { ...block(`${shortened(escaped(head), MOST_LINE)}${mark}`), weight: 'Bolder', separator: true },
      { type: 'FactSet', facts },
    ];
  });
  const left = Math.max(0, alerts.length - MOST_ALERTS) + truncatedAlerts;
  return [...blocks, ...(left > 0 ? [block(`… and ${left} more`)] : [])];
}

function defaultText({ alerts }: Message): string {
  return alerts.map((alert) => escaped(linesOf(alert).head)).join('\n\n');
}

/** A card's text is Markdown: brackets would make links of an alert's texts. */
function escaped(text: string): string {
  return text.replace(/[[\]]/g, '\\$&');
}

function actionsOf({ commonAnnotations }: Message, externalUrl: string): readonly object[] {
  const links = [
    { title: 'Foresail', url: externalUrl },
    { title: 'Runbook', url: commonAnnotations['runbook_url'] ?? '' },
    { title: 'Picture', url: commonAnnotations['picture'] ?? '' },
  ];
  return links.filter(({ url }) => isAddress(url)).map((link) => ({ type: 'Action.OpenUrl', ...link }));
}

export async function sendTeams(integration: TeamsIntegration, sending: Sending): Promise<Outcome> {
  const { message, now, signal, text } = sending;
  const body = JSON.stringify(teamsBody(integration, message, text));
  const { timeoutMs } = integration;
  return postJson({
    url: integration.webhookUrl.reveal(),
    ...{ body, timeoutMs, secrets: secretsOf(integration), now, signal },
  });
}
