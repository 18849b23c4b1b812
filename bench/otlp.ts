import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';
import { ProtoWriter } from '../src/wire/proto-writer.ts';

/*
 * CPU of a server that takes OTLP metrics in protobuf, one after another:
 *   npm run build && npx tsx bench/otlp.ts [SERIES] [STEPS] [number|histogram]
 * (20,000 series, 30 points of each, numbers: half gauges, half counters.) A request has 2,000 points of 20 metrics, with
 * five attributes each; 10 connections send one after another. victoria-metrics of ../shared/bin is sent the same.
 * Bodies are made before, and differ in their times alone; as many
 * points that are new come once, after three steps of the others. A histogram has ten buckets, which make 13 samples.
 */
const [series = 20_000, steps = 30] = process.argv.slice(2, 4).map(Number);
const kind = process.argv[4] ?? 'number';
const POINTS = 2_000;
const METRICS = 20;
const TICKS_PER_SECOND = 100;
const WARM_STEPS = 3;
const BOUNDS = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const startedAt = Date.now() - (steps + WARM_STEPS) * 15_000;
const nanosOf = (time: number) => BigInt(time) * 1_000_000n;
const scratch = new DataView(new ArrayBuffer(8));

function fixed64(to: ProtoWriter, tag: number, value: bigint): void {
  scratch.setBigUint64(0, value, true);
  to.fixed64(tag, scratch, 0);
}

function double(to: ProtoWriter, tag: number, value: number): void {
  scratch.setFloat64(0, value, true);
  to.fixed64(tag, scratch, 0);
}

function attributes(to: ProtoWriter, tag: number, of: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(of)) {
    to.message(tag, () => {
      to.text(0x0a, key);
      to.message(0x12, () => to.text(0x0a, value));
    });
  }
}

/** Start and time, which every kind of point has in the same fields. */
function times(to: ProtoWriter): void {
  fixed64(to, 0x11, nanosOf(startedAt - 60_000));
  fixed64(to, 0x19, nanosOf(startedAt));
}

function labelsOf(point: number): Readonly<Record<string, string>> {
  return {
    'http.request.method': 'GET',
    'http.route': `/api/v1/resource/${point}`,
    'http.response.status_code': String(200 + (point % 5)),
    'server.address': 'shop.example.com',
    'url.scheme': 'https',
  };
}

function numberPoint(to: ProtoWriter, metric: number, point: number): void {
  times(to);
  double(to, 0x21, point / 7 + metric);
  attributes(to, 0x3a, labelsOf(point));
}

const COUNTS = new Uint8Array(BigUint64Array.from([...BOUNDS, 0], (_bound, i) => BigInt(i + 1)).buffer);
const LIMITS = new Uint8Array(Float64Array.from(BOUNDS).buffer);

function histogramPoint(to: ProtoWriter, point: number): void {
  times(to);
  fixed64(to, 0x21, 55n);
  double(to, 0x29, 1.5);
  to.message(0x32, () => to.bytes(COUNTS));
  to.message(0x3a, () => to.bytes(LIMITS));
  attributes(to, 0x4a, labelsOf(point));
}

function metricOf(to: ProtoWriter, metric: number): void {
  to.text(0x0a, `bench.metric.${metric}`);
  const isSum = kind !== 'histogram' && metric % 2 !== 0;
  to.text(0x1a, kind === 'histogram' ? 's' : isSum ? '1' : 'By');
  to.message(kind === 'histogram' ? 0x4a : isSum ? 0x3a : 0x2a, () => {
    for (let point = 0; point < POINTS / METRICS; point++) {
      to.message(0x0a, () => {
        if (kind === 'histogram') histogramPoint(to, point);
        else numberPoint(to, metric, point);
      });
    }
    if (kind === 'histogram' || isSum) to.int64(0x10, 2);
    if (isSum) to.int64(0x18, 1);
  });
}

function bodyOf(part: number): Uint8Array {
  const to = new ProtoWriter(1 << 20);
  to.message(0x0a, () => {
    to.message(0x0a, () => {
      const of = { 'service.name': 'shop', 'service.instance.id': `shop-${part}`, 'host.name': `h${part}` };
      attributes(to, 0x0a, of);
    });
    to.message(0x12, () => {
      to.message(0x0a, () => to.text(0x0a, 'bench'));
      for (let metric = 0; metric < METRICS; metric++) to.message(0x12, () => metricOf(to, metric));
    });
  });
  return to.finish();
}

