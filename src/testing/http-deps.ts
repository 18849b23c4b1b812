import { rightPolicy } from '../config/check-policy.ts';
import { openPolicyStore } from '../config/policy-store.ts';
import { doSeriesJob } from '../forecast/jobs/series-job.ts';
import { type CallerSettings, callerReader } from '../http/caller.ts';
import type { HttpDeps, WorkloadPicture, WorkloadView } from '../http/deps.ts';
import { createHttpHandler } from '../http/handler.ts';
import { type Listening, listen } from '../http/listen.ts';
import { openQueryRuns } from '../http/query-runs.ts';
import { compareLabels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import type { QueryValue } from '../model/query-result.ts';
import type { SampledSeries } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { TIER_LIMITS } from '../model/tenant-limits.ts';
import { CalendarFileError } from '../observe/errors.ts';
import { loadHolidays } from '../observe/holidays.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import { parseQuery } from '../promql/parse.ts';
import type { KeyValue } from '../storage/key-value.ts';
import type { AttachmentReader, Evaluator, SeriesReader } from '../storage/storage.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { doPreview } from '../workers/preview-job.ts';

export const NOW = Date.UTC(2026, 7, 3, 10);

const LIMITS = {
  requestBytes: 64 * 1024,
  querySamples: 1000,
  queryTimeoutMs: 10_000,
  queryPoints: 11_000,
  readBytes: 1 << 20,
};

/** An HTTP server over small real things in memory, on a free port. */
export async function serve(
  changes: Partial<HttpDeps> & { readonly callers?: CallerSettings } = {},
): Promise<Listening> {
  const handler = createHttpHandler(httpDeps(changes));
  return listen({ host: '127.0.0.1', port: 0, rawHandlers: new Map(), handler });
}

function httpDeps({ callers, ...changes }: Partial<HttpDeps> & { readonly callers?: CallerSettings } = {}): HttpDeps {
  const { callerOf, authenticate } = callerReader(callers ?? { tenancyOn: false, tokens: [] });
  const metrics = createMetrics({ version: '0.0.0-test' });
  const { querySamples, queryTimeoutMs } = changes.limits ?? LIMITS;
  return {
    version: '0.0.0-test',
    startedAt: NOW - 60_000,
    now: () => NOW,
    log: createLogger('silent'),
    metrics,
    limits: LIMITS,
    externalLabels: {},
    retention: '30d',
    pauseOf: () => () => undefined,
    queries: openQueryRuns({
      limitsOf: () => ({
        ...TIER_LIMITS.enterprise,
        max_samples_per_query: querySamples,
        query_timeout: queryTimeoutMs,
      }),
      metrics: changes.metrics ?? metrics,
      log: createLogger('silent'),
      tenantName: (tenant) => tenant,
      pauseOf: () => () => undefined,
      slowMs: Number.POSITIVE_INFINITY,
    }),
    callerOf,
    beforeDiscard: async () => {},
    authenticate,
    notReady: () => undefined,
    status: async () => ({ series: 2, samples: 20, cluster: 'off', problems: [] }),
    storage: { tenant: (id) => (id === DEFAULT_TENANT ? ofSeries(SERIES) : ofSeries([])) },
    parseSelector,
    policies: openPolicyStore({
      keyValue: memoryKeyValue(),
      readFiles: () => ({ policies: [], problems: [], doubled: [] }),
      checkQuery: () => {},
      tenancy: { on: false, namespaces: new Map() },
    }),
    doJob: async (_tenant, job) => doSeriesJob(job, { cpuSeconds: () => 0 }),
    calendarOf: calendarReader({
      holidays: loadHolidays,
      readFile: async (name) => Promise.reject(new CalendarFileError(name, 0, 'the test has no files')),
    }),
    preview: async (_tenant, input) => doPreview({ kind: 'preview', ...input }, {}),
    checkPolicy: (document) => rightPolicy(document, { checkQuery: () => {} }),
    planNow: async () => Promise.reject(new Error('the test gives no plan')),
    advice: async () => Promise.reject(new Error('the test gives no advice')),
    forecasts: async () => [{ demand: 'foresail_demand', forecast: { kind: 'no-data' } }],
    accuracy: async () => [],
    scores: async () => [],
    networkVersions: async () => [],
    targets: () => ({ activeTargets: [], droppedTargets: [], droppedTargetCounts: {} }),
    targetMetadata: () => [],
    userLimits: () => ({ ingestion_rate: 10_000 }),
    headChunks: async () => ({ chunks: 0, minTime: 0, maxTime: 0 }),
    decisions: async () => [],
    decision: async () => undefined,
    workloads: async (): Promise<readonly WorkloadView[]> => [],
    picture: async (): Promise<WorkloadPicture> => ({ demand: EMPTY, floor: EMPTY, replicas: EMPTY }),
    replay: async () => undefined,
    ...changes,
  };
}

const EMPTY = { times: new Float64Array(), values: new Float64Array() };

const SERIES: readonly SampledSeries[] = [
  seriesOf({ [METRIC_NAME]: 'up', job: 'b' }, [Number.NaN, Number.POSITIVE_INFINITY, 1e-7]),
  seriesOf({ [METRIC_NAME]: 'up', job: 'a', 'my.label': 'x' }, [1, 2, 3]),
];

function seriesOf(labels: Record<string, string>, values: readonly number[]): SampledSeries {
  const times = Float64Array.from(values, (_, i) => NOW - (values.length - 1 - i) * 60_000);
  return { labels: labelsOf(labels), times, values: Float64Array.from(values) };
}

/** Knows `name` and `name{label="value"}`, and nothing else. */
function parseSelector(text: string): readonly Matcher[] {
  const found = /^([a-z_]*)(?:\{([a-z_]+)="([^"]*)"\})?$/.exec(text);
  if (found === null || text === '') throw new RangeError(`1:1: parse error: not a selector: ${text.slice(0, 40)}`);
  const [, name, label, value] = found;
  const byName: Matcher[] = name === '' ? [] : [{ name: METRIC_NAME, op: '=', value: name! }];
  return label === undefined ? byName : [...byName, { name: label, op: '=', value: value! }];
}

type Read = SeriesReader & Evaluator & Pick<AttachmentReader, 'exemplars'>;

/** Each series has one exemplar, of its last sample's time. */
function ofSeries(all: readonly SampledSeries[]): Read {
  const matching = (sets: readonly (readonly Matcher[])[]) =>
    all.filter(({ labels }) => sets.length === 0 || sets.some((set) => set.every((m) => matches(m, labels))));
  const evaluated = (expression: string, time: number): QueryValue => {
    parseQuery(expression);
    if (expression === '1+1') return { kind: 'scalar', time, value: 2 };
    if (expression === '"text"') return { kind: 'string', time, value: 'a "text"' };
    const found = matching([parseSelector(expression)]);
    return { kind: 'vector', samples: found.map(({ labels, values }) => ({ labels, time, value: values.at(-1)! })) };
  };
  const answer = (value: QueryValue) => ({ value, warnings: [], infos: [] });
  return {
    select: async (matchers) =>
      matching([matchers]).map(({ labels, times, values }) => ({
        labels,
        chunks: [{ encoding: 'plain', times, values }],
      })),
    series: async (sets) =>
      matching(sets)
        .map(({ labels }) => labels)
        .sort(compareLabels),
    labelNames: async (sets) => unique(matching(sets).flatMap(({ labels }) => labels.map(([name]) => name))),
    labelValues: async (name, sets) =>
      unique(matching(sets).flatMap(({ labels }) => labels.filter(([key]) => key === name).map(([, value]) => value))),
    exemplars: async (sets, { start, end }) =>
      matching(sets)
        .filter(({ times }) => times.at(-1)! >= start && times.at(-1)! <= end)
        .map(({ labels, times }) => {
          return { labels, exemplars: [{ time: times.at(-1)!, value: 1e-7, labels: labelsOf({ trace_id: 'abc' }) }] };
        })
        .sort((a, b) => compareLabels(a.labels, b.labels)),
    metadata: async () => [{ metric: 'up', type: 'gauge', help: 'Whether it is up.', unit: '' }],
    instant: async (expression, time) => answer(evaluated(expression, time)),
    range: async (expression) => answer({ kind: 'matrix', series: matching([parseSelector(expression)]) }),
  };
}

function matches(matcher: Matcher, labels: SampledSeries['labels']): boolean {
  return compileMatcher(matcher)(labels.find(([name]) => name === matcher.name)?.[1] ?? '');
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort();
}

export function memoryKeyValue(): KeyValue {
  const entries = new Map<string, Uint8Array>();
  return {
    read: async (key) => entries.get(key),
    write: async (changes) => {
      for (const { key, value } of changes) {
        if (value === undefined) entries.delete(key);
        else entries.set(key, value);
      }
    },
    async *list({ gte, lt }) {
      for (const key of [...entries.keys()].sort()) if (key >= gte && key < lt) yield [key, entries.get(key)!] as const;
    },
  };
}
