import type { Forecast, Horizon, QuantilePath } from '../model/forecast.ts';
import type { Truth } from '../model/issued-forecast.ts';
import { HOUR, type Millis } from '../model/time.ts';

/** What an issue said of one horizon, waiting for its truth. Plain JSON. */
export interface Pending {
  readonly horizon: Horizon;
  readonly issuedAt: Millis;
  /** The step, or the end of the peak's window. */
  readonly validAt: Millis;
  /** The point forecast; of the peak, its median. */
  readonly point: number;
  /** The 0.95 quantile, and the central 95 %: null where that was not asked for. */
  readonly upper: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Naive forecasts: the value known at the issue, and that of the same local time a day before. Null: not known. */
  readonly last: number;
  readonly season: number | null;
  /** Of the peak alone: the largest value of the window before the issue. */
  readonly recent: number | null;
  /** Of the peak alone: the truths taken in so far, of so many steps. */
  readonly taken: Taken | null;
}

interface Taken {
  readonly until: Millis;
  readonly largest: number | null;
  readonly known: number;
  readonly of: number;
}

export interface Scored {
  readonly pending: Pending;
  readonly truth: number;
}

/** A step's truth may come this much later than newer ones; after that it is taken for one that never comes. */
const LATE_MS = HOUR;

/** The naive forecasts of one step or peak, NaN where they are not known. */
export interface Naive {
  readonly last: number;
  readonly season: number;
  readonly recent: number;
}

/** What waits of one issue. Undefined where a figure is missing or not finite, and so cannot be judged. */
export function pendingOf(forecast: Forecast, horizon: Horizon, naive: Naive): Pending | undefined {
  const { issuedAt, stepMs, peak, point, quantiles } = forecast;
  const aheadMs = aheadOf(forecast, horizon);
  const index = Math.round(aheadMs / stepMs) - 1;
  const at = (q: number) =>
    horizon === 'peak'
      ? peak.quantiles.find(({ quantile }) => isSame(quantile, q))?.value
      : quantiles.find(({ quantile }: QuantilePath) => isSame(quantile, q))?.values[index];
  const figures = {
    point: short(horizon === 'peak' ? at(0.5) : point[index]),
    upper: short(at(0.95)),
    last: short(naive.last),
  };
  if (!areKnown(figures)) return undefined;
  const of = Math.max(1, Math.round(peak.windowMs / stepMs));
  return {
    horizon,
    issuedAt,
    validAt: issuedAt + aheadMs,
    ...figures,
    low: finiteOrNull(at(0.025)),
    high: finiteOrNull(at(0.975)),
    season: finiteOrNull(naive.season),
    recent: horizon === 'peak' ? finiteOrNull(naive.recent) : null,
    taken: horizon === 'peak' ? { until: issuedAt, largest: null, known: 0, of } : null,
  };
}

/** Horizons of a forecast and how far ahead they are; of those that fall on the same step, the first. */
export function horizonsOf(forecast: Forecast): readonly { readonly horizon: Horizon; readonly aheadMs: number }[] {
  const found: { horizon: Horizon; aheadMs: number }[] = [];
  for (const horizon of ['window', 'first', 'half', 'whole'] as const) {
    const aheadMs = aheadOf(forecast, horizon);
    if (!found.some((each) => each.aheadMs === aheadMs)) found.push({ horizon, aheadMs });
  }
  return [...found, { horizon: 'peak', aheadMs: aheadOf(forecast, 'peak') }];
}

function aheadOf({ point, stepMs, peak }: Forecast, horizon: Horizon): number {
  const inSteps = (steps: number) => Math.min(point.length, Math.max(1, Math.round(steps))) * stepMs;
  switch (horizon) {
    case 'first':
      return stepMs;
    case 'window':
      return inSteps(peak.windowMs / stepMs);
    case 'half':
      return inSteps(point.length / 2);
    case 'whole':
      return inSteps(point.length);
    case 'peak':
      return Math.max(1, Math.round(peak.windowMs / stepMs)) * stepMs;
  }
}

/**
 * What the truths decide, given in the order of their time, the first of each time alone.
 * @param newest The time of the newest truth, these included.
 */
export function settle(
  waiting: readonly Pending[],
  truths: readonly Truth[],
  newest: Millis,
): { readonly scored: readonly Scored[]; readonly waiting: readonly Pending[] } {
  const byTime = new Map(truths.map(({ time, value }) => [time, value]));
  const scored: Scored[] = [];
  const left: Pending[] = [];
  for (const each of waiting) {
    const pending = each.taken === null ? each : takeIn(each, each.taken, truths);
    const { validAt, taken } = pending;
    const truth = taken === null ? byTime.get(validAt) : newest >= validAt ? largestOf(taken) : undefined;
    if (truth !== undefined) scored.push({ pending, truth });
    else if (newest < validAt + (taken === null ? LATE_MS : 0)) left.push(pending);
  }
  return { scored, waiting: left };
}

function takeIn(pending: Pending, taken: Taken, truths: readonly Truth[]): Pending {
  const fresh = truths.filter(({ time }) => time > taken.until && time <= pending.validAt);
  if (fresh.length === 0) return pending;
  const largest = fresh.reduce((most, { value }) => Math.max(most, value), taken.largest ?? Number.NEGATIVE_INFINITY);
  return {
    ...pending,
    taken: { ...taken, until: fresh.at(-1)!.time, largest, known: taken.known + fresh.length },
  };
}

/** The largest of less than half of the steps says little about the largest of all. */
function largestOf({ largest, known, of }: Taken): number | undefined {
  return largest !== null && 2 * known >= of ? largest : undefined;
}

function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-9;
}

function areKnown<K extends string>(
  figures: { readonly [k in K]: number | undefined },
): figures is {
  readonly [k in K]: number;
} {
  return Object.values(figures).every((value) => Number.isFinite(value));
}

/** Seven digits, as the issue itself is kept with: half of the bytes of the state are these figures. */
function short(value: number | undefined): number {
  return value === undefined ? Number.NaN : Number(value.toPrecision(7));
}

function finiteOrNull(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? short(value) : null;
}
