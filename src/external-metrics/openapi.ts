import { GROUP, GROUP_VERSION, tagged, VERSION } from './discovery.ts';
import type { Answer } from './status.ts';

const NAMES = 'io.k8s.metrics.pkg.apis.external_metrics.v1beta1';
const VALUE = `${NAMES}.ExternalMetricValue`;
const LIST = `${NAMES}.ExternalMetricValueList`;
const METRIC_PATH = `/apis/${GROUP_VERSION}/namespaces/{namespace}/{metric}`;
const DESCRIPTION = 'The values of an external metric, of those series that a label selector selects.';

/** The types of k8s.io/metrics/pkg/apis/external_metrics/v1beta1. */
const schemasWith = (reference: (name: string) => string) => ({
  [VALUE]: {
    type: 'object',
    required: ['metricName', 'metricLabels', 'timestamp', 'value'],
    properties: {
      metricName: { type: 'string', description: 'The name of the metric.' },
      metricLabels: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'What identifies the series.',
      },
      timestamp: { type: 'string', format: 'date-time', description: 'When the value was known.' },
      window: { type: 'integer', format: 'int64', description: 'What the value is over, in seconds.' },
      value: { type: 'string', description: 'A quantity, such as 12500m.' },
    },
  },
  [LIST]: {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      items: { type: 'array', items: { $ref: reference(VALUE) } },
    },
    'x-kubernetes-group-version-kind': [{ group: GROUP, version: VERSION, kind: 'ExternalMetricValueList' }],
  },
});

const PLACES = [
  { name: 'namespace', in: 'path', required: true },
  { name: 'metric', in: 'path', required: true },
  { name: 'labelSelector', in: 'query', required: false },
];
const INFO = { title: 'Foresail external metrics', version: VERSION };
const OPERATION = {
  description: DESCRIPTION,
  operationId: 'listExternalMetricsV1beta1NamespacedMetric',
  tags: ['externalMetrics_v1beta1'],
};

const V2 = {
  swagger: '2.0',
  info: INFO,
  paths: {
    [METRIC_PATH]: {
      get: {
        ...OPERATION,
        produces: ['application/json'],
        parameters: PLACES.map((place) => ({ ...place, type: 'string' })),
        responses: { 200: { description: 'OK', schema: { $ref: `#/definitions/${LIST}` } } },
      },
    },
  },
  definitions: schemasWith((name) => `#/definitions/${name}`),
};

const V3 = {
  openapi: '3.0.0',
  info: INFO,
  paths: {
    [METRIC_PATH]: {
      get: {
        ...OPERATION,
        parameters: PLACES.map((place) => ({ ...place, schema: { type: 'string' } })),
        responses: {
          200: {
            description: 'OK',
            content: { 'application/json': { schema: { $ref: `#/components/schemas/${LIST}` } } },
          },
        },
      },
    },
  },
  components: { schemas: schemasWith((name) => `#/components/schemas/${name}`) },
};

const V3_PATH = `/openapi/v3/apis/${GROUP_VERSION}`;
const INDEX = { paths: { [`apis/${GROUP_VERSION}`]: { serverRelativeURL: V3_PATH } } };

/** The OpenAPI document at a path, in both versions. Undefined where there is none. */
export function openApi(path: string, ifNoneMatch: string): Answer | undefined {
  const documents: Readonly<Record<string, object>> = { '/openapi/v2': V2, '/openapi/v3': INDEX, [V3_PATH]: V3 };
  const body = Object.hasOwn(documents, path) ? documents[path] : undefined;
  return body === undefined ? undefined : tagged({ status: 200, body }, ifNoneMatch);
}
