import { median } from 'simple-statistics';
import { loess, loessAt } from '../numeric/loess.ts';

/** A series taken apart: at each step the trend, the seasons and the remainder add up to the value. */
export interface Decomposition {
  readonly trend: Float64Array;
  readonly seasons: readonly { readonly length: number; readonly values: Float64Array }[];
  readonly remainder: Float64Array;
}

export interface StlOptions {
  /** Span of the smoother over the values of one phase, odd. Larger keeps the season steadier. */
  readonly seasonalSpan?: number;
  /** Odd; the default follows from the season as Cleveland gives it. */
  readonly trendSpan?: number;
  /** Bisquare weights from the remainder: an outlier stays in the remainder. */
  readonly robust?: boolean;
  /** Smoothers are evaluated at each `span / 10`-th point; 1 evaluates everywhere. */
  readonly jump?: number;
}

/**
 * Seasonal-trend decomposition by loess (Cleveland et al. 1990). Gaps are bridged by the season before, and the bridged
 * values have no remainder.
 *
 * @throws {RangeError} If the series is shorter than two seasons, or the season than two steps.
 */
export function stl(values: Float64Array, season: number, options: StlOptions = {}): Decomposition {
  checkSeason(values, season);
  const y = bridged(values, season);
  const { seasonal, trend } = stlOf(y, season, options);
  return { trend, seasons: [{ length: season, values: seasonal }], remainder: remainderOf(values, [trend, seasonal]) };
}

/** Steadiness of the k-th season, as statsforecast has it: 11, 15, 19, … */
const spanOf = (k: number) => 7 + 4 * (k + 1);

/**
 * Several seasons (Bandara et al. 2021): each is estimated in turn, shortest first, on the series without the others,
 * twice over. Seasons of which the series has fewer than two are left out.
 */
export function mstl(values: Float64Array, seasons: readonly number[], options: StlOptions = {}): Decomposition {
  const usable = [...new Set(seasons)]
    .filter((season) => season >= 2 && values.length >= 2 * season)
    .sort((a, b) => a - b);
  const [shortest] = usable;
  if (shortest === undefined) {
    const y = bridged(values, 1);
    const span = nextOdd(Math.max(7, Math.ceil(values.length / 10)));
    const trend = loess(y, span, 1, Math.ceil(span / 10));
    return { trend, seasons: [], remainder: remainderOf(values, [trend]) };
  }
  const y = bridged(values, shortest);
  const found = usable.map((length) => ({ length, values: new Float64Array(y.length) }));
  let trend = new Float64Array(y.length);
  for (let pass = 0; pass < (usable.length > 1 ? 2 : 1); pass++) {
    for (const [k, season] of found.entries()) {
      const others = found.filter((other) => other !== season);
      const alone = y.map((value, t) => others.reduce((rest, other) => rest - other.values[t]!, value));
      const part = stlOf(alone, season.length, { seasonalSpan: spanOf(k), ...options });
      season.values.set(part.seasonal);
      trend = part.trend;
    }
  }
  return { trend, seasons: found, remainder: remainderOf(values, [trend, ...found.map((season) => season.values)]) };
}

function stlOf(
  y: Float64Array,
  season: number,
  options: StlOptions,
): { seasonal: Float64Array; trend: Float64Array<ArrayBuffer> } {
  const { seasonalSpan = 7, robust = true } = options;
  const trendSpan = options.trendSpan ?? nextOdd(Math.ceil((1.5 * season) / (1 - 1.5 / seasonalSpan)));
  const lowSpan = nextOdd(season);
  const jumpOf = (span: number) => options.jump ?? Math.ceil(span / 10);
  const n = y.length;
  let trend = new Float64Array(n);
  let seasonal = new Float64Array(n);
  let weights: Float64Array | undefined;
  // Cleveland's defaults are 2 inner and no outer passes, or 1 and 15; five outer ones already settle the weights.
  const outer = robust ? 5 : 0;
  for (let pass = 0; pass <= outer; pass++) {
    for (let inner = 0; inner < (robust ? 1 : 2); inner++) {
      const smooth = smoothPhases(
        y.map((value, t) => value - trend[t]!),
        season,
        seasonalSpan,
        jumpOf(seasonalSpan),
        weights,
      );
      const low = loess(movingMean(movingMean(movingMean(smooth, season), season), 3), lowSpan, 1, jumpOf(lowSpan));
      seasonal = Float64Array.from({ length: n }, (_, t) => smooth[t + season]! - low[t]!);
      trend = Float64Array.from(
        loess(
          y.map((value, t) => value - seasonal[t]!),
          trendSpan,
          1,
          jumpOf(trendSpan),
          weights,
        ),
      );
    }
    if (pass < outer) weights = bisquare(y.map((value, t) => value - trend[t]! - seasonal[t]!));
  }
  return { seasonal, trend };
}

