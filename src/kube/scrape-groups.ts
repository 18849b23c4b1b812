import type { KubernetesRole, TargetGroup } from '../model/scrape-job.ts';
import { type KubeObject, keyOf } from './object-watch.ts';

/*
 * What objects of a cluster become as targets: addresses and `__meta_kubernetes_…` labels, by Prometheus's names
 * (docs/configuration/configuration.md, kubernetes_sd_config).
 */

interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
}

interface Container {
  readonly name: string;
  readonly image?: string;
  readonly ports?: readonly ContainerPort[];
}

interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
}

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly hostIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface Service extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly loadBalancerIP?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  };
}

export interface Node extends KubeObject {
  readonly spec?: { readonly providerID?: string };
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly daemonEndpoints?: { readonly kubeletEndpoint?: { readonly Port?: number } };
  };
}

interface SlicePort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
  readonly appProtocol?: string;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly namespace?: string };
}

export interface EndpointSlice extends KubeObject {
  readonly addressType?: string;
  readonly endpoints?: readonly SliceEndpoint[] | null;
  readonly ports?: readonly SlicePort[] | null;
}

/** What is known of a cluster, by `namespace/name`. */
export interface ClusterObjects {
  readonly pod: ReadonlyMap<string, Pod>;
  readonly service: ReadonlyMap<string, Service>;
  readonly endpointslice: ReadonlyMap<string, EndpointSlice>;
  readonly node: ReadonlyMap<string, Node>;
}

type MutableTarget = Record<string, string>;
const META = '__meta_kubernetes_';

/** @param attachNode Adds the labels of a pod's node, where nodes are known. */
export function kubernetesGroups(
  role: KubernetesRole,
  objects: ClusterObjects,
  attachNode: boolean,
): readonly TargetGroup[] {
  const nodes = attachNode ? objects.node : new Map<string, Node>();
  switch (role) {
    case 'pod':
      return [...objects.pod.values()].map((pod) => podGroup(pod, nodes));
    case 'service':
      return [...objects.service.values()].map(serviceGroup);
    case 'node':
      return [...objects.node.values()].map(nodeGroup);
    case 'endpointslice':
      return [...objects.endpointslice.values()].map((slice) => sliceGroup(slice, objects, nodes));
  }
}

function podGroup(pod: Pod, nodes: ReadonlyMap<string, Node>): TargetGroup {
  const ip = pod.status?.podIP ?? '';
  const node = nodes.get(`/${pod.spec?.nodeName ?? ''}`);
  return {
    source: `pod/${keyOf(pod)}`,
    labels: { [`${META}namespace`]: pod.metadata.namespace ?? '', ...podLabels(pod), ...ofNode(node) },
    targets: ip === '' ? [] : containersOf(pod).flatMap((container) => containerTargets(ip, pod, container)),
  };
}

interface OfPod {
  readonly container: Container;
  readonly isInit: boolean;
}

function containersOf({ spec }: Pod): readonly OfPod[] {
  return [
    ...(spec?.containers ?? []).map((container) => ({ container, isInit: false })),
    ...(spec?.initContainers ?? []).map((container) => ({ container, isInit: true })),
  ];
}

function containerTargets(ip: string, pod: Pod, of: OfPod): readonly MutableTarget[] {
  const statuses = (of.isInit ? pod.status?.initContainerStatuses : pod.status?.containerStatuses) ?? [];
  const id = statuses.find(({ name }) => name === of.container.name)?.containerID ?? '';
  const { ports = [] } = of.container;
  const own = { ...containerLabels(of), [`${META}pod_container_id`]: id };
  if (ports.length === 0) return [{ __address__: ip, ...own }];
  return ports.map((port) => ({ __address__: joined(ip, port.containerPort), ...own, ...portLabels(port) }));
}

function containerLabels({ container, isInit }: OfPod): MutableTarget {
  return {
    [`${META}pod_container_name`]: container.name,
    [`${META}pod_container_image`]: container.image ?? '',
    [`${META}pod_container_init`]: String(isInit),
  };
}

