import type { Router } from 'express';
import { CodedError } from '../../model/errors.ts';
import type { QueryValue } from '../../model/query-result.ts';
import type { HttpDeps } from '../deps.ts';
import { sendQueryResult } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { durationOf, instantOf, limitOf, type Parameters, parametersOf, queryText } from '../parameters.ts';
import type { RunStats } from '../query-runs.ts';
import { mountQuery } from '../route.ts';

export type QueryRouteDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'limits' | 'now' | 'queries' | 'writeSamples'>;

/** `GET|POST /api/v1/query`: an expression at one instant. */
export function queryRoute(
  router: Router,
  { callerOf, storage, limits, now, queries, writeSamples }: QueryRouteDeps,
): void {
  mountQuery(router, '/api/v1/query', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    const expression = queryText(parameters);
    const time = instantOf(parameters, 'time', now());
    const limit = limitOf(parameters);
    const options = { ...lookbackOf(parameters), ...resolutionOf(parameters) };
    const about = { kind: 'instant', tenant, text: expression, range: { start: time, end: time } } as const;
    await queries.run(response, about, timeoutOf(parameters), async (run) => {
      const { watch, signal, limits: own } = run;
      const bounded = { ...options, maxSamples: own.maxSamples, watch, signal };
      const result = await asParameter('query', () => storage.tenant(tenant).instant(expression, time, bounded));
      const { value, truncated } = truncate(result.value, limit);
      run.phase('answer');
      const stats = statsOf(parameters, run.stats());
      const answer = { ...result, value, warnings: [...result.warnings, ...truncated] };
      await sendQueryResult(response, answer, { stats, writeSamples, pause: run.pause });
    });
  });
}

/** Says of which parameter an unreadable text was, as Prometheus does. */
export async function asParameter<T>(name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'bad_data') throw error;
    throw new BadParameterError(name, error.message, { cause: error });
  }
}

/** What the client gives; the tenant's own may be shorter. */
export function timeoutOf(parameters: Parameters): number | undefined {
  const given = durationOf(parameters, 'timeout');
  if (given !== undefined && given <= 0) throw new BadParameterError('timeout', 'it must be longer than zero');
  return given;
}

/** Prometheus's statistics where `stats` asks for them, and what each selector had (`stats=all`). */
export function statsOf(parameters: Parameters, { seconds, selected }: RunStats): object | undefined {
  const asked = parameters.get('stats') ?? '';
  if (asked === '') return undefined;
  const { queue, select, evaluate } = seconds;
  const samples = selected.reduce((sum, each) => sum + each.samples, 0);
  return {
    timings: {
      evalTotalTime: select + evaluate,
      resultSortTime: 0,
      queryPreparationTime: select,
      innerEvalTime: evaluate,
      execQueueTime: queue,
      execTotalTime: queue + select + evaluate,
    },
    samples: { totalQueryableSamples: samples, peakSamples: samples },
    ...(asked === 'all' && { selectors: selected }),
  };
}

export function lookbackOf(parameters: Parameters): { readonly lookbackMs?: number } {
  const lookbackMs = durationOf(parameters, 'lookback_delta');
  if (lookbackMs === undefined) return {};
  if (lookbackMs <= 0) throw new BadParameterError('lookback_delta', 'it must be longer than zero');
  return { lookbackMs };
}

/**
 * Thanos's `max_source_resolution`: how long points may be that answer in place of samples though the answer is not the
 * same; `auto` is a fifth of the step, and any length for an instant. 0 asks for samples alone.
 */
export function resolutionOf(parameters: Parameters, stepMs?: number): { readonly maxResolutionMs?: number } {
  const name = 'max_source_resolution';
  if (parameters.get(name) === 'auto') {
    // No points at all is what 0 asks for, and a short step does not.
    return stepMs === undefined
      ? { maxResolutionMs: Number.POSITIVE_INFINITY }
      : { maxResolutionMs: Math.max(1, stepMs / 5) };
  }
  const maxResolutionMs = durationOf(parameters, name);
  if (maxResolutionMs === undefined) return {};
  if (maxResolutionMs < 0) throw new BadParameterError(name, 'it must not be negative');
  return { maxResolutionMs };
}

/** At most `limit` series, in the result's order. */
export function truncate(
  value: QueryValue,
  limit: number | undefined,
): { readonly value: QueryValue; readonly truncated: readonly string[] } {
  const truncated = ['results truncated due to limit'];
  if (limit === undefined) return { value, truncated: [] };
  if (value.kind === 'vector' && value.samples.length > limit) {
    return { value: { ...value, samples: value.samples.slice(0, limit) }, truncated };
  }
  if (value.kind === 'matrix' && value.series.length > limit) {
    return { value: { ...value, series: value.series.slice(0, limit) }, truncated };
  }
  return { value, truncated: [] };
}
