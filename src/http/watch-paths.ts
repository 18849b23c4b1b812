import { ANOMALY_SEVERITIES } from '../anomaly/anomaly.ts';
import { END, inQuery, json, operation, type Parameter, PROMETHEUS_DATA, ref, START } from './openapi-parts.ts';

const ANOMALY_ID: Parameter = {
  ...{ name: 'id', in: 'path', required: true, description: 'Id of the anomaly.', schema: { type: 'string' } },
};

/** What the OpenAPI document says of rules, objectives and anomalies. */
export const WATCH_PATHS = {
  '/api/v1/rules': {
    get: operation(
      'Groups of rules and what became of them.',
      [
        inQuery('type', 'alert or record: rules of one kind.'),
        inQuery('rule_name[]', 'Rules of this name; may be repeated.'),
        inQuery('rule_group[]', 'Groups of this name; may be repeated.'),
        inQuery('file[]', 'Groups of this file; may be repeated.'),
        inQuery('exclude_alerts', 'true: rules without their alerts.'),
        inQuery('match[]', 'Rules with these labels; may be repeated.'),
        inQuery('group_limit', 'So many groups at most.'),
        inQuery('group_next_token', 'Where the answer before ended.'),
      ],
      PROMETHEUS_DATA,
    ),
  },
  '/api/v1/alerts': { get: operation('Alerts of rules that are pending or firing.', [], PROMETHEUS_DATA) },
  '/api/v1/slos': {
    get: operation('Objectives: what is left of their error budgets, and when they end.', [], ref('Slos')),
  },
  '/api/v1/anomalies': {
    get: operation(
      'What was unusual, newest first.',
      [
        { ...START, description: 'Those that lasted at this instant or later; 7 days ago if not given.' },
        { ...END, description: 'Those that began before; now if not given.' },
        inQuery('watch', 'Only those of this watch, or of this demand.'),
        inQuery('severity', 'Only these.', { enum: ANOMALY_SEVERITIES }),
        inQuery('state', 'Only these.', { enum: ['open', 'ended'] }),
        inQuery('namespace', 'Only those of demands of this namespace.'),
        inQuery('policy', 'Only those of demands of this policy.'),
        inQuery('limit', 'At most so many (100, at most 1000).', { type: 'integer' }),
      ],
      { type: 'array', items: ref('Anomaly') },
    ),
  },
  '/api/v1/anomalies/{id}': {
    get: operation('An anomaly, with the others of its incident.', [ANOMALY_ID], ref('AnomalyRecord')),
  },
  '/api/v1/anomalies/{id}/feedback': {
    post: {
      ...operation('Say what an anomaly was. Needs the role writer.', [ANOMALY_ID], ref('Anomaly')),
      requestBody: { required: true, content: json(ref('AnomalyFeedback')) },
    },
  },
  '/api/v1/anomalies/{id}/picture.svg': {
    get: {
      summary: 'The series, what was expected of it, and the anomaly.',
      parameters: [ANOMALY_ID],
      responses: {
        '200': { description: 'A picture.', content: { 'image/svg+xml': {} } },
        default: { $ref: '#/components/responses/Error' },
      },
    },
  },
  '/api/v1/watches': {
    get: operation('What is watched for anomalies, and how far each watch is.', [], {
      type: 'array',
      items: ref('Watch'),
    }),
  },
  '/api/v1/detect': {
    post: {
      ...operation(
        'A score for each row, from the rows before it alone. As CSV with a header, or as JSON.',
        [inQuery('timeZone', 'Of CSV: by whose days and weeks the series go; UTC if not given.')],
        ref('Scores'),
      ),
      requestBody: {
        required: true,
        content: { ...json(ref('DetectRequest')), 'text/csv': { schema: { type: 'string' } } },
      },
    },
  },
};
