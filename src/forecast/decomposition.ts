import { loess, loessOfStrided, prepareLoess } from '../numeric/loess.ts';
import { selectInPlace } from '../numeric/quantile.ts';
import type { LocalClock } from './local-clock.ts';
import { type LocalGrid, localGrid } from './local-grid.ts';

/** A series taken apart: at each step the trend, the seasons and the remainder add up to the value. */
export interface Decomposition {
  readonly trend: Float64Array;
  readonly seasons: readonly { readonly length: number; readonly values: Float64Array }[];
  /** NaN in gaps. */
  readonly remainder: Float64Array;
}

export interface StlOptions {
  /** Span of the smoother over the values of one phase, odd. Larger keeps the season steadier. */
  readonly seasonalSpan?: number;
  /** Odd; the default follows from the season as Cleveland gives it. */
  readonly trendSpan?: number;
  /** Odd; the default is the season, or one more where it is even, as R has it. Statsmodels takes two more where it is odd. */
  readonly lowPassSpan?: number;
  /** Bisquare weights from the remainder: an outlier stays in the remainder. */
  readonly robust?: boolean;
  /** Rounds of season and trend for each set of weights: 1 where robust, else 2. R's are the same; statsmodels' are 2 and 5. */
  readonly innerPasses?: number;
  /** Rounds of new weights. R and statsmodels have 15; with outliers screened out, three settle them. Only where robust. */
  readonly outerPasses?: number;
  /**
   * Values unlike all that lie a season or two away start without weight. Only where robust, and then the default. The
   * published method starts with equal weights, and an outlier stays in a season of which there are few cycles.
   */
  readonly screen?: boolean;
  /** Smoothers are evaluated at each `span / 10`-th point; 1 evaluates everywhere. */
  readonly jump?: number;
}

/**
 * Seasonal-trend decomposition by loess (Cleveland et al. 1990). Gaps have no weight and no remainder; where a whole
 * window is one, the season before stands in.
 *
 * @throws {RangeError} If the series is shorter than two seasons, or the season than two steps.
 */
export function stl(values: Float64Array, season: number, options: StlOptions = {}): Decomposition {
  checkSeason(values, season);
  const y = bridged(values, season);
  const { seasonal, trend } = stlOf(y, season, options, weightsOf(values, y, [season], options));
  return { trend, seasons: [{ length: season, values: seasonal }], remainder: remainderOf(values, [trend, seasonal]) };
}

/** Steadiness of the k-th season, as statsmodels and statsforecast have it: 11, 15, 19, … */
const spanOf = (k: number) => 7 + 4 * (k + 1);

/** Seasons of half a day, a day and longer keep the time of the wall clock, whichever way it is changed. */
export interface LocalSeasons {
  readonly clock: LocalClock | undefined;
  /** Steps in a day. */
  readonly day: number;
}

/**
 * Several seasons (Bandara et al. 2021): each is estimated in turn, shortest first, on the series without the others,
 * twice over. Seasons of which the series has fewer than two are left out.
 */
export function mstl(
  values: Float64Array,
  seasons: readonly number[],
  options: StlOptions = {},
  { clock, day }: LocalSeasons = { clock: undefined, day: 1 },
): Decomposition {
  const usable = [...new Set(seasons)]
    .filter((season) => season >= 2 && values.length >= 2 * season)
    .sort((a, b) => a - b);
  const [shortest] = usable;
  if (shortest === undefined) {
    const y = bridged(values, 1);
    const { known } = weightsOf(values, y, [], options);
    const span = nextOdd(Math.max(7, Math.ceil(values.length / 10)));
    const trend = loess(y, span, 1, options.jump ?? Math.ceil(span / 10), known);
    return { trend, seasons: [], remainder: remainderOf(values, [trend]) };
  }
  const rest = bridged(values, shortest);
  const weights = weightsOf(values, rest, usable, options);
  const found = usable.map((length) => ({ length, values: new Float64Array(rest.length) }));
  const partOf = localStl(localGrid(clock, rest.length), rest.length, weights, (season) => (2 * season) % day === 0);
  let trend: Float64Array = new Float64Array(rest.length);
  for (let pass = 0; pass < (usable.length > 1 ? 2 : 1); pass++) {
    for (const [k, season] of found.entries()) {
      for (let t = 0; t < rest.length; t++) rest[t] = rest[t]! + season.values[t]!;
      const part = partOf(rest, season.length, { seasonalSpan: spanOf(k), ...options });
      season.values.set(part.seasonal);
      for (let t = 0; t < rest.length; t++) rest[t] = rest[t]! - season.values[t]!;
      trend = part.trend;
    }
  }
  return { trend, seasons: found, remainder: remainderOf(values, [trend, ...found.map((season) => season.values)]) };
}

/** `stlOf` in local time for the seasons that keep it: what was left out there is bridged and has no weight. */
function localStl(grid: LocalGrid | undefined, length: number, weights: Weights, isLocal: (season: number) => boolean) {
  const stlOfSteps = (y: Float64Array, season: number, options: StlOptions) => stlOf(y, season, options, weights);
  if (grid === undefined) return stlOfSteps;
  const equal = new Float64Array(length).fill(1);
  const carried = (some: Float64Array) => grid.toLocal(some).map((weight) => orElse(weight, 0));
  const there = { known: carried(weights.known ?? equal), first: carried(weights.first ?? equal) };
  return (y: Float64Array, season: number, options: StlOptions): Parts => {
    if (!isLocal(season) || there.known.length < 2 * season) return stlOfSteps(y, season, options);
    const { seasonal, trend } = stlOf(bridged(grid.toLocal(y), season), season, options, there);
    return { seasonal: grid.fromLocal(seasonal), trend: grid.fromLocal(trend) };
  };
}

