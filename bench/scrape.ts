import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

/*
 * CPU of programs while they scrape the same targets, all at once and from the same moment on:
 *   npm run build && npx tsx bench/scrape.ts [TARGETS] [SERIES] [SECONDS] [INTERVAL]
 * (100 targets of 1,000 series, every 15 s, one minute.) Beside Foresail that scrapes nothing, which is taken off its
 * figure, stand prometheus and victoria-metrics of ../shared/bin. ENGINES=foresail,prometheus picks some.
 *
 * The targets answer from this process, whose CPU is in no figure: their bodies are made and packed before the first
 * scrape, so that it is little.
 */
const [targets = 100, series = 1_000, seconds = 60, interval = 15] = process.argv.slice(2).map(Number);
/** Scrapes of every target before anything is measured: all series are known by then, on a busy machine too. */
const WARM_UP_SCRAPES = 3;
/** Programs that did not come so far by then are measured as they are. */
const LONGEST_WARM_UP_MS = 90_000;
const TICKS_PER_SECOND = 100;
const IDLE = 'foresail, nothing to scrape';
/** Bodies of each target, which it gives in turns. */
const TURNS = 3;

const folder = await mkdtemp(join(tmpdir(), 'foresail-bench-scrape-'));
const started: ChildProcess[] = [];
const bodies = Array.from({ length: targets }, (_, target) =>
  Array.from({ length: TURNS }, (_none, turn) => gzipSync(exposition(target, turn + 1), { level: 1 })),
);
/** Of each engine, by its user agent's first word. */
const scrapes = new Map<string, number>();
const server = createServer((request, response) => {
  const target = Number(/\d+/.exec(request.url ?? '')?.[0] ?? 0);
  const engine = engineOf(request.headers['user-agent']);
  const before = scrapes.get(engine) ?? 0;
  scrapes.set(engine, before + 1);
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.setHeader('content-encoding', 'gzip');
  response.end(bodies[target]![Math.floor(before / targets) % TURNS]);
}).listen(0, '127.0.0.1');

try {
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address() as AddressInfo;
  const list = Array.from({ length: targets }, (_, i) => ({
    targets: [`127.0.0.1:${port}`],
    labels: { __metrics_path__: `/${i}`, instance: `i${i}` },
  }));
  await writeFile(join(folder, 'targets.json'), JSON.stringify(list));
  await writeFile(
    join(folder, 'prometheus.yml'),
    `global: {scrape_interval: ${interval}s, scrape_timeout: ${Math.min(10, interval)}s}\n` +
      `scrape_configs: [{job_name: bench, file_sd_configs: [{files: [${folder}/targets.json]}]}]\n`,
  );
  await writeFile(join(folder, 'idle.yaml'), 'kubernetes: off\n');
  await writeFile(join(folder, 'scrape.yaml'), 'kubernetes: off\nscrape: {file: prometheus.yml}\n');
  const bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
  const foresail = (config: string) => [
    process.execPath,
    ...(process.env['NODE_FLAGS'] ?? '').split(' ').filter(Boolean),
    'dist/main.js',
    'serve',
    '--listen',
    '127.0.0.1:0',
    '--data',
    join(folder, `data-${config}`),
    '--config',
    join(folder, config),
  ];
  const wanted = (process.env['ENGINES'] ?? 'foresail,prometheus,victoria-metrics').split(',');
  console.log(`${targets} targets of ${series} series, every ${interval} s; load ${loadavg()[0]!.toFixed(1)}`);
  const engines = [
    [IDLE, foresail('idle.yaml')],
    ['foresail', foresail('scrape.yaml')],
    [
      'prometheus',
      [
        join(bin, 'prometheus'),
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/prom`,
        '--web.listen-address=127.0.0.1:0',
      ],
    ],
    [
      'victoria-metrics',
      [
        join(bin, 'victoria-metrics'),
        `-promscrape.config=${folder}/prometheus.yml`,
        `-storageDataPath=${folder}/vm`,
        '-httpListenAddr=127.0.0.1:0',
        '-retentionPeriod=3',
      ],
    ],
  ] as const;
  const running = engines.filter(([name]) => wanted.includes(name.split(',')[0]!));
  const children = running.map(([name, command]) => ({ name, child: start(command) }));
  const scraping = children.filter(({ name }) => name !== IDLE);
  const isWarm = () => scraping.every(({ name }) => (scrapes.get(name) ?? 0) >= WARM_UP_SCRAPES * targets);
  const began = performance.now();
  while (performance.now() - began < LONGEST_WARM_UP_MS && !isWarm()) await sleep(500);
  const measured = await Promise.all(children.map(({ name, child }) => measure(name, child)));
  const [idle, busy] = measured;
  if (wanted.includes('foresail')) report('foresail, scraping alone', { ...busy!, share: busy!.share - idle!.share });
} finally {
  for (const child of started) child.kill('SIGKILL');
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

interface Measured {
  /** CPU seconds a second, which is a share of one core. */
  readonly share: number;
  readonly rate: number;
}

function start([program, ...words]: readonly string[]): ChildProcess {
  const child = spawn(program!, words, { stdio: 'ignore' });
  started.push(child);
  return child;
}

async function measure(name: string, child: ChildProcess): Promise<Measured> {
  const before = scrapes.get(name) ?? 0;
  const cpu = cpuSeconds(child.pid!);
  await sleep(seconds * 1000);
  const share = (cpuSeconds(child.pid!) - cpu) / seconds;
  const rate = (((scrapes.get(name) ?? 0) - before) * series) / seconds;
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
  child.kill('SIGTERM');
  await once(child, 'exit');
  report(`${name} (${Math.round(rss)} MiB)`, { share, rate });
  return { share, rate };
}

function engineOf(agent = ''): string {
  if (/victoria|vm_promscrape/i.test(agent)) return 'victoria-metrics';
  return /^prometheus/i.test(agent) ? 'prometheus' : 'foresail';
}

function report(name: string, { share, rate }: Measured): void {
  const each =
    rate === 0 ? '' : `, ${(share / (rate / 1e6)).toFixed(2)} CPU s for a million of ${Math.round(rate)} samples/s`;
  console.log(`${(share * 100).toFixed(2)} % of a core${each}: ${name}`);
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Half counters that grow, half gauges; some two kilobytes of labels for every ten series, as of an ordinary service. */
function exposition(target: number, tick: number): string {
  const lines = ['# HELP bench_requests_total Requests.', '# TYPE bench_requests_total counter'];
  for (let i = 0; i < series; i++) {
    if (i === series >> 1) lines.push('# HELP bench_heat Heat.', '# TYPE bench_heat gauge');
    const labels = `{code="${200 + (i % 7)}",handler="/api/v1/resource/${i % 50}",method="GET",pod="shop-7c9f-${i}",version="v1.${target}"}`;
    if (i < series >> 1) lines.push(`bench_requests_total${labels} ${tick * 3 + i}`);
    else lines.push(`bench_heat${labels} ${((tick * 37 + i * 11) % 1000) / 10}`);
  }
  return `${lines.join('\n')}\n`;
}
