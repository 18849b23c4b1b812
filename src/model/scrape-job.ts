import type { RelabelRule } from './relabel.ts';
import type { TenantId } from './tenant.ts';

/** Formats in which a target exposes its metrics, by Prometheus's names for them. */
export const SCRAPE_PROTOCOLS = [
  'PrometheusProto',
  'OpenMetricsText1.0.0',
  'OpenMetricsText0.0.1',
  'PrometheusText1.0.0',
  'PrometheusText0.0.4',
] as const;
export type ScrapeProtocol = (typeof SCRAPE_PROTOCOLS)[number];

/** One entry of `scrape_configs`, defaults filled in, paths absolute. */
export interface ScrapeJob {
  readonly name: string;
  /** Whose samples these are. */
  readonly tenant: TenantId;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly metricsPath: string;
  readonly scheme: string;
  readonly params: Readonly<Record<string, readonly string[]>>;
  readonly honorLabels: boolean;
  readonly honorTimestamps: boolean;
  readonly trackTimestampsStaleness: boolean;
  /** In the order of preference. */
  readonly protocols: readonly ScrapeProtocol[];
  readonly fallbackProtocol: ScrapeProtocol | undefined;
  readonly compression: boolean;
  readonly limits: ScrapeLimits;
  /** Of dropped targets, how many are kept to be shown. 0: all. */
  readonly keepDroppedTargets: number;
  readonly access: HttpAccess;
  readonly discoveries: readonly Discovery[];
  readonly relabelRules: readonly RelabelRule[];
  readonly metricRelabelRules: readonly RelabelRule[];
}

/** 0 is no limit. */
export interface ScrapeLimits {
  /** Unpacked. */
  readonly bodyBytes: number;
  readonly samples: number;
  readonly labels: number;
  readonly labelNameLength: number;
  readonly labelValueLength: number;
  readonly targets: number;
}

/** A secret as it stands, or a file that is read each time. */
export type Secret =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

/** How an address is asked: who we are, and whom we believe. */
export interface HttpAccess {
  readonly basicAuth: { readonly username: Secret; readonly password: Secret } | undefined;
  readonly authorization: { readonly type: string; readonly credentials: Secret } | undefined;
  readonly headers: readonly { readonly name: string; readonly values: readonly Secret[] }[];
  readonly tls: TlsAccess;
  readonly followRedirects: boolean;
}

export interface TlsAccess {
  readonly ca: Secret | undefined;
  readonly cert: Secret | undefined;
  readonly key: Secret | undefined;
  readonly serverName: string | undefined;
  readonly skipVerify: boolean;
  /** As Node names them: `TLSv1.2`. */
  readonly minVersion: TlsVersion | undefined;
  readonly maxVersion: TlsVersion | undefined;
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** Targets that are found together: addresses and what each has of its own, and labels that all of them have. */
export interface TargetGroup {
  /** Replaces the group of the same source. */
  readonly source: string;
  readonly targets: readonly Readonly<Record<string, string>>[];
  readonly labels: Readonly<Record<string, string>>;
}

export const KUBERNETES_ROLES = ['pod', 'endpointslice', 'service', 'node'] as const;
export type KubernetesRole = (typeof KUBERNETES_ROLES)[number];

export interface KubernetesDiscovery {
  readonly kind: 'kubernetes';
  readonly role: KubernetesRole;
  /** Undefined: the account of the pod that this runs in. */
  readonly kubeconfig: string | undefined;
  /** Empty: all of them. */
  readonly namespaces: readonly string[];
  readonly ownNamespace: boolean;
  readonly selectors: readonly { readonly role: string; readonly label: string; readonly field: string }[];
  /** Adds the labels of a pod's node to its own. */
  readonly attachNode: boolean;
}

export type Discovery =
  | { readonly kind: 'static'; readonly groups: readonly TargetGroup[] }
  /** Absolute; the last part may hold `*`. */
  | { readonly kind: 'file'; readonly files: readonly string[]; readonly refreshMs: number }
  | { readonly kind: 'http'; readonly url: string; readonly refreshMs: number; readonly access: HttpAccess }
  | KubernetesDiscovery;
