import { createDrift, type DriftKind, type DriftState, watchResidual, watchShape } from '../forecast/drift.ts';
import { MOST_VALUE } from '../forecast/track.ts';
import { type Forecast, HORIZONS, type Horizon, type LiveAccuracy } from '../model/forecast.ts';
import { type HorizonSums, ratiosOf, type Truth } from '../model/issued-forecast.ts';
import { DAY, MINUTE, type Millis } from '../model/time.ts';
import { gathered } from '../numeric/evidence.ts';
import { within } from '../numeric/within.ts';
import { addScored, isAbove } from './horizon-sums.ts';
import { horizonsOf, type Pending, pendingOf, type Scored, settle } from './pending.ts';
import { largestAfter, largestSeen, newestValue, rewind, type SeenDay, see, seenAt, seenDay } from './seen-day.ts';
import { type OffsetAt, yesterdayAt } from './yesterday.ts';

/** What is remembered of one demand's issued forecasts to judge them by. */
export interface LiveState {
  /** When the last issue that was kept was issued. */
  keptAt: Millis;
  waiting: readonly Pending[];
  readonly recent: { [K in Horizon]?: Recent };
  readonly coverage: CoverageState;
  readonly seen: SeenDay;
  readonly drift: DriftState;
}

interface Recent {
  readonly aheadMs: number;
  /** Time between two forecasts of it that are set to wait. */
  readonly apartMs: number;
  /** When a forecast of it was last set to wait, and when one last came true. */
  readonly awaitedAt: Millis;
  readonly scoredAt: Millis;
  readonly sums: HorizonSums | null;
}

interface CoverageState {
  /** Evidence that peaks are above their 0.95 quantile too often. */
  evidence: number;
  broken: boolean;
  /** The next window to count begins here: windows that overlap have their peaks in common. */
  next: Millis;
}

/** Forecasts closer together than this have their truths nearly in common. Of a long horizon so many wait at once. */
const SCORED_APART_MS = 5 * MINUTE;
const MOST_WAITING = 12;
/** After this a score counts little more than a third; never less than so many windows of the peak. */
const MEMORY_MS = 2 * DAY;
const MEMORY_WINDOWS = 50;
/** The live error of the peak is judged once the forecasts of so large a share of that time have come true. */
const LEAST_SHARE = 0.25;

/**
 * Peaks above their 0.95 quantile: bearable at this rate, and broken at that. Hits and misses of windows that do not
 * overlap are independent where the forecast is right (Christoffersen, "Evaluating interval forecasts", 1998), so that
 * with at most 8 % of misses false alarms are at least 10,000 windows apart in the mean (`gathered`): nine misses in a
 * row are enough, and 45 hits in a row take all of it back.
 */
const BEARABLE = 0.08;
const BROKEN = 0.25;
const ENOUGH = 10_000;

export function createLive(stepMs: number): LiveState {
  return {
    keptAt: 0,
    waiting: [],
    recent: {},
    coverage: { evidence: 1, broken: false, next: 0 },
    seen: seenDay(stepMs),
    drift: createDrift(),
  };
}

/**
 * Takes truths in, oldest first. The first of a time counts; one that came late still decides the steps that wait for
 * it, for an hour.
 *
 * @returns The forecasts that they decide, and drift where they complete the evidence of it.
 */
export function takeTruths(
  state: LiveState,
  truths: readonly Truth[],
  offsetAt: OffsetAt,
): { readonly scored: readonly Scored[]; readonly drift: DriftKind | undefined } {
  const { seen, drift } = state;
  const ordered = firstOfEach(truths);
  let found: DriftKind | undefined;
  const offsetMs = ordered.length > 0 ? offsetAt(ordered[0]!.time) : 0;
  for (const truth of ordered) {
    if (truth.time > seen.newest) found = watchShape(drift, truth.value, truth.time + offsetMs, truth.time) ?? found;
    see(seen, truth);
  }
  const { scored, waiting } = settle(state.waiting, ordered, seen.newest);
  state.waiting = waiting;
  for (const each of [...scored].sort((a, b) => a.pending.validAt - b.pending.validAt)) {
    found = count(state, each) ?? found;
  }
  return { scored, drift: found };
}

