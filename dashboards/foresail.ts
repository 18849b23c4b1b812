/** The dashboard of Foresail itself, on its own metrics as a Prometheus scrapes them from `/metrics`. */
export function foresailDashboard(): object {
  const panels = ROWS.flatMap(({ title, panels: inRow }, row) => [
    { type: 'row', title, collapsed: false, gridPos: { x: 0, y: row * 9, w: 24, h: 1 }, panels: [] },
    ...inRow.map((panel, i) => panelOf(panel, { x: i * 8, y: row * 9 + 1, w: 8, h: 8 })),
  ]);
  return {
    uid: 'foresail',
    title: 'Foresail',
    description: 'What Foresail decides, and how it is.',
    tags: ['foresail'],
    schemaVersion: 39,
    editable: true,
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    templating: {
      list: [
        { type: 'datasource', name: 'datasource', label: 'Data source', query: 'prometheus' },
        variable('namespace', 'label_values(foresail_floor_replicas, namespace)'),
        variable('policy', 'label_values(foresail_floor_replicas{namespace=~"$namespace"}, policy)'),
      ],
    },
    panels: panels.map((panel, i) => ({ id: i + 1, ...panel })),
  };
}

interface Panel {
  readonly title: string;
  readonly description: string;
  /** Grafana's name of the unit. */
  readonly unit: string;
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
}

const POLICY = 'namespace=~"$namespace",policy=~"$policy"';

const ROWS: readonly { readonly title: string; readonly panels: readonly Panel[] }[] = [
  {
    title: 'Scaling',
    panels: [
      {
        title: 'Floor',
        description: 'Replicas that the last plan asks for at least.',
        unit: 'short',
        queries: [{ expr: `foresail_floor_replicas{${POLICY}}`, legend: '{{namespace}}/{{policy}}' }],
      },
      {
        title: 'Policies without a trusted forecast',
        description: '1 while a policy has demoted itself: its floor is held, then released slowly.',
        unit: 'short',
        queries: [{ expr: `foresail_policy_demoted{${POLICY}}`, legend: '{{namespace}}/{{policy}}' }],
      },
      {
        title: 'Writes of bounds',
        description: 'Attempts in the last five minutes, by outcome.',
        unit: 'short',
        queries: [{ expr: 'sum by (outcome) (increase(foresail_bounds_writes_total[5m]))', legend: '{{outcome}}' }],
      },
    ],
  },
  {
    title: 'Decisions and forecasts',
    panels: [
      {
        title: 'Decisions',
        description: 'Recorded in the last hour, by what occasioned them.',
        unit: 'short',
        queries: [{ expr: 'sum by (occasion) (increase(foresail_decisions_total[1h]))', legend: '{{occasion}}' }],
      },
      {
        title: 'Time of a forecast',
        description: 'To fit and predict one demand.',
        unit: 's',
        queries: quantiles('foresail_forecast_duration_seconds_bucket'),
      },
      {
        title: 'Forecasts that could not be made',
        description: 'In the last hour, by reason.',
        unit: 'short',
        queries: [{ expr: 'sum by (reason) (increase(foresail_forecasts_failed_total[1h]))', legend: '{{reason}}' }],
      },
    ],
  },
  {
    title: 'How good the forecasts are',
    panels: [
      {
        title: 'Error against naive peaks',
        description: 'Of issued forecasts that came true lately, as the gate judges it: at 1 it trusts them no more.',
        unit: 'percentunit',
        queries: [
          {
            expr: `foresail_forecast_error_ratio{${POLICY},against="naive"}`,
            legend: '{{namespace}}/{{policy}} {{demand}}',
          },
        ],
      },
      {
        title: 'Peaks below their 0.95 quantile',
        description: 'Of issued forecasts, lately. 95 % is meant.',
        unit: 'percentunit',
        queries: [
          {
            expr: `foresail_forecast_coverage_ratio{${POLICY},horizon="peak",interval="upper"}`,
            legend: '{{namespace}}/{{policy}} {{demand}}',
          },
        ],
      },
      {
        title: 'Not trusted, by reason; fits, by reason',
        description: 'Policies that have demoted themselves now, and forecasters fitted anew in the last hour.',
        unit: 'short',
        queries: [
          { expr: 'foresail_policies_demoted', legend: 'demoted: {{reason}}' },
          { expr: 'sum by (reason) (increase(foresail_forecast_refits_total[1h]))', legend: 'fitted: {{reason}}' },
        ],
      },
    ],
  },
  {
    title: 'Loops',
    panels: [
      {
        title: 'Age of the last pass',
        description: 'A loop that stands still decides nothing.',
        unit: 's',
        queries: [{ expr: 'time() - foresail_loop_last_pass_timestamp_seconds', legend: '{{loop}}' }],
      },
      {
        title: 'Failures',
        description: 'Passes, or parts of one, that ended in an error in the last hour.',
        unit: 'short',
        queries: [
          { expr: 'sum by (loop, reason) (increase(foresail_loop_failures_total[1h]))', legend: '{{loop}} {{reason}}' },
        ],
      },
      {
        title: 'Policies with a problem',
        description: 'Not in force, or not in their newest form.',
        unit: 'short',
        queries: [{ expr: 'foresail_policy_problems', legend: 'policies' }],
      },
    ],
  },
  {
    title: 'Ingest and store',
    panels: [
      {
        title: 'Samples',
        description: 'Stored, and dropped by reason, per second.',
        unit: 'short',
        queries: [
          { expr: 'sum(rate(foresail_ingest_samples_total[5m]))', legend: 'stored' },
          { expr: 'sum by (reason) (rate(foresail_dropped_samples_total[5m]))', legend: 'dropped: {{reason}}' },
        ],
      },
      {
        title: 'Time of a sync of the log',
        description: 'No write is acknowledged before its sync.',
        unit: 's',
        queries: quantiles('foresail_store_sync_duration_seconds_bucket'),
      },
      {
        title: 'In memory',
        description: 'Series and samples.',
        unit: 'short',
        queries: [
          { expr: 'sum(foresail_store_series)', legend: 'series' },
          { expr: 'foresail_store_samples', legend: 'samples' },
        ],
      },
    ],
  },
  {
    title: 'Requests',
    panels: [
      {
        title: 'Requests',
        description: 'Per second, by status code; writes apart.',
        unit: 'reqps',
        queries: [
          { expr: 'sum by (code) (rate(foresail_http_requests_total[5m]))', legend: '{{code}}' },
          { expr: 'sum by (code) (rate(foresail_ingest_requests_total[5m]))', legend: 'write {{code}}' },
        ],
      },
      {
        title: 'Time of a request',
        description: 'Other than writes.',
        unit: 's',
        queries: quantiles('foresail_http_request_duration_seconds_bucket'),
      },
      {
        title: 'Time of a write request',
        description: 'From its first byte to the answer.',
        unit: 's',
        queries: quantiles('foresail_ingest_request_duration_seconds_bucket'),
      },
    ],
  },
];

function quantiles(bucket: string): Panel['queries'] {
  return [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (rate(${bucket}[5m])))`,
    legend: `quantile ${quantile}`,
  }));
}

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

function panelOf({ title, description, unit, queries }: Panel, gridPos: object): object {
  return {
    type: 'timeseries',
    title,
    description,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
    })),
  };
}

function variable(name: string, query: string): object {
  return {
    type: 'query',
    name,
    datasource: DATASOURCE,
    query: { query, refId: name },
    refresh: 2,
    includeAll: true,
    multi: true,
    current: { text: 'All', value: '$__all' },
  };
}
