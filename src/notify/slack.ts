import type { Message } from '../alerting/message.ts';
import { type SlackIntegration, secretsOf } from '../alerting/receiver.ts';
import type { Outcome } from './outcome.ts';
import { postJson } from './post.ts';
import type { Sending } from './sending.ts';
import { gravest, linesOf, shortened, type TextDeps, textOf, titleOf } from './text.ts';

const COLOURS = { critical: '#c0392b', warning: '#e67e22', info: '#2980b9', resolved: '#27ae60' } as const;
/** Slack cuts longer ones off. */
const MOST_TEXT = 7_000;
const MOST_TITLE = 250;
const MOST_ALERTS = 20;

/** The body of an incoming webhook. */
function slackBody({ channel, title, text }: SlackIntegration, message: Message, deps: TextDeps): object {
  const heading = shortened(
    textOf(title, message, () => escaped(titleOf(message, deps)), deps),
    MOST_TITLE,
  );
  const colour = message.status === 'firing' ? COLOURS[gravest(message)] : COLOURS.resolved;
  return {
    ...(channel !== undefined && { channel }),
    attachments: [
      {
        color: colour,
        fallback: heading,
        title: heading,
        title_link: deps.externalUrl,
        text: shortened(
          textOf(text, message, () => defaultText(message), deps),
          MOST_TEXT,
        ),
        mrkdwn_in: ['text'],
        footer: 'Foresail',
        ts: Math.floor(message.at / 1000),
      },
    ],
  };
}

function defaultText({ alerts, truncatedAlerts }: Message): string {
  const parts = alerts.slice(0, MOST_ALERTS).map((alert) => {
    const { head, lines } = linesOf(alert);
    const told = lines.map(({ name, text, isLink }) =>
      isLink ? `<${linkOf(text)}|${escaped(name)}>` : `*${escaped(name)}*: ${escaped(text)}`,
    );
    return [`*${escaped(head)}*${alert.status === 'resolved' ? ' (resolved)' : ''}`, ...told].join('\n');
  });
  const left = Math.max(0, alerts.length - MOST_ALERTS) + truncatedAlerts;
  return [...parts, ...(left > 0 ? [`… and ${left} more`] : [])].join('\n\n');
}

/** Slack's three characters: an alert's text calls nobody, and links nowhere. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An address inside of `<…|…>`. */
function linkOf(text: string): string {
  return escaped(text).replaceAll('|', '%7C');
}

export async function sendSlack(integration: SlackIntegration, sending: Sending): Promise<Outcome> {
  const { message, now, signal, text } = sending;
  const body = JSON.stringify(slackBody(integration, message, text));
  const { timeoutMs } = integration;
  return postJson({
    url: integration.apiUrl.reveal(),
    ...{ body, timeoutMs, secrets: secretsOf(integration), now, signal },
  });
}