/** Where a body has its points' time. */
function placesOf(body: Uint8Array): readonly number[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const wanted = Buffer.alloc(9);
  // Field 3, fixed64.
  wanted[0] = 0x19;
  wanted.writeBigUInt64LE(nanosOf(startedAt), 1);
  const places: number[] = [];
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 9)) places.push(at + 1);
  return places;
}

interface Part {
  readonly body: Uint8Array;
  readonly places: readonly number[];
}

const PARTS = Math.ceil(series / POINTS);

function partsFrom(first: number): readonly Part[] {
  return Array.from({ length: PARTS }, (_, i) => {
    const body = bodyOf(first + i);
    return { body, places: placesOf(body) };
  });
}

/** Those of `fresh` come once, when the program has seen the others: each point is then new. */
const [parts, fresh] = [partsFrom(0), partsFrom(PARTS)];

function atStep(part: Part, step: number): Buffer {
  const body = Buffer.from(part.body);
  for (const place of part.places) body.writeBigUInt64LE(nanosOf(startedAt + step * 15_000), place);
  return body;
}

const folder = await mkdtemp(join(tmpdir(), 'foresail-bench-otlp-'));
const bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
const agent = new Agent({ keepAlive: true, maxSockets: 10 });
const children: ChildProcess[] = [];
try {
  await writeFile(join(folder, 'foresail.yaml'), 'kubernetes: off\n');
  console.log(`${series} series, ${steps} points of each (${kind}); load ${loadavg()[0]!.toFixed(1)}`);
  const port = async () => (await freePorts(1))[0]!;
  const own = await port();
  await measure('foresail', `http://127.0.0.1:${own}/otlp/v1/metrics`, `http://127.0.0.1:${own}/-/ready`, [
    process.execPath,
    ...(process.env['NODE_FLAGS'] ?? '').split(' ').filter(Boolean),
    'dist/main.js',
    'serve',
    '--config',
    join(folder, 'foresail.yaml'),
    '--data',
    join(folder, 'data'),
    '--listen',
    `127.0.0.1:${own}`,
  ]);
  if (process.env['ENGINES'] !== 'foresail') {
    const other = await port();
    const address = `http://127.0.0.1:${other}`;
    await measure('victoria-metrics', `${address}/opentelemetry/v1/metrics`, `${address}/health`, [
      join(bin, 'victoria-metrics'),
      `-storageDataPath=${join(folder, 'vm')}`,
      `-httpListenAddr=127.0.0.1:${other}`,
      '-retentionPeriod=3',
    ]);
  }
} finally {
  for (const child of children) child.kill('SIGKILL');
  agent.destroy();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function measure(name: string, url: string, ready: string, [program, ...words]: readonly string[]) {
  const child = spawn(program!, words, { stdio: 'ignore' });
  children.push(child);
  await waitFor(`${name} to be ready`, async () => (await fetch(ready).catch(() => undefined))?.ok === true);
  for (let step = 0; step < WARM_STEPS; step++) await sendStep(url, parts, step);
  const before = cpuSeconds(child.pid!);
  await sendStep(url, fresh, WARM_STEPS);
  const cpu = cpuSeconds(child.pid!);
  const began = performance.now();
  for (let step = WARM_STEPS; step < WARM_STEPS + steps; step++) await sendStep(url, parts, step);
  const seconds = (performance.now() - began) / 1_000;
  const spent = cpuSeconds(child.pid!) - cpu;
  const points = PARTS * POINTS * steps;
  const ofNew = ((cpu - before) / (PARTS * POINTS)) * 1e6;
  child.kill('SIGTERM');
  await once(child, 'exit');
  console.log(
    `${name.padEnd(18)} ${((spent / points) * 1e6).toFixed(2)} µs of CPU a point, ${Math.round(points / seconds)} points/s; ${ofNew.toFixed(1)} µs a new one`,
  );
}

async function sendStep(url: string, of: readonly Part[], step: number): Promise<void> {
  await Promise.all(of.map(async (part) => send(url, atStep(part, step))));
}

function send(url: string, body: Buffer): Promise<void> {
  return new Promise((done, failed) => {
    const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode! < 300) done();
        else failed(new Error(`${url} answered ${response.statusCode}`));
      });
    });
    sent.once('error', failed);
    sent.end(body);
  });
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
