import { DAY, MINUTE, type Millis } from '../model/time.ts';
import type { AnomalyEnd, AnomalySeverity, Direction, OpenAnomaly, Strike } from './anomaly.ts';

/** When a striking sample is an anomaly, and how much it matters. */
export interface AlarmOptions {
  /** Scores from which a sample is striking, and from which an anomaly is an incident; in (0, 1). */
  readonly alertScore: number;
  readonly incidentScore: number;
  readonly direction: Direction | 'both';
  /** From what was expected, in the series' unit, and as a part of it. Less is no anomaly. */
  readonly leastDeviation: number;
  readonly leastRatio: number;
  /** So many of the last `of` samples have to be striking; at most 30 of 30. */
  readonly strikes: number;
  readonly of: number;
  /**
   * After the end of an anomaly, for so long, one like it is held: it begins when that is over, if it still goes on. What
   * is more severe, went the other way, or is missing samples where there were too many or few, begins at once.
   */
  readonly holdOffMs: number;
  /** Samples in a row that are not striking, after which it has ended. */
  readonly endAfter: number;
  /** Usual intervals without a sample, after which it is missing. 0: never. */
  readonly missingAfter: number;
}

export const ALARM_DEFAULTS: AlarmOptions = {
  ...{ alertScore: 0.6, incidentScore: 0.8, direction: 'both', leastDeviation: 0, leastRatio: 0 },
  ...{ strikes: 1, of: 1, holdOffMs: 600_000, endAfter: 5, missingAfter: 5 },
};

/** What is known of one series' anomalies. Plain data, JSON says all of it; its size is bounded. */
export interface AlarmState {
  /** A bit for each of the last samples, the newest the lowest: whether it was striking. */
  hits: number;
  samples: number;
  /** Of the last sample, and of the interval between samples as it usually is. */
  lastAt: Millis;
  usualMs: number;
  /** The first striking sample of those in `hits`, and the most striking of them. */
  since: Millis;
  peak: Strike | undefined;
  /** Of `peak`, while there is one; then of what goes on. */
  line: Line | undefined;
  open: OpenAnomaly | undefined;
  /** Samples since the last striking one. */
  quiet: number;
  endedAt: Millis | undefined;
  /** What ended then. */
  ended: Strike | undefined;
  /** Like what had just ended: held, and over after so many samples in a row that are back. */
  held: { readonly strike: Strike; readonly line: Line | undefined } | undefined;
  back: number;
  /** Deviations that somebody called normal. */
  lessons: Lesson[];
}

/**
 * Half of the way from what was expected to the sample: what stays beyond it goes on, though the detector follows it. The
 * line goes with the day from each quarter of an hour to the next: within one, days learn from what is unusual.
 */
interface Line {
  readonly direction: Direction;
  readonly value: number;
  readonly dayMean: number;
  readonly rhythm: number;
  quarter: number;
  shift: number;
}

/** Such a deviation is no anomaly. */
interface Lesson {
  readonly direction: Direction;
  readonly part: string;
  /** In the series' unit; of missing samples in milliseconds. */
  readonly deviation: number;
  readonly until: Millis;
}

/** What the alarm looks at of a verdict. */
export interface Judged extends Pick<Strike, 'expected' | 'lower' | 'upper' | 'score'> {
  readonly learning: boolean;
  /** What days have at this time, and how far the series follows them. */
  readonly dayMean: number;
  readonly rhythm: number;
  /** The most striking part, and where it went; undefined where nothing strikes. */
  readonly part: string | undefined;
  readonly direction: Direction;
}

/** What became of one sample. */
export interface AlarmStep {
  readonly event: AlarmEvent | undefined;
  /** Whether an anomaly is going on. */
  readonly anomalous: boolean;
}

export type AlarmEvent =
  /** `changed`: it became more striking. */
  | { readonly kind: 'begun' | 'changed'; readonly anomaly: OpenAnomaly }
  | { readonly kind: 'ended'; readonly anomaly: OpenAnomaly; readonly at: Millis; readonly why: AnomalyEnd };

