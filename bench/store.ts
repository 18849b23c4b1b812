import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { encodeLabels, labelsOf } from '../src/model/labels.ts';
import type { Samples } from '../src/model/series.ts';
import { DEFAULT_TENANT } from '../src/model/tenant.ts';
import { encodeSamples } from '../src/tsdb/codec.ts';
import { loadCore } from '../src/tsdb/core.ts';
import { nodeDisk } from '../src/tsdb/disk.ts';
import { DEFAULT_LIMITS } from '../src/tsdb/limits.ts';
import { SampleStore } from '../src/tsdb/sample-store.ts';
import { SHARED_DATA } from './shared-data.ts';

/*
 * The embedded store without what is around it. CPU time, never wall time.
 *
 *   npx tsx bench/store.ts append [SERIES [SAMPLES]]      CPU of write and commit, bytes a sample; then recovery
 *   node --expose-gc --import tsx bench/store.ts memory [SERIES [SAMPLES A SERIES]]
 *   npx tsx bench/store.ts sizes [URL OF A PROMETHEUS]    bytes a sample in chunks of 120, of each set of ../shared/data
 *                                                         and of what that Prometheus scraped in the last half hour
 */
const BATCH = 2_000;
const STEP = 15_000;
const [mode = 'append', first, second] = process.argv.slice(2);
const now = Date.now();

async function openStore(dir: string): Promise<SampleStore> {
  const limits = { ...DEFAULT_LIMITS, maxSeriesPerTenant: 1e7, maxLabelBytes: 2 ** 31, maxSampleBytes: 3 * 2 ** 30 };
  const folder = join(dir, 'log');
  return await SampleStore.open({ disk: nodeDisk, folder, now: () => now, limits, seed: 1, segmentBytes: 64 << 20 });
}

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

/** Twelve or thirteen labels of about 300 bytes, two of them of this series alone. */
function labelBytes(i: number): Uint8Array {
  const id = (Math.imul(i, 2_654_435_761) >>> 0).toString(16).padStart(8, '0');
  return encodeLabels(
    labelsOf({
      __name__: `http_server_requests_total_${i % 50}`,
      app_kubernetes_io_name: `service-${i % 40}`,
      cluster: 'production-eu-west-1',
      container: 'application',
      instance: `10.${i % 250}.${(i * 7) % 250}.${(i * 13) % 250}:9090`,
      job: `team-${i % 20}/service-${i % 40}`,
      le: ['0.005', '0.01', '0.05', '0.1', '0.5', '1', '5', '+Inf'][i % 8]!,
      method: ['GET', 'POST', 'PUT'][i % 3]!,
      namespace: `team-${i % 20}`,
      node: `ip-10-0-${i % 250}-12.eu-west-1.compute.internal`,
      pod: `service-${i % 40}-7d9f8b6c5d-${id}`,
      route: `/api/v1/resources/${i % 40}`,
      ...(i % 2 === 1 && { status: ['200', '404', '500'][i % 3]! }),
    }),
  );
}

async function makeSeries(store: SampleStore, count: number): Promise<Uint32Array> {
  const refs = new Uint32Array(count);
  for (let from = 0; from < count; from += BATCH) {
    const labels = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => labelBytes(from + i));
    store.ref(DEFAULT_TENANT, labels, 'raw').forEach((answer, i) => {
      if (answer.kind === 'ref') refs[from + i] = answer.ref;
    });
    await store.commit();
  }
  return refs;
}

/** One scrape of all series: a third counters of whole numbers, a third gauges of two decimals, a third constant. */
function scrape(values: Float64Array, round: number): void {
  for (let i = 0; i < values.length; i++) {
    if (i % 3 === 0) values[i] = values[i]! + ((i * 7_919 + round * 31) % 17);
    else values[i] = i % 3 === 1 ? Math.round(1e4 * Math.sin(round / 20 + i)) / 100 : i;
  }
}

async function writeRounds(store: SampleStore, refs: Uint32Array, rounds: number) {
  const values = new Float64Array(refs.length);
  const spent = { write: 0, commit: 0 };
  for (let round = 0; round < rounds; round++) {
    scrape(values, round);
    const times = new Float64Array(refs.length).fill(now - (rounds - round) * STEP);
    // Ten senders share a commit.
    for (let from = 0; from < refs.length; from += 10 * BATCH) {
      let began = process.cpuUsage();
      for (let at = from; at < Math.min(refs.length, from + 10 * BATCH); at += BATCH) {
        const part = <T extends Float64Array | Uint32Array>(column: T) => column.subarray(at, at + BATCH) as T;
        store.write(DEFAULT_TENANT, { refs: part(refs), times: part(times), values: part(values) });
      }
      spent.write += cpuSeconds(began);
      began = process.cpuUsage();
      await store.commit();
      spent.commit += cpuSeconds(began);
    }
  }
  return spent;
}

