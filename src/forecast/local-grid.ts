import { type LocalClock, localStep } from './local-clock.ts';

/** A series carried over to steps of local time and back. */
export interface LocalGrid {
  /** Local times that were left out are NaN; of a local time that came twice it is the mean of what is known. */
  toLocal(values: Float64Array): Float64Array;
  /** What a step has at its local time. */
  fromLocal(local: Float64Array): Float64Array;
}

/** The grid of `length` steps from the clock's first; undefined where local time runs along with them. */
export function localGrid(clock: LocalClock | undefined, length: number): LocalGrid | undefined {
  const changes = clock?.from.some((at) => at > 0 && at < length) ?? false;
  if (!changes) return undefined;
  const steps = Int32Array.from({ length }, (_, t) => localStep({ clock }, t));
  let first = 0;
  let last = 0;
  for (const step of steps) {
    if (step < first) first = step;
    if (step > last) last = step;
  }
  const places = steps.map((step) => step - first);
  const size = last - first + 1;
  return {
    toLocal(values) {
      const out = new Float64Array(size);
      const counts = new Uint8Array(size);
      for (let t = 0; t < length; t++) {
        if (!Number.isFinite(values[t]!)) continue;
        const at = places[t]!;
        out[at] = (out[at]! * counts[at]! + values[t]!) / (counts[at]! + 1);
        counts[at] = counts[at]! + 1;
      }
      for (let at = 0; at < size; at++) if (counts[at] === 0) out[at] = Number.NaN;
      return out;
    },
    fromLocal: (local) => Float64Array.from(places, (at) => local[at]!),
  };
}
