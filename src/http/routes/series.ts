import type { Router } from 'express';
import { CodedError } from '../../model/errors.ts';
import type { Matcher } from '../../model/matcher.ts';
import type { TimeRange } from '../../model/time.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { instantOf, limitOf, type Parameters, parametersOf } from '../parameters.ts';
import { mountQuery } from '../route.ts';

export type SeriesRouteDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'parseSelector' | 'now' | 'limits'>;

/** `GET|POST /api/v1/series`: label sets that match. */
export function seriesRoute(router: Router, deps: SeriesRouteDeps): void {
  const { callerOf, storage, limits } = deps;
  mountQuery(router, '/api/v1/series', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    const matcherSets = matcherSetsOf(parameters, deps);
    if (matcherSets.length === 0) throw new BadParameterError('match[]', 'no match[] parameter provided');
    const found = await storage.tenant(tenant).series(matcherSets, rangeOf(parameters, deps));
    const { kept, warnings } = limited(found, limitOf(parameters));
    sendData(response, kept.map(Object.fromEntries), warnings);
  });
}

/** The selectors of all `match[]`. One that matches every series is refused, as in Prometheus. */
export function matcherSetsOf(
  parameters: Parameters,
  { parseSelector }: Pick<SeriesRouteDeps, 'parseSelector'>,
): readonly (readonly Matcher[])[] {
  return parameters.getAll('match[]').map((text) => {
    try {
      return parseSelector(text);
    } catch (error) {
      // A coded error says what is wrong in the text, and where.
      if (error instanceof CodedError || error instanceof RangeError) {
        throw new BadParameterError('match[]', error.message, { cause: error });
      }
      throw error;
    }
  });
}

/** From `start` to `end`, each without a bound where it is not given. */
export function rangeOf(parameters: Parameters, { now }: Pick<SeriesRouteDeps, 'now'>): TimeRange {
  const start = instantOf(parameters, 'start', 0);
  // Forecast series and clocks that run ahead end later than now.
  const end = instantOf(parameters, 'end', Math.max(start, now() + 365 * 86_400_000));
  if (end < start) throw new BadParameterError('end', 'end timestamp must not be before start timestamp');
  return { start, end };
}

export function limited<T>(all: readonly T[], limit: number | undefined) {
  if (limit === undefined || all.length <= limit) return { kept: all, warnings: [] };
  return { kept: all.slice(0, limit), warnings: ['results truncated due to limit'] };
}
