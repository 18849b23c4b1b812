import { createForecastDesk } from '../forecast/desk.ts';
import { fitForecaster, restoreForecaster } from '../forecast/forecaster.ts';
import { loadRegressorFrom, SHIPPED_MODEL } from './load-regressor.ts';
import { serveRequests } from './serve-requests.ts';

/** Loaded once for each thread: all of its forecasters ask the same network. */
const network = await loadRegressorFrom(SHIPPED_MODEL);
const regressor = network.kind === 'loaded' ? { regressor: network.regressor } : {};
const note =
  network.kind === 'unusable'
    ? network
    : network.note === undefined
      ? undefined
      : { code: 'slow_backend', message: network.note };

serveRequests(
  createForecastDesk({
    fit: (history, options) => fitForecaster(history, { ...options, ...regressor }),
    restore: (state, history, options) => restoreForecaster(state, history, { ...options, ...regressor }),
  }),
  note,
);
