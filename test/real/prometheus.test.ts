import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { movingExporter } from '../../src/testing/moving-exporter.ts';

/*
 * A real Prometheus scrapes an exporter every second and remote-writes to two of the real program, to one by 1.0 and to
 * the other by 2.0 where it can. Afterwards all answer the same queries, at instants that all have all samples of.
 * FORESAIL_SCRAPE_SECONDS shortens the two minutes.
 */
const SCRAPE_SECONDS = Number(process.env['FORESAIL_SCRAPE_SECONDS'] ?? 120);
/** Prometheus sends what it scraped within seconds; this long before the end nothing is under way any more. */
const SETTLED_SECONDS = 15;
const TOLERANCE = 1e-9;

const QUERIES = [
  'shop_requests_total{code="200"}',
  'rate(shop_requests_total[20s])',
  'sum by (path) (rate(shop_requests_total[20s]))',
  'sum(rate(shop_requests_total{code="500"}[20s])) / sum(rate(shop_requests_total[20s]))',
  'quantile(0.9, shop_temperature)',
  'topk(2, shop_temperature)',
  'max_over_time(rate(shop_requests_total{path="/pay"}[10s])[20s:5s])',
  'shop_temperature > 26',
  'histogram_quantile(0.95, sum by (le) (rate(shop_latency_seconds_bucket[20s])))',
  'absent(shop_requests_total{path="/nowhere"})',
];

test('ten queries give the same values as a real Prometheus that remote-writes to it', async ({ skip }) => {
  const prometheus = await findPrometheus();
  if (prometheus === undefined) return skip('there is no prometheus: install the package prometheus of Debian');
  if (!existsSync('dist/main.js')) return skip('there is no dist/main.js: run npm run build');
  const folder = await mkdtemp(join(tmpdir(), 'foresail-prometheus-'));
  const started: ChildProcess[] = [];
  try {
    await using exporter = await movingExporter();
    const protocols = prometheus.today ? (['1.0', '2.0'] as const) : (['1.0'] as const);
    const receivers = await Promise.all(
      protocols.map(async (protocol) => ({ protocol, url: await startForesail(join(folder, protocol), started) })),
    );
    const place = { folder, exporter: exporter.address, receivers };
    const reference = await startPrometheus(prometheus.program, place, started);

    await sleep(SCRAPE_SECONDS * 1000);
    const last = await lastSample(reference);
    for (const { url } of receivers) await arrived(url, last);

    const settled = Math.floor(last - SETTLED_SECONDS);
    const instants = [settled, settled - 3, settled - Math.min(30, Math.floor(SCRAPE_SECONDS / 4))];
    for (const { url, protocol } of receivers) {
      for (const query of QUERIES) {
        for (const time of instants) await compare(reference, url, 'query', { query, time: String(time + 0.25) });
        const range = { start: String(settled - SCRAPE_SECONDS / 2), end: String(settled), step: '1' };
        await compare(reference, url, 'query_range', { query, ...range });
      }
      const answers = await (await fetch(`${url}/metrics`)).text();
      const name = protocol === '1.0' ? 'remote-write-1' : 'remote-write-2';
      const counted = answers.split('\n').filter((line) => line.startsWith('foresail_ingest_requests_total{'));
      expect(counted).toEqual([expect.stringContaining(`protocol="${name}",code="204"`)]);
    }
  } finally {
    // The sender first: it would try for a minute to deliver the rest to receivers that are gone.
    for (const child of started.reverse()) {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  }
});

/** `../shared/bin` has today's; else the one in the path. */
async function findPrometheus(): Promise<{ readonly program: string; readonly today: boolean } | undefined> {
  const install = resolve('../shared/bin/install');
  if (existsSync(install)) {
    const { stdout } = await promisify(execFile)(install);
    return { program: join(stdout.trim(), 'prometheus'), today: true };
  }
  const folders = (process.env['PATH'] ?? '').split(':');
  const program = folders.map((path) => join(path, 'prometheus')).find((path) => existsSync(path));
  return program === undefined ? undefined : { program, today: false };
}

/** Resolves to the server's address, from the line that names it. */
async function startForesail(data: string, started: ChildProcess[]): Promise<string> {
  const child = spawn(process.execPath, ['dist/main.js', 'serve', '--data', data, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const lines: string[] = [];
  return await new Promise((resolveAddress, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        lines.push(line);
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
        if (address !== undefined) resolveAddress(address);
      });
    }
    child.once('exit', (code) => reject(new Error(`foresail stopped with ${code}:\n${lines.join('\n')}`)));
  });
}

