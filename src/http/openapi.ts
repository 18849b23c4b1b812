import { z } from 'zod';
import { ScalingPolicyDocument } from '../scaling/policy.ts';
import { AdviceAnswer } from './advice-schemas.ts';
import { ALERTING_PATHS } from './alerting-paths.ts';
import * as anomalySchemas from './anomaly-schemas.ts';
import * as schemas from './api-schemas.ts';
import { CapacityAnswer, CostReportAnswer } from './cost/cost-answers.ts';
import { COST_PATHS } from './cost/cost-paths.ts';
import { DetectRequest } from './detect-rows.ts';
import { DecomposeRequest, ForecastRequest, SeasonsRequest } from './forecast-requests.ts';
import {
  DURATION,
  END,
  inQuery,
  json,
  operation,
  type Parameter,
  PROMETHEUS_DATA,
  ref,
  START,
  TIME,
} from './openapi-parts.ts';
import { WATCH_PATHS } from './watch-paths.ts';

const NAMES: readonly Parameter[] = [
  {
    name: 'namespace',
    in: 'path',
    required: true,
    description: 'Namespace of the policy.',
    schema: { type: 'string' },
  },
  { name: 'name', in: 'path', required: true, description: 'Name of the policy.', schema: { type: 'string' } },
];

const LIMIT = inQuery('limit', 'At most so many; 0 is no limit.', { type: 'integer', minimum: 0 });
const MATCH = inQuery('match[]', 'Selectors; a series matches if one of them does.', {
  type: 'array',
  items: { type: 'string' },
});
const QUERY = inQuery('query', 'PromQL.', { type: 'string' }, true);
const TIMEOUT = inQuery('timeout', "Time for the query; at most the server's.", DURATION);
const LOOKBACK = inQuery('lookback_delta', 'How far back an instant looks for a sample.', DURATION);

const RESOLUTION = inQuery(
  'max_source_resolution',
  'How long points may be that answer in place of samples, such as 5m; auto: a fifth of the step; 0: samples alone. Not given: points where samples are gone and the answer is the same.',
);

const STATS = inQuery('stats', 'Statistics beside the result; all: also what each selector had.', {
  enum: ['true', 'all'],
});

const SELECTOR = inQuery('selector', 'Only series that it selects.');
const COUNT_METHOD = inQuery('count_method', 'inmemory, or active: with a sample in the last 20 minutes.', {
  enum: ['inmemory', 'active'],
});
const ITEMS = inQuery('limit', 'Items of each list; 20 if not given.', { type: 'integer', maximum: 500 });

