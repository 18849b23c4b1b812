import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { hashed, smoothNoise } from './noise.ts';

/** One of the demo's workloads: what its users ask of it, and how it scales. */
export interface DemoWorkload {
  readonly namespace: string;
  /** Also the name of its deployment and of its HPA. */
  readonly app: string;
  /** In a few words, for the person who watches. */
  readonly character: string;
  /** Requests per second at `t`. `firstStart` is when the demo was first started: trend and event are placed by it. */
  readonly demandRps: (t: Millis, firstStart: Millis) => number;
  /** Requests per second that one ready replica carries. */
  readonly perReplica: number;
  readonly hpa: { readonly min: number; readonly max: number; readonly targetUtilization: number };
  /** From a pod's creation to Ready. */
  readonly startUpMs: number;
}

/** Every workload's demand is a pure function of time: a later start continues the same series. */
export const DEMO_WORKLOADS: readonly DemoWorkload[] = [
  {
    namespace: 'shop',
    app: 'checkout',
    character: 'daily and weekly rhythm',
    demandRps: checkoutRps,
    perReplica: 60,
    hpa: { min: 2, max: 60, targetUtilization: 0.7 },
    startUpMs: 90 * SECOND,
  },
  {
    namespace: 'office',
    app: 'reports',
    character: 'business hours with a lunch dip',
    demandRps: reportsRps,
    perReplica: 25,
    hpa: { min: 1, max: 50, targetUtilization: 0.7 },
    startUpMs: 150 * SECOND,
  },
  {
    namespace: 'media',
    app: 'feed',
    character: 'noisy, with a trend and a one-off event',
    demandRps: feedRps,
    perReplica: 40,
    hpa: { min: 2, max: 80, targetUtilization: 0.7 },
    startUpMs: 2 * MINUTE,
  },
];

/** Evening shopping, a smaller peak at lunch, busier towards the weekend, and the deal of the day at six. */
function checkoutRps(t: Millis): number {
  const hour = hourOf(t);
  const rhythm = 0.16 + 0.84 * bump(hour, 20, 3) + 0.45 * bump(hour, 12.5, 2.2) + 0.2 * bump(hour, 9, 2);
  const day = rhythm + 0.7 * rush(hour - 18, 0.04, 0.5);
  const week = [1.18, 0.94, 0.92, 0.96, 1.02, 1.14, 1.25][dayOfWeek(t)]!;
  const noise = 1 + 0.03 * smoothNoise(11, t, 2 * MINUTE) + 0.04 * smoothNoise(12, t, 40 * MINUTE);
  return 900 * day * week * noise;
}

/** People arrive at eight, eat at half past twelve and leave at six; at weekends hardly anybody is there. */
function reportsRps(t: Millis): number {
  const hour = hourOf(t);
  const weekday = dayOfWeek(t);
  const atWork = edge(hour, 7.9, 0.12) * (1 - edge(hour, 17.6, 0.35));
  const lunch = 1 - 0.45 * bump(hour, 12.6, 0.55);
  const presence = weekday === 0 || weekday === 6 ? 0.06 : weekday === 5 ? 0.85 : 1;
  const noise = 1 + 0.04 * smoothNoise(21, t, 2 * MINUTE) + 0.05 * smoothNoise(22, t, HOUR);
  return (18 + 640 * atWork * lunch * presence) * noise;
}

/** A feed that grows by a tenth a week, never calm, with one evening nine days before the first start that went round the world. */
function feedRps(t: Millis, firstStart: Millis): number {
  const hour = hourOf(t);
  // The trend ends two weeks after the first start, so that a demo that is kept for a year stays inside its bounds.
  const weeks = Math.min(2, Math.max(-5, (t - firstStart) / (7 * DAY)));
  const day = 0.55 + 0.45 * bump(hour, 18, 4.5) + 0.15 * bump(hour, 8, 1.5);
  const noise =
    1 +
    0.14 * smoothNoise(31, t, 5 * MINUTE) +
    0.12 * smoothNoise(32, t, 25 * MINUTE) +
    0.1 * smoothNoise(33, t, 3 * HOUR);
  const eventAt = (Math.floor(firstStart / DAY) - 9) * DAY + 21 * HOUR;
  const event = 1 + 1.4 * hill((t - eventAt) / (0.9 * HOUR));
  return 420 * (1 + 0.1 * weeks) * day * noise * event * (1 + pushes(t, hour));
}

