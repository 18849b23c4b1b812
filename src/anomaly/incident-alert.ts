import { type Alert, END_TOLD_FOR_MS, type Severity } from '../model/alert.ts';
import type { Deploy } from '../model/deploy.ts';
import { formatLabels, type Labels, labelsOf } from '../model/labels.ts';
import { formatDuration, formatInstant, type Millis, SECOND } from '../model/time.ts';
import type { AnomalySeverity, Strike } from './anomaly.ts';
import type { Incident } from './incident.ts';

const ANOMALY_ALERT = 'ForesailAnomaly';

const SEVERITY: Readonly<Record<AnomalySeverity, Severity>> = { alert: 'warning', incident: 'critical' };
const LISTED = 5;

/** What each part of a detector looks at, in words. */
const PART_WORDS: Readonly<Record<string, string>> = {
  jump: 'a jump',
  pattern: 'a pattern that is seldom seen',
  shift: 'another level than before',
  season: 'unlike what was forecast, or what these times of day have had',
  spread: 'moves more, or less, than it used to',
  flat: 'stands still',
  missing: 'no samples any more',
};

/**
 * What is told of an incident now: one alert while it lasts, its end, and the end of the milder one that it was before.
 * @param externalUrl Where people reach the server.
 */
export function incidentAlerts(incident: Incident, now: Millis, externalUrl: string): readonly Alert[] {
  const { startedAt, endedAt, severity, severitySince } = incident;
  const isTold = (end: Millis | undefined) => end === undefined || now - end < END_TOLD_FOR_MS;
  const alerts: Alert[] = [];
  if (isTold(endedAt))
    alerts.push(alertOf(incident, { severity, startsAt: severitySince, endsAt: endedAt }, externalUrl));
  if (severity === 'incident' && severitySince > startedAt && isTold(severitySince)) {
    alerts.push(alertOf(incident, { severity: 'alert', startsAt: startedAt, endsAt: severitySince }, externalUrl));
  }
  return alerts;
}

function alertOf(
  incident: Incident,
  when: { readonly severity: AnomalySeverity; readonly startsAt: Millis; readonly endsAt: Millis | undefined },
  externalUrl: string,
): Alert {
  const { members, related, deploys = [] } = incident;
  const first = members[0]!;
  const { peak } = first;
  const others = members.length - 1;
  const address = `${externalUrl}/api/v1/anomalies/${first.anomaly}`;
  const sentences = [
    `${seriesName(first.watch, first.labels)} since ${formatInstant(first.since)}: ${partText(peak)}.`,
    numbersOf(peak),
    deploys.length > 0 && `${listed(deploys.map((deploy) => deployText(deploy, first.since)))}.`,
    others > 0 &&
      `With it, in the order in which they moved: ${listed(members.slice(1).map((m) => seriesName(m.watch, m.labels)))}.`,
    related.length > 0 &&
      `Moved alike: ${listed(related.map((r) => `${seriesName(r.watch, r.labels)} (${r.correlation})`))}.`,
  ].filter((sentence) => sentence !== false);
  return {
    labels: labelsOf({ ...incident.labels, alertname: ANOMALY_ALERT, severity: SEVERITY[when.severity] }),
    annotations: {
      summary: `${seriesName(first.watch, first.labels)} is unusual: ${partText(peak)}${others > 0 ? `, and ${others} more of its group` : ''}`,
      description: sentences.join(' '),
      remedy: `Look at the picture and at ${deploys.length > 0 ? 'that deploy, and what was' : 'what was deployed or'} announced at ${formatInstant(first.since)}. If it is no anomaly: foresail anomalies feedback ${first.anomaly} --normal.`,
      runbook_url: `docs/runbooks/alerts.md#${ANOMALY_ALERT.toLowerCase()}`,
      picture: `${address}/picture.svg`,
      incident: incident.id,
      ...{ value: numberText(peak.value), expected: numberText(peak.expected), score: peak.score.toFixed(2) },
      interval: `${numberText(peak.lower)} to ${numberText(peak.upper)}`,
      part: peak.part,
      ...(deploys.length > 0 && { deploys: deploys.map((deploy) => deployText(deploy, first.since)).join('; ') }),
    },
    startsAt: when.startsAt,
    ...(when.endsAt !== undefined && { endsAt: when.endsAt }),
    generatorUrl: address,
  };
}

/** `shop/web was deployed at …, 40s before (revision 6d5f, web:1.5)` */
function deployText({ namespace, workload, revision, images, at }: Deploy, since: Millis): string {
  const apart = formatDuration(Math.round(Math.abs(since - at) / SECOND) * SECOND);
  const what = [`revision ${revision}`, ...images].join(', ');
  return `${namespace}/${workload} was deployed at ${formatInstant(at)}, ${apart} ${at <= since ? 'before' : 'after'} (${what})`;
}

export function partText({ part, direction }: Pick<Strike, 'part' | 'direction'>): string {
  const words = PART_WORDS[part] ?? part;
  return ['jump', 'shift', 'season'].includes(part) ? `${words} (${direction})` : words;
}

function numbersOf({ at, value, expected, lower, upper, score }: Strike): string {
  const seen = Number.isNaN(value) ? 'no sample' : numberText(value);
  return `At ${formatInstant(at)} ${seen} where ${numberText(expected)} was expected (${numberText(lower)} to ${numberText(upper)}); score ${score.toFixed(2)}.`;
}

/** `errors{app="pay"}` */
export function seriesName(watch: string, labels: Labels): string {
  const others = labels.filter(([name]) => name !== '__name__');
  return others.length === 0 ? watch : `${watch}${formatLabels(others)}`;
}

function listed(names: readonly string[]): string {
  const rest = names.length - LISTED;
  return `${names.slice(0, LISTED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function numberText(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'none';
}