/** The OpenAPI 3.1 document of the whole HTTP API, made from the schemas that check and type it. */
export function openApiDocument(version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Foresail',
      version,
      description:
        "Queries in Prometheus's form, and Foresail's policies, forecasts, plans and decisions. The tenant comes from X-Scope-OrgID, or from the credential.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{}, { bearer: [] }],
    paths: {
      '/api/v1/query': getAndPost('An expression at one instant.', [
        QUERY,
        inQuery('time', 'Default: now.', TIME),
        TIMEOUT,
        LOOKBACK,
        RESOLUTION,
        LIMIT,
        STATS,
      ]),
      '/api/v1/query_range': getAndPost('An expression at each step of a range, 11,000 steps at most.', [
        QUERY,
        { ...START, required: true },
        { ...END, required: true },
        inQuery('step', 'Time between two instants.', DURATION, true),
        TIMEOUT,
        LOOKBACK,
        RESOLUTION,
        LIMIT,
        STATS,
      ]),
      '/api/v1/format_query': getAndPost('An expression, laid out.', [QUERY]),
      '/api/v1/parse_query': getAndPost("An expression's tree.", [QUERY]),
      '/api/v1/query_exemplars': getAndPost('Exemplars of the series that the expression names.', [QUERY, START, END]),
      ...WATCH_PATHS,
      '/api/v1/series': getAndPost('Label sets that match.', [{ ...MATCH, required: true }, START, END, LIMIT]),
      '/api/v1/labels': getAndPost('Label names.', [MATCH, START, END, LIMIT]),
      '/api/v1/label/{name}/values': {
        get: operation(
          'Values of one label.',
          [{ ...NAMES[1]!, description: 'Label name.' }, MATCH, START, END, LIMIT],
          PROMETHEUS_DATA,
        ),
      },
      '/api/v1/metadata': {
        get: operation(
          'Type, help and unit of metrics.',
          [
            inQuery('metric', 'Only this metric.'),
            LIMIT,
            inQuery('limit_per_metric', 'Entries of a metric.', { type: 'integer' }),
          ],
          PROMETHEUS_DATA,
        ),
      },
      '/api/v1/targets': {
        get: operation(
          'What is scraped, and what relabelling dropped.',
          [
            inQuery('state', 'Only these: active, dropped or any.', { enum: ['active', 'dropped', 'any'] }),
            inQuery('scrapePool', 'Only targets of this job.'),
          ],
          PROMETHEUS_DATA,
        ),
      },
      '/api/v1/targets/metadata': {
        get: operation(
          'Type, help and unit of metrics, target by target.',
          [inQuery('metric', 'Only this metric.'), LIMIT],
          PROMETHEUS_DATA,
        ),
      },
      '/api/v1/admin/tsdb/snapshot': {
        get: operation('How far the snapshot is that is being taken, and how the last one ended. For operators.', [], {
          type: 'object',
          properties: {
            running: {
              type: 'object',
              properties: {
                name: { type: 'string' },
                bytes: { type: 'integer', description: 'Of what it has so far.' },
                summedBytes: { type: 'integer', description: 'Of those, what its sums are made of: the longest part.' },
              },
              required: ['name', 'bytes', 'summedBytes'],
            },
            last: {
              type: 'object',
              properties: {
                name: { type: 'string' },
                error: { type: 'string', description: 'Why it could not be taken.' },
              },
              required: ['name'],
            },
          },
        }),
        post: operation('Takes a snapshot of the whole store, all tenants, while it runs. For operators.', [], {
          type: 'object',
          properties: { name: { type: 'string', description: 'Of its folder in snapshots/ of the data folder.' } },
          required: ['name'],
        }),
      },
      '/api/v1/user_limits': { get: bareOperation("The tenant's limits.", []) },
      '/api/v1/cardinality/label_names': {
        get: bareOperation('Labels with the most values.', [SELECTOR, COUNT_METHOD, ITEMS]),
      },
      '/api/v1/cardinality/label_values': {
        get: bareOperation('Values with the most series, of some labels.', [
          inQuery('label_names[]', 'Labels, 100 at most.', { type: 'array', items: { type: 'string' } }, true),
          ...[SELECTOR, COUNT_METHOD, ITEMS],
        ]),
      },
      '/api/v1/cardinality/active_series': {
        get: bareOperation('Series with a sample in the last 20 minutes, 100,000 at most.', [
          { ...SELECTOR, required: true },
        ]),
      },
      '/api/v1/status/tsdb': {
        get: operation(
          "What fills the tenant's memory.",
          [inQuery('limit', 'Items of each list; 10 if not given.', { type: 'integer', maximum: 10_000 })],
          PROMETHEUS_DATA,
        ),
      },
      '/api/v1/admin/tsdb/delete_series': {
        post: deletion('Delete the samples of series, for good. Needs the role operator.'),
        put: deletion('As POST.'),
      },
      '/api/v1/read': {
        post: {
          summary: "Prometheus's remote read: samples of selectors, as a stream of chunks or in one answer.",
          requestBody: {
            required: true,
            content: { 'application/x-protobuf': { schema: { description: 'A ReadRequest, packed by snappy.' } } },
          },
          responses: {
            '200': {
              description: 'As the request takes it.',
              content: {
                'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse': {},
                'application/x-protobuf': {},
              },
            },
            default: { $ref: '#/components/responses/Error' },
          },
        },
      },
      '/federate': {
        get: {
          summary: 'The newest sample of each series that matches, in the text format with its time.',
          parameters: [{ ...MATCH, required: true }],
          responses: {
            '200': { description: 'Samples.', content: { 'text/plain; version=0.0.4': {} } },
            default: { $ref: '#/components/responses/Error' },
          },
        },
      },
      '/api/v1/status/config': { get: operation('The external labels, as a configuration.', [], PROMETHEUS_DATA) },
      '/api/v1/status/flags': { get: operation('Bounds of queries and the retention.', [], PROMETHEUS_DATA) },
      '/api/v1/status/runtimeinfo': { get: operation('Since when the server runs.', [], PROMETHEUS_DATA) },
      '/api/v1/status/walreplay': { get: operation('Done: it answers once it is.', [], PROMETHEUS_DATA) },
      '/api/v1/alertmanagers': { get: operation('None: for clients that ask every Prometheus.', [], PROMETHEUS_DATA) },
      '/api/v1/status/buildinfo': { get: operation('The version.', [], PROMETHEUS_DATA) },
      ...ALERTING_PATHS,
      '/api/v1/status': { get: operation('The server and each workload, in short.', [], ref('Status')) },
      '/api/v1/policies': { get: operation("The tenant's policies.", [], { type: 'array', items: ref('Policy') }) },
      '/api/v1/forecast': posted(
        "Forecast each series of an expression's answer, for this request alone.",
        'ForecastRequest',
        { description: 'Points, quantiles, model, seasons and accuracy of each series, or why there is no forecast.' },
      ),
      '/api/v1/decompose': posted(
        "Trend, seasons and remainder of each series of an expression's answer.",
        'DecomposeRequest',
        {
          description: 'At each step the parts add up to the value.',
        },
      ),
      '/api/v1/seasons': posted("The seasons of each series of an expression's answer.", 'SeasonsRequest', {
        description: 'Lengths in seconds, and each candidate with its verdict.',
      }),
      '/api/v1/policies/preview': {
        post: {
          ...operation(
            'What a policy would have foreseen and done lately. Nothing is saved or changed.',
            [
              inQuery('judge', 'How much of the end of the history is judged (3d, at most half of it).', DURATION),
              TIMEOUT,
            ],
            {
              description:
                'Forecasts one lead time ahead with their accuracy, and a simulation against other strategies.',
            },
          ),
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: ref('ScalingPolicy') },
              'application/yaml': { schema: ref('ScalingPolicy') },
            },
          },
        },
      },
      '/api/v1/policies/{namespace}/{name}': {
        get: operation('A policy, defaults filled in.', NAMES, ref('Policy')),
        put: {
          ...operation('Create or replace a policy. A policy that stands in a file answers 409.', NAMES, ref('Policy')),
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: ref('ScalingPolicy') },
              'application/yaml': { schema: ref('ScalingPolicy') },
            },
          },
        },
        delete: operation("Delete a policy: its target's bounds ramp back to the originals.", NAMES, {
          type: 'object',
          properties: { deleted: { type: 'string' } },
        }),
      },
      '/api/v1/policies/{namespace}/{name}/plan': {
        get: operation('Plan now, and change nothing.', NAMES, ref('Plan')),
      },
      ...COST_PATHS,
      '/api/v1/policies/{namespace}/{name}/advice': {
        get: operation(
          'What could be set better: the target and other settings of the HPA, and requests. Nothing is changed.',
          [
            ...NAMES,
            inQuery('judge', 'How much of the end of the history is replayed (3d, at most half of it).', DURATION),
            TIMEOUT,
          ],
          ref('Advice'),
        ),
      },
      '/api/v1/policies/{namespace}/{name}/forecast': {
        get: operation("The newest forecast of each of the policy's demands.", NAMES, ref('Forecast')),
      },
      '/api/v1/policies/{namespace}/{name}/accuracy': {
        get: operation(
          "How good the issued forecasts of each of the policy's demands proved to be, lately and by day.",
          [...NAMES, inQuery('days', 'So many days back (30, at most 365).', { type: 'integer' })],
          ref('PolicyAccuracy'),
        ),
      },
      '/api/v1/accuracy': {
        get: operation(
          'How good the issued forecasts of every demand proved to be lately, and which are trusted: the worst first.',
          [
            inQuery('namespace', 'Only policies of this namespace.'),
            inQuery('policy', 'Only policies of this name.'),
            LIMIT,
          ],
          ref('Accuracy'),
        ),
      },
      '/api/v1/networks': {
        get: operation(
          "The versions of the tenant's network of the forecasts, with their scores.",
          [],
          ref('Networks'),
        ),
      },
      '/api/v1/policies/{namespace}/{name}/decisions': {
        get: operation(
          'Decisions, newest first.',
          [
            ...NAMES,
            inQuery('limit', 'At most so many (50, at most 1000).', { type: 'integer' }),
            inQuery('before', 'Only older ones.', TIME),
          ],
          {
            type: 'array',
            items: ref('Decision'),
          },
        ),
      },
      '/api/v1/decisions/{id}': {
        get: operation(
          'A decision with all its inputs.',
          [{ name: 'id', in: 'path', required: true, description: 'Id of the decision.', schema: { type: 'string' } }],
          ref('DecisionRecord'),
        ),
      },
    },
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      responses: { Error: { description: 'What could not be done, and why.', content: json(ref('Error')) } },
      schemas: {
        ScalingPolicy: schemaOf(ScalingPolicyDocument, 'input'),
        ForecastRequest: schemaOf(ForecastRequest, 'input'),
        DecomposeRequest: schemaOf(DecomposeRequest, 'input'),
        SeasonsRequest: schemaOf(SeasonsRequest, 'input'),
        Policy: schemaOf(schemas.PolicyAnswer),
        Plan: schemaOf(schemas.PlanAnswer),
        Advice: schemaOf(AdviceAnswer),
        CostReport: schemaOf(CostReportAnswer),
        Capacity: schemaOf(CapacityAnswer),
        Forecast: schemaOf(schemas.ForecastAnswer),
        Accuracy: schemaOf(schemas.AccuracyAnswer),
        PolicyAccuracy: schemaOf(schemas.PolicyAccuracyAnswer),
        Networks: schemaOf(schemas.NetworksAnswer),
        Slos: schemaOf(schemas.SlosAnswer),
        Decision: schemaOf(schemas.DecisionAnswer),
        DecisionRecord: schemaOf(schemas.DecisionRecord),
        Status: schemaOf(schemas.StatusAnswer),
        Anomaly: schemaOf(anomalySchemas.AnomalyAnswer),
        AnomalyRecord: schemaOf(anomalySchemas.AnomalyRecord),
        AnomalyFeedback: schemaOf(anomalySchemas.FeedbackRequest, 'input'),
        Watch: schemaOf(anomalySchemas.WatchAnswer),
        DetectRequest: schemaOf(DetectRequest, 'input'),
        Scores: schemaOf(anomalySchemas.DetectAnswer),
        Error: schemaOf(schemas.ErrorAnswerSchema),
      },
    },
  };
}

