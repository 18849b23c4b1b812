import { envelopeOf } from '../src/http/envelope.ts';
import { compareLabels, encodeLabels, labelsOf, labelValue, METRIC_NAME } from '../src/model/labels.ts';
import { compileMatcher, type Matcher } from '../src/model/matcher.ts';
import { MINUTE, type TimeRange } from '../src/model/time.ts';
import { evaluatorOver } from '../src/promql/run.ts';
import { loadCore } from '../src/tsdb/core.ts';
import { chunksOf, type HeadSeries } from '../src/tsdb/head-series.ts';
import { LiveSamples } from '../src/tsdb/live-samples.ts';
import { takeTurns } from '../src/turns.ts';

/*
 * The query engine over series as the store holds them in memory: npx tsx bench/promql.ts [RUNS [ONLY]].
 * 10,000 counters and 10,000 histogram buckets, 75 minutes at 15 s. Wall time (median, largest) and CPU time of each
 * query, its answer written as JSON, and the longest turn while it was evaluated. Selecting by matchers is left out but for a list of each metric: it is the
 * store's work, and the same for every engine.
 */
const RUNS = Number(process.argv[2] ?? 15);
/** The place of the only query to run, from 0. */
const ONLY = process.argv[3];
const END = 75 * MINUTE;
const STEP = 15_000;
const live = new LiveSamples(await loadCore());
const table = live.core.newRefTable();

function seriesOf(labels: Record<string, string>, index: number): HeadSeries {
  const slot = live.addSeries(table, index, 'raw');
  const times: number[] = [];
  const values: number[] = [];
  let value = 0;
  for (let time = (index * 7) % STEP; time <= END; time += STEP) {
    value += (index * 31 + time / 100) % 17;
    // One series in a hundred restarts now and then.
    if (index % 100 === 0 && (time / STEP) % 90 < 1) value = 0;
    times.push(time);
    values.push(value);
  }
  live.restoreRun(slot, { times: Float64Array.from(times), values: Float64Array.from(values) });
  return {
    ref: index,
    labels: labelsOf(labels),
    labelBytes: encodeLabels(labelsOf(labels)),
    retention: 'raw',
    slot,
    past: [],
    changePast: (change) => change([]),
  };
}

const byName = new Map<string, HeadSeries[]>();
function keep(name: string, series: HeadSeries[]): void {
  byName.set(
    name,
    series.sort((a, b) => compareLabels(a.labels, b.labels)),
  );
}
const common = (i: number) => ({
  cluster: 'bench',
  namespace: `team-${i % 50}`,
  job: `job-${i % 20}`,
  instance: `10.0.${i >> 8}.${i & 255}:8080`,
  pod: `app-${i % 500}-7d9f8b6c5-${i}`,
  code: ['200', '404', '500'][i % 3]!,
});
keep(
  'm_total',
  Array.from({ length: 10_000 }, (_, i) => seriesOf({ [METRIC_NAME]: 'm_total', ...common(i), path: `/p${i % 6}` }, i)),
);
const BOUNDS = ['0.005', '0.01', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '+Inf'];
keep(
  'h_bucket',
  Array.from({ length: 10_000 }, (_, i) => {
    const own = common(Math.floor(i / 10));
    return seriesOf({ [METRIC_NAME]: 'h_bucket', ...own, le: BOUNDS[i % 10]! }, i);
  }),
);

async function select(matchers: readonly Matcher[], range: TimeRange) {
  const name = matchers.find((matcher) => matcher.name === METRIC_NAME)!.value;
  const tests = matchers.filter((m) => m.name !== METRIC_NAME).map((m) => [m.name, compileMatcher(m)] as const);
  return (byName.get(name) ?? [])
    .filter(({ labels }) => tests.every(([label, test]) => test(labelValue(labels, label))))
    .map((series) => ({ labels: series.labels, chunks: chunksOf(live, series, range, Number.NEGATIVE_INFINITY) }));
}

const engine = evaluatorOver({ select }, { pause: takeTurns() });

/** The longest time that the event loop had to wait for its turn, until it is stopped. */
function watchTurns(): () => number {
  let longest = 0;
  let last = performance.now();
  let running = true;
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    running = false;
    return Math.max(longest, performance.now() - last);
  };
}

const hour = (stepMs: number) => ({ start: END - 60 * MINUTE, end: END, stepMs });
const QUERIES = [
  { query: 'sum(rate(m_total[5m])) by (namespace)', range: undefined },
  { query: 'sum(rate(m_total[5m])) by (namespace)', range: hour(15_000) },
  { query: 'sum(rate(m_total[5m])) by (namespace)', range: hour(60_000) },
  { query: 'histogram_quantile(0.9, sum by (le, job) (rate(h_bucket[5m])))', range: undefined },
  { query: 'm_total', range: undefined },
  { query: 'rate(m_total{path="/p1"}[5m])', range: hour(15_000) },
  { query: 'max_over_time(m_total[5m])', range: hour(60_000) },
  { query: 'sum by (job) (m_total * on (pod) group_left () m_total)', range: undefined },
];

for (const { query, range } of QUERIES.filter((_, at) => ONLY === undefined || at === Number(ONLY))) {
  const walls: number[] = [];
  let bytes = 0;
  let cpu = 0;
  let held = 0;
  for (let run = -3; run < RUNS; run++) {
    const stop = watchTurns();
    const before = process.cpuUsage();
    const start = performance.now();
    const result = await (range === undefined ? engine.instant(query, END) : engine.range(query, range));
    const longest = stop();
    bytes = 0;
    for (const text of envelopeOf(result)) bytes += text.length;
    if (run < 0) continue;
    held = Math.max(held, longest);
    walls.push(performance.now() - start);
    const { user, system } = process.cpuUsage(before);
    cpu += (user + system) / 1e6 / RUNS;
  }
  walls.sort((a, b) => a - b);
  const what = range === undefined ? 'instant' : `1 h, step ${range.stepMs / 1000} s`;
  console.log(
    `${query} · ${what}: p50 ${walls[RUNS >> 1]!.toFixed(1)} ms, least ${walls[0]!.toFixed(1)} ms, most ` +
      `${walls.at(-1)!.toFixed(1)} ms, CPU ${cpu.toFixed(3)} s, held the loop for ${held.toFixed(0)} ms at most, ${(bytes / 1e6).toFixed(2)} MB`,
  );
}
