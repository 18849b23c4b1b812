import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import {
  beginDay,
  DAY_CELLS,
  DAY_NUMBERS,
  type DayShape,
  dayMeanAt,
  learnShape,
  meanResidual,
  RESIDUALS,
  rhythmOf,
  shapeAt,
} from './day-shape.ts';
import { blankMemory, type Memory } from './memory.ts';
import { meanWith, type Recent, recentNumbers, remember } from './recent.ts';
import {
  beginTransitions,
  learnTransition,
  surprise,
  TRANSITION_CELLS,
  TRANSITION_NUMBERS,
  type Transitions,
} from './surprise.ts';
import { learnTail, rarity, TAIL_NUMBERS, type Tail, valueAt } from './tail.ts';
import {
  ANOMALY_EVIDENCE,
  beginTold,
  LAST_NUMBERS,
  noteTold,
  type Striking,
  TOLD_NUMBERS,
  type Told,
  untold,
} from './told.ts';
import { beginUsual, learnTime, USUAL_CELLS, USUAL_NUMBERS, type UsualTimes, usualAt } from './usual-times.ts';

/** What a detector thinks of one sample, from the samples before it alone. */
export interface Verdict {
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  /** What days have at this time, before this sample was learnt, and how far the series follows them, 0 to 1; or the forecast. */
  readonly dayMean: number;
  readonly rhythm: number;
  /** 0 to 1; 0 while learning. An anomaly from `ANOMALY_SCORE` on. */
  readonly score: number;
  readonly anomaly: boolean;
  /** Whether too few samples were seen for a score. */
  readonly learning: boolean;
  /** Where the most striking part went; of `spread`: more or less of it. */
  readonly direction: 'up' | 'down';
  /** The most striking part. Undefined where nothing strikes. */
  readonly part: Part | undefined;
}

/** What is known of a sample beside its time and value. */
export interface Context {
  /** What is added to UTC for the local time of day and week: of the time zone by whose days the series goes, at this time. */
  readonly localOffsetMs?: number;
  /** What was forecast for this time before it came. Takes the place of the days before it. */
  readonly forecast?: { readonly expected: number; readonly lower: number; readonly upper: number };
  /** False: the sample is judged and followed, and what is usual is not learnt from it. */
  readonly learn?: boolean;
}

export const ANOMALY_SCORE = 0.6;
/** Samples before the first score. */
const LEARNING = 90;

/**
 * What is looked at; of equally rare ones the first is told. `weight` of each power of ten by which it is rare, of which at
 * most `most` count; `share` of what is seen begins to be rare. Fitted on the files of `bench/detect.ts`, and neither changed for nor told of a file.
 */
const PARTS = {
  /** A sample far from those just before it. */
  jump: { weight: 0.6, most: 14, share: 0.035 },
  /** The mean of the last samples, far from the median of all. */
  shift: { weight: 1, most: 22, share: 0.056 },
  /** The mean of the last samples, far from what was forecast or else from what the days before had at these times. */
  season: { weight: 0.89, most: 20, share: 0.049 },
  /** Transitions between levels that are seldom seen, of late. */
  pattern: { weight: 0.61, most: 21, share: 0.054 },
  /** Samples that move more or less than they used to. */
  spread: { weight: 0.2, most: 10, share: 0.05 },
} as const;
export type Part = keyof typeof PARTS | 'flat';
type Rated = keyof typeof PARTS;
const RATED = Object.keys(PARTS) as Rated[];
/** Of the sum. */
const SUM_SHARE = 0.02;
const TAIL_LEARNING = 60;
const SUM_LEARNING = 120;
/** Of the evidence: the sum itself; the rest is how rare the sum is. */
const SUM_WEIGHT = 0.49;
/** What is usual at the time counts so many times: of the day, of the week. */
const USUAL_OF_DAY = 0.75;
const USUAL_OF_WEEK = 1.2;
/** A jump of more than so many mean moves strikes by so much for each e-fold more, however often there were such jumps; to a limit. */
const FAR_MOVES = 13;
const FAR_WEIGHT = 0.51;
const FAR_MOST = 3.5;
/** A shift from the median strikes by so much less where the series follows its days, which the season is told from. */
const SHIFT_OF_RHYTHM = 0.35;
/**
 * What is as rare comes more often where there are more samples: for each power of ten that they come more often than every
 * five minutes, so much less evidence, down to a minute; and more where they are further apart, up to an hour.
 */