interface Parts {
  readonly seasonal: Float64Array;
  readonly trend: Float64Array;
}

/** Undefined: all are one. */
interface Weights {
  /** 0 for gaps. */
  readonly known: Float64Array | undefined;
  /** Those to start with. */
  readonly first: Float64Array | undefined;
}

function stlOf(y: Float64Array, season: number, options: StlOptions, { known, first }: Weights): Parts {
  const { seasonalSpan = 7, robust = true, innerPasses = robust ? 1 : 2, outerPasses = 3 } = options;
  const trendSpan = options.trendSpan ?? nextOdd(Math.ceil((1.5 * season) / (1 - 1.5 / seasonalSpan)));
  const lowSpan = options.lowPassSpan ?? nextOdd(season);
  const jumpOf = (span: number) => options.jump ?? Math.ceil(span / 10);
  const n = y.length;
  let trend = new Float64Array(n);
  const seasonal = new Float64Array(n);
  const rest = new Float64Array(n);
  let weights = first;
  const outer = robust ? outerPasses : 0;
  for (let pass = 0; pass <= outer; pass++) {
    for (let inner = 0; inner < innerPasses; inner++) {
      for (let t = 0; t < n; t++) rest[t] = y[t]! - trend[t]!;
      const smooth = smoothPhases(rest, season, seasonalSpan, jumpOf(seasonalSpan), weights);
      const low = loess(movingMean(movingMean(movingMean(smooth, season), season), 3), lowSpan, 1, jumpOf(lowSpan));
      for (let t = 0; t < n; t++) {
        seasonal[t] = smooth[t + season]! - low[t]!;
        rest[t] = y[t]! - seasonal[t]!;
      }
      trend = loess(rest, trendSpan, 1, jumpOf(trendSpan), weights);
    }
    if (pass < outer) {
      for (let t = 0; t < n; t++) rest[t] = rest[t]! - trend[t]!;
      weights = bisquare(rest, known);
    }
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
  const fewest = Math.floor(n / season);
  const shorter = prepareLoess(fewest, span, jump);
  const longer = prepareLoess(fewest + 1, span, jump);
  for (let phase = 0; phase < season; phase++) {
    const prepared = phase < n - fewest * season ? longer : shorter;
    const curve = loessOfStrided(prepared, detrended, phase, season, weights);
    for (let k = 0; k < curve.length; k++) out[phase + k * season] = curve[k]!;
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

function bisquare(remainder: Float64Array, known: Float64Array | undefined): Float64Array {
  const n = remainder.length;
  const weights = new Float64Array(n);
  const sizes = new Float64Array(n);
  let count = 0;
  for (let t = 0; t < n; t++) if (known === undefined || known[t]! > 0) sizes[count++] = Math.abs(remainder[t]!);
  const middle = count >> 1;
  const upper = selectInPlace(sizes, count, middle);
  const h = 3 * (count % 2 === 1 ? 2 * upper : upper + sizes.subarray(0, middle).reduce((a, b) => Math.max(a, b), 0));
  for (let t = 0; t < n; t++) {
    const size = Math.abs(remainder[t]!);
    if (known !== undefined && known[t] === 0) weights[t] = 0;
    else if (size <= 0.001 * h) weights[t] = 1;
    else if (size <= 0.999 * h) {
      const share = size / h;
      const rest = 1 - share * share;
      weights[t] = rest * rest;
    }
  }
  return weights;
}

function weightsOf(
  values: Float64Array,
  y: Float64Array,
  seasons: readonly number[],
  { robust = true, screen = true }: StlOptions,
): Weights {
  const mask = values.map((value) => (Number.isFinite(value) ? 1 : 0));
  const known = mask.includes(0) ? mask : undefined;
  return { known, first: robust && screen ? screened(y, seasons, mask) : known };
}

/** Distances from the most similar value a season or two away, in medians of that, beyond which a value is screened out. */
const MOST_UNLIKE = 20;

function screened(y: Float64Array, seasons: readonly number[], known: Float64Array): Float64Array {
  const lags = seasons.flatMap((season) => [-2 * season, -season, season, 2 * season]);
  const unlike = y.map((value, t) => {
    let least = Number.POSITIVE_INFINITY;
    for (const lag of lags) {
      const other = t + lag;
      if (other >= 0 && other < y.length && known[other] === 1) least = Math.min(least, Math.abs(value - y[other]!));
    }
    return least;
  });
  const compared = unlike.filter((distance, t) => known[t] === 1 && distance < Number.POSITIVE_INFINITY);
  const most = MOST_UNLIKE * selectInPlace(compared, compared.length, compared.length >> 1);
  return known.map((weight, t) =>
    most > 0 && unlike[t]! > most && unlike[t]! < Number.POSITIVE_INFINITY ? 0 : weight,
  );
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
