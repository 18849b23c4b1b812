import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';

/*
 * Ever new series into the built program, while another process asks something small every 20 ms:
 *   npm run build && npx tsx bench/churn.ts [--series 1000000] [--seconds 60] [--batch 500] [--cores 1] [--node FLAGS]
 * Series have 12 labels, come at an even rate and with one sample each. With one core the server has it for itself, and
 * the two that send the other. All requests are made before the clock starts. Told are the longest pauses of the
 * small requests and their 99th percentile, beside those of the same requests to a server of 10 lines (what the machine
 * and the other process do to anybody), the server's CPU, and the memory that a series takes, everything counted.
 */
const [asker, ...words] = process.argv.slice(2);
/** Requests that wait for their answers: a Prometheus has more. */
const IN_FLIGHT = 4;

if (asker === '--ask') await askUntilStopped(words.map(Number));
else await main(readOptions(process.argv.slice(2)));

async function main(options: Options): Promise<void> {
  const [folder, [port]] = [await mkdtemp(join(tmpdir(), 'foresail-churn-')), await freePorts(1)];
  const settings = join(folder, 'foresail.yaml');
  await writeFile(settings, `kubernetes: off\nlimits: {seriesPerTenant: ${options.series * 2}}\n`);
  const program = [resolve('dist/main.js'), 'serve', '--config', settings, '--data', join(folder, 'data')];
  const args = [...options.node, ...program, '--listen', `127.0.0.1:${port}`];
  const pinned = options.cores === 1 ? ['taskset', '-c', '0'] : [];
  const [command, ...rest] = [...pinned, process.execPath, ...args];
  const server = spawn(command!, rest, { stdio: options.node.length > 0 ? 'inherit' : 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitFor('foresail', async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true);
    await measure(options, server.pid!, port!);
  } finally {
    server.kill('SIGTERM');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measure(options: Options, pid: number, port: number): Promise<void> {
  const bodies = Array.from({ length: Math.ceil(options.series / options.batch) }, (_, i) => {
    const from = i * options.batch;
    return encodeSnappy(encodeWriteRequest(newSeries(from, Math.min(options.batch, options.series - from))));
  });
  const before = { resident: await residentBytes(pid), cpu: await cpuSeconds(pid) };
  const load = loadavg()[0]!;
  const asking = fork(new URL(import.meta.url), ['--ask', String(port)], { execArgv: process.execArgv });
  await once(asking, 'message');
  const codes = new Map<number, number>();
  const agent = new Agent({ keepAlive: true });
  const began = performance.now();
  const onTheirWay = new Set<Promise<void>>();
  for (const [i, body] of bodies.entries()) {
    const due = began + (i / bodies.length) * options.seconds * 1_000;
    await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())));
    if (onTheirWay.size >= IN_FLIGHT) await Promise.race(onTheirWay);
    const sent = ask(agent, port, '/api/v1/write', body).then(({ code }) => {
      codes.set(code, (codes.get(code) ?? 0) + 1);
      onTheirWay.delete(sent);
    });
    onTheirWay.add(sent);
  }
  await Promise.all(onTheirWay);
  const seconds = (performance.now() - began) / 1_000;
  const asked = await answersOf(asking);
  agent.destroy();
  const perSeries = ((await residentBytes(pid)) - before.resident) / options.series;
  const cpu = (await cpuSeconds(pid)) - before.cpu;
  const answers = [...codes].map(([code, count]) => `${count} of ${code}`).join(', ');
  const each = ((cpu / options.series) * 1e6).toFixed(1);
  console.log(`${options.series} new series in ${seconds.toFixed(0)} s, load ${load.toFixed(1)} before: ${answers}`);
  console.log(`${cpu.toFixed(1)} s of CPU: ${each} us a series, small requests included`);
  for (const [of, all] of Object.entries<readonly number[]>({ ...asked })) {
    const sorted = [...all].sort((a, b) => a - b);
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]!;
    const longest = sorted
      .slice(-5)
      .reverse()
      .map((ms) => ms.toFixed(0));
    console.log(`${sorted.length} small requests to ${of}: longest ${longest.join(', ')} ms, p99 ${p99.toFixed(0)} ms`);
  }
  console.log(`${Math.round(perSeries)} bytes of resident memory a series`);
}

