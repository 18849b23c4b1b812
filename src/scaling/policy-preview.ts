import type { NoForecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import type { Millis } from '../model/time.ts';
import type { ScalingPolicy } from './policy.ts';

/** What a policy would have foreseen and done lately, though it was not in force. Plain data. */

export interface PreviewInput {
  readonly policy: ScalingPolicy;
  /** The history of each of the policy's demands, in its order. */
  readonly demands: readonly RegularSeries[];
  /** How much of the end of the history is judged. */
  readonly judgedMs: number;
  /** From a pod's creation to Ready, where the policy leaves it to be learned. */
  readonly startUpMs: number;
}

export interface PolicyPreview {
  readonly demands: readonly DemandPreview[];
  /** Of the first demand. */
  readonly whatIf: WhatIf;
}

export type DemandPreview = { readonly demand: string } & (ForecastPreview | NoForecast);

/** What was forecast one lead time ahead, again and again, each time from what came before. */
export interface ForecastPreview {
  readonly kind: 'preview';
  readonly leadMs: number;
  /** When each forecast was for; it was made one lead time earlier. */
  readonly times: Float64Array;
  /** NaN where it is not known. */
  readonly actual: Float64Array;
  readonly point: Float64Array;
  /** The central 95 % interval, and the policy's quantile. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly planned: Float64Array;
  readonly model: string;
  readonly accuracy: PreviewAccuracy;
}

export interface PreviewAccuracy {
  readonly forecasts: number;
  readonly mae: number;
  /** Mean absolute error against that of naive forecasts on the same times; below 1 is better. NaN where there is none. */
  readonly vsLast: number;
  readonly vsYesterday: number;
  readonly vsLastWeek: number;
  /** Shares, 0 to 1: inside the central 95 % interval, and at or below the policy's quantile. */
  readonly coverage95: number;
  readonly coverageOfQuantile: number;
  /** Share of the largest demands within the plan's window at or below their quantile: what a floor is planned for. */
  readonly coverageOfPeak: number;
}

export type WhatIf =
  | {
      readonly kind: 'simulated';
      readonly from: Millis;
      readonly to: Millis;
      readonly strategies: readonly PreviewStrategy[];
      /** One point a minute. `reactive` is the ready replicas of the autoscaler alone. */
      readonly lines: {
        readonly times: Float64Array;
        /** In replicas: demand over what one replica carries. */
        readonly demand: Float64Array;
        readonly floor: Float64Array;
        readonly ready: Float64Array;
        readonly reactive: Float64Array;
      };
    }
  | { readonly kind: 'none'; readonly message: string };

export interface PreviewStrategy {
  readonly strategy: string;
  /** Shares of the judged time and of the demand, 0 to 1. */
  readonly overCapacity: number;
  readonly unmetDemand: number;
  readonly podHours: number;
  /** Against the autoscaler alone. */
  readonly podHoursRatio: number | null;
  readonly scaleEventsPerDay: number;
  /** Share of the judged time in which the forecast was not trusted. */
  readonly demoted: number;
}
