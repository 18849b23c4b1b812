import { HOUR, type Millis } from '../../model/time.ts';
import { addHistograms, type NativeHistogram } from '../../wire/native-histogram.ts';

/** What a counter stands at: all deltas since `start`, up to `time`. */
export interface Counter {
  /** 0: not known. */
  readonly start: Millis;
  readonly time: Millis;
  readonly value: number | NativeHistogram;
}

/** A change of a counter. */
export interface Delta {
  /** 0: not set. */
  readonly start: Millis;
  readonly time: Millis;
  /** Undefined: a staleness marker. */
  readonly value: number | NativeHistogram | undefined;
}

/** A sample of the cumulative series. */
export interface CumulativeSample {
  readonly start: Millis;
  readonly time: Millis;
  readonly value: number | NativeHistogram | undefined;
}

/**
 * The next samples of a cumulative series, as OpenTelemetry's data model has it (Sums: Delta-to-Cumulative): a delta
 * that begins where the last one ended is added; after a significant gap the counter begins anew at the delta's start.
 * Where it begins is written as a zero, so that `rate` sees the whole of the first delta, and that a counter fell.
 *
 * @param delta Later than the counter's time.
 */
export function accumulate(
  counter: Counter | undefined,
  { start: sentStart, time, value }: Delta,
): { readonly counter: Counter | undefined; readonly samples: readonly CumulativeSample[] } {
  const start = sentStart > time ? 0 : sentStart;
  if (value === undefined) {
    // The series ended; should it go on, it goes on from here.
    const sample = { start: counter?.start ?? 0, time, value };
    return { counter: counter && { ...counter, time }, samples: [sample] };
  }
  if (counter !== undefined && continues(counter, start, time)) {
    const sum = add(counter.value, value);
    if (sum !== undefined) {
      const next = { start: counter.start, time, value: sum };
      return { counter: next, samples: [next] };
    }
  }
  const begun = start === 0 ? 0 : Math.max(start, (counter?.time ?? -Infinity) + 1);
  const next = { start: begun, time, value };
  const known = typeof value === 'number' && begun !== 0 && begun < time;
  return { counter: next, samples: known ? [{ start: begun, time: begun, value: 0 }, next] : [next] };
}

/**
 * Half of the delta's own length is no gap: clocks and schedules wander by that, and a lost delta leaves a whole one.
 * An overlap is none either: what another writer counted would be lost.
 */
function continues(counter: Counter, start: Millis, time: Millis): boolean {
  return start === 0 || start - counter.time <= (time - start) / 2;
}

/** Undefined where the two cannot be added: of different kinds, or with different zero buckets. */
function add(a: number | NativeHistogram, b: number | NativeHistogram): number | NativeHistogram | undefined {
  if (typeof a === 'number' || typeof b === 'number') {
    return typeof a === 'number' && typeof b === 'number' ? a + b : undefined;
  }
  return a.zeroThreshold === b.zeroThreshold ? addHistograms(a, b) : undefined;
}

/** How far back a delta without a start looks for what it continues. */
const UNKNOWN_START_MS = HOUR;

/** From where on the past of a series matters to a delta: nothing before can be continued by it. */
export function pastOf({ start, time }: Pick<Delta, 'start' | 'time'>): Millis {
  return start === 0 || start > time ? time - UNKNOWN_START_MS : start - (time - start);
}
