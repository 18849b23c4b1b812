import { END_TOLD_FOR_MS } from '../model/alert.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import type { Alert } from './alerting.ts';

/** As in Prometheus: an alert is believed for so many intervals, of a minute at least, after it was found. */
const INTERVALS_BELIEVED = 4;

/** An alert that is to be told, and when it ended, or would if it is not found again before. */
export interface RuleAlertToTell {
  readonly alert: Alert;
  readonly endsAt: Millis;
}

/**
 * What is to be told of a rule's alerts: those that fire, and those that ended lately.
 *
 * A rule whose query fails keeps its alerts as they are, since nobody knows better, and Prometheus does not tell them
 * again: whoever was told takes them for ended after four intervals. So it is here, whoever evaluates.
 *
 * @param foundAt When the rule's query was answered last.
 */
export function alertsToTell(
  { alerts, foundAt }: { readonly alerts: Iterable<Alert>; readonly foundAt: Millis | undefined },
  intervalMs: number,
  now: Millis,
): readonly RuleAlertToTell[] {
  const believedUntil = (foundAt ?? Number.NEGATIVE_INFINITY) + INTERVALS_BELIEVED * Math.max(intervalMs, MINUTE);
  const told: RuleAlertToTell[] = [];
  for (const alert of alerts) {
    const { state, resolvedAt } = alert;
    if (state === 'firing' && believedUntil > now) told.push({ alert, endsAt: believedUntil });
    if (state === 'inactive' && resolvedAt !== undefined && now - resolvedAt <= END_TOLD_FOR_MS) {
      told.push({ alert, endsAt: resolvedAt });
    }
  }
  return told;
}
