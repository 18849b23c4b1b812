import { type Labels, labelsOf, labelValue, METRIC_NAME } from '../model/labels.ts';
import { decodeSamples, type SampledSeries } from '../model/series.ts';
import { type Millis, SECOND } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { SeriesReader } from '../storage/storage.ts';

/** Series by which the process that acts on a policy tells all others what its last pass came to. */
const DESIRED = 'foresail_desired_replicas';
const DEMAND = 'foresail_demand_now';
const LEAD_TIME = 'foresail_plan_lead_time_seconds';
const PEAK = 'foresail_forecast_peak';

/** What a pass came to, as far as others need it. */
export interface PublishedPlan {
  readonly namespace: string;
  readonly policy: string;
  readonly at: Millis;
  /** Replicas. */
  readonly floor: number;
  /** Undefined where the policy does not learn it, or it is not learned yet. */
  readonly learnedLeadMs: number | undefined;
  /** By name. One without a value is left out. */
  readonly demands: ReadonlyMap<string, number>;
}

/** One sample each, at the time of the pass. */
export function publishedSeries({ at, input, plan }: DecisionDraft): readonly SampledSeries[] {
  const { policy, leadTime, demands } = input;
  const common = { namespace: policy.namespace, policy: policy.name, workload: policy.target.name };
  const sample = (metric: string, value: number, more: Readonly<Record<string, string>> = {}): SampledSeries => ({
    labels: labelsOf({ [METRIC_NAME]: metric, ...common, ...more }),
    times: Float64Array.of(at),
    values: Float64Array.of(value),
  });
  return [
    sample(DESIRED, plan.bounds.min),
    ...(leadTime.source === 'learned' ? [sample(LEAD_TIME, leadTime.ms / SECOND)] : []),
    ...demands.flatMap(({ name, current, forecast }) => [
      ...(current.value === null ? [] : [sample(DEMAND, current.value, { demand: name })]),
      ...(forecast.kind === 'ready' && forecast.peak !== null
        ? [sample(PEAK, forecast.peak, { demand: name, quantile: String(forecast.quantile) })]
        : []),
    ]),
  ];
}

/** The newest of each policy within `maxAgeMs`. */
export async function readPublished(
  reader: Pick<SeriesReader, 'select'>,
  now: Millis,
  maxAgeMs: number,
  signal?: AbortSignal,
): Promise<readonly PublishedPlan[]> {
  const range = { start: now - maxAgeMs, end: now };
  const names = { name: METRIC_NAME, op: '=~', value: [DESIRED, DEMAND, LEAD_TIME].join('|') } as const;
  const found = new Map<string, { labels: Labels; at: Millis; floor: number }>();
  const values = new Map<string, { readonly labels: Labels; readonly at: Millis; readonly value: number }[]>();
  for (const { labels, chunks } of await reader.select([names], range, signal === undefined ? {} : { signal })) {
    const samples = decodeSamples(chunks, range);
    const last = samples.times.length - 1;
    if (last < 0 || !Number.isFinite(samples.values[last]!)) continue;
    const [at, value] = [samples.times[last]!, samples.values[last]!];
    const key = keyOf(labels);
    if (labelValue(labels, METRIC_NAME) === DESIRED) {
      const known = found.get(key);
      // The policy may have had another target before.
      if (known === undefined || known.at < at) found.set(key, { labels, at, floor: value });
    } else values.set(key, [...(values.get(key) ?? []), { labels, at, value }]);
  }
  return [...found].map(([key, { labels, at, floor }]) => {
    // Of the same pass: all that one pass tells has one time.
    const others = (values.get(key) ?? []).filter((each) => each.at === at);
    const named = (metric: string) => others.filter((each) => labelValue(each.labels, METRIC_NAME) === metric);
    const [lead] = named(LEAD_TIME);
    return {
      namespace: labelValue(labels, 'namespace'),
      policy: labelValue(labels, 'policy'),
      ...{ at, floor },
      learnedLeadMs: lead && Math.round(lead.value * SECOND),
      demands: new Map(named(DEMAND).map((each) => [labelValue(each.labels, 'demand'), each.value])),
    };
  });
}

function keyOf(labels: Labels): string {
  return `${labelValue(labels, 'namespace')}/${labelValue(labels, 'policy')}`;
}
