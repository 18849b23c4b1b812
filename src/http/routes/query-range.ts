import type { Router } from 'express';
import { compareLabels } from '../../model/labels.ts';
import type { QueryValue, StepRange } from '../../model/query-result.ts';
import { finishPaced, sortedInPieces } from '../../model/work.ts';
import { sendQueryResult } from '../envelope.ts';
import { BadParameterError, QueryTooFineError } from '../errors.ts';
import { durationOf, instantOf, limitOf, type Parameters, parametersOf, queryText } from '../parameters.ts';
import type { QueryRun } from '../query-runs.ts';
import { mountQuery } from '../route.ts';
import { asParameter, lookbackOf, type QueryRouteDeps, resolutionOf, statsOf, timeoutOf, truncate } from './query.ts';

/** `GET|POST /api/v1/query_range`: an expression at each step of a range. */
export function queryRangeRoute(
  router: Router,
  { callerOf, storage, limits, queries, writeSamples }: QueryRouteDeps,
): void {
  mountQuery(router, '/api/v1/query_range', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    const range = stepRangeOf(parameters, limits.queryPoints);
    const expression = queryText(parameters);
    const limit = limitOf(parameters);
    const resolution = resolutionOf(parameters, range.stepMs);
    const options = { ...lookbackOf(parameters), ...resolution };
    const about = { kind: 'range', tenant, text: expression, range, stepMs: range.stepMs } as const;
    await queries.run(response, about, timeoutOf(parameters), async (run) => {
      const { watch, signal, limits: own } = run;
      const bounded = { ...options, maxSamples: own.maxSamples, watch, signal };
      const result = await asParameter('query', () => storage.tenant(tenant).range(expression, range, bounded));
      const { value, truncated } = truncate(await sorted(result.value, run), limit);
      run.phase('answer');
      const stats = statsOf(parameters, run.stats());
      const answer = { ...result, value, warnings: [...result.warnings, ...truncated] };
      await sendQueryResult(response, answer, { stats, writeSamples, pause: run.pause });
    });
  });
}

/** @throws {BadParameterError} In Prometheus's words. */
function stepRangeOf(parameters: Parameters, maxPoints: number): StepRange {
  const start = instantOf(parameters, 'start');
  const end = instantOf(parameters, 'end');
  if (end < start) throw new BadParameterError('end', 'end timestamp must not be before start time');
  const stepMs = durationOf(parameters, 'step');
  if (stepMs === undefined) throw new BadParameterError('step', 'cannot parse "" to a valid duration');
  if (stepMs <= 0) {
    const why = 'zero or negative query resolution step widths are not accepted. Try a positive integer';
    throw new BadParameterError('step', why);
  }
  // Prometheus counts the steps between the points and allows as many as its limit, not one less.
  if ((end - start) / stepMs > maxPoints) throw new QueryTooFineError(maxPoints);
  return { start, end, stepMs };
}

async function sorted(value: QueryValue, run: QueryRun): Promise<QueryValue> {
  if (value.kind !== 'matrix') return value;
  const series = await finishPaced(
    sortedInPieces(value.series, (a, b) => compareLabels(a.labels, b.labels)),
    run,
  );
  return { kind: 'matrix', series };
}
