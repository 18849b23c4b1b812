import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../src/testing/control-plane.ts';
import { type RunningProgram, startProgram } from './program.ts';
import { type Exporters, scrapeConfigOf, startExporters } from './scrape-targets.ts';

/*
 * The real program scrapes small real servers, by a configuration of Prometheus. A scrape that is late on a busy machine
 * fails and ends its series until the next one: what is looked at is looked at until it is so.
 */

const SOON = { timeout: 240_000, interval: 100 };

let folder: string;
let exporters: Exporters;
let program: RunningProgram;

beforeAll(async () => {
  if (!existsSync('dist/main.js')) throw new Error('there is no dist/main.js: run npm run build');
  folder = await mkdtemp(join(tmpdir(), 'foresail-scrape-'));
  exporters = await startExporters(folder);
  await writeFile(join(folder, 'prometheus.yml'), scrapeConfigOf(exporters));
  await writeFile(join(folder, 'token'), 't0ken\n');
  await writeFile(join(folder, 'targets.json'), JSON.stringify([{ targets: [exporters.plain], labels: { v: '1' } }]));
  await writeFile(join(folder, 'foresail.yaml'), 'kubernetes: off\nscrape: {file: prometheus.yml}\n');
  program = await startProgram(['--config', join(folder, 'foresail.yaml')]);
  await waitFor(
    'every job to be scraped',
    async () => (await ask('count(up)')).length === 1 && (await ask('up')).length === 13,
  );
});

afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  await exporters?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function ask(query: string): Promise<readonly Sample[]> {
  const response = await fetch(`${program.url}/api/v1/query?${new URLSearchParams({ query })}`);
  const { data } = (await response.json()) as { data: { result: readonly Sample[] } };
  return data.result;
}

const valuesOf = (samples: readonly Sample[]) => samples.map(({ value }) => value[1]);

async function targets(parameters = '') {
  const response = await fetch(`${program.url}/api/v1/targets${parameters}`);
  const { data } = (await response.json()) as {
    data: {
      activeTargets: readonly Record<'scrapePool' | 'scrapeUrl' | 'lastError' | 'health', string>[];
      droppedTargets: readonly { discoveredLabels: Record<string, string> }[];
      droppedTargetCounts?: Record<string, number>;
    };
  };
  return data;
}

test.each([
  ['plain', '1'],
  ['honored', '1'],
  ['basic', '1'],
  ['basic-wrong', '0'],
  ['bearer', '1'],
  ['tls', '1'],
  ['tls-unknown', '0'],
  ['openmetrics', '1'],
  ['broken', '0'],
  ['limited', '0'],
  ['by-file', '1'],
  ['by-http', '1'],
  ['dropped', '1'],
])('up of %s is %s', async (job, want) => {
  await expect.poll(async () => valuesOf(await ask(`up{job="${job}"}`)), SOON).toEqual([want]);
});

test('samples have the labels of their target, and relabelling is done', async () => {
  const found = (query: string) => expect.poll(async () => (await ask(query))[0], SOON);
  await found('shop_requests_total{job="plain", path="/pay"}').toEqual({
    metric: {
      __name__: 'shop_requests_total',
      host: '127.0.0.1',
      instance: exporters.plain,
      job: 'plain',
      module: 'a',
      path: '/pay',
      shard: '6',
      zone: 'here',
    },
    value: [expect.any(Number), '2'],
  });
  expect(await ask('go_threads{job="plain"}')).toEqual([]);
  await found('shop_heat{job="plain", exported_job="oven"}').toMatchObject({ metric: { zone: 'here' } });
  await found('shop_heat{job="grill"}').toMatchObject({ metric: { instance: exporters.plain } });
  await found('{"shop.power", job="basic"}').toMatchObject({ value: [expect.any(Number), '1000'] });
  await found('shop_latency_seconds_bucket{job="tls", le="1.0"}').toMatchObject({ value: [expect.any(Number), '3'] });
});

test('a series that is gone is stale at once', async () => {
  exporters.extra = 'passing 1\n';
  await waitFor('the series to come', async () => (await ask('passing{job="basic"}')).length === 1);
  exporters.extra = '';
  await waitFor('the series to end', async () => (await ask('passing{job="basic"}')).length === 0);
});

test('a change of a file of targets is taken in, and the series of the target that is gone end', async () => {
  const next = join(folder, 'next.json');
  await writeFile(next, JSON.stringify([{ targets: [exporters.plain], labels: { v: '2' } }]));
  await rename(next, join(folder, 'targets.json'));
  await waitFor('the new target', async () => (await ask('up{job="by-file", v="2"}')).length === 1);
  await waitFor('the end of the old', async () => (await ask('{job="by-file", v="1"}')).length === 0);
});

test('GET /api/v1/targets says what is scraped, what is not and why', async () => {
  const of = (job: string) =>
    expect.poll(async () => (await targets()).activeTargets.find(({ scrapePool }) => scrapePool === job), SOON);
  await of('plain').toMatchObject({
    scrapeUrl: `http://${exporters.plain}/metrics?module=a&module=b`,
    health: 'up',
    lastError: '',
    scrapeInterval: '1s',
    scrapeTimeout: '900ms',
  });
  await of('broken').toMatchObject({ lastError: expect.stringContaining('line 2') });
  await of('limited').toMatchObject({ lastError: expect.stringContaining('3 are allowed') });
  await of('basic-wrong').toMatchObject({ lastError: expect.stringContaining('401') });
  const all = await targets();
  expect(all.droppedTargets.map(({ discoveredLabels }) => discoveredLabels['__address__'])).toEqual(['127.0.0.1:1']);
  expect(all.droppedTargetCounts).toMatchObject({ dropped: 1, plain: 0 });
  expect((await targets('?state=active&scrapePool=tls')).activeTargets).toHaveLength(1);
  expect((await targets('?state=dropped')).activeTargets).toEqual([]);
  expect((await fetch(`${program.url}/api/v1/targets?state=up`)).status).toBe(400);
});

test('metadata of the targets and of their metrics', async () => {
  const answer = async (path: string) => await (await fetch(`${program.url}/api/v1/${path}`)).json();
  await expect
    .poll(() => answer('targets/metadata?metric=shop_hits'), SOON)
    .toMatchObject({
      data: [{ target: { job: 'openmetrics' }, metric: 'shop_hits', type: 'counter', help: 'Hits.' }],
    });
  expect(await answer('metadata?metric=shop_requests_total')).toMatchObject({
    data: { shop_requests_total: [{ type: 'counter', help: 'Requests.' }] },
  });
});

test('the program counts scrapes by what became of them, and says what it passes over', async () => {
  const metrics = async () => await (await fetch(`${program.url}/metrics`)).text();
  for (const outcome of ['ok', 'exposition', 'sample_limit', 'status', 'connection']) {
    await expect.poll(metrics, SOON).toMatch(new RegExp(`foresail_scrapes_total\\{outcome="${outcome}"\\} [1-9]`));
  }
  expect(program.output()).toContain('evaluation_interval is passed over');
});
