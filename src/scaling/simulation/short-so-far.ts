import { formatInstant, HOUR, MINUTE, type Millis, parseInstant } from '../../model/time.ts';
import type { ShortSoFar } from '../objective.ts';

/**
 * How long demand was above what ran this month, as the live loop records it: a row is compared with the replicas of
 * its minute, once it is known. Nothing is known from before the simulation, as of a policy that is new.
 */
export interface ShortTally {
  /** What ran at a sync. */
  ran(now: Millis, replicas: number): void;
  /** A row that is known from now on, in order of time. */
  row(time: Millis, demand: number): void;
  soFar(now: Millis): ShortSoFar;
}

/** A row stands for the time since the one before it, but for no more than this. */
const LONGEST_ROW_MS = HOUR;
/** Rows later than this find no replicas to be compared with. */
const KEPT_MINUTES = 24 * 60;

export function openShortTally(perReplica: number): ShortTally {
  const replicasAt = new Map<number, number>();
  let month = { start: Number.NaN, end: Number.NaN };
  let overMs = 0;
  let lastRow = Number.NaN;

  function turnTo(now: Millis): void {
    if (now >= month.start && now < month.end) return;
    month = monthAround(now);
    overMs = 0;
  }

  return {
    ran(now, replicas) {
      turnTo(now);
      const minute = Math.floor(now / MINUTE);
      replicasAt.set(minute, replicas);
      replicasAt.delete(minute - KEPT_MINUTES);
    },
    row(time, demand) {
      const lengthMs = Math.min(LONGEST_ROW_MS, time - lastRow);
      lastRow = time;
      const replicas = replicasAt.get(Math.floor(time / MINUTE));
      if (replicas === undefined || !(lengthMs > 0) || !(demand > replicas * perReplica)) return;
      if (time >= month.start) overMs += lengthMs;
    },
    soFar(now) {
      turnTo(now);
      return { monthStart: month.start, monthEnd: month.end, overMs };
    },
  };
}

/** The calendar month in UTC. */
function monthAround(now: Millis): { readonly start: Millis; readonly end: Millis } {
  const startOf = (at: Millis) => parseInstant(`${formatInstant(at).slice(0, 7)}-01T00:00:00Z`);
  const start = startOf(now);
  return { start, end: startOf(start + 32 * 24 * HOUR) };
}
