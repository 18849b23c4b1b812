import type { Forecast, NoForecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import { type FitResult, type Forecaster, fitForecaster } from './forecaster.ts';
import type { ForecasterOptions, Network } from './forecaster-options.ts';
import { restoreForecaster, type UnusableState } from './restore-forecaster.ts';

/** What a fit needs. */
export interface LearningInput {
  readonly history: RegularSeries;
  readonly options: ForecasterOptions;
}

/** Asks the forecaster of one series to do something. Plain data: it may come from another thread. */
export type ForecastRequest =
  | FitRequest
  | RestoreRequest
  /** Takes the values of the next steps in, and forecasts. */
  | { readonly kind: 'advance'; readonly key: string; readonly values: Float64Array }
  /** Learns from what came since the last time, and forecasts. */
  | { readonly kind: 'refit'; readonly key: string }
  | { readonly kind: 'save'; readonly key: string }
  | { readonly kind: 'drop'; readonly key: string };

export interface FitRequest extends LearningInput {
  readonly kind: 'fit';
  readonly key: string;
}

/** Takes up from a saved state; `history` goes on from there, or ends with it. A state that is of no use costs a fit. */
export interface RestoreRequest extends LearningInput {
  readonly kind: 'restore';
  readonly key: string;
  readonly state: Uint8Array;
}

export type ForecastAnswer =
  | ForecastMade
  | { readonly kind: 'saved'; readonly state: Uint8Array }
  | { readonly kind: 'dropped' }
  /** The history gives no forecast. */
  | { readonly kind: 'none'; readonly why: NoForecast }
  /** There is no forecaster of this key: it was never fitted, or it was lost. */
  | { readonly kind: 'unknown' }
  /** An exception. The forecaster is gone, since nobody knows what the exception left behind. */
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };

export interface ForecastMade {
  readonly kind: 'forecast';
  readonly forecast: Forecast;
  /** What was learnt, where it was learnt anew. */
  readonly state?: Uint8Array;
  /** Why a saved state was of no use, and a fit took its place. */
  readonly discarded?: string;
  /** Time that it took. */
  readonly seconds?: number;
}

export interface ForecastDesk {
  answer(request: ForecastRequest): ForecastAnswer;
}

/** What the desk makes forecasters with. */
export interface ForecastMaker {
  fit(history: RegularSeries, options: ForecasterOptions): FitResult;
  restore(state: Uint8Array, history: RegularSeries, options: ForecasterOptions): FitResult | UnusableState;
}

/**
 * Keeps forecasters by key, and has them do what is asked.
 * @param networkOf The network for a forecaster's key; it cannot come with a request, as it is no plain data.
 */
export function createForecastDesk(
  maker: ForecastMaker = { fit: fitForecaster, restore: restoreForecaster },
  networkOf: (key: string) => Network = () => ({}),
): ForecastDesk {
  const forecasters = new Map<string, Forecaster>();

  function learn(request: FitRequest | RestoreRequest): ForecastAnswer {
    const { key, history } = request;
    const options = { ...request.options, ...networkOf(key) };
    forecasters.delete(key);
    const restored = request.kind === 'restore' ? maker.restore(request.state, history, options) : undefined;
    const result = restored === undefined || restored.kind === 'unusable' ? maker.fit(history, options) : restored;
    if (result.kind !== 'fitted') return { kind: 'none', why: result };
    const { forecaster } = result;
    const forecast = forecaster.predict();
    forecasters.set(key, forecaster);
    if (restored?.kind === 'fitted') return { kind: 'forecast', forecast };
    const discarded = restored?.kind === 'unusable' ? { discarded: restored.reason } : {};
    return { kind: 'forecast', forecast, ...discarded, state: forecaster.save() };
  }

  function act(request: Exclude<ForecastRequest, FitRequest | RestoreRequest>): ForecastAnswer {
    const forecaster = forecasters.get(request.key);
    if (request.kind === 'drop') {
      forecasters.delete(request.key);
      return { kind: 'dropped' };
    }
    if (forecaster === undefined) return { kind: 'unknown' };
    switch (request.kind) {
      case 'advance':
        forecaster.update(request.values);
        return { kind: 'forecast', forecast: forecaster.predict() };
      case 'refit':
        forecaster.refit();
        return { kind: 'forecast', forecast: forecaster.predict(), state: forecaster.save() };
      case 'save':
        return { kind: 'saved', state: forecaster.save() };
    }
  }

  return {
    answer(request) {
      try {
        return request.kind === 'fit' || request.kind === 'restore' ? learn(request) : act(request);
      } catch (error) {
        forecasters.delete(request.key);
        const { name, message } = error instanceof Error ? error : new Error(String(error));
        return { kind: 'failed', name, message };
      }
    },
  };
}
