import type { Router } from 'express';
import { CodedError } from '../../model/errors.ts';
import type { QueryValue } from '../../model/query-result.ts';
import { withDeadline } from '../deadline.ts';
import type { HttpDeps } from '../deps.ts';
import { sendQueryResult } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { durationOf, instantOf, limitOf, type Parameters, parametersOf, requiredText } from '../parameters.ts';
import { mountQuery } from '../route.ts';

export type QueryRouteDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'limits' | 'now' | 'writeSamples'>;

/** `GET|POST /api/v1/query`: an expression at one instant. */
export function queryRoute(router: Router, { callerOf, storage, limits, now, writeSamples }: QueryRouteDeps): void {
  mountQuery(router, '/api/v1/query', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    const expression = requiredText(parameters, 'query');
    const time = instantOf(parameters, 'time', now());
    const limit = limitOf(parameters);
    const options = { ...lookbackOf(parameters), ...resolutionOf(parameters), maxSamples: limits.querySamples };
    const result = await withDeadline(response, timeoutOf(parameters, limits.queryTimeoutMs), (signal) =>
      asParameter('query', () => storage.tenant(tenant).instant(expression, time, { ...options, signal })),
    );
    const { value, truncated } = truncate(result.value, limit);
    await sendQueryResult(response, { ...result, value, warnings: [...result.warnings, ...truncated] }, writeSamples);
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

/** The smaller of what the client gives and what the server allows. */
export function timeoutOf(parameters: Parameters, mostMs: number): number {
  const given = durationOf(parameters, 'timeout');
  if (given !== undefined && given <= 0) throw new BadParameterError('timeout', 'it must be longer than zero');
  return given === undefined ? mostMs : Math.min(given, mostMs);
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
