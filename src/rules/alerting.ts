import { type Labels, labelsKey, labelsOf, METRIC_NAME } from '../model/labels.ts';
import type { VectorSample } from '../model/query-result.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import type { RuleSample } from './recording.ts';
import { RuleError } from './rule-error.ts';
import type { AlertingRule } from './rule-file.ts';

export type AlertState = 'inactive' | 'pending' | 'firing';

/** One alert: a label set for which a rule's expression holds, or held. */
export interface Alert {
  /** With `alertname`, without the metric's name. */
  readonly labels: Labels;
  /** Sorted by name; may be empty. */
  readonly annotations: Labels;
  readonly state: AlertState;
  /** The value of the expression when it held last. NaN for a histogram. */
  readonly value: number;
  /** Since when the expression holds. */
  readonly activeAt: Millis;
  readonly firedAt: Millis | undefined;
  /** Since when it only fires because of `keep_firing_for`. */
  readonly keepFiringSince: Millis | undefined;
  /** When it stopped firing: then its state is `inactive`. */
  readonly resolvedAt: Millis | undefined;
}

/** The alerts of one rule by their labels (`labelsKey`), those included that were resolved lately. */
export type Alerts = ReadonlyMap<string, Alert>;

/** For what a rule's expression holds at one time, its templates expanded. */
export interface FoundAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly value: number;
}

/** So long an alert is kept that was resolved, so that whoever sends alerts can tell it more than once. */
const RESOLVED_RETENTION_MS = 15 * MINUTE;

/** The labels of the alert that a sample makes. `expanded` are the rule's own, their templates expanded. */
export function alertLabels(
  { labels }: VectorSample,
  { name }: AlertingRule,
  expanded: Iterable<readonly [string, string]>,
): Labels {
  return labelsOf([...labels.filter(([label]) => label !== METRIC_NAME), ...expanded, ['alertname', name]]);
}

/**
 * Takes a rule's alerts to the next time: what holds becomes pending, and firing once it has held for long enough; what
 * holds no longer goes, or fires on for as long as the rule says. Pure.
 *
 * @throws {RuleError} If two samples make the same alert.
 */
export function nextAlerts(
  { forMs, keepFiringForMs }: Pick<AlertingRule, 'forMs' | 'keepFiringForMs'>,
  before: Alerts,
  found: readonly FoundAlert[],
  now: Millis,
): Alerts {
  const holding = new Map<string, FoundAlert>();
  for (const one of found) {
    const key = labelsKey(one.labels);
    if (holding.has(key)) {
      throw new RuleError('vector contains metrics with the same labelset after applying alert labels');
    }
    holding.set(key, one);
  }
  const after = new Map<string, Alert>();
  for (const [key, alert] of before) {
    const holds = holding.get(key);
    if (holds !== undefined && alert.state !== 'inactive') {
      const { value, annotations } = holds;
      after.set(key, aged({ ...alert, value, annotations, keepFiringSince: undefined }, forMs, now));
      continue;
    }
    if (holds !== undefined) continue;
    const next = withoutGround(alert, { keepFiringForMs, forMs }, now);
    if (next !== undefined) after.set(key, next);
  }
  for (const [key, one] of holding) {
    if (after.has(key)) continue;
    const none = { firedAt: undefined, keepFiringSince: undefined, resolvedAt: undefined };
    after.set(key, aged({ ...one, state: 'pending', activeAt: now, ...none }, forMs, now));
  }
  return after;
}

/** Sorted by name as labels are; empty ones stay. Of equal names the last counts. */
export function sortedPairs(pairs: Iterable<readonly [string, string]>): Labels {
  return [...new Map(pairs)].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Those that are pending or firing. */
export function activeAlerts(alerts: Alerts): readonly Alert[] {
  return [...alerts.values()].filter(({ state }) => state !== 'inactive');
}

/** The series `ALERTS` and `ALERTS_FOR_STATE` of alerts that are pending or firing. */
export function alertSamples({ name, labels }: AlertingRule, alerts: Alerts): readonly RuleSample[] {
  return activeAlerts(alerts).flatMap((alert): RuleSample[] => {
    const own: (readonly [string, string])[] = [...labels, ...alert.labels, ['alertname', name]];
    return [
      { labels: labelsOf([...own, [METRIC_NAME, 'ALERTS'], ['alertstate', alert.state]]), value: 1 },
      { labels: labelsOf([...own, [METRIC_NAME, 'ALERTS_FOR_STATE']]), value: Math.floor(alert.activeAt / 1000) },
    ];
  });
}

/** An alert whose expression holds, or that fires on. */
function aged(alert: Alert, forMs: number, now: Millis): Alert {
  const held = now - alert.activeAt;
  if (alert.state === 'pending' && held >= forMs) return { ...alert, state: 'firing', firedAt: now };
  if (alert.state === 'firing' && held < forMs) {
    // The rule says a longer time now.
    return { ...alert, state: 'pending', firedAt: undefined, keepFiringSince: undefined };
  }
  return alert;
}

/** An alert whose expression holds no longer, or undefined where it is to be forgotten. */
function withoutGround(
  alert: Alert,
  { keepFiringForMs, forMs }: Pick<AlertingRule, 'forMs' | 'keepFiringForMs'>,
  now: Millis,
): Alert | undefined {
  if (alert.state === 'pending') return undefined;
  if (alert.state === 'inactive') return now - (alert.resolvedAt ?? now) > RESOLVED_RETENTION_MS ? undefined : alert;
  if (keepFiringForMs > 0) {
    const keepFiringSince = alert.keepFiringSince ?? now;
    if (now - keepFiringSince < keepFiringForMs) return aged({ ...alert, keepFiringSince }, forMs, now);
    return { ...alert, keepFiringSince, state: 'inactive', resolvedAt: now };
  }
  return { ...alert, state: 'inactive', resolvedAt: now };
}
