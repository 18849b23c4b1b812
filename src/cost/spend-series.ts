import type { Labels } from '../model/labels.ts';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import type { SampledSeries, Samples } from '../model/series.ts';
import { HOUR, type Millis } from '../model/time.ts';
import { amountOf, microsOf } from './money.ts';
import { RESOURCES, type Resource } from './prices.ts';
import { PLANS, type PricePlan, type SpendHour } from './spend.ts';
import type { WorkloadHour } from './workload-hour.ts';

/** What the hours are kept as. One sample an hour, at its end: `sum_over_time(foresail_spend_hourly[30d])` has whole hours. */
const SPEND = 'foresail_spend_hourly';
const IDLE = 'foresail_idle_spend_hourly';
const REPLICA_HOURS = 'foresail_replica_hours';
const QUANTITY = 'foresail_requested_hours';
export const SPEND_METRICS = [SPEND, IDLE, REPLICA_HOURS, QUANTITY] as const;

const LABEL_PREFIX = 'label_';

/** All of these hours as series. Both kinds of spend are always there, so that an hour that is made twice counts once. */
export function spendSeries(hours: readonly WorkloadHour[]): readonly SampledSeries[] {
  const found = new Map<string, { labels: Labels; times: number[]; values: number[] }>();
  const add = (
    of: WorkloadHour,
    metric: string,
    more: { readonly resource?: Resource; readonly kind?: string },
    value: number,
  ) => {
    const { namespace, workload, policy, region, plan, labels: own } = of;
    const place = [namespace, workload, policy, region, plan, own, metric, more.resource, more.kind];
    const key = JSON.stringify(place);
    let series = found.get(key);
    if (series === undefined) {
      const labels = labelsOf({ ...identity(of), ...more, [METRIC_NAME]: metric });
      series = { labels, times: [], values: [] };
      found.set(key, series);
    }
    series.times.push(of.hour + HOUR);
    series.values.push(value);
  };
  for (const of of [...hours].sort((a, b) => a.hour - b.hour)) {
    add(of, REPLICA_HOURS, {}, of.replicaHours);
    for (const resource of RESOURCES) {
      const quantity = of.quantities[resource];
      if (quantity === undefined) continue;
      add(of, SPEND, { resource, kind: 'recorded' }, of.recorded[resource] ?? 0);
      add(of, SPEND, { resource, kind: 'estimated' }, of.estimated[resource] ?? 0);
      if (resource !== 'replica') add(of, QUANTITY, { resource }, quantity);
    }
    if (of.idle !== undefined) add(of, IDLE, {}, of.idle);
  }
  return [...found.values()].map(({ labels, times, values }) => ({
    labels,
    times: Float64Array.from(times),
    values: Float64Array.from(values),
  }));
}

function identity({ namespace, workload, policy, region, labels, plan }: WorkloadHour): Record<string, string> {
  const own = Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [`${LABEL_PREFIX}${labelName(name)}`, value] as const),
  );
  const all: Record<string, string> = { ...own, namespace, workload, plan, region, policy: policy ?? '' };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

/** As kube-state-metrics writes names of labels: `app.kubernetes.io/name` is `app_kubernetes_io_name`. */
export function labelName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, '_');
}

interface Gathered {
  readonly of: Omit<SpendHour, 'replicaHours' | 'cost' | 'estimated' | 'idle'>;
  replicaHours: number;
  readonly recorded: Partial<Record<Resource, number>>;
  readonly estimated: Partial<Record<Resource, number>>;
  readonly quantities: Partial<Record<Resource, number>>;
  idle: number | undefined;
}

/** The hours that series say, in order of time and then of names. */
export function hoursOf(series: readonly (Samples & { readonly labels: Labels })[]): readonly WorkloadHour[] {
  return [...hourByHour(series)].flat();
}

/**
 * The same an hour of all workloads at a time, for one who lets others run between: before the first of them, it gives
 * an empty list after each series that was read.
 */
export function* hourByHour(
  series: Iterable<Samples & { readonly labels: Labels }>,
): Generator<readonly WorkloadHour[], void> {
  const found = new Map<Millis, Map<string, Gathered>>();
  for (const each of series) {
    gather(found, each);
    yield [];
  }
  for (const hour of [...found.keys()].sort((a, b) => a - b)) {
    yield [...found.get(hour)!.values()]
      .map(workloadHourOf)
      .sort((a, b) => compare(a.namespace, b.namespace) || compare(a.workload, b.workload));
  }
}

function gather(
  found: Map<Millis, Map<string, Gathered>>,
  { labels, times, values }: Samples & { readonly labels: Labels },
): void {
  const { [METRIC_NAME]: metric, resource, kind, ...rest } = Object.fromEntries(labels);
  const key = JSON.stringify(Object.entries(rest));
  const of = subjectOf(rest, 0);
  const known = RESOURCES.find((each) => each === resource);
  for (let i = 0; i < times.length; i++) {
    const hour = times[i]! - HOUR;
    let inHour = found.get(hour);
    if (inHour === undefined) {
      inHour = new Map();
      found.set(hour, inHour);
    }
    let gathered = inHour.get(key);
    if (gathered === undefined) {
      gathered = {
        of: { ...of, hour },
        ...{ replicaHours: 0, recorded: {}, estimated: {}, quantities: {}, idle: undefined },
      };
      inHour.set(key, gathered);
    }
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    if (metric === REPLICA_HOURS) gathered.replicaHours = value;
    if (metric === IDLE) gathered.idle = value;
    if (known === undefined) continue;
    if (metric === QUANTITY) gathered.quantities[known] = value;
    if (metric === SPEND) (kind === 'estimated' ? gathered.estimated : gathered.recorded)[known] = value;
  }
}

function workloadHourOf({ of, recorded, estimated, quantities, replicaHours, idle }: Gathered): WorkloadHour {
  // Replica-hours are what is paid for where replicas have the price.
  const all = recorded.replica === undefined ? quantities : { ...quantities, replica: replicaHours };
  return { ...of, replicaHours, quantities: all, recorded, estimated, idle };
}

function subjectOf(labels: Readonly<Record<string, string>>, hour: Millis): Gathered['of'] {
  const { namespace = '', workload = '', region = '', policy, plan, ...others } = labels;
  const own = Object.entries(others).filter(([name]) => name.startsWith(LABEL_PREFIX));
  return {
    ...{ hour, namespace, workload, region, policy },
    labels: Object.fromEntries(own.map(([name, value]) => [name.slice(LABEL_PREFIX.length), value])),
    plan: PLANS.find((each) => each === plan) ?? ('on-demand' as PricePlan),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** With the resources added up. */
export function spendHourOf(of: WorkloadHour): SpendHour {
  const sum = (amounts: WorkloadHour['recorded']) =>
    RESOURCES.reduce((micros, resource) => micros + microsOf(amounts[resource] ?? 0), 0);
  const [known, guessed] = [sum(of.recorded), sum(of.estimated)];
  const { hour, namespace, workload, policy, region, labels, plan, replicaHours, idle } = of;
  return {
    ...{ hour, namespace, workload, policy, region, labels, plan, replicaHours, idle },
    cost: amountOf(known + guessed),
    estimated: amountOf(guessed),
  };
}
