import type { ByResource, Resource } from '../cost/prices.ts';
import type { PricePlan } from '../cost/spend.ts';
import { labelName } from '../cost/spend-series.ts';
import { MINUTES, type Place, type RunRow } from '../cost/workload-hour.ts';
import { type Labels, labelValue } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import { HOUR, MINUTE, type Millis } from '../model/time.ts';
import type { Evaluator } from '../storage/storage.ts';
import { eachSlice } from './history.ts';

/** What ran in some whole hours, as the store has it: kube-state-metrics's series, else those that Foresail records. */
export interface WhatRan {
  readonly rows: readonly RunRow[];
  /** By minute: whether anything was heard of each source. */
  readonly heard: { readonly cluster: Uint8Array; readonly own: Uint8Array };
}

export interface WhatRanOptions {
  readonly start: Millis;
  /** So many hours from it on. */
  readonly hours: number;
  /** Labels of workloads to keep, as Kubernetes writes them. */
  readonly labels: readonly string[];
  readonly defaults: { readonly region: string; readonly plan: PricePlan };
  readonly maxSamples: number;
  readonly signal: AbortSignal;
}

const REGION = 'label_topology_kubernetes_io_region';
/** What the clouds and Karpenter call a node that is paid for as spot capacity. */
const SPOT_LABELS: Readonly<Record<string, string>> = {
  label_karpenter_sh_capacity_type: 'spot',
  label_eks_amazonaws_com_capacitytype: 'SPOT',
  label_eks_amazonaws_com_capacity_type: 'SPOT',
  label_cloud_google_com_gke_spot: 'true',
  label_kubernetes_azure_com_scalesetpriority: 'spot',
};
const NODE_LABELS = [REGION, ...Object.keys(SPOT_LABELS)];
const GIB = 1024 ** 3;
const RESOURCES_KNOWN: Readonly<Record<string, Resource>> = {
  cpu: 'cpu',
  memory: 'memory',
  nvidia_com_gpu: 'gpu',
  amd_com_gpu: 'gpu',
};

const LASTING = 'container!="",container!="POD"';

/** By minutes. Several kube-state-metrics of one cluster say the same; those of several clusters add up. */
const RUNNING = {
  deployment:
    'sum by (namespace, deployment) (max by (cluster, namespace, deployment) (kube_deployment_status_replicas))',
  statefulset:
    'sum by (namespace, statefulset) (max by (cluster, namespace, statefulset) (kube_statefulset_status_replicas))',
  own: 'max by (namespace, policy, workload) (foresail_workload_replicas)',
} as const;

/** By hours, at the end of each. */
const HOURLY = {
  requests:
    'sum by (namespace, pod, node, resource) (max by (namespace, pod, node, container, resource) (max_over_time(kube_pod_container_resource_requests{resource=~"cpu|memory|nvidia_com_gpu|amd_com_gpu"}[1h])))',
  ownRequests: 'max by (namespace, workload, resource) (max_over_time(foresail_workload_requests[1h]))',
  nodes: `max by (node, ${NODE_LABELS.join(', ')}) (max_over_time(kube_node_labels[1h]))`,
  targets:
    'max by (namespace, horizontalpodautoscaler, scaletargetref_name) (max_over_time(kube_horizontalpodautoscaler_info[1h]))',
  cpu: `sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{${LASTING}}[1h]))`,
  memory: `sum by (namespace, pod) (avg_over_time(container_memory_working_set_bytes{${LASTING}}[1h]))`,
} as const;

interface Pod {
  readonly namespace: string;
  readonly pod: string;
  readonly node: string;
  readonly requests: Partial<Record<Resource, number>>;
  used: Partial<Record<Resource, number>>;
}

