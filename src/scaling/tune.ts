import type { Samples } from '../model/series.ts';
import { DAY, MINUTE, type Millis } from '../model/time.ts';
import type { ScalingPolicy } from './policy.ts';
import { type SimulationOptions, type SimulationReport, type StrategyResult, simulate } from './simulate.ts';
import { type QuantilesForecaster, type RecordedForecasts, recordForecasts } from './simulation/recorded-forecasts.ts';
import { p95Of } from './simulation/spread.ts';

/** What is looked for. The rest of a policy stays as it is. */
export interface TunedSettings {
  readonly quantile: number;
  readonly upRatioPerMinute: number;
  readonly downRatioPerMinute: number;
  readonly holdDownMs: number;
}

type World = Pick<SimulationOptions, 'startUpMs' | 'metricLagMs' | 'nodes' | 'hpaTarget' | 'seed'>;

export interface TuneOptions {
  readonly rows: Samples;
  readonly policy: ScalingPolicy;
  readonly world: World;
  /** The rest, which is reported on, begins here. The default is the last quarter, at most seven days. */
  readonly from?: Millis;
  /** The most of the time that demand may be over capacity, 0 to 1: the cheapest settings within it are taken. */
  readonly overCapacity: number;
  /** Opens a forecaster of several quantiles on the rows that are known at first. */
  readonly forecaster: (history: Samples, windowMs: number, quantiles: readonly number[]) => QuantilesForecaster;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Trial {
  readonly settings: TunedSettings;
  readonly result: StrategyResult;
}

export interface TuneReport {
  /** What the settings were chosen on, and what they are reported on: they share no moment. */
  readonly fit: { readonly from: Millis; readonly to: Millis };
  readonly rest: { readonly from: Millis; readonly to: Millis };
  readonly overCapacity: number;
  readonly present: TunedSettings;
  readonly chosen: TunedSettings;
  /** On the part that was fitted on. */
  readonly tried: readonly Trial[];
  /** Those of which no other is both cheaper and less over capacity, the cheapest first: the same settings on both parts. */
  readonly front: readonly {
    readonly settings: TunedSettings;
    readonly fit: StrategyResult;
    readonly rest: StrategyResult;
  }[];
  /** On the rest. */
  readonly onRest: {
    readonly reactive: StrategyResult;
    readonly present: StrategyResult;
    readonly chosen: StrategyResult;
    readonly oracle: StrategyResult;
  };
  /** On the part that was fitted on. */
  readonly onFit: {
    readonly reactive: StrategyResult;
    readonly present: StrategyResult;
    readonly chosen: StrategyResult;
  };
  readonly perReplica: number;
}

const QUANTILES = [0.8, 0.9, 0.95, 0.975, 0.99];
const HOLD_DOWNS = [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE];
const UP_RATIOS = [1];
const DOWN_RATIOS = [0.05, 0.1, 0.25];
const LONGEST_PART_MS = 7 * DAY;
/** Settings that save less than this are not worth a change: a share of the pod-hours. */
const WORTH_A_CHANGE = 0.005;

/**
 * Searches a policy's quantile, ramps and hold-down on one part of a trace, and reports on the part after it, which
 * plays no part in the choice. Strictly causal, and the same input gives the same report.
 *
 * @throws {RangeError} If too little of the trace lies before the part that is fitted on.
 */
export function tunePolicy(options: TuneOptions): TuneReport {
  const { rows, policy, onProgress = () => {} } = options;
  const { fit, rest } = partsOf(options);
  const present = settingsOf(policy);
  // An objective chooses the quantile itself, at each moment.
  const quantiles = policy.objective === undefined ? ascending([...QUANTILES, present.quantile]) : [present.quantile];
  const holdDowns = ascending([...HOLD_DOWNS, present.holdDownMs]);
  const ups = ascending([...UP_RATIOS, present.upRatioPerMinute]);
  const downs = ascending([...DOWN_RATIOS, present.downRatioPerMinute]);
  const total = quantiles.length * holdDowns.length + ups.length * downs.length - 1 + 2;
  let done = 0;

  const recorded = new Map<number, RecordedForecasts>();
  const fitRows = before(rows, fit.to);
  const run = (settings: TunedSettings, part: Samples, from: Millis, strategies: SimulationOptions['strategies']) =>
    simulate({
      ...options.world,
      rows: part,
      from,
      policy: withSettings(policy, settings),
      strategies,
      forecaster: (history, windowMs) => {
        let forecasts = recorded.get(windowMs);
        if (forecasts === undefined) {
          // Rows that are late may not be known yet when the part begins.
          const lateMs = Math.max(10 * MINUTE, 3 * p95Of(options.world.metricLagMs ?? MINUTE));
          forecasts = recordForecasts(rows, fit.from - lateMs, (start) =>
            options.forecaster(start, windowMs, quantiles),
          );
          recorded.set(windowMs, forecasts);
        }
        return forecasts.replay(quantiles.indexOf(settings.quantile))(history);
      },
    });

  const tried: Trial[] = [];
  const onFit = run(present, fitRows, fit.from, ['reactive', 'foresail']);
  const reactiveFit = resultOf(onFit, 'reactive');
  const attempt = (settings: TunedSettings) => {
    if (tried.some((trial) => same(trial.settings, settings))) return;
    const report = same(settings, present) ? onFit : run(settings, fitRows, fit.from, ['foresail']);
    tried.push({ settings, result: against(resultOf(report, 'foresail'), reactiveFit) });
    onProgress(++done, total);
  };
  attempt(present);
  for (const quantile of quantiles) for (const holdDownMs of holdDowns) attempt({ ...present, quantile, holdDownMs });
  const first = best(tried, options.overCapacity, present);
  for (const upRatioPerMinute of ups) {
    for (const downRatioPerMinute of downs) attempt({ ...first.settings, upRatioPerMinute, downRatioPerMinute });
  }
  const chosen = best(tried, options.overCapacity, present);

  const onRest = run(present, rows, rest.from, ['reactive', 'foresail', 'oracle']);
  const reactive = resultOf(onRest, 'reactive');
  const restOf = (settings: TunedSettings) => {
    const report = same(settings, present) ? onRest : run(settings, rows, rest.from, ['foresail']);
    return against(resultOf(report, 'foresail'), reactive);
  };
  const front = frontOf(tried).map(({ settings, result }) => ({ settings, fit: result, rest: restOf(settings) }));
  onProgress(total, total);
  const known = front.find(({ settings }) => same(settings, chosen.settings));
  return {
    fit,
    rest,
    overCapacity: options.overCapacity,
    present,
    chosen: chosen.settings,
    tried,
    front,
    onFit: { reactive: reactiveFit, present: tried[0]!.result, chosen: chosen.result },
    onRest: {
      reactive,
      present: resultOf(onRest, 'foresail'),
      chosen: known?.rest ?? restOf(chosen.settings),
      oracle: resultOf(onRest, 'oracle'),
    },
    perReplica: onRest.perReplica,
  };
}

/** History, then as long a part to fit on as is reported on, then the rest. */
function partsOf({ rows, policy, from }: TuneOptions): Pick<TuneReport, 'fit' | 'rest'> {
  const [start, end] = [rows.times[0] ?? 0, rows.times.at(-1) ?? 0];
  const restFrom = from ?? end - Math.min(LONGEST_PART_MS, (end - start) / 4);
  const fitFrom = restFrom - Math.min(LONGEST_PART_MS, (restFrom - start) / 3);
  const { minHistoryMs } = policy.safety;
  if (!(restFrom < end)) throw new RangeError('cannot tune: nothing of the trace lies after the part to fit on');
  if (fitFrom - start < minHistoryMs) {
    const days = (ms: number) => (ms / DAY).toFixed(1);
    throw new RangeError(
      `cannot tune: ${days(fitFrom - start)} days lie before the part to fit on, and the policy wants ${days(minHistoryMs)} (safety.minHistory)`,
    );
  }
  return { fit: { from: fitFrom, to: restFrom }, rest: { from: restFrom, to: end } };
}

function settingsOf({ quantile, ramp }: ScalingPolicy): TunedSettings {
  return { quantile, ...ramp };
}

function withSettings(policy: ScalingPolicy, { quantile, ...ramp }: TunedSettings): ScalingPolicy {
  return { ...policy, quantile, ramp };
}

/** The cheapest that keeps to the limit, or else the one that comes closest; the present one where little is to be gained. */
function best(trials: readonly Trial[], limit: number, present: TunedSettings): Trial {
  const kept = trials.filter(({ result }) => result.overCapacity <= limit);
  const own = trials.find(({ settings }) => same(settings, present))!;
  if (kept.length === 0) {
    return trials.reduce((a, b) => (compare(b, a, ({ overCapacity }) => overCapacity) < 0 ? b : a), own);
  }
  const cheapest = kept.reduce((a, b) => (compare(b, a, ({ podHours }) => podHours) < 0 ? b : a));
  const saves = 1 - cheapest.result.podHours / own.result.podHours;
  return kept.includes(own) && saves < WORTH_A_CHANGE ? own : cheapest;
}

function compare(a: Trial, b: Trial, by: (result: StrategyResult) => number): number {
  return by(a.result) - by(b.result) || a.result.podHours - b.result.podHours;
}

function frontOf(trials: readonly Trial[]): readonly Trial[] {
  const cheapestFirst = trials.toSorted(
    (a, b) => a.result.podHours - b.result.podHours || a.result.overCapacity - b.result.overCapacity,
  );
  const front: Trial[] = [];
  for (const trial of cheapestFirst) {
    if (trial.result.overCapacity < (front.at(-1)?.result.overCapacity ?? Number.POSITIVE_INFINITY)) front.push(trial);
  }
  return front;
}

function resultOf({ results }: SimulationReport, strategy: StrategyResult['strategy']): StrategyResult {
  return results.find((result) => result.strategy === strategy)!;
}

function against(result: StrategyResult, reactive: StrategyResult): StrategyResult {
  return { ...result, podHoursRatio: result.podHours / reactive.podHours };
}

function same(a: TunedSettings, b: TunedSettings): boolean {
  return (
    a.quantile === b.quantile &&
    a.holdDownMs === b.holdDownMs &&
    a.upRatioPerMinute === b.upRatioPerMinute &&
    a.downRatioPerMinute === b.downRatioPerMinute
  );
}

function before({ times, values }: Samples, end: Millis): Samples {
  const count = times.findIndex((time) => time >= end);
  return count === -1 ? { times, values } : { times: times.subarray(0, count), values: values.subarray(0, count) };
}

function ascending(list: readonly number[]): readonly number[] {
  return [...new Set(list)].sort((a, b) => a - b);
}
