import type { z } from 'zod';
import { HORIZONS, type LiveHorizon } from '../model/forecast.ts';
import { type ForecastScore, ratiosOf } from '../model/issued-forecast.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { AccuracyAnswer, PolicyAccuracyAnswer } from './api-schemas.ts';
import type { DemandAccuracy } from './deps.ts';

type Row = z.infer<typeof AccuracyAnswer>[number];
type Day = z.infer<typeof PolicyAccuracyAnswer>[number]['days'][number];

export function accuracyAnswer({ namespace, name }: ScalingPolicy, accuracy: DemandAccuracy): Row {
  const { demand, issuedAt, live, errorVsNaive, limit, trust } = accuracy;
  return {
    namespace,
    policy: name,
    demand,
    state: trust?.state ?? 'unknown',
    since: secondsOrNull(trust?.since ?? null),
    reason: trust?.reason ?? null,
    issuedAt: secondsOrNull(issuedAt),
    errorVsNaive,
    limit,
    recent: (live?.horizons ?? []).map(({ horizon, aheadMs, count, ...figures }) => ({
      horizon,
      aheadSeconds: aheadMs / 1000,
      count,
      ...finite(figures),
    })),
  };
}

export function scoreAnswer({ day, horizons }: ForecastScore): Day {
  return {
    day: day / 1000,
    horizons: HORIZONS.flatMap((horizon) => {
      const sums = horizons[horizon];
      return sums === undefined ? [] : [{ horizon, count: sums.count, ...finite(ratiosOf(sums)) }];
    }),
  };
}

/** Those that are demoted, then those that the gate is nearest to demoting; what is not known comes last. */
export function worstFirst(a: Row, b: Row): number {
  const rank = ({ state }: Row) => ['demoted', 'trusted', 'unknown'].indexOf(state);
  const badness = ({ errorVsNaive, limit }: Row) => (errorVsNaive === null ? -1 : errorVsNaive / limit);
  return rank(a) - rank(b) || badness(b) - badness(a);
}

function finite({
  errorVsLast,
  errorVsSeason,
  coverage,
  central,
  bias,
}: Omit<LiveHorizon, 'horizon' | 'aheadMs' | 'count'>) {
  return {
    errorVsLast: finiteOrNull(errorVsLast),
    errorVsSeason: finiteOrNull(errorVsSeason),
    coverage: finiteOrNull(coverage),
    central: finiteOrNull(central),
    bias: finiteOrNull(bias),
  };
}

function secondsOrNull(time: number | null): number | null {
  return time === null ? null : time / 1000;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
