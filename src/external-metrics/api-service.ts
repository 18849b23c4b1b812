import type { X509Certificate } from 'node:crypto';
import type { Millis } from '../model/time.ts';
import { GROUP, VERSION } from './discovery.ts';
import { ApiServiceError } from './errors.ts';
import { type AskKubernetes, messageOf } from './kubernetes.ts';
import { AUTHORITY_PREFIX } from './self-made.ts';
import { certificatesIn } from './trust.ts';

/** The Service through which the API server reaches this program. */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export type ApiServiceState =
  | { readonly kind: 'ours'; readonly done: 'nothing' | 'made' | 'bundle-written' }
  /** Somebody else serves external metrics: it is theirs, and is left alone. */
  | { readonly kind: 'others'; readonly message: string }
  /** There is none, and it is not for us to make it. */
  | { readonly kind: 'missing'; readonly message: string }
  /** It changed while it was looked at: look again. */
  | { readonly kind: 'conflict'; readonly message: string };

export interface ReconcileOptions {
  readonly ask: AskKubernetes;
  readonly service: ServiceName;
  /** PEM. Undefined where somebody else keeps the bundle, such as cert-manager: then nothing is written at all. */
  readonly authority: string | undefined;
  readonly now: Millis;
}

const NAME = `${VERSION}.${GROUP}`;
const PATH = '/apis/apiregistration.k8s.io/v1/apiservices';
/** Authorities of other replicas, and of before: the newest of them. */
const MOST_AUTHORITIES = 20;

interface ApiService {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly { readonly manager?: string; readonly subresource?: string }[];
  };
  readonly spec: {
    readonly service?: { readonly namespace?: string; readonly name?: string; readonly port?: number } | null;
    readonly caBundle?: string;
    readonly insecureSkipTLSVerify?: boolean;
  };
}

/**
 * Sees to it that the cluster's one APIService for external metrics, if it is ours, believes our authority. There is one
 * for the whole cluster: another owner's is never touched.
 *
 * @throws {ApiServiceError} If the API server refuses.
 */
export async function reconcileApiService(options: ReconcileOptions): Promise<ApiServiceState> {
  const { ask, service, authority } = options;
  const answer = await ask({ method: 'GET', path: `${PATH}/${NAME}` });
  if (answer.status === 404) {
    if (authority !== undefined) return await make(ask, service, authority);
    return { kind: 'missing', message: `there is no APIService ${NAME}, and without an authority none is made` };
  }
  if (answer.status !== 200) throw new ApiServiceError(`cannot read the APIService ${NAME}: ${messageOf(answer)}`);
  const found = answer.body as ApiService;
  const { namespace, name } = found.spec.service ?? {};
  if (namespace !== service.namespace || name !== service.name) {
    return { kind: 'others', message: othersMessage(found, service) };
  }
  if (authority === undefined) return { kind: 'ours', done: 'nothing' };
  return await keepBundle(ask, found, { ...options, authority });
}

async function make(
  ask: AskKubernetes,
  { namespace, name, port }: ServiceName,
  authority: string,
): Promise<ApiServiceState> {
  const answer = await ask({
    method: 'POST',
    path: PATH,
    query: { fieldManager: 'foresail' },
    body: {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: NAME, labels: { 'app.kubernetes.io/managed-by': 'foresail' } },
      spec: {
        group: GROUP,
        version: VERSION,
        service: { namespace, name, port },
        caBundle: base64(authority),
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
    },
  });
  if (answer.status === 201 || answer.status === 200) return { kind: 'ours', done: 'made' };
  // Somebody was faster: the next look says whose it is.
  if (answer.status === 409) return { kind: 'conflict', message: messageOf(answer) };
  throw new ApiServiceError(`cannot make the APIService ${NAME}: ${messageOf(answer)}`);
}

async function keepBundle(
  ask: AskKubernetes,
  { metadata, spec }: ApiService,
  { authority, now }: { readonly authority: string; readonly now: Millis },
): Promise<ApiServiceState> {
  const caBundle = base64(bundleWith(authority, spec.caBundle ?? '', now));
  if (spec.caBundle === caBundle && spec.insecureSkipTLSVerify !== true) return { kind: 'ours', done: 'nothing' };
  const answer = await ask({
    method: 'PATCH',
    path: `${PATH}/${NAME}`,
    query: { fieldManager: 'foresail' },
    contentType: 'application/merge-patch+json',
    // Only what was looked at is written. A bundle and no verification exclude each other.
    body: { metadata: { resourceVersion: metadata.resourceVersion }, spec: { caBundle, insecureSkipTLSVerify: null } },
  });
  if (answer.status === 200) return { kind: 'ours', done: 'bundle-written' };
  if (answer.status === 409) return { kind: 'conflict', message: messageOf(answer) };
  throw new ApiServiceError(`cannot write the bundle of the APIService ${NAME}: ${messageOf(answer)}`);
}

/**
 * A bundle with this authority and those of our own that are still in force, as other replicas present their
 * certificates and this one presented another a moment ago. Whoever else was believed is not any more.
 */
export function bundleWith(authority: string, bundle: string, now: Millis): string {
  const own = certificatesIn(authority);
  const others = readable(bundle).filter(
    (certificate) =>
      certificate.subject.startsWith(`CN=${AUTHORITY_PREFIX}`) &&
      Date.parse(certificate.validTo) > now &&
      !own.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256),
  );
  const age = ({ validFrom }: X509Certificate) => Date.parse(validFrom);
  // In one order, whoever writes it: replicas would write over each other for ever.
  return [...own, ...others.sort((a, b) => age(b) - age(a)).slice(0, MOST_AUTHORITIES - own.length)]
    .sort((a, b) => age(a) - age(b) || (a.fingerprint256 < b.fingerprint256 ? -1 : 1))
    .map((certificate) => certificate.toString())
    .join('');
}

function readable(bundle: string): readonly X509Certificate[] {
  try {
    return certificatesIn(Buffer.from(bundle, 'base64').toString('utf8'));
  } catch {
    return [];
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function othersMessage({ metadata, spec }: ApiService, service: ServiceName): string {
  const { namespace, name } = spec.service ?? {};
  const owner = name === undefined ? 'the API server itself' : `the service ${namespace}/${name}`;
  const annotations = metadata.annotations ?? {};
  const release = annotations['meta.helm.sh/release-name'];
  const managers = [
    ...new Set(
      (metadata.managedFields ?? [])
        .filter((entry) => entry.subresource !== 'status')
        .map((entry) => entry.manager ?? ''),
    ),
  ];
  const how = [
    ...(release === undefined ? [] : [`Helm release ${annotations['meta.helm.sh/release-namespace']}/${release}`]),
    ...(managers.length > 0 ? [`written by ${managers.join(', ')}`] : []),
  ];
  const by = how.length > 0 ? ` (${how.join('; ')})` : '';
  return `the APIService ${NAME} belongs to ${owner}${by} and is left alone: a cluster has one. Set externalMetrics.upstream to that adapter and point the APIService at ${service.namespace}/${service.name}, or do without one of them`;
}