const PUSH_HOURS = [7.5, 12.25, 17, 21];

/** Notifications that everybody opens at once: four a day of changing strength. */
function pushes(t: Millis, hour: number): number {
  const today = Math.floor(t / DAY) * PUSH_HOURS.length;
  return PUSH_HOURS.reduce((sum, at, i) => {
    const strength = 0.35 + 0.75 * hashed(34, today + i);
    return sum + strength * rush(hour - at, 0.03, 0.3);
  }, 0);
}

function hourOf(t: Millis): number {
  return (t % DAY) / HOUR;
}

/** 0 is Sunday. 1970-01-01 was a Thursday. */
function dayOfWeek(t: Millis): number {
  return (Math.floor(t / DAY) + 4) % 7;
}

/** A hill of height 1 at `centre`, on the circle of a day's 24 hours. */
function bump(hour: number, centre: number, width: number): number {
  const apart = Math.abs(hour - centre);
  return hill(Math.min(apart, 24 - apart) / width);
}

function hill(distance: number): number {
  return Math.exp(-0.5 * distance * distance);
}

/** A crowd that comes at once and leaves slowly: up to 1 within `rise` hours after zero, then fading over `fade` hours. */
function rush(hours: number, rise: number, fade: number): number {
  if (hours <= 0) return 0;
  return Math.min(1, hours / rise) * Math.exp(-Math.max(0, hours - rise) / fade);
}

/** Rises from 0 to 1 around `at`; nine tenths of the rise take about `3 * width` hours. */
function edge(hour: number, at: number, width: number): number {
  return 1 / (1 + Math.exp((at - hour) / width));
}

/**
 * Samples are taken every 30 seconds, in the past as now: where the spacing of a counter's samples changes, `rate` sees a
 * dip that is not there.
 */
export const SCRAPE_MS = 30 * SECOND;
/** Counters begin at zero then. */
const DEPLOY_AT = 3 * HOUR;

/**
 * The counters of one workload's requests by status code, as its pods would expose them.
 *
 * Reading is fast forwards and starts again from the nightly deploy, where counters begin at zero, when it jumps.
 */
export class RequestCounter {
  readonly #workload: DemoWorkload;
  readonly #firstStart: Millis;
  #at = Number.NaN;
  #ok = 0;
  #failed = 0;

  constructor(workload: DemoWorkload, firstStart: Millis) {
    this.#workload = workload;
    this.#firstStart = firstStart;
  }

  /** The counts at `t`, a multiple of `SCRAPE_MS`. */
  at(t: Millis): { readonly ok: number; readonly failed: number } {
    const deployed = Math.floor((t - DEPLOY_AT) / DAY) * DAY + DEPLOY_AT;
    if (!(this.#at >= deployed && this.#at <= t)) {
      this.#at = deployed;
      this.#ok = 0;
      this.#failed = 0;
    }
    for (; this.#at < t; this.#at += SCRAPE_MS) {
      const middle = this.#at + SCRAPE_MS / 2;
      const requests = (this.#workload.demandRps(middle, this.#firstStart) * SCRAPE_MS) / SECOND;
      const failed = requests * 0.004 * hashed(97, this.#at / SCRAPE_MS);
      this.#ok += requests - failed;
      this.#failed += failed;
    }
    return { ok: Math.floor(this.#ok), failed: Math.floor(this.#failed) };
  }
}
