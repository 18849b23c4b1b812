import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { setStaleMarker } from '../../src/model/series.ts';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import { encodeHistogram } from '../../src/testing/encode-histogram.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { remoteWriteTo } from './victoria-metrics.ts';

const MAIN = resolve('dist/main.js');
const STEP = 15_000;
const COUNT = 400;
const POINTS = 300;
const NOW = Math.floor(Date.now() / STEP) * STEP;
const START = NOW - POINTS * STEP;

/*
 * The same past of a real Prometheus is imported by its query API and by remote read, each into a program of its own, and
 * compared with Prometheus's own answers.
 */
describe('foresail import from a real Prometheus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-real-import-'));
  let bin: string | undefined;
  let prometheus: ChildProcess;
  let from: string;
  let byQuery: RunningProgram;
  let byRead: RunningProgram;

  beforeAll(async () => {
    if (!existsSync('../shared/bin/install') || !existsSync(MAIN)) return;
    bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
    const [port] = (await freePorts(1)) as [number];
    from = `http://127.0.0.1:${port}`;
    const config = join(folder, 'prometheus.yml');
    writeFileSync(config, 'global: {scrape_interval: 1h}\n');
    const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`];
    const more = [`--web.listen-address=127.0.0.1:${port}`, '--web.enable-remote-write-receiver', '--log.level=error'];
    const features = '--enable-feature=native-histograms,exemplar-storage';
    prometheus = spawn(join(bin, 'prometheus'), [...flags, ...more, features], { stdio: 'ignore' });
    await waitFor('Prometheus', async () => (await fetch(`${from}/-/ready`).catch(() => undefined))?.ok === true);
    // In order of time: its head takes nothing that is an hour older than the newest.
    const all = Array.from({ length: COUNT }, (_, i) => seriesOf(i));
    for (let k = 0; k < POINTS; k += 50) {
      const slice = all.map(({ labels, times, values }) => {
        return { labels, times: times.slice(k, k + 50), values: values.slice(k, k + 50) };
      });
      expect(await remoteWriteTo(`${from}/api/v1/write`, slice)).toBe(204);
    }
    expect(await remoteWriteTo(`${from}/api/v1/write`, histograms())).toBe(204);
    [byQuery, byRead] = await Promise.all([startProgram(), startProgram()]);
  }, 120_000);
  afterAll(async () => {
    if (bin !== undefined) {
      await Promise.all([byQuery?.[Symbol.asyncDispose](), byRead?.[Symbol.asyncDispose]()]);
      const exited = once(prometheus, 'exit');
      prometheus.kill();
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(({ skip }) => {
    if (bin === undefined) skip('there is no Prometheus of today: ../shared/bin is not here, or dist is not built');
  });

  function seriesOf(i: number) {
    const times = Array.from(
      { length: POINTS },
      (_, k) => START + k * STEP + (i % 7) * 100 + (i % 3 === 0 ? k % 5 : 0),
    );
    const values = Float64Array.from(times, (_, k) => sampleOf(i, k));
    // Some end, one of them and begins again.
    if (i % 10 === 3) setStaleMarker(values, POINTS - 1);
    if (i % 10 === 4) setStaleMarker(values, 100);
    return {
      labels: labelsOf({ __name__: i % 2 === 0 ? 'demand' : 'calls_total', pod: `p${i}`, odd: '"\\ é' }),
      times,
      values,
    };
  }

  function sampleOf(i: number, k: number): number {
    if (i % 2 === 1) return k * 17 + (k % 13);
    const odd = [Number.NaN, Infinity, -Infinity, -0, 5e-324, 1e308];
    if (i % 20 === 0 && k % 50 < odd.length) return odd[k % 50]!;
    return i % 4 === 0 ? Math.sin(k / 9 + i) * 100 : Math.fround(i) / 3;
  }

  function histograms() {
    const bytes = encodeHistogram({
      count: 3,
      sum: 5,
      schema: 0,
      positiveSpans: [{ offset: 0, length: 1 }],
      positiveDeltas: [3],
    });
    const at = Array.from({ length: 20 }, (_, k) => ({ time: NOW - (20 - k) * STEP, bytes }));
    return [{ labels: labelsOf({ __name__: 'native' }), times: [], values: new Float64Array(), histograms: at }];
  }

  const run = (...words: readonly string[]) =>
    new Promise<{ readonly code: number; readonly out: string }>((done) => {
      execFile(process.execPath, [MAIN, 'import', ...words], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : Number(error.code), out: stdout + stderr }),
      );
    });
  const importFrom = async (to: RunningProgram, ...more: readonly string[]): Promise<Record<string, number>> => {
    const words = [
      '--from',
      from,
      '--match',
      '{__name__=~"demand|calls_total"}',
      '--start',
      `${(START - STEP) / 1000}`,
    ];
    const { out, code } = await run('prometheus', ...words, '--url', to.url, '--json', ...more);
    return { ...(JSON.parse(out) as Record<string, number>), code };
  };
  async function ask(url: string, query: string, time = NOW): Promise<unknown> {
    const body = new URLSearchParams({ query, time: String(time / 1000) });
    const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body });
    const { data } = (await response.json()) as { data: { result: { metric: object }[] } };
    return data.result.sort((a, b) => (JSON.stringify(a.metric) < JSON.stringify(b.metric) ? -1 : 1));
  }

  test('by its queries and by remote read: the same samples as it has, to the bit', async () => {
    const query = await importFrom(byQuery, '--via', 'query');
    const read = await importFrom(byRead, '--via', 'remote-read');
    // A query leaves staleness markers out: 40 series have one that ends them, and 40 one in between.
    const markers = 80;
    expect(query).toMatchObject({ code: 0, appended: COUNT * POINTS - markers, duplicates: 0, conflicts: 0 });
    expect(read).toMatchObject({ code: 0, appended: COUNT * POINTS, duplicates: 0, conflicts: 0 });
    const whole = (name: string) => `${name}[${NOW - START + 2 * STEP}ms]`;
    for (const name of ['demand', 'calls_total']) {
      const want = await ask(from, whole(name));
      expect(await ask(byQuery.url, whole(name))).toEqual(want);
      expect(await ask(byRead.url, whole(name))).toEqual(want);
    }
    // Only what was read with its markers knows when a series ended.
    const ended = 'count(calls_total)';
    expect(await ask(byRead.url, ended)).toEqual(await ask(from, ended));
    expect(await ask(byRead.url, 'sum(demand)', START + 101 * STEP)).toEqual(
      await ask(from, 'sum(demand)', START + 101 * STEP),
    );
  });

  test('auto takes remote read where it is offered, again changes nothing, and native histograms are counted', async () => {
    const again = await importFrom(byRead);
    expect(again).toMatchObject({ code: 0, appended: 0, duplicates: COUNT * POINTS });
    const words = ['--from', from, '--match', 'native', '--start', `${START / 1000}`, '--url', byRead.url, '--json'];
    const { out, code } = await run('prometheus', ...words);
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 1, appended: 0, nativeHistograms: 20 });
  });

  test('remote read where it is not offered says so', async () => {
    const server = createServer((_, response) => void response.writeHead(404).end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const words = ['--from', `http://127.0.0.1:${port}`, '--match', 'demand', '--url', byRead.url, '--json'];
    const other = await run('prometheus', ...words, '--start', `${START / 1000}`, '--via', 'remote-read');
    server.close();
    expect(other).toMatchObject({ code: 2, out: expect.stringContaining('does not offer /api/v1/read') });
  });

  test('an import that was cut off goes on where it came to', async () => {
    const file = join(folder, 'resume.json');
    const middle = (START + 100 * STEP) / 1000;
    const program = await startProgram();
    try {
      const first = await importFrom(program, '--resume', file, '--end', `${middle}`);
      const second = await importFrom(program, '--resume', file);
      expect([first['duplicates'], second['duplicates']]).toEqual([0, 0]);
      expect(first['appended']! + second['appended']!).toBe(COUNT * POINTS);
      const saved = JSON.parse(readFileSync(file, 'utf8'));
      expect(saved).toMatchObject({ from, to: program.url });
    } finally {
      await program[Symbol.asyncDispose]();
    }
  });

  test('what promtool writes as OpenMetrics is imported, and is what Prometheus has', async () => {
    const program = await startProgram();
    try {
      // Its head is not on disk as blocks: a snapshot makes one.
      const dump = join(folder, 'dump.om');
      await promisify(execFile)(
        join(bin!, 'promtool'),
        ['tsdb', 'dump-openmetrics', '--sandbox-dir-root', folder, join(folder, 'data')],
        {
          maxBuffer: 1 << 28,
        },
      ).then(({ stdout }) => writeFileSync(dump, stdout));
      const { out, code } = await run('openmetrics', '--input', dump, '--url', program.url, '--json');
      expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, conflicts: 0, badLines: 0 });
      // The format has no word for a staleness marker: promtool writes a NaN, which is a sample.
      const query = `count_over_time(demand{pod!~"p\\\\d*4"}[${NOW - START + 2 * STEP}ms])`;
      expect(await ask(program.url, query)).toEqual(await ask(from, query));
    } finally {
      await program[Symbol.asyncDispose]();
    }
  });
});