/** Reads what ran. A source that has no series is simply empty. */
export async function readWhatRan(storage: Pick<Evaluator, 'range'>, options: WhatRanOptions): Promise<WhatRan> {
  const { start, hours, defaults, labels } = options;
  const minutes = hours * MINUTES;
  const rows = new Map<string, Mutable>();
  const heard = { cluster: new Uint8Array(minutes), own: new Uint8Array(minutes) };
  const rowOf = (namespace: string, workload: string): Mutable => {
    const key = `${namespace}/${workload}`;
    let row = rows.get(key);
    if (row === undefined) {
      row = {
        namespace,
        workload,
        policy: undefined,
        source: 'cluster',
        labels: {},
        replicas: new Float64Array(minutes).fill(Number.NaN),
        places: [],
      };
      rows.set(key, row);
    }
    return row;
  };
  const fill = (row: Mutable, flags: Uint8Array, { times, values }: SampledSeries) => {
    for (let i = 0; i < times.length; i++) {
      const minute = Math.round((times[i]! - start) / MINUTE);
      if (!Number.isFinite(values[i]!) || minute < 0 || minute >= minutes) continue;
      flags[minute] = 1;
      row.replicas[minute] = values[i]!;
    }
  };

  for (const kind of ['deployment', 'statefulset'] as const) {
    await byMinutes(storage, RUNNING[kind], options, (series) => {
      for (const each of series) {
        fill(rowOf(labelValue(each.labels, 'namespace'), labelValue(each.labels, kind)), heard.cluster, each);
      }
    });
  }
  const fromCluster = new Set(rows.keys());
  const targets = fromCluster.size === 0 ? new Map<string, string>() : await readTargets(storage, options);
  await byMinutes(storage, RUNNING.own, options, (series) => {
    for (const each of series) {
      const [namespace, policy, target] = valuesOf(each.labels, ['namespace', 'policy', 'workload']);
      const workload = targets.get(`${namespace}/${target}`) ?? target!;
      const isKnown = fromCluster.has(`${namespace}/${workload}`);
      const row = rowOf(namespace!, workload);
      row.policy = policy;
      // What the cluster's own series say wins; ours tell whose policy it is.
      if (!isKnown) {
        row.source = 'own';
        fill(row, heard.own, each);
      }
    }
  });
  if (rows.size === 0) return { rows: [], heard };
  if (fromCluster.size > 0) {
    await addPlaces(storage, rows, options);
    if (labels.length > 0) await addLabels(storage, rows, options);
  }
  await addOwnRequests(storage, rows, options);
  for (const row of rows.values()) {
    for (let h = 0; h < hours; h++) row.places[h] ??= [];
  }
  return {
    rows: [...rows.values()].map((row) => ({
      ...row,
      places: row.places.map((places) =>
        places.map((place) => ({ ...place, region: place.region === '' ? defaults.region : place.region })),
      ),
    })),
    heard,
  };
}

type Mutable = { -readonly [K in keyof RunRow]: RunRow[K] } & { places: (readonly Place[])[] };

async function byMinutes(
  storage: Pick<Evaluator, 'range'>,
  query: string,
  { start, hours, maxSamples, signal }: WhatRanOptions,
  take: (series: readonly SampledSeries[]) => void,
): Promise<void> {
  const range = { start, end: start + hours * HOUR - MINUTE, stepMs: MINUTE };
  await eachSlice(storage, query, range, { maxSamples, signal }, take);
}

/** @param take Is given each value with the index of its hour. */
async function byHours(
  storage: Pick<Evaluator, 'range'>,
  query: string,
  { start, hours, maxSamples, signal }: WhatRanOptions,
  take: (labels: Labels, hour: number, value: number) => void,
): Promise<void> {
  // The window of an hour ends just before the next one begins.
  const range = { start: start + HOUR - 1, end: start + hours * HOUR - 1, stepMs: HOUR };
  await eachSlice(storage, query, range, { maxSamples, signal }, (all) => {
    for (const { labels, times, values } of all) {
      for (let i = 0; i < times.length; i++) {
        if (Number.isFinite(values[i]!)) take(labels, Math.round((times[i]! - range.start) / HOUR), values[i]!);
      }
    }
  });
}

/** What each HPA scales, where the cluster's series tell. */
async function readTargets(storage: Pick<Evaluator, 'range'>, options: WhatRanOptions): Promise<Map<string, string>> {
  const targets = new Map<string, string>();
  await byHours(storage, HOURLY.targets, options, (labels) => {
    const [namespace, hpa, name] = valuesOf(labels, ['namespace', 'horizontalpodautoscaler', 'scaletargetref_name']);
    if (name !== '') targets.set(`${namespace}/${hpa}`, name!);
  });
  return targets;
}

/** Where the pods ran, what they requested and used. */
async function addPlaces(
  storage: Pick<Evaluator, 'range'>,
  rows: ReadonlyMap<string, Mutable>,
  options: WhatRanOptions,
): Promise<void> {
  const { hours, defaults } = options;
  const nodes = new Map<string, { readonly region: string; readonly plan: PricePlan }>();
  await byHours(storage, HOURLY.nodes, options, (labels) => {
    const isSpot = Object.entries(SPOT_LABELS).some(([name, value]) => labelValue(labels, name) === value);
    nodes.set(labelValue(labels, 'node'), {
      region: labelValue(labels, REGION),
      plan: isSpot ? 'spot' : defaults.plan,
    });
  });
  const pods: Map<string, Pod>[] = Array.from({ length: hours }, () => new Map());
  await byHours(storage, HOURLY.requests, options, (labels, hour, value) => {
    const [namespace, pod, node, resource] = valuesOf(labels, ['namespace', 'pod', 'node', 'resource']);
    const known = RESOURCES_KNOWN[resource!];
    if (known === undefined || pods[hour] === undefined) return;
    const key = `${namespace}/${pod}`;
    const found = pods[hour].get(key) ?? { namespace: namespace!, pod: pod!, node: node!, requests: {}, used: {} };
    found.requests[known] = (found.requests[known] ?? 0) + (known === 'memory' ? value / GIB : value);
    pods[hour].set(key, found);
  });
  for (const resource of ['cpu', 'memory'] as const) {
    await byHours(storage, HOURLY[resource], options, (labels, hour, value) => {
      const found = pods[hour]?.get(`${labelValue(labels, 'namespace')}/${labelValue(labels, 'pod')}`);
      if (found !== undefined) found.used[resource] = resource === 'memory' ? value / GIB : value;
    });
  }
  for (const [hour, ofHour] of pods.entries()) {
    const byWorkload = new Map<Mutable, Pod[]>();
    for (const pod of ofHour.values()) {
      const row = rowOfPod(rows, pod);
      if (row === undefined) continue;
      const list = byWorkload.get(row);
      if (list === undefined) byWorkload.set(row, [pod]);
      else list.push(pod);
    }
    for (const [row, list] of byWorkload) row.places[hour] = placesOf(list, nodes, defaults);
  }
}

