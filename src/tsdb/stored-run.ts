import type { Labels } from '../model/labels.ts';
import { joinSamples, type Samples } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { SampleCodec } from './partition-chunk.ts';
import { merged, within } from './sample-columns.ts';
import {
  countOf,
  cutChunk,
  type DayPart,
  damagedIn,
  encodedValues,
  isInOrder,
  layersOfDay,
  partsWithin,
  type SeriesDay,
  timesOfChunk,
} from './series-day.ts';

/** What one partition has of a series, and what of that may be seen. */
export interface VisibleDay {
  readonly day: SeriesDay;
  readonly visible: TimeRange;
  /** Midnight. */
  readonly date: Millis;
}

/** The samples of one series on disk, in order of time. At least one. */
export interface StoredRun {
  readonly labels: Labels;
  readonly count: number;
  /** So many of the first ones are finite numbers for certain. */
  readonly numbers: number;
  readonly last: Millis;
  /**
   * All of them, and behind them some that are later. Times may be others' too, and never change.
   * @param lend The values are good until any others are lent.
   */
  read(tail: Samples, lend: boolean): Samples;
}

/** Longer columns are not kept to be lent again. */
const MOST_LENT = 1 << 20;
/** Columns of times that are remembered while series are read. */
const MOST_COLUMNS = 8;

/** What runs are decoded with, and the column that is lent. */
export class RunReader {
  readonly codec: SampleCodec;
  #lent = new Float64Array();

  constructor(codec: SampleCodec) {
    this.codec = codec;
  }

  column(length: number, lend: boolean): Float64Array {
    if (!lend || length > MOST_LENT) return new Float64Array(length);
    if (this.#lent.length < length) this.#lent = new Float64Array(Math.min(MOST_LENT, 2 * length));
    return this.#lent.subarray(0, length);
  }
}

/** The times of runs that were read last, by what they are made of. One for each selection. */
export class TimeColumns {
  readonly #known: { readonly made: readonly unknown[]; readonly times: Float64Array }[] = [];

  /** @param made Told apart by identity. */
  timesOf(made: readonly unknown[], make: () => Float64Array): Float64Array {
    const at = this.#known.findIndex((known) => isSame(known.made, made));
    const found = at < 0 ? { made, times: make() } : this.#known.splice(at, 1)[0]!;
    this.#known.unshift(found);
    if (this.#known.length > MOST_COLUMNS) this.#known.pop();
    return found.times;
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * What some days have of a series; undefined where that is nothing.
 * @param days In order of time. Of two partitions of one day the first one's samples stay.
 * @throws {DamagedDataError} If a chunk's times are; values are looked at where the run is read.
 */
export function runOfDays(
  labels: Labels,
  days: readonly VisibleDay[],
  reader: RunReader,
  columns: TimeColumns,
): StoredRun | undefined {
  const parts: (DayPart & { readonly visible: TimeRange })[] = [];
  for (const { day, visible } of days) {
    const { live, past } = partsWithin(day, visible, () => labels);
    for (const part of [live, past]) if (part.from < part.to) parts.push({ ...part, visible });
  }
  if (parts.length === 0) return undefined;
  parts.sort((a, b) => firstOf(a) - firstOf(b));
  return straightRun(labels, parts, reader, columns) ?? mergedRun(labels, days, reader);
}

function firstOf({ day, from }: DayPart): Millis {
  return day.times.firsts[from]!;
}

function lastOf({ day, to }: DayPart): Millis {
  return day.times.lasts[to - 1]!;
}

/** Where every chunk is behind the one before it, and none but the first and the last is cut. */
function straightRun(
  labels: Labels,
  parts: readonly (DayPart & { readonly visible: TimeRange })[],
  reader: RunReader,
  columns: TimeColumns,
): StoredRun | undefined {
  const { codec } = reader;
  const [head, tail] = [parts[0]!, parts.at(-1)!];
  for (const [i, part] of parts.entries()) {
    if (!isInOrder(part)) return undefined;
    if (i > 0 && !(lastOf(parts[i - 1]!) < firstOf(part))) return undefined;
    if (part !== head && firstOf(part) < part.visible.start) return undefined;
    if (part !== tail && lastOf(part) > part.visible.end) return undefined;
  }
  const held = parts.reduce((sum, part) => sum + countOf(part), 0);
  const skipped = cutChunk(head.day, head.from, head.visible, codec).from;
  const atEnd = cutChunk(tail.day, tail.to - 1, tail.visible, codec);
  const left = tail.day.times.counts[tail.to - 1]! - atEnd.to;
  const count = held - skipped - left;
  if (count <= 0) return undefined;
  const timesBehind = (later: Float64Array): Float64Array => {
    const made: unknown[] = [...parts.flatMap(({ day, from, to }) => [day.times, from, to]), skipped, left];
    made.push(later.buffer, later.byteOffset, later.length);
    return columns.timesOf(made, () => {
      const times = new Float64Array(held - left + later.length);
      let at = 0;
      for (const { day, from, to } of parts) {
        for (let chunk = from; chunk < to; chunk++) {
          const decoded = timesOfChunk(day.times, chunk, codec);
          times.set(at + decoded.length > held - left ? decoded.subarray(0, held - left - at) : decoded, at);
          at += decoded.length;
        }
      }
      times.set(later, held - left);
      return times.subarray(skipped);
    });
  };
  return {
    labels,
    count,
    numbers: parts.some(({ day }) => day.special) ? 0 : count,
    last: left === 0 ? lastOf(tail) : timesOfChunk(tail.day.times, tail.to - 1, codec)[atEnd.to - 1]!,
    read(later, lend) {
      const values = reader.column(held + later.values.length, lend);
      let at = 0;
      for (const part of parts) {
        try {
          codec.decodeValues(encodedValues(part), values, at);
        } catch (cause) {
          throw cause instanceof RangeError ? damagedIn(part.day, labels, cause) : cause;
        }
        at += countOf(part);
      }
      values.set(later.values, held - left);
      return {
        times: timesBehind(later.times),
        values: values.subarray(skipped, skipped + count + later.values.length),
      };
    },
  };
}

/** Where chunks overlap: decoded at once. */
function mergedRun(labels: Labels, days: readonly VisibleDay[], { codec }: RunReader): StoredRun | undefined {
  const dates = new Map<Millis, { readonly live: Samples[]; readonly past: Samples[] }>();
  for (const { day, visible, date } of days) {
    const layers = layersOfDay(day, visible, codec, () => labels);
    const of = dates.get(date) ?? { live: [], past: [] };
    of.live.push(within(layers.live, visible));
    of.past.push(within(layers.past, visible));
    dates.set(date, of);
  }
  const samples = joinSamples([...dates.values()].map(({ live, past }) => merged([...live, ...past])));
  const { length } = samples.times;
  if (length === 0) return undefined;
  const last = samples.times[length - 1]!;
  return {
    labels,
    count: length,
    numbers: 0,
    last,
    read: (later) => (later.times.length === 0 ? samples : joinSamples([samples, later])),
  };
}