const RATE_WEIGHT = 1.1;
const SHORT_RATE_WEIGHT = 2;
const RATE_STEP_MS = 5 * MINUTE;
const MOST_STEP_MS = HOUR;
const LEAST_STEP_MS = MINUTE;
const STEP_RATE = 0.01;
/** A gap counts as so many steps at most. */
const MOST_STEPS = 4;

const SURPRISE_RATE = 0.2;
const SHIFT_SAMPLES = 5;
const LEVEL_RATE = 0.24;
const MEDIAN_RATE = 0.003;
const DISTANCE_RATE = 0.005;
const SCALE_RATE = 0.0065;
const SHORT_SPREAD_RATE = 0.1;
const LONG_SPREAD_RATE = 0.002;
/** Of the spread: what is smaller is as if still. */
const STILL = 1e-3;
/** A move counts as at most so many usual ones in the scale. */
const MOST_SCALES = 6;
/** A sample that moves while none ever did. */
const FIRST_MOVE = 10;
/**
 * Of a series of whose samples no more than `FLAT_SHARE` are as the one before: so many same ones in a row strike as the
 * most so far, times this, and some more. Twice as many strike twice as much.
 */
const FLAT_SHARE = 0.1;
const FLAT_TIMES = 3;
const FLAT_MORE = 24;
const FLAT_WEIGHT = 8;
/** What is left of the most from one sample to the next: half after 2,000. */
const FLAT_FADES = 1 - 3.5e-4;

/**
 * A day that is not known yet is full of news. At first evidence is divided by one more than this, by less as time goes by;
 * not that of a sample whose jump is the rarest part, or as rare as this, in powers of ten.
 */
const YOUNG = 3;
const YOUNG_MS = 2 * DAY;
const RARE_JUMP = 2;

/** Numbers beyond this are taken for this: what is larger could not be summed. */
const GREATEST = 1e30;

/** Everything known about one series after some samples: about 3.5 kB in memory, a buffer whose size does not grow. */
export type DetectorState = Memory;

const SAMPLES = 0;
const LAST_TIME = 1;
const LAST_VALUE = 2;
const LEVEL = 3;
const MEDIAN = 4;
/** Mean distance from the median. */
const DISTANCE = 5;
/** Mean move from the level. */
const SCALE = 6;
const SHORT_SPREAD = 7;
const LONG_SPREAD = 8;
const SURPRISE = 9;
/** How many samples in a row are as the one before; the most of late, and how many in all, until the last move. */
const SAME = 10;
const MOST_SAME = 11;
const ALL_SAME = 12;
const LAST_TOLD = 13;
/** Mean time between samples, ms. */
const STEP = LAST_TOLD + LAST_NUMBERS;
const TAILS = STEP + 1;
const tailAt = (index: number, share: number, learning = TAIL_LEARNING): Tail => ({
  at: TAILS + index * TAIL_NUMBERS,
  share,
  learning,
});
const TAIL_OF = Object.fromEntries(RATED.map((part, i) => [part, tailAt(i, PARTS[part].share)])) as Record<Rated, Tail>;
/** Of the residuals of forecasts. */
const TAIL_OF_ISSUED = tailAt(RATED.length, PARTS.season.share);
const TAIL_OF_SUM = tailAt(RATED.length + 1, SUM_SHARE, SUM_LEARNING);
const LATEST: Recent = { at: TAILS + (RATED.length + 2) * TAIL_NUMBERS, kept: SHIFT_SAMPLES };
/** Residuals of forecasts, in halves of their interval. */
const ISSUED: Recent = { at: LATEST.at + recentNumbers(SHIFT_SAMPLES), kept: RESIDUALS };
const DAY_OF: DayShape = { at: ISSUED.at + recentNumbers(RESIDUALS), cellsAt: 0 };
const TRANSITIONS: Transitions = { at: DAY_OF.at + DAY_NUMBERS, cellsAt: DAY_CELLS };
const USUAL: UsualTimes = { at: TRANSITIONS.at + TRANSITION_NUMBERS, cellsAt: DAY_CELLS + TRANSITION_CELLS };
/** What the first version of a state had no place for: all that is behind. */
export const FIRST_NUMBERS = USUAL.at + USUAL_NUMBERS;
const TOLD: Told = { lastAt: LAST_TOLD, at: FIRST_NUMBERS };
/** Time of the first sample. Before there is one, and in a state of the first version, long ago. */
const BEGAN = FIRST_NUMBERS + TOLD_NUMBERS;
/** How large a state is. */
const STATE_NUMBERS = BEGAN + 1;
const STATE_CELLS = USUAL.cellsAt + USUAL_CELLS;