/** Smooths the values of each phase on their own, extended by one season at either end: n + 2 seasons values. */
function smoothPhases(
  detrended: Float64Array,
  season: number,
  span: number,
  jump: number,
  weights: Float64Array | undefined,
): Float64Array {
  const n = detrended.length;
  const out = new Float64Array(n + 2 * season);
  for (let phase = 0; phase < season; phase++) {
    const count = Math.floor((n - 1 - phase) / season) + 1;
    const own = Float64Array.from({ length: count }, (_, k) => detrended[phase + k * season]!);
    const ownWeights = weights && Float64Array.from({ length: count }, (_, k) => weights[phase + k * season]!);
    const curve = loess(own, span, 1, jump, ownWeights);
    for (let k = 0; k < count; k++) out[phase + (k + 1) * season] = curve[k]!;
    out[phase] = orElse(loessAt(own, -1, span, 1, ownWeights), curve[0]!);
    out[phase + (count + 1) * season] = orElse(loessAt(own, count, span, 1, ownWeights), curve[count - 1]!);
  }
  return out;
}

function movingMean(values: Float64Array, length: number): Float64Array {
  const out = new Float64Array(values.length - length + 1);
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    if (i >= length) sum -= values[i - length]!;
    if (i >= length - 1) out[i - length + 1] = sum / length;
  }
  return out;
}

function bisquare(remainder: Float64Array): Float64Array {
  const sizes = remainder.map(Math.abs);
  const h = 6 * median(Array.from(sizes));
  return sizes.map((size) => {
    if (size <= 0.001 * h) return 1;
    return size > 0.999 * h ? 0 : (1 - (size / h) ** 2) ** 2;
  });
}

/** Fills gaps from the season before, then from the season after, then from the nearest known value. */
function bridged(values: Float64Array, season: number): Float64Array {
  const y = values.map((value) => (Number.isFinite(value) ? value : Number.NaN));
  for (let t = season; t < y.length; t++) if (Number.isNaN(y[t]!)) y[t] = y[t - season]!;
  for (let t = y.length - 1 - season; t >= 0; t--) if (Number.isNaN(y[t]!)) y[t] = y[t + season]!;
  for (let t = 1; t < y.length; t++) if (Number.isNaN(y[t]!)) y[t] = y[t - 1]!;
  for (let t = y.length - 2; t >= 0; t--) if (Number.isNaN(y[t]!)) y[t] = y[t + 1]!;
  return y.map((value) => orElse(value, 0));
}

function remainderOf(values: Float64Array, parts: readonly Float64Array[]): Float64Array {
  return values.map((value, t) => parts.reduce((rest, part) => rest - part[t]!, value));
}

function checkSeason(values: Float64Array, season: number): void {
  if (!Number.isInteger(season) || season < 2)
    throw new RangeError(`season must be a whole number of steps above 1, got ${season}`);
  if (values.length < 2 * season)
    throw new RangeError(`season must fit twice into ${values.length} steps, got ${season}`);
}

function orElse(value: number, otherwise: number): number {
  return Number.isNaN(value) ? otherwise : value;
}

function nextOdd(value: number): number {
  return value % 2 === 0 ? value + 1 : value;
}