function portLabels({ name = '', containerPort, protocol = '' }: ContainerPort): MutableTarget {
  return {
    [`${META}pod_container_port_name`]: name,
    [`${META}pod_container_port_number`]: String(containerPort),
    [`${META}pod_container_port_protocol`]: protocol,
  };
}

function podLabels(pod: Pod): MutableTarget {
  const { status, spec, metadata } = pod;
  const controller = metadata.ownerReferences?.find((owner) => owner.controller === true);
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'unknown';
  return {
    ...ofObject('pod', pod),
    [`${META}pod_ip`]: status?.podIP ?? '',
    [`${META}pod_ready`]: ready.toLowerCase(),
    [`${META}pod_phase`]: status?.phase ?? '',
    [`${META}pod_node_name`]: spec?.nodeName ?? '',
    [`${META}pod_host_ip`]: status?.hostIP ?? '',
    [`${META}pod_uid`]: metadata.uid ?? '',
    ...(controller !== undefined && {
      [`${META}pod_controller_kind`]: controller.kind,
      [`${META}pod_controller_name`]: controller.name,
    }),
  };
}

function serviceGroup(service: Service): TargetGroup {
  const { name, namespace = '' } = service.metadata;
  const { spec = {} } = service;
  const type = spec.type ?? '';
  const targets = (spec.ports ?? []).map((port) => ({
    __address__: `${name}.${namespace}.svc:${port.port}`,
    [`${META}service_port_name`]: port.name ?? '',
    [`${META}service_port_number`]: String(port.port),
    [`${META}service_port_protocol`]: port.protocol ?? '',
    [`${META}service_type`]: type,
    ...(type === 'ExternalName'
      ? { [`${META}service_external_name`]: spec.externalName ?? '' }
      : { [`${META}service_cluster_ip`]: spec.clusterIP ?? '' }),
    ...(type === 'LoadBalancer' && { [`${META}service_loadbalancer_ip`]: spec.loadBalancerIP ?? '' }),
  }));
  const labels = { [`${META}namespace`]: namespace, ...ofObject('service', service) };
  return { source: `svc/${keyOf(service)}`, labels, targets };
}

/** The address of a node that counts: the first kind of these that it has. */
const ADDRESS_TYPES = ['InternalIP', 'InternalDNS', 'ExternalIP', 'ExternalDNS', 'LegacyHostIP', 'Hostname'];

function nodeGroup(node: Node): TargetGroup {
  const { name } = node.metadata;
  const addresses = node.status?.addresses ?? [];
  const address = ADDRESS_TYPES.map((type) => addresses.find((each) => each.type === type)).find(Boolean)?.address;
  const labels = { [`${META}node_provider_id`]: node.spec?.providerID ?? '', ...ofObject('node', node) };
  const source = `node/${name}`;
  if (address === undefined) return { source, labels, targets: [] };
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  const target: MutableTarget = { __address__: joined(address, port), instance: name };
  for (const each of addresses) target[`${META}node_address_${sanitized(each.type)}`] ??= each.address;
  return { source, labels, targets: [target] };
}

const SERVICE_NAME = 'kubernetes.io/service-name';