export function createDetector(): DetectorState {
  const state = blankMemory(STATE_NUMBERS, STATE_CELLS);
  state.numbers[LAST_TIME] = Number.NEGATIVE_INFINITY;
  state.numbers[BEGAN] = Number.NEGATIVE_INFINITY;
  beginDay(state, DAY_OF);
  beginTransitions(state, TRANSITIONS);
  beginUsual(state, USUAL);
  beginTold(state, TOLD);
  return state;
}

/**
 * Judges a sample, then learns from it. A sample that is not newer than the last one is judged and not learnt from; one
 * that is not finite is neither. Depends on earlier calls alone: no later sample can change a verdict.
 */
export function judge(state: DetectorState, time: Millis, sample: number, context: Context = {}): Verdict {
  const { numbers } = state;
  const learning = numbers[SAMPLES]! + 1 < LEARNING;
  const local = time + (context.localOffsetMs ?? 0);
  const value = Math.max(-GREATEST, Math.min(GREATEST, sample));
  const isGap = Number.isNaN(value) || !Number.isFinite(sample);
  const { expected, lower, upper, dayMean, rhythm } =
    context.forecast === undefined
      ? boundsAt(state, local, isGap ? 0 : value)
      : { ...context.forecast, dayMean: context.forecast.expected, rhythm: 1 };
  if (isGap) {
    const nothing = { score: 0, anomaly: false, learning, direction: 'up', part: undefined } as const;
    return { expected, lower, upper, dayMean, rhythm, ...nothing };
  }
  const measured = measure(state, local, value, context);
  const strikes = strikesOf(state, measured);
  const usual = usualAt(state, USUAL, local, USUAL_OF_DAY, USUAL_OF_WEEK);
  const unusual = Math.max(0, strikes.sum - usual);
  // No spread here and below: it would take longer than all else.
  const striking: Striking = {
    time,
    sample: numbers[SAMPLES]! + 1,
    evidence: learning ? 0 : evidenceOf(state, time, unusual, strikes.isSudden),
    usual,
    sizes: sizesOf(measured),
    rarest: strikes.rarestSize,
    isFlat: strikes.part === 'flat',
    isSame: value === numbers[LAST_VALUE],
  };
  const evidence = untold(state, TOLD, striking);
  const anomaly = evidence >= ANOMALY_EVIDENCE;
  if (time > numbers[LAST_TIME]!) {
    const teaches = context.learn ?? true;
    if (teaches) {
      learnRarity(state, measured, unusual);
      learnTime(state, USUAL, local, strikes.sum);
    }
    follow(state, time, local, value, measured, teaches);
    if (teaches) noteTold(state, TOLD, striking, evidence);
  }
  return {
    expected,
    lower,
    upper,
    dayMean,
    rhythm,
    score: evidence / (evidence + (ANOMALY_EVIDENCE * (1 - ANOMALY_SCORE)) / ANOMALY_SCORE),
    anomaly,
    learning,
    direction: directionOf(strikes.part, measured, value - expected),
    part: strikes.part,
  };
}

