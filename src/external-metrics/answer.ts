import { type Millis, SECOND } from '../model/time.ts';
import type { Authentication, Credentials } from './authenticate.ts';
import type { Action } from './authorize.ts';
import { GROUP, GROUP_VERSION, group, groupList, resourceList } from './discovery.ts';
import type { Identity } from './identity.ts';
import { type LabelSelector, LabelSelectorError, parseLabelSelector } from './label-selector.ts';
import { METRICS, type ReadValue } from './metrics.ts';
import type { MetricsBoard } from './metrics-board.ts';
import { openApi } from './openapi.ts';
import { formatQuantity } from './quantity.ts';
import { type Answer, failure } from './status.ts';
import type { Upstream } from './upstream.ts';

export interface MetricsRequest extends Credentials {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
}

export interface AnswerDeps {
  readonly board: Pick<MetricsBoard, 'select'>;
  readonly authenticate: (credentials: Credentials) => Promise<Authentication>;
  readonly refusalOf: (identity: Identity, action: Action) => Promise<Answer | undefined>;
  /** Why this is not ready to be asked, if it is not. */
  readonly notReady: () => string | undefined;
  /** Another adapter, which is asked for every metric that is not ours. */
  readonly upstream: Upstream | undefined;
}

/** What became of a request, as a label of its counter. */
export type Outcome =
  | 'served'
  | 'discovery'
  | 'health'
  | 'forwarded'
  | 'upstream_failed'
  | 'unauthenticated'
  | 'forbidden'
  | 'bad_request'
  | 'unknown_metric'
  | 'nothing_selected'
  | 'stale'
  | 'no_value'
  | 'no_forecast'
  | 'not_found'
  | 'unavailable';

export interface Answered {
  readonly outcome: Outcome;
  readonly answer: Answer;
}

const METRIC_PREFIX = `/apis/${GROUP_VERSION}/namespaces/`;
const HEALTH = ['/livez', '/readyz', '/healthz'];
const REFUSED: Readonly<Record<number, Outcome>> = { 401: 'unauthenticated', 403: 'forbidden', 503: 'unavailable' };

/** Answers one request. Health is everybody's; for the rest, who asks must be known and allowed, in that order. */
export async function answerRequest(request: MetricsRequest, deps: AnswerDeps): Promise<Answered> {
  const cut = request.url.indexOf('?');
  const path = cut === -1 ? request.url : request.url.slice(0, cut);
  if (request.method !== 'GET') {
    const message = `the server does not allow the method ${request.method} here`;
    return { outcome: 'bad_request', answer: { ...failure('MethodNotAllowed', message), headers: { allow: 'GET' } } };
  }
  if (HEALTH.includes(path)) return health(path, deps.notReady());

  const authentication = await deps.authenticate(request);
  if (authentication.kind === 'refused') return refused(authentication.answer);
  const asked = metricOf(path);
  if (asked === 'unreadable') return { outcome: 'bad_request', answer: failure('BadRequest', 'the path is no UTF-8') };
  const refusal = await deps.refusalOf(
    authentication.identity,
    asked === undefined ? { kind: 'path', path } : { kind: 'metric', ...asked },
  );
  if (refusal !== undefined) return refused(refusal);
  if (asked === undefined) return discover(path, request, deps);

  const query = new URLSearchParams(cut === -1 ? '' : request.url.slice(cut + 1));
  if (['1', 'true', 't', 'T', 'TRUE', 'True'].includes(query.get('watch') ?? '')) {
    return {
      outcome: 'bad_request',
      answer: failure('MethodNotAllowed', 'watch is not supported for external metrics'),
    };
  }
  let selector: LabelSelector;
  try {
    selector = parseLabelSelector(query.get('labelSelector') ?? '');
  } catch (error) {
    if (!(error instanceof LabelSelectorError)) throw error;
    return { outcome: 'bad_request', answer: failure('BadRequest', error.message) };
  }
  return await metric(asked, selector, request.url, deps);
}

