import { HOUR, type Millis } from '../model/time.ts';
import { type DayShape, dayShape, learnShape, meanResidual, rhythmOf, shapeAt } from './day-shape.ts';
import { learnTransition, surprise, type Transitions, transitions } from './surprise.ts';
import { learnTail, rarity, type Tail, tailOf } from './tail.ts';
import { learnTime, type UsualTimes, usualAt, usualTimes } from './usual-times.ts';

/** What a detector thinks of one sample, from the samples before it alone. */
export interface Verdict {
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  /** 0 to 1; 0 while learning. An anomaly from `ANOMALY_SCORE` on. */
  readonly score: number;
  readonly anomaly: boolean;
}

const ANOMALY_SCORE = 0.6;
/** What scores so: the sum of how rare each part is, in powers of ten that are weighed. */
const ANOMALY_EVIDENCE = 2.95;
/** Samples before the first score. */
const LEARNING = 90;

/**
 * What is looked at. `weight` of each power of ten by which it is rare, of which at most `most` count; `share` of what is
 * seen begins to be rare. Fitted on the public half of NAB (`bench/detect.ts`), and neither changed for nor told of a file.
 */
const PARTS = {
  /** Transitions between levels that are seldom seen, of late. */
  surprise: { weight: 0.62, most: 25, share: 0.047 },
  /** The mean of the last samples, far from the median of all. */
  shift: { weight: 1.05, most: 22, share: 0.05 },
  /** A sample far from those just before it. */
  jump: { weight: 0.51, most: 20, share: 0.026 },
  /** The mean of the last samples, far from what the days before had at these times. */
  season: { weight: 0.93, most: 20, share: 0.046 },
  /** Samples that move more or less than they used to. */
  spread: { weight: 0.21, most: 10, share: 0.05 },
} as const;
type Part = keyof typeof PARTS;
const PART_NAMES = Object.keys(PARTS) as Part[];
/** Of the sum. */
const SUM_SHARE = 0.017;
const SUM_LEARNING = 120;

const SURPRISE_RATE = 0.23;
const SHIFT_SAMPLES = 10;
const LEVEL_RATE = 0.22;
const MEDIAN_RATE = 0.004;
const DISTANCE_RATE = 0.005;
const SCALE_RATE = 0.01;
const SHORT_SPREAD_RATE = 0.1;
const LONG_SPREAD_RATE = 0.002;
/** Of the spread: what is smaller is as if still. */
const STILL = 1e-3;
/** A move counts as at most so many usual ones in the scale. */
const MOST_SCALES = 6;
/** A sample that moves while none ever did. */
const FIRST_MOVE = 10;

/** After an anomaly, for so long and for so many samples, there is another only if it is so many times as striking; less so as time goes by. */
const QUIET_MS = 22 * HOUR;
const QUIET_SAMPLES = 16;
const AGAIN = 2.1;
/** A sample that is held back scores below an anomaly. */
const HELD_BACK = 0.9;

/** Everything known about one series after some samples. Plain data of about 6 kB in memory; its size does not grow. */
export interface DetectorState {
  samples: number;
  lastTime: Millis;
  level: number;
  median: number;
  /** Mean distance from the median. */
  distance: number;
  /** Mean move from the level. */
  scale: number;
  shortSpread: number;
  longSpread: number;
  surprise: number;
  /** The last samples, and their sum. */
  readonly last: Float64Array;
  sum: number;
  readonly transitions: Transitions;
  readonly day: DayShape;
  readonly usual: UsualTimes;
  readonly tails: Readonly<Record<Part | 'sum', Tail>>;
  /** The last anomaly. */
  peak: number;
  peakTime: Millis;
  peakSample: number;
}

export function createDetector(): DetectorState {
  const tails = Object.fromEntries(PART_NAMES.map((part) => [part, tailOf(PARTS[part].share)]));
  return {
    samples: 0,
    lastTime: Number.NEGATIVE_INFINITY,
    level: 0,
    median: 0,
    distance: 0,
    scale: 0,
    shortSpread: 0,
    longSpread: 0,
    surprise: 0,
    last: new Float64Array(SHIFT_SAMPLES),
    sum: 0,
    transitions: transitions(),
    day: dayShape(),
    usual: usualTimes(),
    tails: { ...(tails as Record<Part, Tail>), sum: tailOf(SUM_SHARE, SUM_LEARNING) },
    peak: 0,
    peakTime: Number.NEGATIVE_INFINITY,
    peakSample: 0,
  };
}

/**
 * Judges a sample, then learns from it. A sample that is not newer than the last one is judged and not learnt from; one
 * that is not finite is neither. Depends on earlier calls alone: no later sample can change a verdict.
 */
export function judge(state: DetectorState, time: Millis, value: number): Verdict {
  const expected = expectedAt(state, time, Number.isFinite(value) ? value : 0);
  if (!Number.isFinite(value)) return { expected, lower: expected, upper: expected, score: 0, anomaly: false };
  const measured = measure(state, time, value);
  const strikes = strikesOf(state, measured);
  const evidence = evidenceOf(state, time, strikes);
  const half = bandOf(state);
  const score = evidence / (evidence + (ANOMALY_EVIDENCE * (1 - ANOMALY_SCORE)) / ANOMALY_SCORE);
  const anomaly = evidence >= ANOMALY_EVIDENCE;
  if (time > state.lastTime) {
    learn(state, time, value, measured, strikes);
    if (anomaly) {
      state.peak = evidence;
      state.peakTime = time;
      state.peakSample = state.samples;
    }
  }
  return { expected, lower: expected - half, upper: expected + half, score, anomaly };
}

