import type { Request, Response, Router } from 'express';
import type { z } from 'zod';
import type { SeriesCalendar } from '../../forecast/calendar.ts';
import type { SeriesInput } from '../../forecast/jobs/series-input.ts';
import type { ResultOf, SeriesJob } from '../../forecast/jobs/series-job.ts';
import { checkModelNames } from '../../forecast/models/model-names.ts';
import { evaluateHistory, type HistorySeries } from '../../observe/history.ts';
import { withDeadline } from '../deadline.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { ForecastTooLargeError } from '../errors.ts';
import { decompositionOf, forecastOf, seasonsOf } from '../forecast-answers.ts';
import { type ForecastGate, forecastGate } from '../forecast-gate.ts';
import {
  calendarPolicyOf,
  calendarSpanOf,
  DecomposeRequest,
  ForecastRequest,
  historyOf,
  horizonStepsOf,
  type PastRequest,
  quantilesOf,
  SeasonsRequest,
  seasonStepsOf,
} from '../forecast-requests.ts';
import { onlyParameters, parametersInAddress } from '../parameters.ts';
import { readDocument } from '../read-document.ts';
import { mount } from '../route.ts';
import { textBody } from '../text-body.ts';
import { type PreviewRouteDeps, previewRoute } from './preview.ts';
import { asParameter } from './query.ts';

export type ForecastingDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'limits' | 'now' | 'doJob' | 'calendarOf'> &
  PreviewRouteDeps;

/** Series of one answer that are held in memory before those over the limit are left out. */
const MOST_EVALUATED = 1000;

/** `POST /api/v1/forecast`, `decompose` and `seasons`: what any expression's past says, computed for this request alone. */
export function forecastingRoutes(router: Router, deps: ForecastingDeps): void {
  const gate = forecastGate();
  previewRoute(router, deps, gate);
  post(router, deps, { gate, path: '/api/v1/forecast', schema: ForecastRequest, resultType: 'forecast' }, (given) => {
    const quantiles = quantilesOf(given);
    const horizonSteps = horizonStepsOf(given);
    const seasons = seasonStepsOf(given.seasons, given.step);
    const { models } = given;
    checkModelNames(models ?? []);
    return {
      jobOf: (input) => ({ kind: 'forecast', ...input, horizonSteps, quantiles, seasons, models }),
      answerOf: (result) => forecastOf(result, quantiles),
    };
  });
  post(router, deps, { gate, path: '/api/v1/decompose', schema: DecomposeRequest, resultType: 'parts' }, (given) => {
    const seasons = seasonStepsOf(given.seasons, given.step);
    return { jobOf: (input) => ({ kind: 'decompose', ...input, seasons }), answerOf: decompositionOf };
  });
  post(router, deps, { gate, path: '/api/v1/seasons', schema: SeasonsRequest, resultType: 'seasons' }, () => ({
    jobOf: (input) => ({ kind: 'seasons', ...input }),
    answerOf: seasonsOf,
  }));
}

interface Address<R extends PastRequest> {
  readonly gate: ForecastGate;
  readonly path: string;
  readonly schema: z.ZodType<R>;
  readonly resultType: string;
}

interface Work<J extends SeriesJob> {
  readonly jobOf: (input: SeriesInput) => J;
  readonly answerOf: (result: ResultOf<J>) => object;
}

function post<R extends PastRequest, J extends SeriesJob>(
  router: Router,
  deps: ForecastingDeps,
  { gate, path, schema, resultType }: Address<R>,
  workOf: (given: R) => Work<J>,
): void {
  const body = textBody(deps.limits.requestBytes);
  const answer = async (request: Request, response: Response) => {
    const { tenant } = deps.callerOf(request);
    onlyParameters(parametersInAddress(request), []);
    const given = schema.parse(readDocument(request, 'the request'));
    const work = workOf(given);
    const range = historyOf(given, deps.now());
    const mostMs = deps.limits.queryTimeoutMs;
    const { result, warnings } = await gate.through(tenant, () =>
      withDeadline(response, Math.min(given.timeout ?? mostMs, mostMs), async (signal) => {
        const calendar = await deps.calendarOf(calendarPolicyOf(given), calendarSpanOf(range, given.horizon));
        const evaluated = await asParameter('query', () =>
          evaluateHistory(deps.storage.tenant(tenant), given.query, range, {
            signal,
            maxSamples: deps.limits.querySamples,
            onSeries: refuseTooMany,
          }),
        );
        const kept = evaluated.series.slice(0, given.limit);
        const left = kept.length < evaluated.series.length ? ['results truncated due to limit'] : [];
        const done = await Promise.all(
          kept.map(async (series) => ({
            metric: Object.fromEntries(series.labels),
            ...work.answerOf(await deps.doJob(tenant, work.jobOf(inputOf(series, calendar)), signal)),
          })),
        );
        return { result: done, warnings: [...evaluated.warnings, ...left] };
      }),
    );
    sendData(response, { resultType, result }, warnings);
  };
  mount(router, path, { POST: [body, answer] });
}

function refuseTooMany(count: number): void {
  if (count <= MOST_EVALUATED) return;
  const most = `at most ${MOST_EVALUATED} are looked at: narrow the query, or aggregate it`;
  throw new ForecastTooLargeError(`cannot look at ${count} series and more: ${most}`);
}

function inputOf({ start, stepMs, values }: HistorySeries, calendar: SeriesCalendar | undefined): SeriesInput {
  return { times: Float64Array.from(values, (_, i) => start + i * stepMs), values, stepMs, calendar };
}
