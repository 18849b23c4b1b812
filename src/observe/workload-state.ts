import { type Labels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { decodeSamples, type SampledSeries, type Samples } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { SeriesReader } from '../storage/storage.ts';

/** Series that a pass of the scale loop records of each policy, in the tenant's own store. */
const FLOOR = 'foresail_floor_replicas';
export const REPLICAS = 'foresail_workload_replicas';

/** The floor in force and the replicas that run, as one sample each. While a policy observes, the floor is the planned one. */
export function stateSeries({ at, input, plan, mode }: DecisionDraft): readonly SampledSeries[] {
  const { policy, target } = input;
  const floor = mode === 'observe' ? plan.bounds.min : target.min;
  return [sample(FLOOR, policy, at, floor), sample(REPLICAS, policy, at, target.statusReplicas)];
}

/**
 * What was recorded of a policy: one sample a step at most, gaps left out.
 * @param demand The label set under which its demand is recorded.
 */
export async function readState(
  reader: Pick<SeriesReader, 'select'>,
  policy: ScalingPolicy,
  demand: Labels,
  range: TimeRange,
  stepMs: number,
): Promise<{ readonly demand: Samples; readonly floor: Samples; readonly replicas: Samples }> {
  const read = async (labels: Labels) => {
    const matchers = labels.map(([name, value]) => ({ name, op: '=' as const, value }));
    const [series] = await reader.select(matchers, range);
    return thinned(series === undefined ? NO_SAMPLES : decodeSamples(series.chunks, range), stepMs);
  };
  return {
    demand: await read(demand),
    floor: await read(stateLabels(FLOOR, policy)),
    replicas: await read(stateLabels(REPLICAS, policy)),
  };
}

/** The last sample of each step. */
function thinned({ times, values }: Samples, stepMs: number): Samples {
  const kept = [...times.keys()].filter(
    (i) => i + 1 === times.length || Math.floor(times[i]! / stepMs) !== Math.floor(times[i + 1]! / stepMs),
  );
  return { times: Float64Array.from(kept, (i) => times[i]!), values: Float64Array.from(kept, (i) => values[i]!) };
}

const NO_SAMPLES: Samples = { times: new Float64Array(), values: new Float64Array() };

function sample(metric: string, policy: ScalingPolicy, at: number, value: number): SampledSeries {
  return { labels: stateLabels(metric, policy), times: Float64Array.of(at), values: Float64Array.of(value) };
}

function stateLabels(metric: string, { namespace, name, target }: ScalingPolicy): Labels {
  return labelsOf({ [METRIC_NAME]: metric, namespace, policy: name, workload: target.name });
}