interface Receiver {
  readonly url: string;
  readonly protocol: '1.0' | '2.0';
}

function remoteWriteTo({ url, protocol }: Receiver): string {
  const message = protocol === '2.0' ? ', protobuf_message: io.prometheus.write.v2.Request' : '';
  return `- {url: '${url}/api/v1/write', queue_config: {batch_send_deadline: 500ms}${message}}`;
}

async function startPrometheus(
  program: string,
  {
    folder,
    exporter,
    receivers,
  }: { readonly folder: string; readonly exporter: string; readonly receivers: readonly Receiver[] },
  started: ChildProcess[],
): Promise<string> {
  const config = join(folder, 'prometheus.yml');
  await writeFile(
    config,
    `global: {scrape_interval: 1s, scrape_timeout: 900ms}
scrape_configs: [{job_name: shop, static_configs: [{targets: ['${exporter}']}]}]
remote_write:
${receivers.map(remoteWriteTo).join('\n')}
`,
  );
  const address = `127.0.0.1:${await freePort()}`;
  const flags = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'tsdb')}`,
    `--web.listen-address=${address}`,
  ];
  const child = spawn(program, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  started.push(child);
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => lines.push(line));
  for (let attempt = 0; attempt < 150; attempt++) {
    if (child.exitCode !== null) break;
    const ready = await fetch(`http://${address}/-/ready`).catch(() => undefined);
    if (ready?.ok === true) return `http://${address}`;
    await sleep(200);
  }
  throw new Error(`prometheus did not get ready:\n${lines.join('\n')}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

/** Epoch seconds of the newest scrape that Prometheus has. */
async function lastSample(server: string): Promise<number> {
  const { result } = await ask(server, 'query', { query: 'max(timestamp(up{job="shop"}))' });
  return Number((result[0] as { value: [number, string] }).value[1]);
}

/** Waits until Foresail has a sample as new as that. */
async function arrived(server: string, time: number): Promise<void> {
  const query = `max(timestamp(up{job="shop"})) >= ${time}`;
  for (let attempt = 0; attempt < 150; attempt++) {
    const { result } = await ask(server, 'query', { query });
    if (result.length > 0) return;
    await sleep(200);
  }
  throw new Error('what Prometheus scraped last did not arrive within 30 s');
}

interface Data {
  readonly resultType: string;
  readonly result: readonly unknown[];
}

async function ask(server: string, path: string, parameters: Record<string, string>): Promise<Data> {
  const response = await fetch(`${server}/api/v1/${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
  const body = (await response.json()) as { status: string; data: Data; error?: string };
  if (body.status !== 'success') throw new Error(`${parameters['query']} on ${server}: ${body.error}`);
  return body.data;
}

async function compare(reference: string, foresail: string, path: string, parameters: Record<string, string>) {
  const [want, got] = await Promise.all([ask(reference, path, parameters), ask(foresail, path, parameters)]);
  const about = `${path} ${JSON.stringify(parameters)}`;
  const wanted = seriesOf(want);
  const found = seriesOf(got);
  expect(wanted.size, about).toBeGreaterThan(0);
  expect([...found.keys()].sort(), about).toEqual([...wanted.keys()].sort());
  for (const [labels, samples] of wanted) {
    const answered = found.get(labels)!;
    expect(
      answered.map(([time]) => time),
      `${about} ${labels}`,
    ).toEqual(samples.map(([time]) => time));
    samples.forEach(([time, value], i) => {
      const other = answered[i]![1];
      const same = value === other || Math.abs(value - other) <= TOLERANCE * Math.max(Math.abs(value), Math.abs(other));
      expect(
        same || (Number.isNaN(value) && Number.isNaN(other)),
        `${about} ${labels} at ${time}: ${value}, ${other}`,
      ).toBe(true);
    });
  }
}

/** By label set: the samples of a vector or of a matrix. */
function seriesOf({ result }: Data): Map<string, (readonly [time: number, value: number])[]> {
  const series = new Map<string, (readonly [number, number])[]>();
  for (const one of result as {
    metric: Record<string, string>;
    value?: [number, string];
    values?: [number, string][];
  }[]) {
    const key = JSON.stringify(Object.entries(one.metric).sort());
    const samples = one.values ?? [one.value!];
    series.set(
      key,
      samples.map(([time, text]) => [time, numberOf(text)] as const),
    );
  }
  return series;
}

function numberOf(text: string): number {
  return text.endsWith('Inf') ? Number(text.replace('Inf', 'Infinity')) : Number(text);
}
