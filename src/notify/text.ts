import type { Message, MessageAlert } from '../alerting/message.ts';
import { formatInstant } from '../model/time.ts';

/** What a text of the settings is expanded with. Throws, in words, where it cannot be. */
export type Expand = (text: string, message: Message) => string;

/** How texts are made: the templates of the settings, and where people reach this server. */
export interface TextDeps {
  readonly expand: Expand;
  readonly externalUrl: string;
  /** Whether messages say whose they are: with tenancy on. */
  readonly saysTenant: boolean;
  /** A template of the settings cannot be carried out: the text that stands for it is sent. */
  readonly onTemplateFault: (message: string) => void;
}

/** A template's text, or what is said without one: a fault in a template keeps no alert back. */
export function textOf(
  template: string | undefined,
  message: Message,
  otherwise: () => string,
  deps: TextDeps,
): string {
  if (template === undefined) return otherwise();
  try {
    return deps.expand(template, message);
  } catch (error) {
    const which = `of the receiver ${message.receiver}, ${JSON.stringify(shortened(template, 80))}`;
    deps.onTemplateFault(`${which}: ${(error as Error).message}`);
    return otherwise();
  }
}

/** `[FIRING:2] Demand on checkout is unusual`; with tenancy on `[FIRING:2] acme: Demand on checkout is unusual` */
export function titleOf(message: Message, { saysTenant }: Pick<TextDeps, 'saysTenant'>): string {
  const firing = message.alerts.filter(({ status }) => status === 'firing').length + message.truncatedAlerts;
  const mark = message.status === 'firing' ? `FIRING:${firing}` : 'RESOLVED';
  return `[${mark}] ${saysTenant ? `${message.tenant}: ` : ''}${subjectOf(message)}`;
}

function subjectOf({ commonAnnotations, commonLabels, groupLabels, alerts }: Message): string {
  const summary = commonAnnotations['summary'];
  if (summary !== undefined && summary !== '') return summary;
  const name = commonLabels['alertname'];
  const rest = Object.entries(groupLabels).filter(([key]) => key !== 'alertname');
  const where = rest.map(([key, value]) => `${key}=${value}`).join(', ');
  const names = name ?? [...new Set(alerts.map(({ labels }) => labels['alertname'] ?? '?'))].slice(0, 3).join(', ');
  return where === '' ? names : `${names} (${where})`;
}

/** A line with a name before it. */
export interface Line {
  readonly name: string;
  readonly text: string;
  /** The text is an address. */
  readonly isLink?: boolean;
}

/** What is said of one alert, in order: what is wrong, in numbers and why, what to do, where to look. */
export function linesOf(alert: MessageAlert): { readonly head: string; readonly lines: readonly Line[] } {
  const { labels, annotations, startsAt, endsAt, status, generatorUrl } = alert;
  const head = annotations['summary'] || labels['alertname'] || 'alert';
  const lines: Line[] = [];
  const say = (name: string, text: string | undefined, isLink = false) => {
    if (text !== undefined && text !== '') lines.push({ name, text, ...(isLink && isAddress(text) && { isLink }) });
  };
  say('What', annotations['description']);
  say('Flapping', annotations['flapping']);
  if (status === 'firing') say('Do', annotations['remedy']);
  say(status === 'firing' ? 'Since' : 'From', formatInstant(startsAt));
  if (endsAt !== undefined) say('Until', formatInstant(endsAt));
  say('Runbook', annotations['runbook_url'], true);
  say('Picture', annotations['picture'], true);
  say('Source', generatorUrl, true);
  const others = Object.entries(annotations).filter(([name]) => !KNOWN.has(name));
  for (const [name, text] of others) say(name, text);
  const shown = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  say('Labels', shown.join(', '));
  return { head, lines };
}

const KNOWN = new Set(['summary', 'description', 'flapping', 'remedy', 'runbook_url', 'picture']);

export function isAddress(text: string): boolean {
  return /^https?:\/\/\S+$/.test(text);
}

/** All of a message as plain text. */
export function plainText({ alerts, truncatedAlerts }: Message, most = 50): string {
  const parts = alerts.slice(0, most).map((alert) => {
    const { head, lines } = linesOf(alert);
    const told = lines.map(({ name, text }) => `  ${name}: ${text}`);
    return [`${alert.status === 'firing' ? 'FIRING' : 'RESOLVED'}  ${head}`, ...told].join('\n');
  });
  const left = Math.max(0, alerts.length - most) + truncatedAlerts;
  return [...parts, ...(left > 0 ? [`… and ${left} more`] : [])].join('\n\n');
}

/** At most so many characters, with a mark where some are left out. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** The gravest severity of those that fire, else of all. */
export function gravest({ alerts }: Message): 'critical' | 'warning' | 'info' {
  const firing = alerts.filter(({ status }) => status === 'firing');
  const words = (firing.length > 0 ? firing : alerts).map(({ labels }) => labels['severity'] ?? 'warning');
  if (words.includes('critical') || words.includes('page')) return 'critical';
  return words.every((word) => word === 'info' || word === 'none') ? 'info' : 'warning';
}
