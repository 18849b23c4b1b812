import { type Labels, labelsKey, METRIC_NAME } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { decodeSamples, isStaleMarker, type SelectedSeries } from '../model/series.ts';
import { HOUR, MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import type { Alerts } from './alerting.ts';
import type { AlertingRule } from './rule-file.ts';

export interface RestoreLimits {
  /** Alerts that were active are taken up again after an outage of so long at most. */
  readonly outageToleranceMs: number;
  /** What was about to fire waits for so long at least; rules that wait less are not restored. */
  readonly gracePeriodMs: number;
}

/** As Prometheus has them. */
export const RESTORE_LIMITS: RestoreLimits = { outageToleranceMs: HOUR, gracePeriodMs: 10 * MINUTE };

export type SelectSeries = (matchers: readonly Matcher[], range: TimeRange) => Promise<readonly SelectedSeries[]>;

/**
 * Gives a rule's alerts the time since when they are active that `ALERTS_FOR_STATE` has of them, as Prometheus does
 * after a restart: what had fired goes on firing, what was pending has waited for as long as it had, the outage left out.
 * @param now When it is restored, which is after the second evaluation.
 * @throws What `select` throws.
 */
export async function restoredAlerts(
  rule: AlertingRule,
  alerts: Alerts,
  now: Millis,
  { select, outageToleranceMs, gracePeriodMs }: RestoreLimits & { readonly select: SelectSeries },
): Promise<Alerts> {
  if (rule.forMs < gracePeriodMs || alerts.size === 0) return alerts;
  const matchers: Matcher[] = [
    { name: METRIC_NAME, op: '=', value: 'ALERTS_FOR_STATE' },
    { name: 'alertname', op: '=', value: rule.name },
    // A template's value is not known; its label may have any.
    ...[...rule.labels]
      .filter(([, value]) => !value.includes('{{'))
      .map(([name, value]) => ({ name, op: '=' as const, value })),
  ];
  const range = { start: now - outageToleranceMs, end: now };
  const last = new Map<string, LastState>();
  for (const { labels, chunks } of await select(matchers, range)) {
    const { times, values } = decodeSamples(chunks, range);
    const at = times.length - 1;
    if (at < 0 || isStaleMarker(values, at)) continue;
    last.set(labelsKey(withoutName(labels)), { downAt: times[at]!, activeAt: values[at]! * SECOND });
  }
  return new Map(
    [...alerts].map(([key, alert]) => {
      const state = last.get(labelsKey(alert.labels));
      if (state === undefined || alert.state === 'inactive') return [key, alert];
      return [key, { ...alert, activeAt: restoredActiveAt(state, rule.forMs, gracePeriodMs, now) }];
    }),
  );
}

interface LastState {
  /** When the state was written last. */
  readonly downAt: Millis;
  readonly activeAt: Millis;
}

/** Since when an alert counts as active that was so before an outage. */
export function restoredActiveAt(
  { downAt, activeAt }: LastState,
  forMs: number,
  gracePeriodMs: number,
  now: Millis,
): Millis {
  const leftMs = forMs - (downAt - activeAt);
  if (leftMs <= 0) return activeAt;
  if (leftMs < gracePeriodMs) return now + gracePeriodMs - forMs;
  return activeAt + (now - downAt);
}

function withoutName(labels: Labels): Labels {
  return labels.filter(([name]) => name !== METRIC_NAME);
}
