import type { RegularSeries } from '../../model/series.ts';
import { DAY } from '../../model/time.ts';
import { normal } from '../../numeric/seeded-random.ts';
import { appendValue, createTrack, isKnown, type Track } from '../track.ts';
import { fitTransform, fromModel } from '../transform.ts';
import { INPUT_COUNT, LEAST_ORIGIN, planInputs, writeInputs } from './inputs.ts';
import { REGRESSOR_STEPS } from './regressor.ts';

/** Rows to learn from: inputs, targets in units of the row's spread, and how much each target counts (0: not known). */
export interface Examples {
  readonly count: number;
  readonly inputs: Float32Array;
  readonly targets: Float32Array;
  readonly weights: Float32Array;
}

/** A series that may be learnt from, and how often relative to others. */
export interface Source {
  readonly series: RegularSeries;
  readonly weight: number;
  /** The first value that may be an origin, where what comes before is history only. */
  readonly judgedFrom?: number;
}

export interface ExampleOptions {
  readonly count: number;
  readonly random: () => number;
}

const STEPS = REGRESSOR_STEPS.length;
/** Rows taken from one stretch of history. */
const ROWS_PER_STRETCH = 24;
/** One target counts no more than so many ordinary ones: a burst is not all there is to learn. */
const MOST_WEIGHT = 4;
const LONGEST_STRETCH_MS = 15 * DAY;

/**
 * Draws rows from stretches of random length, so that histories of half a day are as common as those of a week: each
 * stretch is a history of its own, with its own transform, as if nothing had been before it. A target counts by what it
 * does to the error over that of the last value, which is how forecasts are judged.
 */
export function drawExamples(sources: readonly Source[], { count, random }: ExampleOptions): Examples {
  const inputs = new Float32Array(count * INPUT_COUNT);
  const targets = new Float32Array(count * STEPS);
  const weights = new Float32Array(count * STEPS);
  const usable = sources.filter(
    ({ series }) => series.values.length >= 4 * LEAST_ORIGIN && series.values.some(Number.isFinite),
  );
  const total = usable.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) throw new RangeError('sources must hold at least one series of 64 values');
  let row = 0;
  for (let tries = 0; row < count && tries < 20 * count; tries++) {
    const { stretch, begin, judgedFrom } = drawStretch(drawSource(usable, random() * total), random);
    const naive = naiveErrors(stretch.values);
    const track = trackOf(stretch);
    const plan = planInputs(stretch.stepMs);
    const enough = Math.min(Math.floor(stretch.values.length / 3), 48);
    const first = Math.max(LEAST_ORIGIN, enough, judgedFrom - begin);
    for (let i = 0; i < ROWS_PER_STRETCH && row < count; i++) {
      const origin = first + Math.floor(random() * (stretch.values.length - 1 - first));
      if (!isKnown(track, origin)) continue;
      const spread = writeInputs(plan, track, origin, inputs, row * INPUT_COUNT);
      if (spread === 0) continue;
      if (writeTargets(track, origin, spread, naive, { targets, weights, from: row * STEPS })) row++;
    }
  }
  return {
    count: row,
    inputs: inputs.subarray(0, row * INPUT_COUNT),
    targets: targets.subarray(0, row * STEPS),
    weights: weights.subarray(0, row * STEPS),
  };
}

function drawSource(sources: readonly Source[], drawn: number): Source {
  let left = drawn;
  for (const source of sources) {
    left -= source.weight;
    if (left < 0) return source;
  }
  return sources.at(-1)!;
}

/** Lengths of time are drawn evenly in their logarithm. */
function drawStretch({ series, judgedFrom = 0 }: Source, random: () => number) {
  const { stepMs, values, start } = series;
  const least = Math.min(values.length, 4 * LEAST_ORIGIN);
  const most = Math.min(values.length, Math.max(least, Math.round(LONGEST_STRETCH_MS / stepMs)));
  const shortest = Math.min(most, Math.max(least, Math.round(DAY / 2 / stepMs)));
  const length = Math.round(shortest * (most / shortest) ** random());
  // Where only the end is judged, a stretch has to reach into it.
  const earliest = Math.max(
    0,
    Math.min(values.length, judgedFrom + Math.ceil((values.length - judgedFrom) / 4)) - length,
  );
  const begin = earliest + Math.floor(random() * (values.length - length - earliest + 1));
  const part = values.slice(begin, begin + length);
  const kept = judgedFrom === 0 && random() < 0.25 ? disturbed(part, random) : part;
  return { begin, judgedFrom, stretch: { start: start + begin * stepMs, stepMs, values: kept } };
}

/** The same load on top of a constant one, or with more noise: what another service with the same habits could look like. */
function disturbed(values: Float64Array, random: () => number): Float64Array {
  const known = values.filter(Number.isFinite);
  const mean = known.reduce((sum, value) => sum + Math.abs(value), 0) / Math.max(1, known.length);
  const floor = random() < 0.5 ? mean * 2 * random() : 0;
  const noise = random() < 0.5 ? 0.1 * random() : 0;
  return values.map((value) => (value + floor) * Math.exp(noise * normal(random)));
}

function trackOf({ values, stepMs }: RegularSeries): Track {
  const day = Math.round(DAY / stepMs);
  const track = createTrack(fitTransform(values), values.length >= 2 * day ? day : 0, values.length + 1);
  for (const value of values) appendValue(track, value);
  return track;
}

/** Mean absolute error of the last value at each step ahead. */
function naiveErrors(values: Float64Array): Float64Array {
  return Float64Array.from(REGRESSOR_STEPS, (ahead) => {
    let sum = 0;
    let pairs = 0;
    for (let t = 0; t + ahead < values.length; t++) {
      const move = Math.abs(values[t + ahead]! - values[t]!);
      if (Number.isNaN(move)) continue;
      sum += move;
      pairs++;
    }
    return pairs > 0 ? sum / pairs : 0;
  });
}

interface TargetRow {
  readonly targets: Float32Array;
  readonly weights: Float32Array;
  readonly from: number;
}

/** @returns Whether at least one target is known. */
function writeTargets(track: Track, origin: number, spread: number, naive: Float64Array, row: TargetRow): boolean {
  const { z, length, transform } = track;
  const { targets, weights, from } = row;
  const slope = Math.abs(fromModel(transform, z[origin]! + spread / 2) - fromModel(transform, z[origin]! - spread / 2));
  let any = false;
  for (let i = 0; i < STEPS; i++) {
    const t = origin + REGRESSOR_STEPS[i]!;
    const isUsable = t < length && isKnown(track, t) && naive[i]! > 0;
    targets[from + i] = isUsable ? (z[t]! - z[origin]!) / spread : 0;
    weights[from + i] = isUsable ? Math.min(MOST_WEIGHT, slope / naive[i]!) : 0;
    if (isUsable) any = true;
  }
  return any;
}

/** What repeating the last value loses on examples, by the measure of `TrainProgress`: what a network has to beat. */
export function lossOfLastValue({ targets, weights, count }: Examples): number {
  let sum = 0;
  // The mean pinball loss of one point over quantiles that lie evenly about the median is half of its error.
  for (let i = 0; i < targets.length; i++) sum += (weights[i]! * Math.abs(targets[i]!)) / 2;
  return sum / (count * STEPS);
}