/** What lasts for so long is the new usual. */
const MOST_MS = DAY;
const QUARTER_MS = 15 * MINUTE;
/** Samples before a missing one is noticed. */
const KNOWN_SAMPLES = 10;
const USUAL_RATE = 0.05;
/** A score that is so much higher is told again. */
const RISEN = 0.02;
const MOST_LESSONS = 8;
const LESSON_MS = 90 * DAY;
/** A deviation is as one that was called normal up to so many times its size. */
const ALIKE = 1.25;
/** Parts for which the size of the deviation says nothing. */
const WITHOUT_DEVIATION: readonly string[] = ['flat', 'missing', 'pattern', 'spread'];

export function createAlarm(): AlarmState {
  return {
    ...{ hits: 0, samples: 0, lastAt: 0, usualMs: 0, since: 0, peak: undefined },
    ...{ line: undefined, open: undefined, quiet: 0 },
    ...{ endedAt: undefined, ended: undefined, held: undefined, back: 0, lessons: [] },
  };
}

/** Takes a sample's verdict in. A muted sample neither begins an anomaly nor goes on with one. */
export function takeVerdict(
  state: AlarmState,
  options: AlarmOptions,
  { time, value, judged, muted }: { time: Millis; value: number; judged: Judged; muted: boolean },
): AlarmStep {
  if (state.samples > 0) {
    const interval = time - state.lastAt;
    const rate = Math.max(USUAL_RATE, 1 / state.samples);
    state.usualMs += rate * (Math.min(interval, 3 * (state.usualMs || interval)) - state.usualMs);
  }
  state.samples++;
  state.lastAt = time;
  if (state.open?.peak.part === 'missing') return end(state, time, 'quiet');
  const strike: Strike = {
    at: time,
    value,
    ...pick(judged),
    direction: judged.part !== undefined ? judged.direction : value >= judged.expected ? 'up' : 'down',
    part: judged.part ?? state.peak?.part ?? state.open?.peak.part ?? 'jump',
  };
  seeBack(state, options, { time, value, judged, muted });
  const goesOn = state.open !== undefined && isBeyond(state.line, time, value, judged);
  const isHit = !muted && !judged.learning && (goesOn || isStriking(state, options, strike));
  return note(state, options, isHit ? { strike, line: lineOf(strike, judged) } : undefined, time);
}

/**
 * An instant at which there is no sample. Scores how long that has been, against how often there usually is one: the
 * score is `alertScore` at `missingAfter` usual intervals.
 */
export function takeMissing(
  state: AlarmState,
  options: AlarmOptions,
  { time, stepMs, expected, muted }: { time: Millis; stepMs: number; expected: number; muted: boolean },
): AlarmStep & { readonly score: number } {
  const score = missingScore(state, options, time, stepMs);
  const { open } = state;
  // Of what is held nobody knows whether it goes on.
  if (score >= options.alertScore) state.held = undefined;
  if (muted || score < options.alertScore) return { event: undefined, anomalous: open !== undefined, score };
  const isOver = open !== undefined && (open.peak.part !== 'missing' || time - open.since >= MOST_MS);
  if (isOver) return { ...end(state, time, 'gone'), score };
  const strike: Strike = {
    ...{ at: time, value: Number.NaN, expected, lower: expected, upper: expected },
    ...{ score, direction: 'down', part: 'missing' },
  };
  if (options.direction === 'up' || isNormal(state, strike, time - state.lastAt)) {
    return { event: undefined, anomalous: false, score };
  }
  if (open !== undefined) return { ...goOn(state, options, strike), score };
  if (isHeldOff(state, options, strike)) return { event: undefined, anomalous: false, score };
  // So many intervals without a sample are as many strikes.
  state.line = undefined;
  state.open = opened(options, strike, state.lastAt, true);
  state.quiet = 0;
  return { event: { kind: 'begun', anomaly: state.open }, anomalous: true, score };
}

/** Of an instant without a sample. 0 where it cannot be said, and for a series that is not watched for it. */
export function missingScore(state: AlarmState, options: AlarmOptions, time: Millis, stepMs: number): number {
  const { missingAfter, alertScore } = options;
  if (missingAfter === 0 || state.samples < KNOWN_SAMPLES) return 0;
  const intervals = (time - state.lastAt) / Math.max(stepMs, state.usualMs);
  return intervals / (intervals + (missingAfter * (1 - alertScore)) / alertScore);
}

