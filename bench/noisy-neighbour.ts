import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';

/*
 * What one tenant's flood does to another, by the built program:
 *   npm run build && npx tsx bench/noisy-neighbour.ts [--pairs 5] [--seconds 5] [--kinds rate,series,size,slow] [--tier standard] [--control yes]
 * The victim writes 500 samples and asks one query every 20 ms. Pairs are interleaved: quiet, then flooded; with
 * `--control yes` a third leg in each, where the same flood goes to a server that only reads, beside the senders, while the
 * victim is watched as ever: what the floods' senders take from the machine is no fault of the program. Told is the 99th
 * percentile of the victim's answers, the median of the pairs, and how late the victim's own process was.
 *
 * The server has the first core, everybody else the second. Each process is a session of its own, since Linux weighs
 * sessions first (`sched_autogroup_enabled`): `nice` says nothing between two of them. As root, the server and the victim
 * are put before everything else on the machine, and the flood behind the victim.
 */
const options = readOptions(process.argv.slice(2));
const KINDS: Readonly<Record<string, string>> = {
  rate: '50 connections, 2,000 samples a request, one after another',
  series: '50 connections, 500 new series a request',
  size: '8 connections, 60,000 samples (24 MB) a request',
  slow: '300 connections, 4 MB at once and then a byte every 100 ms',
};

/** Weights of sessions, as `nice` counts. */
const FIRST = -20;
const LAST = -5;

interface Latencies {
  readonly writes: number;
  readonly queries: number;
  readonly lag: number;
}

console.log(
  `tier ${options.tier}, ${options.pairs} pairs of ${options.seconds} s each, load ${loadavg()[0]!.toFixed(1)}\n`,
);
const legs = options.control ? 'quiet / flood elsewhere / flooded' : 'quiet / flooded';
console.log(
  `| flood | writes p99 ms, ${legs} | queries p99 ms, the same | victim's own delay p99 ms | answers to the flood |`,
);
console.log('|---|---|---|---|---|');
for (const kind of options.kinds) console.log(await measure(kind));

async function measure(kind: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-noisy-'));
  const [port, sinkPort] = (await freePorts(2)) as [number, number];
  const settings = join(folder, 'foresail.yaml');
  await writeFile(settings, `tenancy: {mode: on}\ntenantLimits: {tier: ${options.tier}}\nkubernetes: off\n`);
  const words = ['serve', '--config', settings, '--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data')];
  const server = start(0, FIRST, [resolve(options.program), ...words]);
  const url = `http://127.0.0.1:${port}`;
  const sinkUrl = `http://127.0.0.1:${sinkPort}`;
  const others: ChildProcess[] = [];
  try {
    await waitFor('foresail', async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true);
    const victim = start(1, FIRST, [...process.execArgv, resolve('bench/noisy-victim.ts'), url]);
    others.push(victim);
    // Until the code is compiled and the first collections are over.
    await watch(victim, 12);
    const seen = { quiet: [] as Latencies[], elsewhere: [] as Latencies[], flooded: [] as Latencies[] };
    let told = '';
    for (let pair = 0; pair < options.pairs; pair++) {
      seen.quiet.push(await watch(victim, options.seconds));
      for (const leg of options.control ? (['elsewhere', 'flooded'] as const) : (['flooded'] as const)) {
        const sink =
          leg === 'elsewhere'
            ? start(1, LAST, [...process.execArgv, resolve('bench/noisy-sink.ts'), `${sinkPort}`])
            : undefined;
        if (sink !== undefined) others.push(sink);
        await new Promise((resolve) => setTimeout(resolve, sink === undefined ? 0 : 1_000));
        const to = sink === undefined ? url : sinkUrl;
        const sender = start(1, LAST, [...process.execArgv, resolve('bench/noisy-sender.ts'), kind, to, 'noisy']);
        others.push(sender);
        let said = '';
        sender.stdout!.on('data', (part: Buffer) => (said += part.toString()));
        await waitFor('the flood', async () => said.startsWith('begun'));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        seen[leg].push(await watch(victim, options.seconds));
        await stop(sender);
        if (sink !== undefined) await stop(sink);
        else told = said.slice('begun'.length).trim() || told;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    }
    const { quiet, elsewhere, flooded } = seen;
    const cell = (of: keyof Latencies) =>
      [quiet, elsewhere, flooded]
        .filter(({ length }) => length > 0)
        .map((leg) => median(leg.map((each) => each[of])).toFixed(1))
        .join(' / ');
    return `| ${kind}: ${KINDS[kind]} | ${cell('writes')} | ${cell('queries')} | ${cell('lag')} | ${told} |`;
  } finally {
    for (const each of [...others, server]) await stop(each);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function watch(victim: ChildProcess, seconds: number): Promise<Latencies> {
  victim.stdin!.write(`${seconds}\n`);
  const [line] = (await once(victim.stdout!, 'data')) as [Buffer];
  const [writes, queries, lag] = line.toString().split(' ').map(Number) as [number, number, number];
  return { writes, queries, lag };
}

/** A process on one core, in a session of its own. */
function start(core: number, weight: number, words: readonly string[]): ChildProcess {
  const child = spawn('taskset', ['-c', `${core}`, process.execPath, ...words], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  try {
    writeFileSync(`/proc/${child.pid}/autogroup`, `${weight}`);
  } catch {
    // Neither root nor Linux: then it is one among many.
  }
  child.stdout!.resume();
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function readOptions(words: readonly string[]) {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) given.set(words[i]!.replace(/^--/, ''), words[i + 1]!);
  return {
    pairs: Number(given.get('pairs') ?? 5),
    seconds: Number(given.get('seconds') ?? 5),
    kinds: (given.get('kinds') ?? 'rate,series,size,slow').split(','),
    tier: given.get('tier') ?? 'standard',
    control: given.get('control') === 'yes',
    program: given.get('program') ?? 'dist/main.js',
  };
}
