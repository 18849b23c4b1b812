import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/model/time.ts';
import { fakeCluster } from '../../src/testing/fake-cluster.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { createLogger, startApp } from '../built-app.ts';
import { jumpClock, PROGRAM_LOOPS } from '../jump-clock.ts';

/** The built program with its store, on a clock that jumps over a week: samples come, leave memory, become points, go. */

const T0 = 20_000 * DAY;
const JUMP = 2 * HOUR;
const SCRAPE = 30 * SECOND;

const EXACT = [
  'sum_over_time(temperature[1h])',
  'count_over_time(temperature[1h])',
  'max_over_time(temperature[30m])',
  'sum by (app) (increase(requests_total[1h]))',
  'rate(requests_total[10m])',
];
/** Windows that begin and end within points. */
const INEXACT = 'avg_over_time(temperature[7m30s])';

const folder = mkdtempSync(join(tmpdir(), 'foresail-points-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly series: readonly { readonly metric: unknown; readonly values: readonly (readonly [number, string])[] }[];
  readonly warnings: readonly string[];
}

async function withProgram(start: number, run: (program: Program) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  // One more makes points.
  const clock = jumpClock(start, { count: PROGRAM_LOOPS + 1, signal: stop.signal });
  const loaded = loadSettings({ flags: { data: join(folder, 'data'), listen: '127.0.0.1:0' }, env: {} });
  const settings = {
    ...loaded,
    training: { ...loaded.training, everyMs: undefined },
    retentionMs: 2 * DAY,
    downsampling: [
      { stepMs: MINUTE, keepMs: 40 * DAY },
      { stepMs: 5 * MINUTE, keepMs: 100 * DAY },
    ],
  };
  const target = { name: 'fake', cluster: fakeCluster('shop', ['web'], { min: 2, max: 9 }), close: async () => {} };
  const app = await startApp({ settings, clock, log: createLogger('silent'), cluster: target });
  const running = app.run(stop.signal);
  try {
    await clock.settled();
    await run({ url: app.url, clock });
  } finally {
    stop.abort();
    await running;
    await app[Symbol.asyncDispose]();
  }
}

interface Program {
  readonly url: string;
  readonly clock: ReturnType<typeof jumpClock>;
}

/** To a time, with what targets expose in between. */
async function passTo({ url, clock }: Program, end: number): Promise<void> {
  while (clock.now() < end) {
    await clock.jump(JUMP, async () => {
      const times = Array.from({ length: JUMP / SCRAPE }, (_, i) => clock.now() - JUMP + (i + 1) * SCRAPE);
      const series = [
        // A counter that is reset every five hours.
        ...['a', 'b'].map((app, i) => ({
          labels: [['__name__', 'requests_total'] as const, ['app', app] as const],
          times,
          values: Float64Array.from(times, (time) => ((time % (5 * HOUR)) / SECOND) * (i + 1)),
        })),
        {
          labels: [['__name__', 'temperature'] as const],
          times,
          values: Float64Array.from(times, (time) => 20 + Math.sin(time / 1e6)),
        },
        ...(clock.now() <= T0 + 4 * HOUR
          ? [{ labels: [['__name__', 'gone'] as const], times, values: new Float64Array(times.length) }]
          : []),
      ];
      const body = new Uint8Array(encodeSnappy(encodeWriteRequest(series)));
      expect((await fetch(`${url}/api/v1/write`, { method: 'POST', body })).status).toBe(204);
    });
  }
}

async function ask(url: string, query: string, more: Record<string, string> = {}): Promise<Answer> {
  const range = { start: String((T0 + 2 * HOUR) / SECOND), end: String((T0 + 20 * HOUR) / SECOND), step: '1800' };
  const response = await fetch(`${url}/api/v1/query_range?${new URLSearchParams({ query, ...range, ...more })}`);
  expect(response.status, query).toBe(200);
  const body = (await response.json()) as { data: { result: Answer['series'] }; warnings?: string[] };
  return { series: body.data.result, warnings: body.warnings ?? [] };
}

function expectClose(found: Answer, want: Answer, query: string): void {
  expect(
    found.series.map(({ metric }) => metric),
    query,
  ).toEqual(want.series.map(({ metric }) => metric));
  found.series.forEach(({ values }, i) => {
    expect(values.map(([time]) => time)).toEqual(want.series[i]!.values.map(([time]) => time));
    for (const [n, [, value]] of values.entries()) {
      expect(Number(value), query).toBeCloseTo(Number(want.series[i]!.values[n]![1]), 6);
    }
  });
}

test('what samples answered over a day, points answer when these are gone, over a restart', async () => {
  const want = new Map<string, Answer>();
  const restartAt = T0 + 2 * DAY + 12 * HOUR;
  const partitions = async () => (await readdir(join(folder, 'data', 'partitions'))).sort();
  await withProgram(T0, async (program) => {
    await passTo(program, T0 + DAY + 12 * HOUR);
    for (const query of [...EXACT, INEXACT]) want.set(query, await ask(program.url, query));
    for (const query of EXACT) expect(want.get(query)!.series.length, query).toBeGreaterThan(0);
    await passTo(program, restartAt);
    expect(await partitions()).toContain('raw-2024-10-04');
  });
  await withProgram(restartAt, async (program) => {
    await passTo(program, T0 + 6 * DAY);
    const { url, clock } = program;
    expect((await partitions()).filter((name) => name.startsWith('raw')).slice(0, 2)).toEqual([
      'raw-2024-10-08',
      'raw-2024-10-09',
    ]);
    expect((await partitions()).filter((name) => /^\dm-/.test(name))).toEqual(['1m-2024-10', '5m-2024-10']);
    for (const query of EXACT) {
      const found = await ask(url, query);
      expect(found.warnings, query).toEqual([]);
      expectClose(found, want.get(query)!, query);
    }
    expect((await ask(url, 'temperature')).series).toEqual([]);
    expect((await ask(url, 'rate(requests_total[45s])')).series).toEqual([]);
    expect((await ask(url, INEXACT)).series).toEqual([]);
    const asked = await ask(url, INEXACT, { max_source_resolution: '5m' });
    expect(asked.warnings).toEqual([expect.stringMatching(/5m|1m/)]);
    expect(asked.series[0]!.values).toHaveLength(want.get(INEXACT)!.series[0]!.values.length);
    const namesIn = async (from: number, to: number) => {
      const range = new URLSearchParams({ start: String(from / SECOND), end: String(to / SECOND) });
      const response = await fetch(`${url}/api/v1/label/__name__/values?${range}`);
      return ((await response.json()) as { data: string[] }).data;
    };
    expect(await namesIn(T0, T0 + DAY)).toEqual(['gone', 'requests_total', 'temperature']);
    expect(await namesIn(clock.now() - HOUR, clock.now())).toEqual(['requests_total', 'temperature']);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^foresail_downsampling_lag_seconds\{resolution="5m"\} 0$/m);
  });
});