/** Ends what is going on, because its series is watched no more. */
export function close(state: AlarmState, time: Millis, why: AnomalyEnd): AlarmStep {
  return state.open === undefined ? { event: undefined, anomalous: false } : end(state, time, why);
}

/** Somebody says that an anomaly was none: one like it is none from now on, for three months. */
export function learnNormal(state: AlarmState, { since, peak }: OpenAnomaly, now: Millis): AlarmStep {
  const deviation = peak.part === 'missing' ? peak.at - since : Math.abs(peak.value - peak.expected);
  const lesson = { direction: peak.direction, part: peak.part, deviation, until: now + LESSON_MS };
  state.lessons = [...state.lessons.filter(({ until }) => until > now), lesson].slice(-MOST_LESSONS);
  state.hits = 0;
  state.held = undefined;
  if (state.open?.since !== since) return { event: undefined, anomalous: state.open !== undefined };
  const step = end(state, now, 'normal');
  // What was called normal must not hide what comes next.
  state.endedAt = undefined;
  return step;
}

function pick({ expected, lower, upper, score }: Judged) {
  return { expected, lower, upper, score };
}

function isStriking(state: AlarmState, options: AlarmOptions, strike: Strike): boolean {
  const { value, expected, lower, upper, score, direction, part } = strike;
  // A detector tells a thing once: what is still out of the ordinary belongs to it.
  const isOut = value < lower || value > upper;
  const goesOn = (state.open !== undefined || state.hits !== 0) && isOut;
  if (score < options.alertScore && !goesOn) return false;
  if (options.direction !== 'both' && direction !== options.direction) return false;
  const deviation = Math.abs(value - expected);
  if (!WITHOUT_DEVIATION.includes(part)) {
    if (deviation < options.leastDeviation) return false;
    if (deviation < options.leastRatio * Math.abs(expected)) return false;
  }
  return !isNormal(state, strike, deviation);
}

function isNormal({ lessons }: AlarmState, { at, direction, part }: Strike, deviation: number): boolean {
  return lessons.some(
    (lesson) =>
      lesson.until > at &&
      lesson.direction === direction &&
      (lesson.part === 'missing') === (part === 'missing') &&
      deviation <= ALIKE * lesson.deviation,
  );
}

/** Undefined for what lies within the bounds: how far away it is says little of it. */
function lineOf({ at, value, expected, lower, upper }: Strike, { dayMean, rhythm }: Judged): Line | undefined {
  if (value >= lower && value <= upper) return undefined;
  const direction = value > expected ? 'up' : 'down';
  return { direction, value: (value + expected) / 2, dayMean, rhythm, quarter: quarterOf(at), shift: 0 };
}

function isBeyond(line: Line | undefined, time: Millis, value: number, { dayMean }: Judged): boolean {
  if (line === undefined) return false;
  const quarter = quarterOf(time);
  if (quarter !== line.quarter) {
    line.quarter = quarter;
    line.shift = line.rhythm * (dayMean - line.dayMean);
  }
  const now = line.value + line.shift;
  return line.direction === 'up' ? value > now : value < now;
}

/** @param hit Undefined: the sample is not striking. */
function note(state: AlarmState, options: AlarmOptions, hit: AlarmState['held'], time: Millis): AlarmStep {
  const strike = hit?.strike;
  const before = state.hits;
  state.hits = ((state.hits << 1) | (strike === undefined ? 0 : 1)) & ((1 << options.of) - 1);
  if (state.open !== undefined) {
    if (time - state.open.since >= MOST_MS) return end(state, time, 'usual');
    if (strike !== undefined) return goOn(state, options, strike);
    state.quiet++;
    return state.quiet >= options.endAfter ? end(state, time, 'quiet') : { event: undefined, anomalous: true };
  }
  if (strike !== undefined) {
    if (before === 0 || state.peak === undefined) {
      state.since = time;
      state.peak = strike;
      state.line = hit?.line;
    } else if (strike.score > state.peak.score) {
      state.peak = strike;
      state.line = hit?.line;
    }
    if (bitsIn(state.hits) >= options.strikes) {
      if (!isHeldOff(state, options, state.peak)) return begin(state, options, state.peak, state.since, time);
      hold(state, state.peak, state.line);
    }
  }
  const { held } = state;
  if (held !== undefined && state.back === 0 && !isHeldOff(state, options, { ...held.strike, at: time })) {
    state.line = held.line;
    return begin(state, options, held.strike, held.strike.at, time);
  }
  return { event: undefined, anomalous: false };
}