/** Each part of what is looked at, if this sample came now. */
interface Measured extends Readonly<Record<Rated, number>> {
  /** From the level, in the series' unit. */
  readonly move: number;
  /** How many samples were the same until now, of how many strike. */
  readonly flat: number;
  /** Undefined where the days are not known yet. */
  readonly ofDay: number | undefined;
  /** The mean of the last residuals of forecasts, and the one of this sample, if it was forecast. */
  readonly issued: { readonly mean: number; readonly last: number } | undefined;
}

function measure(state: DetectorState, local: Millis, value: number, { forecast }: Context): Measured {
  const { numbers } = state;
  const samples = numbers[SAMPLES]!;
  const isFirst = samples === 0;
  const scale = numbers[SCALE]!;
  const move = isFirst ? 0 : value - numbers[LEVEL]!;
  const moved = Math.abs(move);
  const ofDay = shapeAt(state, DAY_OF, local);
  const residual = ofDay === undefined ? 0 : meanResidual(state, DAY_OF, value - ofDay);
  const short = numbers[SHORT_SPREAD]! + SHORT_SPREAD_RATE * (moved - numbers[SHORT_SPREAD]!);
  const long = numbers[LONG_SPREAD]! + spreadRate(samples) * (moved - numbers[LONG_SPREAD]!);
  const still = STILL * long + Number.MIN_VALUE;
  const moving = samples - numbers[SAME]!;
  const isStill = value === numbers[LAST_VALUE] && moving >= LEARNING && numbers[ALL_SAME]! <= FLAT_SHARE * moving;
  return {
    move,
    pattern: numbers[SURPRISE]! + SURPRISE_RATE * (surprise(state, TRANSITIONS, value) - numbers[SURPRISE]!),
    shift: isFirst ? 0 : meanWith(state, LATEST, value) - numbers[MEDIAN]!,
    jump: scale > 0 ? move / scale : move === 0 ? 0 : Math.sign(move) * FIRST_MOVE,
    season: residual,
    spread: Math.log((short + still) / (long + still)),
    flat: isStill ? numbers[SAME]! / mostSame(numbers) : 0,
    ofDay,
    issued: forecast === undefined ? undefined : issuedOf(state, value, forecast),
  };
}

function issuedOf(
  state: DetectorState,
  value: number,
  { expected, lower, upper }: NonNullable<Context['forecast']>,
): Measured['issued'] {
  const half = Math.max((upper - lower) / 2, 1e-6 * Math.abs(expected), Number.MIN_VALUE);
  const last = Math.max(-GREATEST, Math.min(GREATEST, (value - expected) / half));
  return Number.isNaN(last) ? undefined : { mean: meanWith(state, ISSUED, last), last };
}

/** What can be as large again, in this order; a forecast's residual has another unit than the days'. */
function sizesOf({ move, shift, season, issued }: Measured): readonly number[] {
  return [Math.abs(move), Math.abs(shift), Math.abs(season), issued === undefined ? 0 : Math.abs(issued.mean)];
}

/** Which of `sizesOf` a part goes by; -1 for none. */
function sizeOfPart(part: Rated, { issued }: Measured): number {
  if (part === 'season') return issued === undefined ? 2 : 3;
  return part === 'jump' ? 0 : part === 'shift' ? 1 : -1;
}

