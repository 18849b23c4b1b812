import { within } from '../numeric/within.ts';
import type { Channel } from './channel.ts';
import { type Clocked, phaseOf } from './local-clock.ts';

/**
 * How far the mix is off at each time of the day, against how far it is off as a rule: a batch at night or the start of
 * work is less certain than the hours around it, every day. One for each kind of question. Plain data.
 */
export interface Hours {
  /** Steps in the season, and into how many parts it is cut; no parts where there is no season. */
  readonly season: number;
  readonly parts: number;
  /** Errors in a season. */
  readonly perSeason: number;
  /** Fading means of the root of the scaled error, which one outlier hardly moves, in each part and over all. */
  means: number[];
  mean: number;
  seen: number;
}

const MOST_PARTS = 48;
/** Seasons after which an error counts little more than a third. */
const REMEMBERED = 14;
/** So many seasons' worth of errors speak for no difference. */
const PRIOR = 4;
const LEAST = 0.2;
const MOST = 12;

/** @param stride Steps between two errors. */
export function createHours(season: number | undefined, stride: number): Hours {
  const perSeason = (season ?? 0) / stride;
  const parts = perSeason < 2 ? 0 : Math.min(MOST_PARTS, Math.floor(perSeason));
  return { season: season ?? 0, parts, perSeason, means: new Array<number>(parts).fill(0), mean: 0, seen: 0 };
}

/**
 * Takes the error at `t` in.
 * @param scaled The error over what it was expected to be like, `hourFactor` included.
 */
export function takeError(hours: Hours, clocked: Clocked, t: number, scaled: number): void {
  const { parts, perSeason, means } = hours;
  if (parts === 0 || !Number.isFinite(scaled)) return;
  const root = Math.sqrt(Math.abs(scaled) * hourFactor(hours, clocked, t));
  const part = partOf(hours, clocked, t);
  if (means[part] === 0) means[part] = hours.mean;
  hours.seen++;
  const all = Math.min(hours.seen, REMEMBERED * perSeason);
  const own = Math.max(1, all / parts);
  hours.mean += (root - hours.mean) / all;
  means[part] = means[part]! + (root - means[part]!) / own;
}

/** What the usual size of an error is multiplied by at `t`; 1 where nothing is known. */
export function hourFactor(hours: Hours, clocked: Clocked, t: number): number {
  const { parts, mean, means, seen, perSeason } = hours;
  if (parts === 0 || !(mean > 0)) return 1;
  const part = partOf(hours, clocked, t);
  // Of each season, one error of a part says as much as all: they are alike.
  const seasons = Math.min(REMEMBERED, seen / perSeason);
  const own = means[part]! / mean;
  const shrunk = (PRIOR + seasons * own) / (PRIOR + seasons);
  return within(LEAST, shrunk * shrunk, MOST);
}

/** Those of the next step, which go for near ones, those of a step in the middle, and those of peaks. */
export interface AllHours {
  readonly near: Hours;
  readonly far: Hours;
  readonly peak: Hours;
}

export function createAllHours(season: number | undefined, stride: number): AllHours {
  const create = () => createHours(season, stride);
  return { near: create(), far: create(), peak: create() };
}

/** The channel that stands for all that are far. */
export function farChannel(channels: readonly Channel[]): Channel {
  return channels[channels.length >> 1]!;
}

/** What a step so far ahead is judged by. */
export function stepHours({ near, far }: AllHours, channels: readonly Channel[], horizon: number): Hours {
  return 2 * horizon <= channels[0]!.horizon + farChannel(channels).horizon ? near : far;
}

/** How lively things are, at the time of day that is asked about. */
export function spreadsAt<S extends { readonly spreadZ: number; readonly spreadY: number }>(
  { spreadZ, spreadY }: S,
  factor: number,
): { spreadZ: number; spreadY: number } {
  return { spreadZ: spreadZ * factor, spreadY: spreadY * factor };
}

function partOf({ season, parts }: Hours, clocked: Clocked, t: number): number {
  return Math.floor((phaseOf(clocked, t, season) * parts) / season);
}