async function measureAppend(dir: string, series: number, samples: number): Promise<void> {
  let store = await openStore(dir);
  const refs = await makeSeries(store, series);
  const rounds = Math.ceil(samples / series);
  const spent = await writeRounds(store, refs, rounds);
  const total = rounds * series;
  const perMillion = (seconds: number) => ((seconds / total) * 1e6).toFixed(3);
  const each = (bytes: number) => (bytes / total).toFixed(2);
  console.log(`${series} series, ${total} samples: write ${perMillion(spent.write)} CPU s per million, commit`);
  console.log(`  ${perMillion(spent.commit)}; ${each(store.head.sampleBytes)} B a sample in memory, of the log`);
  console.log(`  ${each(store.logBytes)}`);
  await store[Symbol.asyncDispose]();
  for (const from of ['log', 'snapshot']) {
    const began = process.cpuUsage();
    store = await openStore(dir);
    const seconds = ((cpuSeconds(began) / total) * 1e7).toFixed(2);
    console.log(`recovery from the ${from}: ${seconds} CPU s for 10 million samples (${store.head.samples} found)`);
    if (from === 'log') await store.chores.checkpoint();
    await store[Symbol.asyncDispose]();
  }
}

async function measureMemory(dir: string, series: number, samples: number): Promise<void> {
  const before = process.memoryUsage().rss;
  await using store = await openStore(dir);
  const began = process.cpuUsage();
  const refs = await makeSeries(store, series);
  const created = cpuSeconds(began);
  await writeRounds(store, refs, samples);
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const each = (bytes: number) => Math.round(bytes / series);
  const wasm = store.head.live.core.memory.buffer.byteLength;
  console.log(`${series} series of ${each(store.head.labelBytes)} label bytes, ${samples} samples each:`);
  console.log(`  ${each(rss - before)} B of RSS a series; JS heap ${each(heapUsed)}, arrays ${each(arrayBuffers)},`);
  console.log(`  WebAssembly ${each(wasm)}; ${((created / series) * 1e6).toFixed(0)} us of CPU to make one`);
}

async function scraped(url: string): Promise<Readonly<Record<string, readonly Samples[]>>> {
  const sets: Record<string, Samples[]> = {};
  const query = encodeURIComponent('{job=~".+"}[30m]');
  const answer = (await (await fetch(`${url}/api/v1/query?query=${query}`)).json()) as {
    data: { result: { metric: Record<string, string>; values?: [number, string][] }[] };
  };
  for (const { metric, values } of answer.data.result) {
    if (values === undefined) continue;
    const samples = {
      times: Float64Array.from(values, ([time]) => Math.round(time * 1_000)),
      values: Float64Array.from(values, ([, value]) => Number(value)),
    };
    const job = `scraped: ${metric['job']}`;
    sets[job] = [...(sets[job] ?? []), samples];
  }
  return sets;
}

/** The public series, at the steps that they have. */
async function published(): Promise<Readonly<Record<string, readonly Samples[]>>> {
  const sets: Record<string, Samples[]> = {};
  for (const file of await readdir(SHARED_DATA, { recursive: true })) {
    const set = file.split('/')[0]!;
    if (!/\.csv(\.gz)?$/.test(file) || !file.includes('/') || set === 'm4-hourly') continue;
    const bytes = await readFile(join(SHARED_DATA, file));
    const lines = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().trim().split('\n').slice(1);
    const times: number[] = [];
    const values: number[] = [];
    for (const line of lines) {
      const [at = '', value] = line.split(',');
      const time = /^\d+$/.test(at) ? Number(at) * 1_000 : Date.parse(`${at.replace(' ', 'T')}Z`);
      if (!(time > (times.at(-1) ?? Number.NEGATIVE_INFINITY))) continue;
      times.push(time);
      values.push(Number(value));
    }
    sets[set] = [...(sets[set] ?? []), { times: Float64Array.from(times), values: Float64Array.from(values) }];
  }
  return sets;
}

async function measureSizes(url: string | undefined): Promise<void> {
  const core = await loadCore();
  const sets = { ...(await published()), ...(url !== undefined && (await scraped(url))) };
  for (const [name, series] of Object.entries(sets)) {
    let samples = 0;
    let bytes = 0;
    const began = process.cpuUsage();
    for (const { times, values } of series) {
      for (let at = 0; at + 120 <= times.length; at += 120) {
        bytes += encodeSamples(core, times.subarray(at, at + 120), values.subarray(at, at + 120)).length;
        samples += 120;
      }
    }
    const nanoseconds = ((cpuSeconds(began) / samples) * 1e9).toFixed(0);
    const each = (bytes / samples).toFixed(3);
    console.log(`${name}: ${series.length} series, ${samples} samples, ${each} B a sample, ${nanoseconds} ns`);
  }
}

const dir = await mkdtemp(join(tmpdir(), 'foresail-bench-'));
try {
  if (mode === 'memory') await measureMemory(dir, Number(first ?? 100_000), Number(second ?? 4));
  else if (mode === 'sizes') await measureSizes(first);
  else await measureAppend(dir, Number(first ?? 20_000), Number(second ?? 4_000_000));
} finally {
  await rm(dir, { recursive: true });
}
