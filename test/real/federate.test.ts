import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import { startProgram } from '../program.ts';
import { remoteWriteTo } from './victoria-metrics.ts';

/** A real Prometheus scrapes `/federate` of the real program. */
test('/federate is what Prometheus scrapes, with names of any kind, times and labels as they are here', async ({
  skip,
}) => {
  if (!existsSync('../shared/bin/install') || !existsSync('dist/main.js')) {
    return skip('there is no Prometheus of today: ../shared/bin is not here, or dist is not built');
  }
  const bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
  const folder = mkdtempSync(join(tmpdir(), 'foresail-real-federate-'));
  let child: ChildProcess | undefined;
  await using program = await startProgram();
  try {
    const time = Date.now() - 5_000;
    const of = (labels: Record<string, string>, value: number) => {
      return { labels: labelsOf(labels), times: [time], values: Float64Array.of(value) };
    };
    const odd = 'a "quoted" \\ text\nof two lines, é';
    const sent = [
      of({ __name__: 'demand', odd, job: 'shop' }, 1e-7),
      of({ __name__: 'my.metric', 'a.b': 'c' }, Infinity),
    ];
    expect(await remoteWriteTo(`${program.url}/api/v1/write`, sent)).toBe(204);
    const [port] = (await freePorts(1)) as [number];
    const scrape = {
      ...{ job_name: 'foresail', honor_labels: true, scrape_interval: '1s', metrics_path: '/federate' },
      params: { 'match[]': ['{__name__=~"demand|my.metric"}'] },
      static_configs: [{ targets: [new URL(program.url).host] }],
    };
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify({ scrape_configs: [scrape] }));
    const flags = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`];
    const more = [`--web.listen-address=127.0.0.1:${port}`, '--log.level=error'];
    child = spawn(join(bin, 'prometheus'), [...flags, ...more], { stdio: 'ignore' });
    const found = async () => {
      const query = new URLSearchParams({ query: '{__name__=~"demand|my.metric"}', time: String(time / 1000) });
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?${query}`).catch(() => undefined);
      if (answer?.ok !== true) return [];
      return ((await answer.json()) as { data: { result: { metric: object; value: unknown }[] } }).data.result;
    };
    await waitFor('the scraped series', async () => (await found()).length === 2);
    const all = (await found()).sort((a, b) => (JSON.stringify(a.metric) < JSON.stringify(b.metric) ? -1 : 1));
    expect(all).toEqual([
      { metric: { __name__: 'demand', job: 'shop', odd }, value: [time / 1000, '1e-07'] },
      { metric: { __name__: 'my.metric', 'a.b': 'c', job: 'foresail' }, value: [time / 1000, '+Inf'] },
    ]);
  } finally {
    if (child !== undefined) {
      child.kill();
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  }
});