interface Asked {
  /** Milliseconds of each. */
  readonly foresail: number[];
  readonly 'a server that does nothing else': number[];
}

async function answersOf(asking: ChildProcess): Promise<Asked> {
  asking.send('stop');
  const [asked] = (await once(asking, 'message')) as [Asked];
  asking.disconnect();
  return asked;
}

/** Asks by the clock: a request that waits delays no other. */
async function askUntilStopped([port]: readonly number[]): Promise<void> {
  const [idlePort] = await freePorts(1);
  const idleServer = `require('http').createServer((q, r) => r.end()).listen(${idlePort}, '127.0.0.1')`;
  const idle = spawn('taskset', ['-c', '0', process.execPath, '-e', idleServer], { stdio: 'ignore' });
  const agent = new Agent({ keepAlive: true });
  await waitFor('the idle server', () =>
    ask(agent, idlePort!, '/').then(
      () => true,
      () => false,
    ),
  );
  let isStopped = false;
  process.once('message', () => {
    isStopped = true;
  });
  process.send!('ready');
  const all = { foresail: [] as Promise<{ readonly ms: number }>[], other: [] as Promise<{ readonly ms: number }>[] };
  while (!isStopped) {
    all.foresail.push(ask(agent, port!, '/-/healthy'));
    all.other.push(ask(agent, idlePort!, '/'));
    await new Promise((done) => setTimeout(done, 20));
  }
  const msOf = async (answers: readonly Promise<{ readonly ms: number }>[]) => {
    return (await Promise.all(answers)).map(({ ms }) => ms);
  };
  const asked: Asked = {
    foresail: await msOf(all.foresail),
    'a server that does nothing else': await msOf(all.other),
  };
  agent.destroy();
  idle.kill();
  process.send!(asked);
}

function newSeries(from: number, count: number) {
  const times = [Date.now()];
  return Array.from({ length: count }, (_, i) => {
    const pod = from + i;
    const labels: [string, string][] = [['__name__', `requests_${pod % 50}_total`]];
    for (let l = 0; l < 10; l++) labels.push([`label_${l}`, `a value of usual length ${(pod * (l + 3)) % 97}`]);
    labels.push(['pod', `checkout-6d4cf56db6-${pod.toString(36)}`]);
    return { labels, times, values: Float64Array.of(pod) };
  });
}

function ask(
  agent: Agent,
  port: number,
  path: string,
  body?: Uint8Array,
): Promise<{ readonly code: number; readonly ms: number }> {
  const began = performance.now();
  return new Promise((done, fail) => {
    const method = body === undefined ? 'GET' : 'POST';
    const headers = body === undefined ? {} : { 'content-length': body.length, 'content-encoding': 'snappy' };
    const sent = request({ host: '127.0.0.1', port, path, method, agent, headers }, (answer) => {
      answer.resume().on('end', () => done({ code: answer.statusCode!, ms: performance.now() - began }));
    });
    // A connection that was idle for seconds may be closed by the time that it is used again.
    const retry = () =>
      ask(agent, port, path, body).then(({ code }) => done({ code, ms: performance.now() - began }), fail);
    sent.on('error', (error) => (sent.reusedSocket ? retry() : fail(error))).end(body);
  });
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1_024;
}

/** User and system time of all its threads, in ticks of 10 ms. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Options {
  readonly series: number;
  readonly seconds: number;
  readonly batch: number;
  readonly cores: number;
  /** Flags of Node for the server, whose output is then shown. */
  readonly node: readonly string[];
}

function readOptions(words: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) given.set(words[i]!.replace(/^--/, ''), words[i + 1]!);
  const number = (name: string, otherwise: number) => Number(given.get(name) ?? otherwise);
  return {
    series: number('series', 1_000_000),
    seconds: number('seconds', 60),
    batch: number('batch', 500),
    cores: number('cores', 1),
    node: given.get('node')?.split(' ') ?? [],
  };
}
