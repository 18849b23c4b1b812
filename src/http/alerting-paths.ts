/** What the OpenAPI document says of alerts: Alertmanager's API v2, which has no envelope, and our own beside it. */

const json = (schema: object) => ({ 'application/json': { schema } });
const TEXT = { type: 'string' };
const FREE = { type: 'object' };
const PAIRS = { type: 'object', additionalProperties: TEXT };

const ALERT = {
  type: 'object',
  properties: {
    labels: PAIRS,
    annotations: PAIRS,
    startsAt: { type: 'string', format: 'date-time' },
    endsAt: { type: 'string', format: 'date-time' },
    generatorURL: TEXT,
  },
  required: ['labels'],
};
const SILENCE = {
  type: 'object',
  properties: {
    id: TEXT,
    matchers: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: TEXT, value: TEXT, isRegex: { type: 'boolean' }, isEqual: { type: 'boolean' } },
        required: ['name', 'value'],
      },
    },
    startsAt: { type: 'string', format: 'date-time' },
    endsAt: { type: 'string', format: 'date-time' },
    createdBy: TEXT,
    comment: TEXT,
  },
  required: ['matchers', 'endsAt', 'createdBy', 'comment'],
};

const ID = [{ name: 'id', in: 'path', required: true, description: 'Its id.', schema: TEXT }];
const FILTER = {
  name: 'filter',
  in: 'query',
  required: false,
  description: 'Matchers, such as severity="critical"; all must hold.',
  schema: { type: 'array', items: TEXT },
};
const wanted = (name: string) => ({
  ...{ name, in: 'query', required: false, description: `false: without those that are ${name}.` },
  schema: { type: 'boolean', default: true },
});
const WHICH = [
  FILTER,
  ...['active', 'silenced', 'inhibited'].map(wanted),
  { name: 'receiver', in: 'query', required: false, description: 'A regular expression.', schema: TEXT },
];

function answers(summary: string, schema: object, parameters: readonly object[] = []): object {
  return {
    summary,
    ...(parameters.length > 0 && { parameters }),
    responses: {
      '200': { description: 'Done.', content: json(schema) },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

function takes(summary: string, body: object, schema: object): object {
  return { ...answers(summary, schema), requestBody: { required: true, content: json(body) } };
}

const COUNT = { type: 'object', properties: { status: { const: 'success' }, data: FREE } };
const DEAD = '/api/v1/alerting/dead-letters';

export const ALERTING_PATHS: Readonly<Record<string, object>> = {
  '/api/v2/status': { get: answers("In Alertmanager's form: the version, and the tree of routes.", FREE) },
  '/api/v2/receivers': { get: answers('Names of receivers.', { type: 'array', items: FREE }) },
  '/api/v2/alerts': {
    get: answers("Alerts that fire, in Alertmanager's form.", { type: 'array', items: ALERT }, WHICH),
    post: takes('Take alerts in, as Prometheus sends them. For writers.', { type: 'array', items: ALERT }, FREE),
  },
  '/api/v2/alerts/groups': { get: answers('The same by group.', { type: 'array', items: FREE }, WHICH) },
  '/api/v2/silences': {
    get: answers('Silences, those that expired lately too.', { type: 'array', items: SILENCE }, [FILTER]),
    post: takes('Make a silence, or change that of its id. For operators.', SILENCE, {
      type: 'object',
      properties: { silenceID: TEXT },
    }),
  },
  '/api/v2/silence/{id}': {
    get: answers('One silence.', SILENCE, ID),
    delete: answers('End it now. For operators.', FREE, ID),
  },
  [DEAD]: {
    get: answers('Messages that were given up, the newest first.', COUNT),
    delete: answers('Forget all of them. For operators.', COUNT),
  },
  [`${DEAD}/retry`]: { post: answers('Send all of them again. For operators.', COUNT) },
  [`${DEAD}/{id}`]: { delete: answers('Forget one. For operators.', COUNT, ID) },
  [`${DEAD}/{id}/retry`]: { post: answers('Send one again. For operators.', COUNT, ID) },
  '/api/v1/alerting/test': {
    post: takes(
      'Tell a receiver of a test, now. For operators.',
      { type: 'object', properties: { receiver: TEXT }, required: ['receiver'] },
      COUNT,
    ),
  },
};
