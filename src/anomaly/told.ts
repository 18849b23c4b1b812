import { DAY, HOUR, type Millis } from '../model/time.ts';
import type { Memory } from './memory.ts';

/**
 * What was told of a series last, so that an anomaly is told once: while it goes on, and for some time after it, there is
 * another only where it is clearly more striking. One that is as large counts as much as that one did once the series has
 * been as usual for a while; what was learnt from the first does not hide the second.
 */
export interface Told {
  /** Its places among the numbers. */
  readonly lastAt: number;
  readonly at: number;
}

/** How striking a sample is, and what of it can be as large as before. */
export interface Striking {
  readonly time: Millis;
  /** How many samples there were with this one. */
  readonly sample: number;
  /** By itself, whatever was told. */
  readonly evidence: number;
  /** How striking the series usually is at this time. */
  readonly usual: number;
  /** Distances in whatever unit, 0 or more, always in the same order. */
  readonly sizes: readonly number[];
  /** Which of them is the rarest; -1 if none is rare. */
  readonly rarest: number;
  /** Whether it strikes as one of many same samples in a row; whether it is as the one before. */
  readonly isFlat: boolean;
  readonly isSame: boolean;
}

/** Evidence from which there is an anomaly. */
export const ANOMALY_EVIDENCE = 3.38;

/** After an anomaly, for so long and for so many samples, there is another only if it is so many times as striking; less so as time goes by. */
const HELD_MS = 19 * HOUR;
const HELD_SAMPLES = 16;
const MORE = 2;
/** A sample that is held back scores below an anomaly. */
const HELD_BACK = 0.9;
/** As usual again: no more evidence than this, and no further away than this part of what was told; for so long, for so many samples. */
const CALM_EVIDENCE = ANOMALY_EVIDENCE / 3;
const CALM_SIZE = 0.5;
const CALM_MS = HOUR;
const CALM_SAMPLES = 12;
/** As large: so much of what was told, within so long of the last time, and so many times. */
const AS_LARGE = 0.75;
const REMEMBERED_MS = DAY;
const MOST_AGAIN = 3;
/** What counts of the evidence when the same comes again. */
const MOST_EVIDENCE = 3 * ANOMALY_EVIDENCE;

/** At `lastAt`: of the last anomaly. */
export const LAST_NUMBERS = 3;
const PEAK = 0;
const TIME = 1;
const SAMPLE = 2;
/** At `at`: what may come again; one more than which size, 0 for none. */
const KIND = 0;
const SIZE = 1;
const EVIDENCE = 2;
/** How often it came again. */
const AGAIN = 3;
/** Whether same samples in a row were told, which go on. */
const FLAT = 4;
/** How many samples in a row are as usual, since when; 1 once they were for long enough. */
const CALM = 5;
const CALM_SINCE = 6;
const READY = 7;
export const TOLD_NUMBERS = 8;

export function beginTold({ numbers }: Memory, { lastAt }: Told): void {
  numbers[lastAt + TIME] = Number.NEGATIVE_INFINITY;
}

/** The evidence that is left of a sample once what was told already is taken off. */
export function untold(memory: Memory, told: Told, striking: Striking): number {
  const held = heldBack(memory, told, striking);
  return comesAgain(memory, told, striking)
    ? Math.max(held, memory.numbers[told.at + EVIDENCE]! - striking.usual)
    : held;
}

function heldBack({ numbers }: Memory, { lastAt, at }: Told, { time, sample, evidence, isSame }: Striking): number {
  const goesOn = numbers[at + FLAT] === 1 && isSame;
  const sinceMs = time - numbers[lastAt + TIME]!;
  const age = goesOn
    ? 0
    : Math.max(0, Math.min(sinceMs / HELD_MS, (sample - numbers[lastAt + SAMPLE]!) / HELD_SAMPLES));
  if (age >= 1) return evidence;
  const needed = numbers[lastAt + PEAK]! * MORE * (1 - age);
  return evidence >= needed ? evidence : Math.min(evidence, (HELD_BACK * ANOMALY_EVIDENCE * evidence) / needed);
}

function comesAgain({ numbers }: Memory, { lastAt, at }: Told, { time, evidence, sizes }: Striking): boolean {
  return (
    numbers[at + READY] === 1 &&
    numbers[at + KIND]! > 0 &&
    numbers[at + AGAIN]! < MOST_AGAIN &&
    time - numbers[lastAt + TIME]! < REMEMBERED_MS &&
    evidence >= CALM_EVIDENCE &&
    sizes[numbers[at + KIND]! - 1]! >= AS_LARGE * numbers[at + SIZE]!
  );
}

/** @param evidence What was left of the sample. */
export function noteTold(memory: Memory, told: Told, striking: Striking, evidence: number): void {
  const { numbers } = memory;
  const { lastAt, at } = told;
  if (evidence >= ANOMALY_EVIDENCE) tell(memory, told, striking, evidence);
  else if (numbers[at + FLAT] === 1 && striking.isSame) {
    // It goes on: what follows is counted from its end.
    numbers[lastAt + TIME] = striking.time;
    numbers[lastAt + SAMPLE] = striking.sample;
  } else {
    numbers[at + FLAT] = 0;
    followCalm(numbers, at, striking);
  }
}

function tell({ numbers }: Memory, { lastAt, at }: Told, striking: Striking, evidence: number): void {
  const { time, sample, sizes, rarest, isFlat } = striking;
  if (evidence > striking.evidence) numbers[at + AGAIN]!++;
  else {
    if (time - numbers[lastAt + TIME]! >= REMEMBERED_MS) numbers[at + AGAIN] = 0;
    numbers[at + KIND] = rarest + 1;
    numbers[at + SIZE] = sizes[rarest] ?? 0;
    numbers[at + EVIDENCE] = Math.min(evidence, MOST_EVIDENCE);
  }
  numbers[lastAt + PEAK] = evidence > striking.evidence ? numbers[at + EVIDENCE]! : evidence;
  numbers[lastAt + TIME] = time;
  numbers[lastAt + SAMPLE] = sample;
  numbers[at + FLAT] = isFlat ? 1 : 0;
  numbers[at + CALM] = 0;
  numbers[at + READY] = 0;
}

function followCalm(numbers: Float64Array, at: number, { time, evidence, sizes }: Striking): void {
  if (numbers[at + READY] === 1) return;
  const kind = numbers[at + KIND]!;
  if (evidence >= CALM_EVIDENCE || (kind > 0 && sizes[kind - 1]! >= CALM_SIZE * numbers[at + SIZE]!)) {
    numbers[at + CALM] = 0;
    return;
  }
  if (numbers[at + CALM]!++ === 0) numbers[at + CALM_SINCE] = time;
  if (numbers[at + CALM]! >= CALM_SAMPLES && time - numbers[at + CALM_SINCE]! >= CALM_MS) numbers[at + READY] = 1;
}
