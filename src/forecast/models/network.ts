import { INPUT_COUNT, LEAST_ORIGIN, planInputs, writeInputs } from '../regressor/inputs.ts';
import type { Regressor } from '../regressor/regressor.ts';
import type { Track } from '../track.ts';
import type { Model, ModelContext } from './model.ts';

/**
 * The global network as an expert: it learnt from many series and needs none of this one's history to be fitted, only to
 * look at. Its weight in the mix is earned like every other expert's.
 */
export function network({ stepMs }: ModelContext, regressor: Regressor): Model {
  const plan = planInputs(stepMs);
  const { steps, quantiles } = regressor;
  const median = quantiles.indexOf(0.5) * steps.length;
  const width = quantiles.length * steps.length;
  /** Changes by step in model space, for the origins that were announced. */
  let prepared: Prepared | undefined;

  function changesAt(track: Track, origins: Int32Array): Float64Array {
    const rows = new Float32Array(origins.length * INPUT_COUNT);
    const spreads = new Float64Array(origins.length);
    for (let i = 0; i < origins.length; i++) spreads[i] = writeInputs(plan, track, origins[i]!, rows, i * INPUT_COUNT);
    const outputs = regressor.predict(rows, origins.length);
    const changes = new Float64Array(origins.length * steps.length);
    for (let i = 0; i < origins.length; i++) {
      for (let k = 0; k < steps.length; k++)
        changes[i * steps.length + k] = spreads[i]! * outputs[i * width + median + k]!;
    }
    return changes;
  }

  return {
    name: 'network',
    refit() {
      // What was announced came before the refit.
      prepared = undefined;
    },
    prepare(track, announced) {
      const origins = announced.filter((origin) => origin >= LEAST_ORIGIN);
      prepared = { track, origins, changes: changesAt(track, origins) };
    },
    predict(track, origin, horizons, out) {
      if (origin < LEAST_ORIGIN) {
        out.fill(Number.NaN);
        return;
      }
      const at = prepared?.track === track ? indexOf(prepared.origins, origin) : -1;
      const from = Math.max(0, at) * steps.length;
      const changes = prepared !== undefined && at >= 0 ? prepared.changes : changesAt(track, Int32Array.of(origin));
      for (let i = 0; i < horizons.length; i++)
        out[i] = track.z[origin]! + changeAhead(steps, changes, from, horizons[i]!);
    },
  };
}

interface Prepared {
  readonly track: Track;
  readonly origins: Int32Array;
  readonly changes: Float64Array;
}

/** Between two steps the change is interpolated, from none now; NaN beyond the last. */
function changeAhead(steps: readonly number[], changes: Float64Array, from: number, horizon: number): number {
  let k = 0;
  while (k < steps.length && steps[k]! < horizon) k++;
  if (k === steps.length) return Number.NaN;
  const high = changes[from + k]!;
  if (steps[k] === horizon) return high;
  const [lowStep, low] = k === 0 ? [0, 0] : [steps[k - 1]!, changes[from + k - 1]!];
  return low + ((high - low) * (horizon - lowStep)) / (steps[k]! - lowStep);
}

/** Where an origin stands among ascending ones; -1 if it does not. */
function indexOf(origins: Int32Array, origin: number): number {
  let low = 0;
  let high = origins.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (origins[middle] === origin) return middle;
    if (origins[middle]! < origin) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