function sliceGroup(slice: EndpointSlice, objects: ClusterObjects, nodes: ReadonlyMap<string, Node>): TargetGroup {
  const { namespace = '', labels = {} } = slice.metadata;
  const service = objects.service.get(`${namespace}/${labels[SERVICE_NAME] ?? ''}`);
  const targets: MutableTarget[] = [];
  /** Ports of the slice, by the pods behind it. */
  const seen = new Map<Pod, number[]>();
  for (const endpoint of slice.endpoints ?? []) {
    const { targetRef } = endpoint;
    const isPod = targetRef?.kind === 'Pod';
    const pod = isPod ? objects.pod.get(`${targetRef.namespace ?? namespace}/${targetRef.name}`) : undefined;
    for (const port of slice.ports ?? []) {
      for (const address of endpoint.addresses ?? []) {
        const whole = port.port === undefined ? address : joined(address, port.port);
        const target = { __address__: whole, ...endpointLabels(endpoint, port) };
        Object.assign(target, ofNode(nodes.get(`/${endpoint.nodeName ?? ''}`)));
        if (pod !== undefined) {
          Object.assign(target, podLabels(pod), containerAt(pod, whole, port.port));
          seen.set(pod, [...(seen.get(pod) ?? []), ...(port.port === undefined ? [] : [port.port])]);
        }
        targets.push(target);
      }
    }
  }
  for (const [pod, ports] of seen) targets.push(...otherPorts(pod, ports, nodes));
  return {
    source: `endpointslice/${keyOf(slice)}`,
    labels: {
      [`${META}namespace`]: namespace,
      [`${META}endpointslice_address_type`]: slice.addressType ?? '',
      ...ofObject('endpointslice', slice),
      ...(service === undefined ? {} : ofObject('service', service)),
    },
    targets,
  };
}

function endpointLabels({ conditions = {}, ...endpoint }: SliceEndpoint, port: SlicePort): MutableTarget {
  const of = `${META}endpointslice_`;
  const labels: Record<string, string | undefined> = {
    [`${of}port_name`]: port.name,
    [`${of}port_protocol`]: port.protocol,
    [`${of}port`]: port.port?.toString(),
    [`${of}port_app_protocol`]: port.appProtocol,
    [`${of}endpoint_conditions_ready`]: conditions.ready?.toString(),
    [`${of}endpoint_conditions_serving`]: conditions.serving?.toString(),
    [`${of}endpoint_conditions_terminating`]: conditions.terminating?.toString(),
    [`${of}endpoint_hostname`]: endpoint.hostname,
    [`${of}endpoint_node_name`]: endpoint.nodeName,
    [`${of}endpoint_zone`]: endpoint.zone,
    [`${of}address_target_kind`]: endpoint.targetRef?.kind,
    [`${of}address_target_name`]: endpoint.targetRef?.name,
  };
  return Object.fromEntries(
    Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Labels of the container that listens at the address. */
function containerAt(pod: Pod, address: string, port: number | undefined): MutableTarget {
  for (const of of containersOf(pod)) {
    for (const each of of.container.ports ?? []) {
      if (each.containerPort !== port || joined(pod.status?.podIP ?? '', each.containerPort) !== address) continue;
      return { ...containerLabels(of), ...portLabels(each) };
    }
  }
  return {};
}

/** Ports of the pods behind a slice that the slice does not name are targets as well. */
function otherPorts(pod: Pod, named: readonly number[], nodes: ReadonlyMap<string, Node>): readonly MutableTarget[] {
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return [];
  return containersOf(pod).flatMap((of) =>
    (of.container.ports ?? [])
      .filter(({ containerPort }) => !named.includes(containerPort))
      .map((port) => ({
        __address__: joined(pod.status?.podIP ?? '', port.containerPort),
        ...ofNode(nodes.get(`/${pod.spec?.nodeName ?? ''}`)),
        ...containerLabels(of),
        ...portLabels(port),
        ...podLabels(pod),
      })),
  );
}

function ofNode(node: Node | undefined): MutableTarget {
  return node === undefined ? {} : ofObject('node', node);
}

/** Name, labels and annotations of an object. */
function ofObject(role: KubernetesRole, { metadata }: KubeObject): MutableTarget {
  const labels: MutableTarget = { [`${META}${role}_name`]: metadata.name };
  for (const [kind, entries] of [
    ['label', metadata.labels],
    ['annotation', metadata.annotations],
  ] as const) {
    for (const [name, value] of Object.entries(entries ?? {})) {
      labels[`${META}${role}_${kind}_${sanitized(name)}`] = value;
      labels[`${META}${role}_${kind}present_${sanitized(name)}`] = 'true';
    }
  }
  return labels;
}

function sanitized(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, '_');
}

function joined(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
