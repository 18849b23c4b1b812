import type { Router } from 'express';
import { stringify } from 'yaml';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { mount } from '../route.ts';

export type PrometheusStatusDeps = Pick<
  HttpDeps,
  'callerOf' | 'startedAt' | 'now' | 'externalLabels' | 'limits' | 'retention'
>;

/**
 * What Prometheus tells of itself, as far as there is such a thing here: Thanos reads the external labels of the
 * configuration, Grafana and promtool ask for the rest. What is configured otherwise is nobody's business.
 */
export function prometheusStatusRoutes(router: Router, deps: PrometheusStatusDeps): void {
  const { callerOf, startedAt, now, externalLabels, limits, retention } = deps;
  const iso = (time: number) => new Date(time).toISOString();
  const answers = {
    '/api/v1/status/config': () => ({ yaml: stringify({ global: { external_labels: externalLabels } }) }),
    '/api/v1/status/flags': () => ({
      'query.lookback-delta': '5m',
      'query.max-samples': String(limits.querySamples),
      'query.timeout': `${limits.queryTimeoutMs / 1000}s`,
      'storage.tsdb.retention.time': retention,
    }),
    '/api/v1/status/runtimeinfo': () => ({
      startTime: iso(startedAt),
      serverTime: iso(now()),
      CWD: '',
      reloadConfigSuccess: true,
      lastConfigTime: iso(startedAt),
      corruptionCount: 0,
      goroutineCount: 0,
      GOMAXPROCS: 1,
      GOMEMLIMIT: 0,
      GOGC: '',
      GODEBUG: '',
      storageRetention: retention,
    }),
    '/api/v1/status/walreplay': () => ({ min: 0, max: 0, current: 0, state: 'done' }),
    '/api/v1/alertmanagers': () => ({ activeAlertmanagers: [], droppedAlertmanagers: [] }),
  };
  for (const [path, answer] of Object.entries(answers)) {
    mount(router, path, {
      GET: (request, response) => {
        callerOf(request);
        sendData(response, answer());
      },
    });
  }
}