/** How striking the parts are together, which of them is rarest, which of those that can be as large again, and whether it came at once. */
function strikesOf(
  state: DetectorState,
  measured: Measured,
): { sum: number; part: Part | undefined; rarestSize: number; isSudden: boolean } {
  const isFlat = measured.flat >= 1;
  let part: Part | undefined = isFlat ? 'flat' : undefined;
  let rarest = isFlat ? Number.POSITIVE_INFINITY : 0;
  let rarestSize = -1;
  let rareSize = 0;
  let isSudden = false;
  const rhythm = rhythmOf(state, DAY_OF);
  let sum = (isFlat ? FLAT_WEIGHT * Math.min(2, measured.flat) : 0) + farOf(state, measured);
  for (const each of RATED) {
    const { weight, most } = PARTS[each];
    const rare =
      each === 'season'
        ? seasonRarity(state, measured, rhythm)
        : rarity(state, TAIL_OF[each], Math.abs(measured[each]));
    sum += weight * Math.min(rare, most) * (each === 'shift' ? 1 - SHIFT_OF_RHYTHM * rhythm : 1);
    if (rare > rarest) {
      rarest = rare;
      part = each;
    }
    if (each === 'jump' && rare >= RARE_JUMP) isSudden = true;
    const size = sizeOfPart(each, measured);
    if (size >= 0 && rare > rareSize) {
      rareSize = rare;
      rarestSize = size;
    }
  }
  return { sum, part, rarestSize, isSudden: isSudden || part === 'jump' };
}

/** Of the forecast once enough of them came; else of the days before, as far as the series follows them. */
function seasonRarity(state: DetectorState, { issued, season }: Measured, rhythm: number): number {
  if (issued !== undefined && state.numbers[TAIL_OF_ISSUED.at]! >= TAIL_LEARNING)
    return rarity(state, TAIL_OF_ISSUED, Math.abs(issued.mean));
  return rarity(state, TAIL_OF.season, Math.abs(season)) * rhythm;
}

function farOf({ numbers }: DetectorState, { jump }: Measured): number {
  const moves = Math.abs(jump) / FAR_MOVES;
  return moves > 1 && numbers[SAMPLES]! >= TAIL_LEARNING ? FAR_WEIGHT * Math.min(FAR_MOST, Math.log(moves)) : 0;
}

function directionOf(part: Part | undefined, measured: Measured, off: number): 'up' | 'down' {
  const towards =
    part === undefined || part === 'flat' || part === 'pattern'
      ? off
      : part === 'season'
        ? (measured.issued?.mean ?? measured.season)
        : measured[part];
  return towards < 0 ? 'down' : 'up';
}

/** By itself, whatever was told. @param isSudden Whether it is news even on a day that is not known. */
function evidenceOf(state: DetectorState, time: Millis, unusual: number, isSudden: boolean): number {
  const { numbers } = state;
  const striking = SUM_WEIGHT * unusual + (1 - SUM_WEIGHT) * rarity(state, TAIL_OF_SUM, unusual);
  if (!(striking > 0)) return 0;
  const step = Math.max(LEAST_STEP_MS, Math.min(MOST_STEP_MS, numbers[STEP]!));
  const weight = step < RATE_STEP_MS ? SHORT_RATE_WEIGHT : RATE_WEIGHT;
  const young = isSudden ? 0 : YOUNG * Math.max(0, 1 - (time - numbers[BEGAN]!) / YOUNG_MS);
  return Math.max(0, striking - weight * Math.log10(RATE_STEP_MS / step)) / (1 + young);
}

function learnRarity(state: DetectorState, measured: Measured, unusual: number): void {
  for (const part of RATED)
    if (part !== 'season' || measured.ofDay !== undefined) learnTail(state, TAIL_OF[part], Math.abs(measured[part]));
  if (measured.issued !== undefined) learnTail(state, TAIL_OF_ISSUED, Math.abs(measured.issued.mean));
  learnTail(state, TAIL_OF_SUM, unusual);
}

/** Goes on to this sample; learns what is usual from it only if it `teaches`. */
function follow(
  state: DetectorState,
  time: Millis,
  local: Millis,
  value: number,
  measured: Measured,
  teaches: boolean,
): void {
  const { numbers } = state;
  const before = numbers[SAMPLES]!;
  if (before === 0) {
    numbers[BEGAN] = time;
    numbers[LEVEL] = value;
    numbers[MEDIAN] = value;
  }
  const move = Math.abs(value - numbers[LEVEL]!);
  learnTransition(state, TRANSITIONS, value, teaches);
  learnShape(state, DAY_OF, local, value, numbers[MEDIAN]!, teaches);
  if (measured.issued !== undefined) remember(state, ISSUED, measured.issued.last);
  numbers[SURPRISE] = measured.pattern;
  remember(state, LATEST, value);
  followSame(numbers, value, teaches);
  numbers[SHORT_SPREAD]! += SHORT_SPREAD_RATE * (move - numbers[SHORT_SPREAD]!);
  if (teaches) learnScale(numbers, value, move);
  numbers[LEVEL]! += LEVEL_RATE * (value - numbers[LEVEL]!);
  if (before > 0) followStep(numbers, time);
  numbers[LAST_TIME] = time;
}

