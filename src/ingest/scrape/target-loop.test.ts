import { expect, test } from 'vitest';
import { formatLabels, type Label, labelsOf } from '../../model/labels.ts';
import { compileRelabel, RELABEL_DEFAULTS, type RelabelRule } from '../../model/relabel.ts';
import type { ScrapeJob } from '../../model/scrape-job.ts';
import { decodeSamples, isStaleMarker } from '../../model/series.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { memoryStorage } from '../../testing/memory-storage.ts';
import { simClock } from '../../testing/sim-clock.ts';
import { loadCore } from '../../tsdb/core.ts';
import { CoreMemory } from '../../wire/core-memory.ts';
import { DEFAULT_LABEL_LIMITS } from '../check-labels.ts';
import { ScrapeError } from './errors.ts';
import { openTargetLoop } from './target-loop.ts';
import { TargetSeries } from './target-series.ts';

const memory = new CoreMemory(await loadCore());
const START = 1_700_000_000_000;
const TEXT = 'text/plain; version=0.0.4';

interface Scenario {
  /** What each scrape gets: a text, a failure, or an answer with a Content-Type. */
  readonly scrapes: readonly (string | Error | { readonly type?: string; readonly body: string })[];
  readonly labels?: readonly Label[];
  readonly job?: Partial<ScrapeJob>;
  readonly metricRelabel?: readonly Partial<RelabelRule>[];
  /** The target is gone after the scrapes. */
  readonly removed?: boolean;
}

/** Every series as `labels: values`, one value a scrape, `stale` for a marker and `-` for none. */
async function run({ scrapes, labels = [], job = {}, metricRelabel = [], removed = false }: Scenario) {
  const clock = simClock(START);
  const storage = memoryStorage({ now: clock.now });
  const tenant = storage.tenant(DEFAULT_TENANT);
  const outcomes: string[] = [];
  const dropped: Record<string, number> = {};
  const options = {
    limits: NO_LIMITS,
    honorLabels: false,
    honorTimestamps: true,
    trackTimestampsStaleness: false,
    ...job,
  };
  const series = new TargetSeries({
    ...options,
    writer: tenant,
    memory,
    labels: labelsOf([['instance', 'i'], ...labels]),
    relabel: compileRelabel(
      metricRelabel.map((rule) => ({ ...RELABEL_DEFAULTS, ...rule })),
      () => new Uint8Array(16),
    ),
    sampleLimit: options.limits.samples,
    seriesLimits: DEFAULT_LABEL_LIMITS,
    onDropped: (reason, count) => {
      dropped[reason] = (dropped[reason] ?? 0) + count;
    },
  });
  let next = 0;
  const loop = openTargetLoop({
    job: { fallbackProtocol: undefined, ...job } as ScrapeJob,
    target: { key: 'k', url: 'http://i', labels: [], discovered: [], intervalMs: 15_000, timeoutMs: 10_000 },
    series,
    clock,
    monotonic: clock.now,
    phase: 0,
    get: async () => {
      const scrape = scrapes[next++];
      if (scrape === undefined) throw new Error('there is no further scrape');
      if (scrape instanceof Error) throw scrape;
      const { type, body } = typeof scrape === 'string' ? { type: TEXT, body: scrape } : scrape;
      return { contentType: type, body: Buffer.from(body) };
    },
    acts: () => true,
    jobFault: () => undefined,
    onScrape: (outcome) => outcomes.push(outcome),
    onError: (error) => {
      throw error;
    },
  });
  const stop = new AbortController();
  const program = new AbortController();
  const running = loop.run(stop.signal);
  await clock.advance(15_000 * scrapes.length - 1);
  stop.abort();
  await running;
  if (removed) {
    const ending = loop.end(program.signal);
    await clock.advance(40_000);
    await ending;
  }
  const found = await tenant.select([{ name: 'instance', op: '=', value: 'i' }], {
    start: 0,
    end: Number.MAX_SAFE_INTEGER,
  });
  const first = Math.ceil(START / 15_000) * 15_000;
  const lines = found.map(({ labels: all, chunks }) => {
    const { times, values } = decodeSamples(chunks, { start: 0, end: Number.MAX_SAFE_INTEGER });
    const shown = Array.from({ length: scrapes.length + (removed ? 1 : 0) }, (_, i) => {
      const at = times.indexOf(first + i * 15_000);
      if (at < 0) return '-';
      return isStaleMarker(values, at) ? 'stale' : String(values[at]);
    });
    const others = [...times]
      .filter((time) => (time - first) % 15_000 !== 0 || time < first)
      .map((time) => `@${time - first}`);
    const name = formatLabels(all.filter(([label]) => label !== 'instance'));
    return `${name}: ${[...shown, ...others].join(' ')}`;
  });
  const isReport = (line: string) => /^(up|scrape_)/.test(line);
  return {
    samples: lines.filter((line) => !isReport(line)).sort(),
    reports: Object.fromEntries(lines.filter(isReport).map((line) => line.split(': ') as [string, string])),
    outcomes,
    dropped,
    health: loop.health(),
  };
}

