import type { Labels } from './labels.ts';
import type { TenantId } from './tenant.ts';
import { MINUTE, type Millis } from './time.ts';

/** How much an alert matters, as its label `severity` says. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One thing that is wrong, as whoever found it tells it: a rule, the watch for anomalies, a cost budget. */
export interface Alert {
  /** Say which alert it is: `alertname` and `severity` are among them, and nothing that changes while it lasts. */
  readonly labels: Labels;
  /** For people: `summary` and `description` with the numbers and the reason, `remedy`, `runbook_url`, `picture`. May change. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: Millis;
  /** Left out while it lasts. */
  readonly endsAt?: Millis;
  /** Where what it was made from can be looked at. */
  readonly generatorUrl: string;
}

/** An alert that is not told again for so long has ended. */
export const TOLD_FOR_MS = 5 * MINUTE;
/** So long is an end told again, for those who did not hear of it. */
export const END_TOLD_FOR_MS = 15 * MINUTE;

/**
 * Takes alerts in, as Alertmanager does: whoever tells one tells it again at least every minute while it lasts, and its
 * end for `END_TOLD_FOR_MS`. Telling one again is nothing new, after a restart on either side, too. Resolves once what is
 * new is kept for good.
 */
export type TellAlerts = (tenant: TenantId, alerts: readonly Alert[]) => Promise<void>;
