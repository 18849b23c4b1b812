import type { Clock } from '../model/clock.ts';
import { HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { OutgoingSeries } from '../wire/encode-write-request.ts';
import type { DemoApi, DemoForecast, RecordedDemand } from './api.ts';
import type { DemoCluster } from './cluster.ts';
import { sendHistory, sendLive } from './load.ts';
import { formatReplayTable, type ReplayRow } from './replay-table.ts';
import type { DemoWorkload } from './workloads.ts';

export interface DemoDeps {
  readonly url: string;
  readonly api: DemoApi;
  readonly workloads: readonly DemoWorkload[];
  readonly firstStart: Millis;
  readonly cluster: DemoCluster;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** One for each workload. */
  readonly policies: readonly DemoPolicy[];
  /** Judges the strategies on one workload's demand. Takes seconds, so it runs in another thread. */
  readonly replay: (policy: ScalingPolicy, demand: RecordedDemand) => Promise<readonly ReplayRow[]>;
  readonly onReplayed: (rows: readonly ReplayRow[]) => void;
  /** The plans have been told: what they moved may follow. */
  readonly onPlansTold: () => void;
  readonly save: () => Promise<void>;
  readonly print: (label: string, text: string) => void;
}

/** A policy file of the demo. */
export interface DemoPolicy {
  readonly yaml: string;
  readonly policy: ScalingPolicy;
}

const SYNC_MS = 15 * SECOND;

/** Plays the demo against a running server until aborted, and tells what happens as it happens. */
export async function runDemo(deps: DemoDeps): Promise<void> {
  const loaded = await loadHistory(deps);
  const live = Promise.all([
    sendLive({ ...deps, after: loaded, gauges: (t) => gaugesOf(deps.cluster, t) }),
    runCluster(deps),
  ]);
  await Promise.all([live, showAndTell(deps)]);
}

async function showAndTell(deps: DemoDeps): Promise<void> {
  for (const { policy, yaml } of deps.policies) await deps.api.putPolicy(policy.namespace, policy.name, yaml);
  for (const { policy } of deps.policies) await tellForecast(policy, deps);
  // The replay has its own thread: it runs while the first plans are made.
  const [rows] = await Promise.all([replayAll(deps), tellPlans(deps)]);
  deps.onReplayed(rows);
  deps.print('replay', `the last three days again, under each strategy\n${formatReplayTable(rows)}`);
}

async function loadHistory(deps: DemoDeps): Promise<Millis> {
  let told = 0;
  const { samples, continuedFrom, newest } = await sendHistory(deps, (done, total) => {
    const quarter = Math.floor((4 * done) / total);
    if (quarter > told && quarter < 4) deps.print('samples', `${count(done)} of ${count(total)} stored`);
    told = quarter;
  });
  const what = continuedFrom === null ? 'four weeks of history' : 'what was missing since the last start';
  deps.print(
    'samples',
    `${count(samples)} stored: ${what} of ${deps.workloads.length} workloads; then live ones every 30 s`,
  );
  return newest;
}

/** The HPA controller of the stand-in, every 15 seconds. What the cluster is like is kept for a second start. */
async function runCluster({ cluster, clock, signal, save }: DemoDeps): Promise<void> {
  while (!signal.aborted) {
    cluster.sync();
    await save();
    await clock.sleep(SYNC_MS, signal);
  }
}

async function tellForecast(policy: ScalingPolicy, deps: DemoDeps): Promise<void> {
  const forecast = await waitFor(() => deps.api.forecast(policy.namespace, policy.name), deps);
  deps.print('forecast', `${nameOf(policy)} ${aheadOf(forecast)}\n${INDENT} ${trustOf(forecast)}`);
}

const AHEAD: readonly (readonly [ms: number, words: string])[] = [
  [15 * MINUTE, '15 min'],
  [HOUR, '1 h'],
  [2 * HOUR, '2 h'],
];

/** `in 15 min 634 (598 to 671)`: the point and the interval from the 0.05 to the 0.95 quantile. */
function aheadOf({ stepMs, point, lower, upper }: DemoForecast): string {
  return AHEAD.filter(([ms]) => ms / stepMs <= point.length)
    .map(([ms, words]) => {
      const i = Math.round(ms / stepMs) - 1;
      return `in ${words} ${round(point[i])} (${round(lower[i])} to ${round(upper[i])})`;
    })
    .join(',  ');
}

function trustOf({ model, maeVsLast }: DemoForecast): string {
  const error = maeVsLast === null ? '' : `; its error is ${maeVsLast.toFixed(2)} of that of repeating the last value`;
  return `requests/s, with 90 % intervals, by ${shortModel(model)}${error}`;
}

/** `mix(ridge 0.46, profile 0.26, last-week 0.09, …)`, without the small shares. */
function shortModel(model: string): string {
  const parts = model.split(', ');
  return parts.length <= 3 ? model : `${parts.slice(0, 2).join(', ')}, ${parts.length - 2} more)`;
}

async function tellPlan(policy: ScalingPolicy, deps: DemoDeps): Promise<void> {
  const { min, reasons } = await waitFor(() => deps.api.trustedDecision(policy.namespace, policy.name), deps);
  const why = reasons.map((text) => `\n${INDENT} ${text.replace(/mix\([^)]*\)/g, shortModel)}`);
  deps.print('plan', `${nameOf(policy)} a floor of ${min}, since${why.join('')}`);
}

async function tellPlans(deps: DemoDeps): Promise<void> {
  for (const { policy } of deps.policies) await tellPlan(policy, deps);
  deps.onPlansTold();
}

async function replayAll({ policies, api, clock, replay }: DemoDeps): Promise<readonly ReplayRow[]> {
  const rows: ReplayRow[] = [];
  for (const { policy } of policies) rows.push(...(await replay(policy, await api.demand(policy, clock.now()))));
  return rows;
}

/** Asks every half second until there is an answer. */
async function waitFor<T>(ask: () => Promise<T | undefined>, { clock, signal }: DemoDeps): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await clock.sleep(500, signal);
  }
}

/** What kube-state-metrics would show of the stand-in, under its names. */
function gaugesOf(cluster: DemoCluster, t: Millis): readonly OutgoingSeries[] {
  return cluster.states().flatMap((state) => {
    const { namespace, name } = state.ref;
    const gauge = (metric: string, label: string, value: number): OutgoingSeries => ({
      labels: [
        ['__name__', metric],
        [label, name],
        ['job', 'foresail-demo'],
        ['namespace', namespace],
      ],
      times: [t],
      values: Float64Array.of(value),
    });
    return [
      gauge('kube_deployment_spec_replicas', 'deployment', state.specReplicas),
      gauge('kube_deployment_status_replicas_ready', 'deployment', cluster.ready(state.ref)),
      gauge('kube_horizontalpodautoscaler_spec_min_replicas', 'horizontalpodautoscaler', state.min),
      gauge('kube_horizontalpodautoscaler_spec_max_replicas', 'horizontalpodautoscaler', state.max),
    ];
  });
}

const NAME_WIDTH = 15;

const INDENT = ' '.repeat(NAME_WIDTH);

export function nameOf({ namespace, name }: Pick<ScalingPolicy, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`.padEnd(NAME_WIDTH);
}

/** Hours, minutes and seconds, UTC. */
export function timeOf(t: Millis): string {
  return new Date(t).toISOString().slice(11, 19);
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}

function round(value: number | null | undefined): string {
  return value === null || value === undefined ? '?' : value.toFixed(0);
}