const NO_LIMITS = { bodyBytes: 0, samples: 0, labels: 0, labelNameLength: 0, labelValueLength: 0, targets: 0 };

const down = new ScrapeError('connection', 'refused');

/* As prometheus/prometheus scrape/scrape_test.go and docs/configuration.md have it. */
test.each<Scenario & { readonly name: string; readonly samples: readonly string[]; readonly up: string }>([
  { name: 'a series goes on', scrapes: ['a 1\n', 'a 2\n'], samples: ['a: 1 2'], up: '1 1' },
  {
    name: 'a series that is gone ends',
    scrapes: ['a 1\nb 1\n', 'a 2\n', 'a 3\n'],
    samples: ['a: 1 2 3', 'b: 1 stale -'],
    up: '1 1 1',
  },
  {
    name: 'a series comes back',
    scrapes: ['a 1\n', 'b 1\n', 'a 2\n'],
    samples: ['a: 1 stale 2', 'b: - 1 stale'],
    up: '1 1 1',
  },
  {
    name: 'a scrape that fails ends all',
    scrapes: ['a 1\nb 2\n', down, 'a 3\n'],
    samples: ['a: 1 stale 3', 'b: 2 stale -'],
    up: '1 0 1',
  },
  { name: 'two that fail end once', scrapes: ['a 1\n', down, down], samples: ['a: 1 stale -'], up: '1 0 0' },
  {
    name: 'a body that is broken ends all',
    scrapes: ['a 1\nb 2\n', 'a 2\nb\n', 'a 3\nb 4\n'],
    samples: ['a: 1 stale 3', 'b: 2 stale 4'],
    up: '1 0 1',
  },
  { name: 'an empty body ends all', scrapes: ['a 1\n', ''], samples: ['a: 1 stale'], up: '1 1' },
  {
    name: 'another order of labels is the same series',
    scrapes: ['a{x="1",y="2"} 1\n', 'a{y="2",x="1"} 2\n'],
    samples: ['a{x="1", y="2"}: 1 2'],
    up: '1 1',
  },
  { name: 'a target that is gone ends', scrapes: ['a 1\n'], removed: true, samples: ['a: 1 stale'], up: '1 stale' },
  {
    name: 'a time of its own has no end',
    scrapes: [`a 1 ${START - 5_000}\n`, 'b 1\n'],
    samples: ['a: - - @-15000', 'b: - 1'].map((line) =>
      line.replace('-15000', String(START - 5_000 - Math.ceil(START / 15_000) * 15_000)),
    ),
    up: '1 1',
  },
  {
    name: 'a time of its own that is not honoured',
    scrapes: [`a 1 ${START - 5_000}\n`, 'b 1\n'],
    job: { honorTimestamps: false },
    samples: ['a: 1 stale', 'b: - 1'],
    up: '1 1',
  },
  {
    name: 'a time of its own that is tracked',
    scrapes: [`a 1 ${Math.ceil(START / 15_000) * 15_000}\n`, 'b 1\n'],
    job: { trackTimestampsStaleness: true },
    samples: ['a: 1 stale', 'b: - 1'],
    up: '1 1',
  },
  {
    name: 'labels that the target has',
    scrapes: ['a{job="x",instance="y"} 1\n'],
    labels: [['job', 'j']],
    samples: ['a{exported_instance="y", exported_job="x", job="j"}: 1'],
    up: '1',
  },
  {
    name: 'labels that collide twice',
    scrapes: ['a{job="x",exported_job="z"} 1\n'],
    labels: [['job', 'j']],
    samples: ['a{exported_exported_job="x", exported_job="z", job="j"}: 1'],
    up: '1',
  },
  {
    name: 'labels that are honoured',
    scrapes: ['a{job="x"} 1\nb{job=""} 2\nc 3\n'],
    labels: [['job', 'j']],
    job: { honorLabels: true },
    samples: ['a{job="x"}: 1', 'b: 2', 'c{job="j"}: 3'],
    up: '1',
  },
  {
    name: 'relabelling drops',
    scrapes: ['a 1\nb 2\n', 'a 1\nb 2\n'],
    metricRelabel: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'b' }],
    samples: ['a: 1 1'],
    up: '1 1',
  },
  {
    name: 'the sample limit fails the scrape',
    scrapes: ['a 1\n', 'a 1\nb 2\n'],
    job: { limits: { ...NO_LIMITS, samples: 1 } },
    samples: ['a: 1 stale'],
    up: '1 0',
  },
  {
    name: 'what relabelling drops is within the limit',
    scrapes: ['a 1\nb 2\n'],
    metricRelabel: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'b' }],
    job: { limits: { ...NO_LIMITS, samples: 1 } },
    samples: ['a: 1'],
    up: '1',
  },
  {
    name: 'the label limit fails the scrape',
    scrapes: ['a{b="1"} 1\n'],
    job: { limits: { ...NO_LIMITS, labels: 2 } },
    samples: [],
    up: '0',
  },
  {
    name: 'the limit of label names',
    scrapes: ['a{bbbbbbbbb="1"} 1\n'],
    job: { limits: { ...NO_LIMITS, labelNameLength: 8 } },
    samples: [],
    up: '0',
  },
  {
    name: 'the limit of label values',
    scrapes: ['a{b="12345"} 1\n'],
    job: { limits: { ...NO_LIMITS, labelValueLength: 4 } },
    samples: [],
    up: '0',
  },
  { name: 'a label twice fails the scrape', scrapes: ['a{b="1",b="2"} 1\n'], samples: [], up: '0' },
  { name: 'no Content-Type fails the scrape', scrapes: [{ body: 'a 1\n' }], samples: [], up: '0' },
  {
    name: 'a Content-Type that is none fails the scrape',
    scrapes: [{ type: 'text/html', body: 'a 1\n' }],
    samples: [],
    up: '0',
  },
  {
    name: 'a fallback',
    scrapes: [{ body: 'a 1\n' }],
    job: { fallbackProtocol: 'PrometheusText0.0.4' },
    samples: ['a: 1'],
    up: '1',
  },
  {
    name: 'OpenMetrics',
    scrapes: [{ type: 'application/openmetrics-text; version=1.0.0', body: 'a 1\n# EOF\n' }],
    samples: ['a: 1'],
    up: '1',
  },
  { name: 'too far in the future', scrapes: [`a 1 ${START + 3_600_000}\nb 1\n`], samples: ['b: 1'], up: '1' },
])('$name', async ({ samples, up, ...scenario }) => {
  const found = await run(scenario);
  expect(found.samples).toEqual([...samples].sort());
  const { labels = [] } = scenario;
  expect(found.reports[formatLabels(labelsOf([['__name__', 'up'], ...labels]))]).toBe(up);
});

test('the series that report on a scrape', async () => {
  const drop = { action: 'drop', sourceLabels: ['__name__'], regex: 'c' } as const;
  const { reports, outcomes, dropped, health } = await run({
    scrapes: ['a 1\nb 1\nc 1\n', 'a 1\nb 1\nd 1\n', new ScrapeError('timeout', 'late'), 'a 1\na 2\n'],
    metricRelabel: [drop],
  });
  expect(reports).toEqual({
    up: '1 1 0 1',
    scrape_duration_seconds: '0 0 0 0',
    scrape_samples_scraped: '3 3 0 2',
    scrape_samples_post_metric_relabeling: '2 3 0 2',
    scrape_series_added: '2 1 0 0',
  });
  expect(outcomes).toEqual(['ok', 'ok', 'timeout', 'ok']);
  expect(dropped).toEqual({ duplicate_sample: 1 });
  expect(health).toMatchObject({ health: 'up', lastError: '' });
});