function getAndPost(summary: string, parameters: readonly Parameter[]): object {
  const form = {
    type: 'object',
    properties: Object.fromEntries(parameters.map(({ name, schema }) => [name, schema])),
    required: parameters.filter(({ required }) => required).map(({ name }) => name),
  };
  return {
    get: operation(summary, parameters, PROMETHEUS_DATA),
    post: {
      ...operation(summary, [], PROMETHEUS_DATA),
      requestBody: { content: { 'application/x-www-form-urlencoded': { schema: form } } },
    },
  };
}

function posted(summary: string, request: string, data: object): object {
  const post = operation(summary, [], data);
  return { post: { ...post, requestBody: { required: true, content: json(ref(request)) } } };
}

/** An answer of Mimir's, which has no envelope. */
function bareOperation(summary: string, parameters: readonly Parameter[]): object {
  const whole = operation(summary, parameters, {}) as { readonly responses: object };
  const content = { 'application/json': { schema: { type: 'object' } } };
  return { ...whole, responses: { ...whole.responses, 200: { description: "In Mimir's form.", content } } };
}

function deletion(summary: string): object {
  return {
    summary,
    parameters: [{ ...MATCH, required: true }, START, END],
    responses: { '204': { description: 'Deleted.' }, default: { $ref: '#/components/responses/Error' } },
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output' = 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
