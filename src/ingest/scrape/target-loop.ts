import type { Clock } from '../../model/clock.ts';
import { RateLimitedError } from '../../model/rate-limited.ts';
import type { ScrapeJob } from '../../model/scrape-job.ts';
import type { Millis } from '../../model/time.ts';
import { ExpositionError } from '../../wire/errors.ts';
import { ScrapeError, type ScrapeFailureReason } from './errors.ts';
import type { GotBody } from './http-get.ts';
import { expositionKind } from './negotiation.ts';
import type { ScrapeCounts } from './scrape-reading.ts';
import type { Target } from './target.ts';
import type { TargetSeries } from './target-series.ts';

/** How a target's last scrape went. */
export interface TargetHealth {
  readonly health: 'unknown' | 'up' | 'down';
  readonly lastError: string;
  /** Undefined before the first scrape. */
  readonly lastScrape: Millis | undefined;
  readonly lastSeconds: number;
}

export interface TargetLoopOptions {
  readonly job: ScrapeJob;
  readonly target: Target;
  readonly series: TargetSeries;
  readonly clock: Clock;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => Millis;
  /** 0 to 1, the same for the same target on every replica: where in the interval it is scraped. */
  readonly phase: number;
  readonly get: (target: Target, signal: AbortSignal) => Promise<GotBody>;
  /** Whether this process scrapes the target, of those that share them. */
  readonly acts: () => boolean;
  /** A fault of the whole job, such as too many targets: every scrape fails with it. */
  readonly jobFault: () => ScrapeError | undefined;
  readonly onScrape: (outcome: ScrapeOutcome, counts: ScrapeCounts) => void;
  readonly onError: (error: unknown) => void;
}

/** `series_limit`: the tenant may not have more series, and the others are stored. `missed`: the scrape before it took too long. */
export type ScrapeOutcome = 'ok' | ScrapeFailureReason | 'series_limit' | 'missed';

export type TargetLoop = ReturnType<typeof openTargetLoop>;

const UNKNOWN: TargetHealth = { health: 'unknown', lastError: '', lastScrape: undefined, lastSeconds: 0 };
const NO_COUNTS: ScrapeCounts = { scraped: 0, kept: 0, added: 0, stored: 0 };
/** A scrape that begins so little late keeps its planned time: evenly spaced times pack better. */
const TOLERANCE_MS = 2;

/** Scrapes one target at its time in every interval. */
export function openTargetLoop(options: TargetLoopOptions) {
  const { job, target, series, clock, monotonic } = options;
  const { intervalMs } = target;
  let health = UNKNOWN;
  let scraped = false;

  async function scrape(time: Millis, signal: AbortSignal): Promise<void> {
    const began = monotonic();
    const counts: ScrapeCounts = { scraped: 0, kept: 0, added: 0, stored: 0 };
    let fault: unknown;
    let keptOut: string | undefined;
    try {
      const jobFault = options.jobFault();
      if (jobFault !== undefined) throw jobFault;
      const { body, contentType } = await options.get(target, signal);
      const kind = expositionKind(contentType, job.fallbackProtocol);
      keptOut = await series.append(body, kind, time, counts);
    } catch (error) {
      if (signal.aborted) return;
      fault = error;
    }
    const seconds = (monotonic() - began) / 1000;
    const reason = fault === undefined ? 'ok' : reasonOf(fault);
    if (reason === 'storage') options.onError(fault);
    try {
      if (fault !== undefined) await series.end(time);
      await series.report(time, fault === undefined, seconds, counts);
      scraped = true;
    } catch (error) {
      options.onError(error);
      fault ??= error;
    }
    health = {
      health: fault === undefined ? 'up' : 'down',
      lastError: fault === undefined ? (keptOut ?? '') : (fault as Error).message,
      lastScrape: time,
      lastSeconds: seconds,
    };
    options.onScrape(outcomeOf(fault, reason, keptOut), counts);
  }

  return {
    target,
    health: () => health,
    metadata: () => series.metadata(),
    /** Until aborted. */
    async run(signal: AbortSignal): Promise<void> {
      let next = firstTick(clock.now(), intervalMs, options.phase);
      while (!signal.aborted) {
        try {
          // A clock that was set back makes nobody wait for longer than one interval.
          await clock.sleep(Math.min(intervalMs, Math.max(0, next - clock.now())), signal);
        } catch (error) {
          if (signal.aborted) return;
          throw error;
        }
        if (clock.now() < next - intervalMs) next = firstTick(clock.now(), intervalMs, options.phase);
        if (clock.now() < next) continue;
        const late = clock.now() - next;
        const missed = Math.floor(late / intervalMs);
        next += missed * intervalMs;
        for (let i = 0; i < missed; i++) options.onScrape('missed', NO_COUNTS);
        const now = clock.now();
        const time = now - next <= Math.min(TOLERANCE_MS, intervalMs / 100) ? next : now;
        next += intervalMs;
        if (options.acts()) await scrape(time, signal);
        else if (scraped) {
          series.leave();
          scraped = false;
          health = UNKNOWN;
        }
      }
    },
    /**
     * Ends the series of a target that is no more, when its next scrape would have been: another target may be the
     * same under another name, and goes on with them.
     */
    async end(signal: AbortSignal): Promise<void> {
      if (!scraped) return;
      const time = firstTick(clock.now(), intervalMs, options.phase);
      try {
        await clock.sleep(time - clock.now() + intervalMs / 10, signal);
        if (!options.acts()) return;
        await series.end(time);
        await series.endReports(time);
      } catch (error) {
        if (!signal.aborted) options.onError(error);
      }
    },
  };
}

/** The next instant, now at the earliest, that lies at the phase of an interval. */
function firstTick(now: Millis, intervalMs: number, phase: number): Millis {
  const offset = Math.floor(phase * intervalMs);
  return Math.ceil((now - offset) / intervalMs) * intervalMs + offset;
}

function outcomeOf(fault: unknown, reason: ScrapeFailureReason | 'ok', keptOut: string | undefined): ScrapeOutcome {
  if (fault !== undefined) return reason === 'ok' ? 'storage' : reason;
  return keptOut === undefined ? 'ok' : 'series_limit';
}

function reasonOf(error: unknown): ScrapeFailureReason {
  if (error instanceof ScrapeError) return error.reason;
  if (error instanceof RateLimitedError) return 'rate_limit';
  return error instanceof ExpositionError ? 'exposition' : 'storage';
}
