import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';

/*
 * Remote write into the built program and into the engines of ../shared/bin, one after another and in turns:
 *   npm run build && npx tsx bench/ingest.ts [--series 20000] [--seconds 10] [--rounds 3] [--cores 1] [--proto 1,2]
 *     [--engines foresail,victoria-metrics,prometheus]
 * The generator is rwbench of ../shared/tools (2,000 samples a request over 10 connections, 12 to 13 labels a series);
 * with --cores 1 the server has the first core for itself and the generator the second. Told of each engine: the median
 * of its rounds. Each round begins with an empty folder.
 */
const options = readOptions(process.argv.slice(2));
const GENERATOR = resolve('../shared/tools/rwbench/rwbench.mjs');

interface Round {
  readonly samples_per_s: number;
  readonly cpu_s_per_M: number;
  readonly rss_mb: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly codes: Readonly<Record<string, number>>;
}

interface Engine {
  readonly name: string;
  readonly protos: readonly number[];
  command(folder: string, port: number): Promise<readonly string[]>;
  readonly ready: string;
}

const bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
const ENGINES: readonly Engine[] = [
  {
    name: 'foresail',
    protos: [1, 2],
    command: async (folder, port) => {
      return [process.execPath, resolve('dist/main.js'), 'serve', '--data', folder, '--listen', `127.0.0.1:${port}`];
    },
    ready: '/-/ready',
  },
  {
    name: 'victoria-metrics',
    protos: [1],
    command: async (folder, port) => [
      join(bin, 'victoria-metrics'),
      `-storageDataPath=${folder}`,
      `-httpListenAddr=127.0.0.1:${port}`,
      '-retentionPeriod=3',
    ],
    ready: '/health',
  },
  {
    name: 'prometheus',
    protos: [1, 2],
    command: async (folder, port) => {
      const file = join(folder, 'empty.yml');
      await writeFile(file, '');
      return [
        join(bin, 'prometheus'),
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--web.enable-remote-write-receiver',
      ];
    },
    ready: '/-/ready',
  },
];

const chosen = ENGINES.filter(({ name }) => options.engines.includes(name)).flatMap((engine) =>
  options.protos.filter((proto) => engine.protos.includes(proto)).map((proto) => ({ engine, proto })),
);
const rounds = new Map<string, Round[]>(chosen.map((one) => [nameOf(one), []]));
for (let round = 1; round <= options.rounds; round++) {
  for (const one of chosen) {
    process.stderr.write(`round ${round} of ${options.rounds}: ${nameOf(one)}, load ${loadavg()[0]!.toFixed(1)}\n`);
    rounds.get(nameOf(one))!.push(await measure(one.engine, one.proto));
  }
}
console.log(`remote write, ${options.series} series, ${options.cores} core(s) for the server,`);
console.log(`${options.rounds} rounds of ${options.seconds} s; ${availableParallelism()} cores here\n`);
console.log('| engine | samples/s | CPU s per million | RSS MB | p50 / p99 ms | answers |');
console.log('|---|---|---|---|---|---|');
for (const [name, all] of rounds) {
  const middle = (pick: (round: Round) => number) => all.map(pick).sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
  const cells = [
    Math.round(middle((round) => round.samples_per_s)).toLocaleString('en'),
    middle((round) => round.cpu_s_per_M).toFixed(2),
    Math.round(middle((round) => round.rss_mb)),
    `${middle((round) => round.p50_ms).toFixed(0)} / ${middle((round) => round.p99_ms).toFixed(0)}`,
    [...new Set(all.flatMap(({ codes }) => Object.keys(codes)))].join(' '),
  ];
  console.log(`| ${name} | ${cells.join(' | ')} |`);
}

function nameOf({ engine, proto }: { readonly engine: Engine; readonly proto: number }): string {
  return `${engine.name}, ${proto}.0`;
}

async function measure(engine: Engine, proto: number): Promise<Round> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-bench-'));
  const [port] = (await freePorts(1)) as [number];
  const [program, ...words] = pinned(await engine.command(folder, port), options.cores === 1 ? '0' : undefined);
  const server = spawn(program!, words, { stdio: 'ignore' });
  try {
    const url = `http://127.0.0.1:${port}`;
    await waitFor(engine.name, async () => (await fetch(`${url}${engine.ready}`).catch(() => undefined))?.ok === true);
    return await generate(url, server, proto);
  } finally {
    server.kill('SIGTERM');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function generate(url: string, server: ChildProcess, proto: number): Promise<Round> {
  const load = [
    `--url=${url}/api/v1/write`,
    `--series=${options.series}`,
    `--seconds=${options.seconds}`,
    `--proto=${proto}`,
    // Far enough back that no engine's generated time runs ahead of its clock.
    '--back=21600',
    `--pid=${server.pid}`,
    '--json',
  ];
  const [program, ...words] = pinned([process.execPath, GENERATOR, ...load], options.cores === 1 ? '1' : undefined);
  const { stdout } = await promisify(execFile)(program!, words, { maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as Round;
}

function pinned(command: readonly string[], core: string | undefined): readonly string[] {
  return core === undefined ? command : ['taskset', '-c', core, ...command];
}

function readOptions(words: readonly string[]) {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) given.set(words[i]!.replace(/^--/, ''), words[i + 1]!);
  const number = (name: string, otherwise: number) => Number(given.get(name) ?? otherwise);
  return {
    series: number('series', 20_000),
    seconds: number('seconds', 10),
    rounds: number('rounds', 3),
    cores: number('cores', 1),
    protos: (given.get('proto') ?? '1').split(',').map(Number),
    engines: (given.get('engines') ?? 'foresail,victoria-metrics,prometheus').split(','),
  };
}
