import { decodeSamples, joinSamples, lowerBound, type Samples, upperBound } from '../model/series.ts';
import { DAY, type TimeRange } from '../model/time.ts';
import { bitsOf, mergeSamples } from './chunk.ts';
import { dayOf } from './partition-key.ts';

export const NO_SAMPLES: Samples = { times: new Float64Array(), values: new Float64Array() };

/** One run of all, each in order of time; of two samples at one time the earlier run's stays. */
export function merged(runs: readonly Samples[]): Samples {
  return runs.reduce((all, run) => {
    if (run.times.length === 0) return all;
    return all.times.length === 0 ? run : mergeSamples(all, run);
  }, NO_SAMPLES);
}

export function within(samples: Samples, range: TimeRange): Samples {
  return decodeSamples([{ encoding: 'plain', ...samples }], range);
}

export function without({ times, values }: Samples, { start, end }: TimeRange): Samples {
  const [from, to] = [lowerBound(times, start), upperBound(times, end)];
  if (from >= to) return { times, values };
  return joinSamples([
    { times: times.subarray(0, from), values: values.subarray(0, from) },
    { times: times.subarray(to), values: values.subarray(to) },
  ]);
}

/** Where samples are whose time is not stored. Counts the others. */
export function indexesOfNew(
  part: Samples,
  stored: Samples,
  outcome: { duplicates: number; conflicts: number },
): readonly number[] {
  const [words, storedWords] = [bitsOf(part.values), bitsOf(stored.values)];
  const fresh: number[] = [];
  part.times.forEach((time, i) => {
    const at = lowerBound(stored.times, time);
    if (at === stored.times.length || stored.times[at] !== time) fresh.push(i);
    else if (words[2 * i] === storedWords[2 * at] && words[2 * i + 1] === storedWords[2 * at + 1]) outcome.duplicates++;
    else outcome.conflicts++;
  });
  return fresh;
}

/** Cut at midnights. */
export function days({ times, values }: Samples): readonly Samples[] {
  const parts: Samples[] = [];
  for (let from = 0; from < times.length; ) {
    const to = lowerBound(times, dayOf(times[from]!) + DAY);
    parts.push({ times: times.subarray(from, to), values: values.subarray(from, to) });
    from = to;
  }
  return parts;
}

/** Copies bits. */
export function picked({ times, values }: Samples, at: readonly number[]): Samples {
  const kept = { times: new Float64Array(at.length), values: new Float64Array(at.length) };
  const [from, to] = [bitsOf(values), bitsOf(kept.values)];
  at.forEach((i, n) => {
    kept.times[n] = times[i]!;
    to[2 * n] = from[2 * i]!;
    to[2 * n + 1] = from[2 * i + 1]!;
  });
  return kept;
}