/** Each part of what is looked at, if this sample came now. */
type Measured = Readonly<Record<Part, number>> & { readonly surpriseNow: number };

function measure(state: DetectorState, time: Millis, value: number): Measured {
  const { samples, scale, last } = state;
  const isFirst = samples === 0;
  const move = isFirst ? 0 : Math.abs(value - state.level);
  const surpriseNow = state.surprise + SURPRISE_RATE * (surprise(state.transitions, value) - state.surprise);
  const leaves = samples >= SHIFT_SAMPLES ? last[samples % SHIFT_SAMPLES]! : 0;
  const mean = (state.sum + value - leaves) / Math.min(samples + 1, SHIFT_SAMPLES);
  const ofDay = shapeAt(state.day, time);
  const short = state.shortSpread + SHORT_SPREAD_RATE * (move - state.shortSpread);
  const long = state.longSpread + spreadRate(samples) * (move - state.longSpread);
  const still = STILL * long + Number.MIN_VALUE;
  return {
    surpriseNow,
    surprise: surpriseNow,
    shift: isFirst ? 0 : Math.abs(mean - state.median),
    jump: scale > 0 ? move / scale : move > 0 ? FIRST_MOVE : 0,
    season: ofDay === undefined ? 0 : Math.abs(meanResidual(state.day, value - ofDay)),
    spread: Math.abs(Math.log((short + still) / (long + still))),
  };
}

function strikesOf({ tails, day }: DetectorState, measured: Measured): number {
  let sum = 0;
  for (const part of PART_NAMES) {
    const { weight, most } = PARTS[part];
    const rare = rarity(tails[part], measured[part]) * (part === 'season' ? rhythmOf(day) : 1);
    sum += weight * Math.min(rare, most);
  }
  return sum;
}

/** What is left once what is usual at this time, and what was told already, are taken off. */
function evidenceOf(state: DetectorState, time: Millis, strikes: number): number {
  if (state.samples + 1 < LEARNING) return 0;
  const unusual = Math.max(0, strikes - usualAt(state.usual, time));
  const evidence = (unusual + rarity(state.tails.sum, unusual)) / 2;
  const age = Math.max(
    0,
    Math.min((time - state.peakTime) / QUIET_MS, (state.samples + 1 - state.peakSample) / QUIET_SAMPLES),
  );
  if (age >= 1) return evidence;
  const needed = state.peak * AGAIN * (1 - age);
  return evidence >= needed ? evidence : Math.min(evidence, (HELD_BACK * ANOMALY_EVIDENCE * evidence) / needed);
}

function learn(state: DetectorState, time: Millis, value: number, measured: Measured, strikes: number): void {
  const isFirst = state.samples === 0;
  if (isFirst) {
    state.level = value;
    state.median = value;
  }
  const move = Math.abs(value - state.level);
  const ofDay = shapeAt(state.day, time);
  const unusual = Math.max(0, strikes - usualAt(state.usual, time));
  for (const part of PART_NAMES)
    if (part !== 'season' || ofDay !== undefined) learnTail(state.tails[part], measured[part]);
  learnTail(state.tails.sum, unusual);
  learnTime(state.usual, time, strikes);
  learnTransition(state.transitions, value);
  learnShape(state.day, time, value, state.median);
  state.surprise = measured.surpriseNow;
  const slot = state.samples % SHIFT_SAMPLES;
  state.sum += value - state.last[slot]!;
  state.last[slot] = value;
  state.shortSpread += SHORT_SPREAD_RATE * (move - state.shortSpread);
  state.longSpread += spreadRate(state.samples) * (move - state.longSpread);
  state.samples++;
  const rate = 1 / state.samples;
  const counted = state.samples > LEARNING && state.scale > 0 ? Math.min(move, MOST_SCALES * state.scale) : move;
  state.scale += Math.max(SCALE_RATE, rate) * (counted - state.scale);
  // A median of a stream: steps that balance where as many samples are above as below.
  state.median += Math.sign(value - state.median) * (state.distance || Number.MIN_VALUE) * Math.max(MEDIAN_RATE, rate);
  state.distance += Math.max(DISTANCE_RATE, rate) * (Math.abs(value - state.median) - state.distance);
  state.level += LEVEL_RATE * (value - state.level);
  state.lastTime = time;
}

function spreadRate(samples: number): number {
  return Math.max(LONG_SPREAD_RATE, 1 / (samples + 1));
}

/** Between the level and what the days before had, by how much the series follows its days. */
function expectedAt({ samples, level, day }: DetectorState, time: Millis, value: number): number {
  const near = samples === 0 ? value : level;
  const ofDay = shapeAt(day, time);
  return ofDay === undefined ? near : near + rhythmOf(day) * (ofDay - near);
}

/** How far a jump alone may go before it is an anomaly. */
function bandOf({ scale, tails: { jump } }: DetectorState): number {
  const { weight } = PARTS.jump;
  const rare = Math.max(0, ANOMALY_EVIDENCE / weight + Math.log10(jump.share));
  return scale * (jump.threshold + rare * Math.LN10 * Math.max(jump.excess, jump.largest / Math.log(jump.seen + 3)));
}
