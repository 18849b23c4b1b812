import type { Window } from './functions/definition.ts';
import type { Run, Sight } from './windows.ts';

/** Range vectors at all steps: whole runs of samples, of which each step sees the window that ends at its sight. */
export interface RangeSource {
  readonly count: number;
  /** Whether there may be histograms. */
  readonly mixed: boolean;
  /** Made when it is asked for, so that one series at a time is decoded. */
  readonly run: (index: number) => Run;
  readonly sight: Sight;
  readonly rangeMs: number;
  readonly modifier: Window['modifier'];
}

export function windowOf({ times, values, from }: Run, { modifier }: RangeSource): Window {
  return { times, values, from, to: from, start: 0, end: 0, time: 0, modifier, scalars: [] };
}

/** Windows only ever move forward, so both ends are found by walking on. */
export function moveWindow(window: Window, run: Run, source: RangeSource, lookbackMs: number, end: number): void {
  window.end = end;
  window.start = end - source.rangeMs;
  const after = source.modifier === undefined ? window.start : window.start - lookbackMs;
  const until = source.modifier === 'smoothed' ? end + lookbackMs : end;
  let { from, to } = window;
  const { times } = run;
  while (to < run.to && times[to]! <= until) to++;
  while (from < to && times[from]! <= after) from++;
  window.from = from;
  window.to = to;
}
