import { type Alert, TOLD_FOR_MS } from '../model/alert.ts';
import type { Labels } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';

/** An alert as it was told. An end that is to come, as Prometheus sends it, is how long it is believed without being told again. */
export type ToldAlert = Alert;

/** What is known of one label set. */
export interface HeldAlert {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: Millis;
  /** As told. Undefined while it lasts. */
  readonly endsAt: Millis | undefined;
  /** It has ended then, unless it is told again before. */
  readonly until: Millis;
  readonly updatedAt: Millis;
  readonly generatorUrl: string;
  /** When it began to fire, the newest last: those within the window of `Flapping`, one more than it takes at most. */
  readonly starts: readonly Millis[];
  /** Since when it has begun too often. */
  readonly flappingSince: Millis | undefined;
}

/** When an alert that comes and goes is held, and told once. */
export interface Flapping {
  /** It flaps once it has begun more often than that within the window. Infinite: nothing ever does. */
  readonly starts: number;
  readonly withinMs: number;
  /** It has ended, or is as any other again, once it has kept still for so long. */
  readonly settleMs: number;
}

/**
 * What is known of an alert after it was told. The same object where that was nothing new but that it lasts, and
 * undefined where an end is told of what nobody knew of.
 */
export function takeAlert(
  before: HeldAlert | undefined,
  told: ToldAlert,
  { fingerprint, now, flapping }: { readonly fingerprint: string; readonly now: Millis; readonly flapping: Flapping },
): HeldAlert | undefined {
  const { labels, annotations, generatorUrl } = told;
  const said = { annotations, generatorUrl, updatedAt: now };
  if (told.endsAt !== undefined && told.endsAt <= now) {
    if (before === undefined || !lasts(before, now) || told.endsAt < before.startsAt) return before;
    return { ...before, ...said, endsAt: told.endsAt };
  }
  const until = told.endsAt ?? now + TOLD_FOR_MS;
  const begun = { fingerprint, labels, ...said, endsAt: undefined, until };
  if (before === undefined) {
    return { ...begun, startsAt: Math.min(told.startsAt, now), starts: [now], flappingSince: undefined };
  }
  if (lasts(before, now)) {
    const { starts, startsAt } = before;
    const flappingSince = isFlapping(before, now, flapping) ? before.flappingSince : undefined;
    return { ...begun, startsAt: Math.min(startsAt, told.startsAt), starts, flappingSince };
  }
  const recent = before.starts.filter((at) => now - at < flapping.withinMs);
  const starts = [...recent, now].slice(-Math.min(flapping.starts + 1, 1000));
  const flaps = starts.length > flapping.starts;
  // Who hears of it hears of one alert that comes and goes, since it began to.
  const isSame = isFiring(before, now, flapping);
  return {
    ...begun,
    startsAt: flaps && isSame ? before.startsAt : Math.min(told.startsAt, now),
    starts,
    flappingSince: flaps ? (before.flappingSince ?? now) : undefined,
  };
}

/** When it ended, or would if it is not told again. */
export function endOf({ endsAt, until }: Pick<HeldAlert, 'endsAt' | 'until'>): Millis {
  return Math.min(endsAt ?? Number.POSITIVE_INFINITY, until);
}

/** Whether it was told, lately, that it is so. */
function lasts(alert: HeldAlert, now: Millis): boolean {
  return endOf(alert) > now;
}

/** Whether it counts as firing: one that flaps does until it has kept still for long enough. */
export function isFiring(alert: HeldAlert, now: Millis, { settleMs }: Flapping): boolean {
  if (lasts(alert, now)) return true;
  return alert.flappingSince !== undefined && now < endOf(alert) + settleMs;
}

/** Whether it is held because it comes and goes. */
export function isFlapping(alert: HeldAlert, now: Millis, flapping: Flapping): boolean {
  if (alert.flappingSince === undefined || !isFiring(alert, now, flapping)) return false;
  return now - alert.starts.at(-1)! < flapping.withinMs;
}

/** True where nothing differs that must outlive the process: that it was told again need not. */
export function isSameKept(a: HeldAlert, b: HeldAlert): boolean {
  if (a.startsAt !== b.startsAt || a.endsAt !== b.endsAt || a.flappingSince !== b.flappingSince) return false;
  if (a.generatorUrl !== b.generatorUrl || a.starts.length !== b.starts.length) return false;
  if (a.starts.at(-1) !== b.starts.at(-1)) return false;
  const names = Object.keys(a.annotations);
  if (names.length !== Object.keys(b.annotations).length) return false;
  return names.every((name) => a.annotations[name] === b.annotations[name]);
}
