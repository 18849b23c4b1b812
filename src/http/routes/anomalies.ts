import type { IncomingMessage } from 'node:http';
import type { Request, Response, Router } from 'express';
import { ANOMALY_SEVERITIES, type Anomaly, type Feedback } from '../../anomaly/anomaly.ts';
import { createDetector, type DetectorState, judge } from '../../anomaly/detector.ts';
import type { Incident } from '../../anomaly/incident.ts';
import type { Caller } from '../../model/caller.ts';
import type { Samples } from '../../model/series.ts';
import type { TenantId } from '../../model/tenant.ts';
import { DAY, HOUR, type Millis, SECOND, type TimeRange } from '../../model/time.ts';
import { anomalyAnswer, incidentAnswer, type WatchView, watchAnswer } from '../anomaly-answers.ts';
import { anomalyNote, anomalyTitle, judgedPanel, panelFile } from '../anomaly-picture.ts';
import { FeedbackRequest } from '../anomaly-schemas.ts';
import { requireRole } from '../caller.ts';
import { csvRows, DetectRequest, type DetectRow, documentRows } from '../detect-rows.ts';
import { sendData, sendList } from '../envelope.ts';
import { BadParameterError, NotFoundError, UnreadableBodyError } from '../errors.ts';
import {
  instantOf,
  limitOf,
  onlyParameters,
  type Parameters,
  parametersInAddress,
  parametersOf,
} from '../parameters.ts';
import { readDocument } from '../read-document.ts';
import { mount } from '../route.ts';
import { textBody } from '../text-body.ts';

export interface AnomalyRouteDeps {
  readonly callerOf: (request: IncomingMessage) => Caller;
  readonly now: () => Millis;
  readonly requestBytes: number;
  /** Newest first. */
  readonly anomalies: (
    tenant: TenantId,
    query: { readonly range: TimeRange; readonly limit: number; readonly isMeant: (anomaly: Anomaly) => boolean },
  ) => Promise<readonly Anomaly[]>;
  readonly anomaly: (tenant: TenantId, id: string) => Promise<Anomaly | undefined>;
  /** While it is told of. */
  readonly incident: (tenant: TenantId, id: string) => Promise<Incident | undefined>;
  /** Keeps what was said, and teaches it. Undefined: there is no such anomaly. */
  readonly say: (tenant: TenantId, id: string, feedback: Feedback) => Promise<Anomaly | undefined>;
  /** The series of an anomaly, and what was expected of it. */
  readonly samples: (
    tenant: TenantId,
    anomaly: Anomaly,
    range: TimeRange,
  ) => Promise<Readonly<Record<'value' | 'expected' | 'lower' | 'upper', Samples>>>;
  readonly watches: (tenant: TenantId) => readonly WatchView[];
  /** How far local time is ahead of UTC. Throws a `RangeError` where there is no such time zone. */
  readonly offsetOf: (timeZone: string) => (time: Millis) => number;
  readonly pause: (tenant: TenantId) => () => Promise<void> | undefined;
}

const DEFAULT_LIMIT = 100;
const MOST = 1000;
const STATES = ['open', 'ended'] as const;
/** Rows that are scored without a rest. */
const AT_ONCE = 200;
/** Series of one request: each takes some kB while it is scored. */
const MOST_SERIES = 5000;