function begin(state: AlarmState, options: AlarmOptions, peak: Strike, since: Millis, time: Millis): AlarmStep {
  state.open = { ...opened(options, peak, since, options.strikes > 1), lastAt: time };
  state.held = undefined;
  state.quiet = 0;
  return { event: { kind: 'begun', anomaly: state.open }, anomalous: true };
}

/** The first of those that are held says what was expected: the detector follows what stays. */
function hold(state: AlarmState, strike: Strike, line: Line | undefined): void {
  state.back = 0;
  if (state.held === undefined) state.held = { strike, line };
}

/** Lets go of what is held once it is back where it was expected. */
function seeBack(
  state: AlarmState,
  { endAfter }: AlarmOptions,
  { time, value, judged, muted }: { time: Millis; value: number; judged: Judged; muted: boolean },
): void {
  const { held } = state;
  if (held === undefined) return;
  if (muted) state.held = undefined;
  const { strike, line } = held;
  const isWithin = value >= strike.lower && value <= strike.upper;
  const isBack = line === undefined ? isWithin : !isBeyond(line, time, value, judged);
  state.back = isBack ? state.back + 1 : 0;
  if (state.back >= endAfter) state.held = undefined;
}

function opened(options: AlarmOptions, peak: Strike, since: Millis, confirmed: boolean): OpenAnomaly {
  const severity = severityOf(options, peak.score);
  return { since, severity, confirmed: confirmed || severity === 'incident', peak, lastAt: peak.at };
}

function severityOf({ incidentScore }: AlarmOptions, score: number): AnomalySeverity {
  return score >= incidentScore ? 'incident' : 'alert';
}

function goOn(state: AlarmState, options: AlarmOptions, strike: Strike): AlarmStep {
  const before = state.open!;
  state.quiet = 0;
  const rises = strike.part === 'missing' ? 0 : RISEN;
  if (strike.score < before.peak.score + rises) {
    state.open = { ...before, lastAt: strike.at };
    return { event: undefined, anomalous: true };
  }
  state.open = { ...opened(options, strike, before.since, before.confirmed), lastAt: strike.at };
  // A gap grows by itself: that is no news.
  const isNews = strike.part !== 'missing' || state.open.severity !== before.severity;
  return { event: isNews ? { kind: 'changed', anomaly: state.open } : undefined, anomalous: true };
}

function end(state: AlarmState, time: Millis, why: AnomalyEnd): AlarmStep {
  const anomaly = state.open!;
  state.open = undefined;
  state.hits = 0;
  state.peak = undefined;
  state.line = undefined;
  state.quiet = 0;
  state.endedAt = time;
  state.ended = anomaly.peak;
  return { event: { kind: 'ended', anomaly, at: time, why }, anomalous: false };
}

/** Whether it comes too soon after one that it is like. */
function isHeldOff({ endedAt, ended }: AlarmState, options: AlarmOptions, strike: Strike): boolean {
  if (endedAt === undefined || strike.at >= endedAt + options.holdOffMs) return false;
  return ended === undefined || isLike(options, strike, ended);
}

function isLike(options: AlarmOptions, strike: Strike, before: Strike): boolean {
  const isWorse = severityOf(options, strike.score) === 'incident' && severityOf(options, before.score) !== 'incident';
  return (
    !isWorse && strike.direction === before.direction && (strike.part === 'missing') === (before.part === 'missing')
  );
}

function quarterOf(time: Millis): number {
  return Math.floor(time / QUARTER_MS);
}

function bitsIn(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
