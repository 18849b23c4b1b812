import { parentPort, workerData } from 'node:worker_threads';
import { upperBound } from '../model/series.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { simulate } from '../scaling/simulate.ts';
import type { ReplayRequest, ReplayResult } from './replay.ts';
import { openTraceForecaster } from './trace-forecaster.ts';

parentPort?.postMessage(replay(workerData as ReplayRequest));

function replay({ policy, demand, calendar, startUpMs }: ReplayRequest): readonly ReplayResult[] {
  const { from, to, results } = simulate({
    rows: demand,
    policy,
    strategies: ['reactive', 'yesterday', 'foresail', 'oracle'],
    forecaster: (history, windowMs) => openTraceForecaster(policy, history, windowMs, { calendar }),
    startUpMs,
    from: demand.times.at(-1)! - 3 * DAY,
  });
  const { stepMs } = policy.demands[0]!;
  const judged = demand.values.subarray(upperBound(demand.times, from));
  const demandMinutes = (judged.reduce((sum, value) => sum + value, 0) * stepMs) / MINUTE;
  return results.map(({ strategy, overCapacity, unmetDemand, podHours }) => ({
    strategy,
    minutesOverCapacity: (overCapacity * (to - from)) / MINUTE,
    overCapacityRatio: overCapacity,
    unmetDemand: unmetDemand * demandMinutes,
    podHours,
  }));
}
