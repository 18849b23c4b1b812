import { rollingForecasts } from '../forecast/backtest.ts';
import { pathOf } from '../forecast/backtest-sums.ts';
import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { Network } from '../forecast/forecaster-options.ts';
import { calendarOf, MOST_HISTORY_STEPS } from '../forecast/jobs/series-input.ts';
import type { Forecast } from '../model/forecast.ts';
import type { RegularSeries, Samples } from '../model/series.ts';
import { DAY, MINUTE, WEEK } from '../model/time.ts';
import { leadTimeOf, planWindowMs } from '../observe/lead-time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { DemandPreview, PolicyPreview, PreviewAccuracy, PreviewInput, WhatIf } from '../scaling/policy-preview.ts';
import { type StrategyResult, simulate } from '../scaling/simulate.ts';
import { openTraceForecaster } from './trace-forecaster.ts';

export interface PreviewJob extends PreviewInput {
  readonly kind: 'preview';
  /** Local time and special days of the policy, over its demands. */
  readonly calendar?: SeriesCalendar | undefined;
}

/** Forecasts are looked at this often: more would take longer and show no more. */
const EVERY_MS = 5 * MINUTE;
/** Known values, before the judged time, below which nothing can be foreseen. */
const LEAST_STEPS = 24;

/** What a policy would have foreseen and done over the end of its demands' history. */
export function doPreview(job: PreviewJob, network: Network): PolicyPreview {
  const { policy, demands, judgedMs, startUpMs, calendar } = job;
  const masked = demands.map((series) => withoutExcluded(series, policy));
  return {
    demands: masked.map((series, i) => ({
      demand: policy.demands[i]!.name,
      ...forecastAgain(series, demands[i]!, policy, { judgedMs, calendar, network }),
    })),
    whatIf: whatIf(policy, demands[0]!, { judgedMs, startUpMs, calendar, network }),
  };
}

interface Means extends Pick<PreviewJob, 'judgedMs' | 'startUpMs' | 'calendar'> {
  readonly network: Network;
}

type WithoutName<T> = T extends unknown ? Omit<T, 'demand'> : never;

function forecastAgain(
  series: RegularSeries,
  truth: RegularSeries,
  policy: ScalingPolicy,
  { judgedMs, calendar, network }: Pick<Means, 'judgedMs' | 'calendar' | 'network'>,
): WithoutName<DemandPreview> {
  const { stepMs, values } = series;
  const first = values.length - Math.round(judgedMs / stepMs);
  const known = values.subarray(0, Math.max(0, first)).filter(Number.isFinite).length;
  if (!values.some(Number.isFinite)) return { kind: 'no-data' };
  if (known < LEAST_STEPS) {
    return { kind: 'insufficient-history', haveMs: known * stepMs, needMs: judgedMs + LEAST_STEPS * stepMs };
  }
  const leadSteps = Math.max(1, Math.ceil(leadTimeOf(policy).ms / stepMs));
  const windowSteps = Math.max(1, Math.round(planWindowMs(policy) / stepMs));
  const tally = newTally(truth, { leadSteps, windowSteps, quantile: policy.quantile });
  const rolling = rollingForecasts(series, {
    horizonSteps: leadSteps,
    peakWindowMs: windowSteps * stepMs,
    quantiles: [...new Set([0.025, 0.975, policy.quantile])],
    seasons: seasonsOf(policy, stepMs),
    calendar: calendar ?? calendarOf(policy.timeZone, series, leadSteps),
    ...network,
    firstLength: first,
    everySteps: Math.max(1, Math.round(EVERY_MS / stepMs)),
    mostSteps: MOST_HISTORY_STEPS,
  });
  let model = '';
  for (const forecast of rolling) {
    tally.add(forecast);
    model = forecast.model;
  }
  if (model === '') return { kind: 'insufficient-history', haveMs: known * stepMs, needMs: 2 * judgedMs };
  return { kind: 'preview', leadMs: leadSteps * stepMs, model, ...tally.lines(), accuracy: tally.accuracy() };
}

interface TallyOptions {
  readonly leadSteps: number;
  readonly windowSteps: number;
  readonly quantile: number;
}