/** Anomalies and what was said of them, what is watched, and scores for rows that are sent. */
export function anomalyRoutes(router: Router, deps: AnomalyRouteDeps): void {
  const { callerOf, now } = deps;
  const body = textBody(deps.requestBytes);

  async function anomalyOf(request: Request): Promise<{ readonly tenant: TenantId; readonly anomaly: Anomaly }> {
    const { tenant } = callerOf(request);
    const id = String(request.params['id']);
    const anomaly = await deps.anomaly(tenant, id);
    if (anomaly === undefined) throw noAnomaly(id);
    return { tenant, anomaly };
  }

  mount(router, '/api/v1/anomalies', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['start', 'end', 'watch', 'severity', 'state', 'namespace', 'policy', 'limit']);
      const end = instantOf(parameters, 'end', now());
      const range = { start: instantOf(parameters, 'start', end - 7 * DAY), end };
      const limit = Math.min(limitOf(parameters) ?? DEFAULT_LIMIT, MOST);
      const found = await deps.anomalies(tenant, { range, limit, isMeant: filterOf(parameters) });
      sendData(response, found.map(anomalyAnswer));
    },
  });

  mount(router, '/api/v1/anomalies/:id', {
    GET: async (request, response) => {
      onlyParameters(parametersOf(request), []);
      const { tenant, anomaly } = await anomalyOf(request);
      const incident = await deps.incident(tenant, anomaly.incident);
      sendData(response, {
        ...anomalyAnswer(anomaly),
        group: incident === undefined ? null : incidentAnswer(incident),
      });
    },
  });

  mount(router, '/api/v1/anomalies/:id/feedback', {
    POST: [
      body,
      async (request, response) => {
        const caller = requireRole(callerOf(request), 'writer');
        const checked = FeedbackRequest.safeParse(readDocument(request, 'what is said of the anomaly'));
        if (!checked.success) {
          const issue = checked.error.issues[0]!;
          throw new BadParameterError(issue.path.join('.') || '*', issue.message);
        }
        const { verdict, note, who } = checked.data;
        const id = String(request.params['id']);
        const said = { verdict, note, who: caller.name ?? (who === '' ? caller.role : who), at: now() };
        const anomaly = await deps.say(caller.tenant, id, said);
        if (anomaly === undefined) throw noAnomaly(id);
        sendData(response, anomalyAnswer(anomaly));
      },
    ],
  });

  mount(router, '/api/v1/anomalies/:id/picture.svg', {
    GET: async (request, response) => {
      onlyParameters(parametersOf(request), []);
      const { tenant, anomaly } = await anomalyOf(request);
      const last = anomaly.endedAt ?? anomaly.lastAt;
      const beside = Math.min(DAY, Math.max(HOUR, 60 * anomaly.stepMs, last - anomaly.since));
      const range = { start: anomaly.since - 2 * beside, end: Math.min(now(), last + beside) };
      const { value, ...expected } = await deps.samples(tenant, anomaly, range);
      const panel = judgedPanel({
        ...{ title: anomalyTitle(anomaly), note: anomalyNote(anomaly), value, ...expected },
        domain: [range.start, range.end],
        spans: [[anomaly.since, Math.max(anomaly.lastAt, anomaly.since + anomaly.stepMs)]],
        peak: anomaly.peak,
      });
      response.type('image/svg+xml').send(panelFile(panel));
    },
  });

  mount(router, '/api/v1/watches', {
    GET: (request, response) => {
      const { tenant } = callerOf(request);
      onlyParameters(parametersOf(request), []);
      sendData(response, deps.watches(tenant).map(watchAnswer));
    },
  });

  mount(router, '/api/v1/detect', {
    POST: [
      body,
      async (request, response) => {
        const { tenant } = callerOf(request);
        const { rows, offsetAt } = rowsOf(request, deps);
        const pause = deps.pause(tenant);
        const scored = [];
        const detectors = new Map<string, DetectorState>();
        for (const [i, row] of rows.entries()) {
          scored.push(score(detectors, row, offsetAt));
          if (detectors.size > MOST_SERIES) {
            throw new UnreadableBodyError(`cannot score the rows: expected ${MOST_SERIES} series at most`);
          }
          if (i % AT_ONCE === 0) await pause();
        }
        await sendList(response as Response, scored, { toJson: JSON.stringify, pause });
      },
    ],
  });
}

function rowsOf(request: Request, { offsetOf }: AnomalyRouteDeps) {
  const inAddress = parametersInAddress(request);
  onlyParameters(inAddress, ['timeZone']);
  if (request.is('json') !== 'json') {
    const timeZone = inAddress.get('timeZone') ?? 'UTC';
    return {
      rows: csvRows(typeof request.body === 'string' ? request.body : ''),
      offsetAt: offsetIn(timeZone, offsetOf),
    };
  }
  const checked = DetectRequest.safeParse(readDocument(request, 'the rows'));
  if (!checked.success) {
    const { path, message } = checked.error.issues[0]!;
    throw new UnreadableBodyError(`cannot read the rows: ${path.join('.')}: ${message}`);
  }
  return { rows: documentRows(checked.data), offsetAt: offsetIn(checked.data.timeZone, offsetOf) };
}

function offsetIn(timeZone: string, offsetOf: AnomalyRouteDeps['offsetOf']): (time: Millis) => number {
  try {
    return offsetOf(timeZone);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new BadParameterError('timeZone', `there is no time zone ${JSON.stringify(timeZone)}`);
  }
}

function score(
  detectors: Map<string, DetectorState>,
  { series, time, value }: DetectRow,
  offsetAt: (time: Millis) => number,
) {
  const detector = detectors.get(series) ?? createDetector();
  detectors.set(series, detector);
  const verdict = judge(detector, time, value, { localOffsetMs: offsetAt(time) });
  const { expected, lower, upper, score, anomaly, learning, direction, part } = verdict;
  return {
    ...{ series, timestamp: time / SECOND, value: Number.isNaN(value) ? null : value },
    ...{ expected, lower, upper, score, anomaly, learning, direction, part: part ?? null },
  };
}

function filterOf(parameters: Parameters): (anomaly: Anomaly) => boolean {
  const oneOf = (name: string, words: readonly string[]) => {
    const word = parameters.get(name);
    if (word === null || word === '' || words.includes(word)) return word || undefined;
    throw new BadParameterError(name, `expected ${words.join(' or ')}, got ${JSON.stringify(word.slice(0, 40))}`);
  };
  const severity = oneOf('severity', ANOMALY_SEVERITIES);
  const state = oneOf('state', STATES);
  const [watch, namespace, policy] = ['watch', 'namespace', 'policy'].map((name) => parameters.get(name) || undefined);
  return (anomaly) =>
    (severity === undefined || anomaly.severity === severity) &&
    (state === undefined || (anomaly.endedAt === undefined) === (state === 'open')) &&
    (watch === undefined || anomaly.watch === watch) &&
    (namespace === undefined || anomaly.demand?.namespace === namespace) &&
    (policy === undefined || anomaly.demand?.policy === policy);
}

function noAnomaly(id: string): NotFoundError {
  return new NotFoundError(`there is no anomaly ${JSON.stringify(id.slice(0, 80))}`);
}
