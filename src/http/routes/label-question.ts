import type { Request, Response } from 'express';
import { CodedError } from '../../model/errors.ts';
import type { Matcher } from '../../model/matcher.ts';
import type { TimeRange } from '../../model/time.ts';
import type { FindOptions } from '../../storage/storage.ts';
import type { HttpDeps } from '../deps.ts';
import { sendList } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { instantOf, limitOf, type Parameters, parametersOf } from '../parameters.ts';

export type LabelQuestionDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'parseSelector' | 'now' | 'limits' | 'queries'>;

export interface LabelQuestion<T> {
  readonly find: (
    reader: ReturnType<HttpDeps['storage']['tenant']>,
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    options: FindOptions,
  ) => Promise<readonly T[]>;
  readonly toJson: (found: T) => string;
  /** Whether all series may be asked for, by no selector at all. */
  readonly mayBeAll: boolean;
}

/** Answers a question about label sets, within its tenant's limits of queries. */
export async function answerAboutLabels<T>(
  request: Request,
  response: Response,
  { callerOf, storage, queries, ...deps }: LabelQuestionDeps,
  { find, toJson, mayBeAll }: LabelQuestion<T>,
): Promise<void> {
  const { tenant } = callerOf(request);
  const parameters = parametersOf(request);
  const matcherSets = matcherSetsOf(parameters, deps);
  if (matcherSets.length === 0 && !mayBeAll) throw new BadParameterError('match[]', 'no match[] parameter provided');
  const range = rangeOf(parameters, deps);
  const limit = limitOf(parameters);
  const text = parameters.getAll('match[]').join(' ');
  await queries.run(response, { kind: 'labels', tenant, text, range }, undefined, async (run) => {
    const { pause, signal } = run;
    const found = await find(storage.tenant(tenant), matcherSets, range, { pause, signal });
    const { kept, warnings } = limited(found, limit);
    run.phase('answer');
    await sendList(response, kept, { toJson, warnings, pause });
  });
}

/** The selectors of all `match[]`. One that matches every series is refused, as in Prometheus. */
export function matcherSetsOf(
  parameters: Parameters,
  { parseSelector }: Pick<LabelQuestionDeps, 'parseSelector'>,
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
export function rangeOf(parameters: Parameters, { now }: Pick<LabelQuestionDeps, 'now'>): TimeRange {
  const start = instantOf(parameters, 'start', 0);
  // Forecast series and clocks that run ahead end later than now.
  const end = instantOf(parameters, 'end', Math.max(start, now() + 365 * 86_400_000));
  if (end < start) throw new BadParameterError('end', 'end timestamp must not be before start timestamp');
  return { start, end };
}

function limited<T>(all: readonly T[], limit: number | undefined) {
  if (limit === undefined || all.length <= limit) return { kept: all, warnings: [] };
  return { kept: all.slice(0, limit), warnings: ['results truncated due to limit'] };
}
