import { createHash } from 'node:crypto';
import type { Answer } from './status.ts';

export const GROUP = 'external.metrics.k8s.io';
export const VERSION = 'v1beta1';
export const GROUP_VERSION = `${GROUP}/${VERSION}`;
const LIST_KIND = 'ExternalMetricValueList';
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

const VERSION_ENTRY = { groupVersion: GROUP_VERSION, version: VERSION };
const GROUP_ENTRY = { name: GROUP, versions: [VERSION_ENTRY], preferredVersion: VERSION_ENTRY };

/** `GET /apis`: the one group, aggregated where the client knows that form. */
export function groupList(metrics: readonly string[], headers: { accept: string; ifNoneMatch: string }): Answer {
  if (!takesAggregated(headers.accept)) {
    return { status: 200, body: { kind: 'APIGroupList', apiVersion: 'v1', groups: [GROUP_ENTRY] } };
  }
  const resources = metrics.map((name) => ({
    resource: name,
    responseKind: { group: GROUP, version: VERSION, kind: LIST_KIND },
    scope: 'Namespaced',
    singularResource: '',
    verbs: ['get'],
  }));
  const body = {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: [
      {
        metadata: { name: GROUP, creationTimestamp: null },
        versions: [{ version: VERSION, resources, freshness: 'Current' }],
      },
    ],
  };
  return tagged({ status: 200, body, contentType: AGGREGATED, headers: { vary: 'Accept' } }, headers.ifNoneMatch);
}

/** `GET /apis/external.metrics.k8s.io`. */
export function group(): Answer {
  return { status: 200, body: { kind: 'APIGroup', apiVersion: 'v1', ...GROUP_ENTRY } };
}

/** `GET /apis/external.metrics.k8s.io/v1beta1`. */
export function resourceList(metrics: readonly string[]): Answer {
  const resources = metrics.map((name) => ({
    name,
    singularName: '',
    namespaced: true,
    kind: LIST_KIND,
    verbs: ['get'],
  }));
  return { status: 200, body: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: GROUP_VERSION, resources } };
}

/** With an `ETag`; without a body where the client has that one. */
export function tagged(answer: Answer, ifNoneMatch: string): Answer {
  const etag = `"${createHash('sha256').update(JSON.stringify(answer.body)).digest('hex').toUpperCase()}"`;
  const headers = { ...answer.headers, etag };
  if (ifNoneMatch.split(',').some((tag) => tag.trim() === etag)) return { status: 304, body: undefined, headers };
  return { ...answer, headers };
}

/** Whether one of the forms in an Accept header is the aggregated one, version 2. */
function takesAggregated(accept: string): boolean {
  return accept.split(',').some((form) => {
    const [type, ...parameters] = form.split(';').map((part) => part.trim());
    const has = (parameter: string) => parameters.includes(parameter);
    return (
      type === 'application/json' && has('g=apidiscovery.k8s.io') && has('v=v2') && has('as=APIGroupDiscoveryList')
    );
  });
}