function refused(answer: Answer): Answered {
  return { outcome: REFUSED[answer.status] ?? 'unavailable', answer };
}

function health(path: string, notReady: string | undefined): Answered {
  // Alive is who answers: only readiness depends on others.
  const why = path === '/readyz' ? notReady : undefined;
  const answer = { status: why === undefined ? 200 : 503, body: why ?? 'ok', contentType: 'text/plain; charset=utf-8' };
  return { outcome: 'health', answer };
}

function metricOf(path: string): { namespace: string; metric: string } | 'unreadable' | undefined {
  if (!path.startsWith(METRIC_PREFIX)) return undefined;
  const [namespace = '', name = '', ...rest] = path.slice(METRIC_PREFIX.length).split('/');
  if (namespace === '' || name === '' || rest.length > 0) return undefined;
  try {
    return { namespace: decodeURIComponent(namespace), metric: decodeURIComponent(name) };
  } catch {
    return 'unreadable';
  }
}

function discover(path: string, { headers }: MetricsRequest, { upstream }: AnswerDeps): Answered {
  const metrics = [...new Set([...Object.keys(METRICS), ...(upstream?.metrics() ?? [])])].sort();
  const [accept = '', ifNoneMatch = ''] = [headers['accept']?.join(','), headers['if-none-match']?.join(',')];
  const found = (): Answer | undefined => {
    switch (path) {
      case '/apis':
        return groupList(metrics, { accept, ifNoneMatch });
      case `/apis/${GROUP}`:
        return group();
      case `/apis/${GROUP_VERSION}`:
        return resourceList(metrics);
      default:
        return openApi(path, ifNoneMatch);
    }
  };
  const answer = found();
  if (answer !== undefined) return { outcome: 'discovery', answer };
  return { outcome: 'not_found', answer: failure('NotFound', 'the server could not find the requested resource') };
}

async function metric(
  { namespace, metric: name }: { namespace: string; metric: string },
  selector: LabelSelector,
  url: string,
  { board, upstream }: AnswerDeps,
): Promise<Answered> {
  const notFound = (outcome: Outcome, reason: string, message: string): Answered => {
    const details = { name, group: GROUP, causes: [{ reason, message }] };
    return { outcome, answer: failure('NotFound', message, details) };
  };
  const selection = board.select(namespace, name, selector);
  switch (selection.kind) {
    case 'unknown-metric': {
      if (upstream !== undefined) {
        const answer = await upstream.forward(url);
        return { outcome: answer.status === 502 || answer.status === 503 ? 'upstream_failed' : 'forwarded', answer };
      }
      const known = Object.keys(METRICS).join(', ');
      return notFound('unknown_metric', 'UnknownMetric', `there is no external metric ${name}; there are ${known}`);
    }
    case 'nothing-selected':
      return notFound('nothing_selected', 'NothingSelected', selection.message);
    case 'unservable': {
      const { cause, message } = selection.because;
      const outcome = ({ Stale: 'stale', NoValue: 'no_value', NoForecast: 'no_forecast' } as const)[cause];
      return notFound(outcome, cause, message);
    }
    case 'values': {
      const items: object[] = [];
      for (const value of selection.values) {
        const quantity = formatQuantity(value.value);
        if (quantity === undefined) {
          const labels = JSON.stringify(value.labels);
          return notFound('no_value', 'NoValue', `${name}${labels} is ${value.value}, which no replicas follow from`);
        }
        items.push(itemOf(name, value, quantity));
      }
      const body = { kind: 'ExternalMetricValueList', apiVersion: GROUP_VERSION, metadata: {}, items };
      return { outcome: 'served', answer: { status: 200, body } };
    }
  }
}

function itemOf(metricName: string, { labels, time, windowSeconds }: ReadValue, value: string): object {
  const window = windowSeconds === undefined ? {} : { window: windowSeconds };
  return { metricName, metricLabels: labels, timestamp: seconds(time), ...window, value };
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function seconds(time: Millis): string {
  return new Date(Math.floor(time / SECOND) * SECOND).toISOString().replace('.000Z', 'Z');
}