/** Collects what was forecast one lead time ahead, and how it did against what came and against naive forecasts. */
function newTally({ start, stepMs, values }: RegularSeries, { leadSteps, windowSteps, quantile }: TallyOptions) {
  const rows: number[][] = [];
  const naive = { last: pairOfSums(), yesterday: pairOfSums(), lastWeek: pairOfSums() };
  const held = { interval: 0, quantile: 0, peaks: 0, peaksHeld: 0, count: 0, error: 0 };
  const before = (index: number, lengthMs: number) => values[index - Math.round(lengthMs / stepMs)] ?? Number.NaN;

  return {
    add(forecast: Forecast) {
      const origin = Math.round((forecast.issuedAt - start) / stepMs);
      const at = origin + leadSteps;
      const [lower, upper, planned] = [0.025, 0.975, quantile].map((one) => pathOf(forecast, one)[leadSteps - 1]!);
      const point = forecast.point[leadSteps - 1]!;
      const y = values[at] ?? Number.NaN;
      if (at < values.length) rows.push([start + at * stepMs, y, point, lower!, upper!, planned!]);
      const peak = peakOf(values.subarray(origin + 1, origin + 1 + windowSteps), windowSteps);
      const foreseen = forecast.peak.quantiles.find((one) => one.quantile === quantile);
      if (Number.isFinite(peak) && foreseen !== undefined) {
        held.peaks++;
        if (peak <= foreseen.value) held.peaksHeld++;
      }
      if (!Number.isFinite(y)) return;
      const error = Math.abs(y - point);
      held.count++;
      held.error += error;
      if (y >= lower! && y <= upper!) held.interval++;
      if (y <= planned!) held.quantile++;
      addPair(naive.last, error, Math.abs(y - values[origin]!));
      addPair(naive.yesterday, error, Math.abs(y - before(at, DAY)));
      addPair(naive.lastWeek, error, Math.abs(y - before(at, WEEK)));
    },
    lines() {
      const line = (column: number) => Float64Array.from(rows, (row) => row[column]!);
      return { times: line(0), actual: line(1), point: line(2), lower: line(3), upper: line(4), planned: line(5) };
    },
    accuracy: (): PreviewAccuracy => ({
      forecasts: held.count,
      mae: held.error / held.count,
      vsLast: naive.last.own / naive.last.other,
      vsYesterday: naive.yesterday.own / naive.yesterday.other,
      vsLastWeek: naive.lastWeek.own / naive.lastWeek.other,
      coverage95: held.interval / held.count,
      coverageOfQuantile: held.quantile / held.count,
      coverageOfPeak: held.peaksHeld / held.peaks,
    }),
  };
}

const pairOfSums = () => ({ own: 0, other: 0 });

/** Both errors count only where both are known. */
function addPair(sums: { own: number; other: number }, own: number, other: number): void {
  if (!Number.isFinite(other)) return;
  sums.own += own;
  sums.other += other;
}

/** NaN where the window is cut short or half of it is not known. */
function peakOf(window: Float64Array, steps: number): number {
  const known = window.filter(Number.isFinite);
  return window.length < steps || 2 * known.length < steps ? Number.NaN : known.reduce((a, b) => Math.max(a, b));
}

function whatIf(
  policy: ScalingPolicy,
  demand: RegularSeries,
  { judgedMs, startUpMs, calendar, network }: Means,
): WhatIf {
  const rows = rowsOf(demand);
  const end = rows.times.at(-1) ?? Number.NaN;
  const from = end - judgedMs;
  if (!(rows.times[0]! < from)) return { kind: 'none', message: 'the history is shorter than what would be judged' };
  if (rows.values.some((value) => value < 0)) return { kind: 'none', message: 'the demand is negative at times' };
  if (policy.demands[0]!.perReplica === undefined) {
    return { kind: 'none', message: 'what a replica carries is only learned: capacity has no perReplica' };
  }
  const { results, to, perReplica } = simulate({
    rows,
    policy,
    from,
    startUpMs,
    strategies: ['reactive', 'yesterday', 'foresail', 'oracle'],
    forecaster: (history, windowMs) => openTraceForecaster(policy, history, windowMs, { calendar, network }),
  });
  const of = (name: string) => results.find(({ strategy }) => strategy === name)!.timeline;
  const { times, demand: load, floor, ready } = of('foresail');
  const lines = {
    times,
    demand: load.map((value) => value / perReplica),
    floor,
    ready,
    reactive: of('reactive').ready,
  };
  return { kind: 'simulated', from, to, strategies: results.map(figuresOf), lines };
}

function figuresOf(result: StrategyResult) {
  const { strategy, overCapacity, unmetDemand, podHours, podHoursRatio, scaleEventsPerDay, demoted } = result;
  return { strategy, overCapacity, unmetDemand, podHours, podHoursRatio, scaleEventsPerDay, demoted };
}

function rowsOf({ start, stepMs, values }: RegularSeries): Samples {
  const known = [...values.keys()].filter((i) => Number.isFinite(values[i]!));
  return {
    times: Float64Array.from(known, (i) => start + i * stepMs),
    values: Float64Array.from(known, (i) => values[i]!),
  };
}

function withoutExcluded(series: RegularSeries, { exclude }: ScalingPolicy): RegularSeries {
  if (exclude.length === 0) return series;
  const { start, stepMs } = series;
  const isExcluded = (t: number) => exclude.some((window) => t >= window.start && t < window.end);
  return { ...series, values: series.values.map((value, i) => (isExcluded(start + i * stepMs) ? Number.NaN : value)) };
}

function seasonsOf({ seasonsMs }: ScalingPolicy, stepMs: number): 'auto' | readonly number[] {
  if (seasonsMs === 'auto') return 'auto';
  return seasonsMs.map((ms) => Math.round(ms / stepMs)).filter((steps) => steps >= 2);
}