/** Sets what this issue said to wait for its truth, where enough time has passed since the last. */
export function awaitTruths(state: LiveState, forecast: Forecast, offsetAt: OffsetAt): void {
  const { seen, recent } = state;
  const { issuedAt, stepMs, peak } = forecast;
  const waiting: Pending[] = [];
  const last = newestValue(seen);
  for (const { horizon, aheadMs } of horizonsOf(forecast)) {
    const before = recent[horizon];
    const apartMs = Math.max(SCORED_APART_MS, stepMs, aheadMs / MOST_WAITING);
    if (before?.aheadMs === aheadMs && issuedAt >= before.awaitedAt && issuedAt < before.awaitedAt + apartMs) continue;
    const validAt = issuedAt + aheadMs;
    const season =
      horizon === 'peak'
        ? largestSeen(
            seen,
            seasonBefore(issuedAt, aheadMs, issuedAt, offsetAt),
            seasonBefore(validAt, 0, issuedAt, offsetAt),
          )
        : seenAt(seen, seasonBefore(validAt, 0, issuedAt, offsetAt));
    const pending = pendingOf(forecast, horizon, {
      last,
      season,
      recent: largestAfter(seen, issuedAt - peak.windowMs),
    });
    if (pending === undefined) continue;
    waiting.push(pending);
    // Another horizon by the same name is judged anew.
    const sums = before?.aheadMs === aheadMs ? before.sums : null;
    recent[horizon] = { aheadMs, apartMs, awaitedAt: issuedAt, scoredAt: before?.scoredAt ?? issuedAt, sums };
  }
  state.waiting = [...state.waiting, ...waiting];
}

/** The clock was set back: forecasts and values from later than `now` are none of this time's. */
export function setBack(state: LiveState, now: Millis): void {
  state.keptAt = Math.min(state.keptAt, now);
  state.waiting = state.waiting.filter(({ issuedAt }) => issuedAt < now);
  state.coverage.next = Math.min(state.coverage.next, now);
  rewind(state.seen, now);
}

export function liveAccuracy({ recent, coverage }: LiveState): LiveAccuracy {
  const horizons = HORIZONS.flatMap((horizon) => {
    const found = recent[horizon];
    if (found === undefined || found.sums === null) return [];
    return [{ horizon, aheadMs: found.aheadMs, count: found.sums.count, ...ratiosOf(found.sums) }];
  });
  return { horizons, errorVsNaive: errorVsNaive(recent.peak), coverageBroken: coverage.broken };
}

function errorVsNaive(peak: Recent | undefined): number {
  if (peak === undefined || peak.sums === null) return Number.NaN;
  const { aheadMs, apartMs, sums } = peak;
  if (sums.count * apartMs < LEAST_SHARE * memoryMs(aheadMs)) return Number.NaN;
  const naive = Math.min(sums.absoluteErrorOfLast, sums.absoluteErrorOfRecent);
  return naive > 0 ? sums.absoluteError / naive : Number.NaN;
}

function count(state: LiveState, scored: Scored): DriftKind | undefined {
  const { recent, coverage, drift } = state;
  const { horizon, issuedAt, validAt, point, upper, low, high } = scored.pending;
  const before = recent[horizon];
  // The horizon has changed meanwhile: what was set to wait before is of another kind.
  if (before === undefined || before.aheadMs !== validAt - issuedAt) return undefined;
  const kept = Math.exp(-Math.max(0, validAt - before.scoredAt) / memoryMs(before.aheadMs));
  const sums = addScored(before.sums ?? undefined, scored, kept);
  recent[horizon] = { ...before, scoredAt: Math.max(before.scoredAt, validAt), sums };
  if (horizon === 'peak') countCoverage(coverage, issuedAt, validAt, isAbove(scored.truth, upper));
  if (horizon !== 'window' || low === null || high === null || !(high > low)) return undefined;
  return watchResidual(drift, (scored.truth - point) / (high - low), { issuedAt, at: validAt });
}

function countCoverage(coverage: CoverageState, issuedAt: Millis, validAt: Millis, missed: boolean): void {
  if (issuedAt < coverage.next) return;
  coverage.next = validAt;
  const factor = missed ? BROKEN / BEARABLE : (1 - BROKEN) / (1 - BEARABLE);
  coverage.evidence = gathered(coverage.evidence, factor, ENOUGH);
  if (coverage.evidence >= ENOUGH) coverage.broken = true;
  if (coverage.evidence < 1) coverage.broken = false;
}

function memoryMs(aheadMs: number): number {
  return Math.max(MEMORY_MS, MEMORY_WINDOWS * aheadMs);
}

/** The same local time on the last day before the issue by which it is known: for most horizons a day before `t`. */
function seasonBefore(t: Millis, aheadMs: number, issuedAt: Millis, offsetAt: OffsetAt): Millis {
  let before = yesterdayAt(t, offsetAt);
  while (before + aheadMs > issuedAt) before = yesterdayAt(before, offsetAt);
  return before;
}

/** Enormous values count as the most that sums of some stay finite with; those that are not finite decide nothing. */
function firstOfEach(truths: readonly Truth[]): readonly Truth[] {
  const byTime = new Map<Millis, Truth>();
  for (const { time, value } of truths) {
    if (Number.isFinite(value) && !byTime.has(time)) {
      byTime.set(time, { time, value: within(-MOST_VALUE, value, MOST_VALUE) });
    }
  }
  return [...byTime.values()].sort((a, b) => a.time - b.time);
}
