import { createForecastDesk } from '../forecast/desk.ts';
import { coresHere } from '../workers/cores.ts';
import { type ForecastPool, openForecastPool, threadsFor } from '../workers/forecast-pool.ts';
import { ownSeat, threadSeat } from '../workers/forecast-seat.ts';
import type { Parts } from './parts.ts';

/** Forecasters in threads, with all that goes wrong there counted and logged. */
export function openForecasters({
  clock,
  metrics,
  log,
  networks,
  threads,
}: Pick<Parts, 'clock' | 'metrics' | 'log' | 'networks' | 'threads'>): ForecastPool {
  const openSeat = threadSeat({ clock, models: networks.models });
  const pool = openForecastPool({
    seats: Array.from({ length: threadsFor(coresHere()) }, () => openSeat),
    fallback: ownSeat(createForecastDesk),
    clock,
    onBusy: threads.begin,
    onEnd({ reason, key, error }) {
      metrics.forecastThreadEnds.inc({ reason });
      log.error({ reason, series: key, err: error }, 'a thread of forecasters ended: it is started again');
    },
    onSetAside(key, until) {
      metrics.forecastsSetAside.inc();
      log.error({ series: key, until: new Date(until) }, 'a series ended its thread twice: it is not forecast for now');
    },
    onNote({ code, message }) {
      metrics.networkTroubles.inc({ reason: code });
      log.warn(
        { reason: code, why: message },
        'a thread of forecasters does without the network, or with a slower one',
      );
    },
    onFallback() {
      metrics.forecastThreadFallbacks.inc();
      log.error({}, 'no thread of forecasters can be started: the main thread forecasts, and answers late meanwhile');
    },
  });
  networks.onChange(pool.takeUp);
  return pool;
}