/** By its name, since its series say no more: `NAME-HASH-RANDOM` of a Deployment, `NAME-0` of a StatefulSet. */
function rowOfPod(rows: ReadonlyMap<string, Mutable>, { namespace, pod }: Pod): Mutable | undefined {
  const parts = pod.split('-');
  for (const cut of [2, 1]) {
    if (parts.length <= cut) continue;
    const found = rows.get(`${namespace}/${parts.slice(0, -cut).join('-')}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function placesOf(
  pods: readonly Pod[],
  nodes: ReadonlyMap<string, { readonly region: string; readonly plan: PricePlan }>,
  defaults: WhatRanOptions['defaults'],
): readonly Place[] {
  const groups = new Map<string, { region: string; plan: PricePlan; pods: Pod[] }>();
  for (const pod of pods) {
    const { region, plan } = nodes.get(pod.node) ?? { region: '', plan: defaults.plan };
    const key = `${plan} ${region}`;
    const group = groups.get(key) ?? { region, plan, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ region, plan, pods: own }) => ({
    ...{ region, plan, share: own.length / pods.length },
    requests: meanOf(own.map(({ requests }) => requests)),
    used: sharesOf(own),
  }));
}

function meanOf(all: readonly ByResource[]): ByResource {
  const mean: Partial<Record<Resource, number>> = {};
  for (const each of all) {
    for (const [resource, value] of Object.entries(each) as [Resource, number][]) {
      mean[resource] = (mean[resource] ?? 0) + value / all.length;
    }
  }
  return mean;
}

function sharesOf(pods: readonly Pod[]): ByResource | undefined {
  const shares: Partial<Record<Resource, number>> = {};
  for (const resource of ['cpu', 'memory'] as const) {
    const known = pods.filter(({ requests, used }) => requests[resource] !== undefined && used[resource] !== undefined);
    const requested = known.reduce((sum, { requests }) => sum + requests[resource]!, 0);
    if (requested > 0) shares[resource] = known.reduce((sum, { used }) => sum + used[resource]!, 0) / requested;
  }
  return Object.keys(shares).length === 0 ? undefined : shares;
}

async function addLabels(
  storage: Pick<Evaluator, 'range'>,
  rows: ReadonlyMap<string, Mutable>,
  options: WhatRanOptions,
): Promise<void> {
  const wanted = options.labels.map((name) => ({ name, as: `label_${labelName(name)}` }));
  for (const kind of ['deployment', 'statefulset'] as const) {
    const by = ['namespace', kind, ...wanted.map(({ as }) => as)].join(', ');
    const query = `max by (${by}) (max_over_time(kube_${kind}_labels[1h]))`;
    await byHours(storage, query, options, (labels) => {
      const row = rows.get(`${labelValue(labels, 'namespace')}/${labelValue(labels, kind)}`);
      if (row === undefined) return;
      const found = wanted.flatMap(({ name, as }) => {
        const value = labelValue(labels, as);
        return value === '' ? [] : [[labelName(name), value] as const];
      });
      row.labels = Object.fromEntries(found);
    });
  }
}

/** What the API server said that a replica requests, as Foresail recorded it: where nothing else says it. */
async function addOwnRequests(
  storage: Pick<Evaluator, 'range'>,
  rows: ReadonlyMap<string, Mutable>,
  options: WhatRanOptions,
): Promise<void> {
  const found = new Map<string, Partial<Record<Resource, number>>>();
  await byHours(storage, HOURLY.ownRequests, options, (labels, hour, value) => {
    const [namespace, workload, resource] = valuesOf(labels, ['namespace', 'workload', 'resource']);
    const key = `${hour} ${namespace}/${workload}`;
    const requests = found.get(key) ?? {};
    requests[resource as Resource] = value;
    found.set(key, requests);
  });
  const { region, plan } = options.defaults;
  for (const [key, row] of rows) {
    for (let hour = 0; hour < options.hours; hour++) {
      const requests = found.get(`${hour} ${key}`);
      if (requests === undefined || row.places[hour] !== undefined) continue;
      row.places[hour] = [{ region, plan, share: 1, requests, used: undefined }];
    }
  }
}

function valuesOf(labels: Labels, names: readonly string[]): readonly string[] {
  return names.map((name) => labelValue(labels, name));
}
