import type { Labels } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';

/** How much an anomaly matters: `alert` is told as a warning, `incident` as critical. */
export const ANOMALY_SEVERITIES = ['alert', 'incident'] as const;
export type AnomalySeverity = (typeof ANOMALY_SEVERITIES)[number];

export type Direction = 'up' | 'down';

/** The most striking sample of an anomaly, beside what was expected in its place. */
export interface Strike {
  readonly at: Millis;
  /** NaN: there was no sample. */
  readonly value: number;
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  /** 0 to 1. */
  readonly score: number;
  readonly direction: Direction;
  /** Which part of what is looked at was striking: `jump`, `shift`, …, `missing`. */
  readonly part: string;
}

/** One anomaly of one series while it lasts. */
export interface OpenAnomaly {
  /** The first striking sample. */
  readonly since: Millis;
  readonly severity: AnomalySeverity;
  /** Of incident severity, or N of M where N is more than one. */
  readonly confirmed: boolean;
  readonly peak: Strike;
  /** The last striking sample. */
  readonly lastAt: Millis;
}

/** Of which demand of which policy. */
export interface AnomalyDemand {
  readonly namespace: string;
  readonly policy: string;
  readonly workload: string;
  readonly demand: string;
}

/** An anomaly as it is kept. */
export interface Anomaly extends OpenAnomaly {
  readonly id: string;
  /** The name of the watch, or of the demand. */
  readonly watch: string;
  readonly labels: Labels;
  /** Undefined: of a watch's query. */
  readonly demand: AnomalyDemand | undefined;
  readonly stepMs: number;
  readonly endedAt: Millis | undefined;
  /** Why it ended: `quiet`, `usual` (it lasted for so long that it is the new usual), `normal` (somebody said so), `gone`. */
  readonly end: AnomalyEnd | undefined;
  readonly incident: string;
  readonly feedback: Feedback | undefined;
}

export type AnomalyEnd = 'quiet' | 'usual' | 'normal' | 'gone';

/** What somebody said of an anomaly. */
export interface Feedback {
  readonly verdict: 'normal' | 'anomaly';
  readonly who: string;
  readonly at: Millis;
  readonly note: string;
}

/** The same series and start always have the same id, so that what is judged again after a crash is told once. */
export function anomalyId(watchKey: string, seriesKey: string, since: Millis): string {
  return `${Math.round(since).toString(36)}-${hashOf(`${watchKey}\n${seriesKey}`)}`;
}

/** FNV-1a over 53 bits, as 11 letters and digits. */
export function hashOf(text: string): string {
  let high = 0x811c9dc5;
  let low = 0x01000193;
  for (let i = 0; i < text.length; i++) {
    high = Math.imul(high ^ text.charCodeAt(i), 0x01000193);
    low = Math.imul(low ^ text.charCodeAt(text.length - 1 - i), 0x85ebca6b);
  }
  return ((high >>> 0) * 2 ** 21 + ((low >>> 0) % 2 ** 21)).toString(36).padStart(11, '0');
}