/** How many may be the same in a row before it strikes. */
function mostSame(numbers: Float64Array): number {
  return FLAT_TIMES * numbers[MOST_SAME]! + FLAT_MORE;
}

function followSame(numbers: Float64Array, value: number, teaches: boolean): void {
  if (numbers[SAMPLES]! > 0 && value === numbers[LAST_VALUE]) numbers[SAME]!++;
  else {
    if (teaches) {
      // What struck counts as no more than what would just have struck: a long stop does not hide the next.
      numbers[MOST_SAME] = Math.max(numbers[MOST_SAME]!, Math.min(numbers[SAME]!, mostSame(numbers)));
      numbers[ALL_SAME]! += numbers[SAME]!;
    }
    numbers[SAME] = 0;
  }
  if (teaches) numbers[MOST_SAME]! *= FLAT_FADES;
  numbers[LAST_VALUE] = value;
}

function followStep(numbers: Float64Array, time: Millis): void {
  const step = numbers[STEP]!;
  const now = time - numbers[LAST_TIME]!;
  if (step === 0) numbers[STEP] = now;
  else numbers[STEP] = step + Math.max(STEP_RATE, 1 / numbers[SAMPLES]!) * (Math.min(now, MOST_STEPS * step) - step);
}

function learnScale(numbers: Float64Array, value: number, move: number): void {
  numbers[LONG_SPREAD]! += spreadRate(numbers[SAMPLES]!) * (move - numbers[LONG_SPREAD]!);
  const samples = ++numbers[SAMPLES]!;
  const rate = 1 / samples;
  const scale = numbers[SCALE]!;
  const counted = samples > LEARNING && scale > 0 ? Math.min(move, MOST_SCALES * scale) : move;
  numbers[SCALE] = scale + Math.max(SCALE_RATE, rate) * (counted - scale);
  // A median of a stream: steps that balance where as many samples are above as below.
  const step = (numbers[DISTANCE]! || Number.MIN_VALUE) * Math.max(MEDIAN_RATE, rate);
  numbers[MEDIAN]! += Math.sign(value - numbers[MEDIAN]!) * step;
  numbers[DISTANCE]! += Math.max(DISTANCE_RATE, rate) * (Math.abs(value - numbers[MEDIAN]!) - numbers[DISTANCE]!);
}

function spreadRate(samples: number): number {
  return Math.max(LONG_SPREAD_RATE, 1 / (samples + 1));
}

/**
 * Expected is between the level and what the days before had, by how much the series follows its days; the bounds are how
 * far a jump alone may go before it is an anomaly.
 */
function boundsAt(
  state: DetectorState,
  local: Millis,
  value: number,
): Pick<Verdict, 'expected' | 'lower' | 'upper' | 'dayMean' | 'rhythm'> {
  const { numbers } = state;
  const near = numbers[SAMPLES] === 0 ? value : numbers[LEVEL]!;
  const ofDay = shapeAt(state, DAY_OF, local);
  const rhythm = ofDay === undefined ? 0 : rhythmOf(state, DAY_OF);
  const expected = ofDay === undefined ? near : near + rhythm * (ofDay - near);
  const half = numbers[SCALE]! * valueAt(state, TAIL_OF.jump, ANOMALY_EVIDENCE / PARTS.jump.weight);
  return { expected, lower: expected - half, upper: expected + half, dayMean: dayMeanAt(state, DAY_OF, local), rhythm };
}
