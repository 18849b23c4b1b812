import { crc32 } from 'node:zlib';
import { decodeLabels, encodeLabels, labelsOf } from '../../model/labels.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { countSamples, decodeSampleBytes, decodeSampleChunks, encodeSamples, sampleCodecOf } from '../../tsdb/codec.ts';
import { loadCore } from '../../tsdb/core.ts';
import { DEFAULT_LIMITS } from '../../tsdb/limits.ts';
import { chunkValue, decodeChunk, lastTimeOf } from '../../tsdb/partition-chunk.ts';
import { parsePartitionName } from '../../tsdb/partition-key.ts';
import { RecordBuffer } from '../../tsdb/record.ts';
import { SampleStore } from '../../tsdb/sample-store.ts';
import { encodeRun } from '../../tsdb/snapshot.ts';
import { CrashDisk } from '../crash-disk.ts';
import { restorePast } from '../crash-store.ts';
import type { FuzzedDecoder } from './fuzz.ts';
import { join, mutated, pick, type Random } from './mutate.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');
const HEADER_BYTES = 16;
const FRAME_BYTES = 12;
const ALL = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };
const OPTIONS = { folder: '/log', now: () => NOW, limits: DEFAULT_LIMITS, seed: 7, segmentBytes: 1 << 20 };
const PATHS = { log: '/log/00000001.log', snapshot: '/log/00000001.snapshot' } as const;

/** What reads what the store has written. */
export async function storeDecoders(): Promise<readonly FuzzedDecoder[]> {
  const core = await loadCore();
  const memoryBytes = () => core.memory.buffer.byteLength;
  const isRangeError = (error: Error) => error instanceof RangeError;
  const chunks = columns().map(([times, values]) => encodeSamples(core, times, values));
  const codec = sampleCodecOf(core);
  const whole = await recordFiles();
  return [
    {
      name: 'chunks',
      bodies: chunks,
      memoryBytes,
      refuses: isRangeError,
      decode(bytes, behind) {
        new Uint8Array(core.memory.buffer, core.codecBytes() + bytes.length, behind.length).set(behind);
        const alone = decodeSampleBytes(core, bytes);
        const { times } = decodeSampleChunks(core, [bytes, bytes]);
        if (times.length !== 2 * alone.times.length) throw new Error('has another length in a row of chunks');
        const { length } = codec.decodeTimes(bytes);
        const [ends, counts] = [Uint32Array.of(bytes.length - length), Uint32Array.of(alone.times.length)];
        const values = { bytes: bytes.subarray(length), ends, counts, from: 0, to: 1 };
        codec.decodeValues(values, new Float64Array(alone.times.length), 0);
        return [alone, countSamples(bytes)];
      },
      verify() {
        for (const [i, [times]] of columns().entries()) {
          if (decodeSampleBytes(core, chunks[i]!).times.length !== times.length) throw new Error('a chunk is damaged');
        }
      },
    },
    {
      name: 'values of partitions',
      bodies: chunks.map((bytes) => chunkValue({ first: NOW, last: NOW + 1, bytes })),
      memoryBytes,
      refuses: isRangeError,
      decode: (bytes) => [lastTimeOf(bytes), decodeChunk(codec, bytes)],
    },
    {
      name: 'names of partitions',
      bodies: [new TextEncoder().encode('raw-2026-08-03'), new TextEncoder().encode('demand-1999-12-31')],
      words: ['raw', 'demand', '-', '99', '0000'],
      decode: (bytes) => parsePartitionName(Buffer.from(bytes).toString()),
    },
    {
      name: 'label bytes',
      bodies: [encodeLabels(labelsOf({ __name__: 'up', job: 'a', long: 'x'.repeat(200), é: 'ü' }))],
      refuses: isRangeError,
      decode: (bytes) => decodeLabels(bytes),
    },
    ...(['log', 'snapshot'] as const).map(
      (kind): FuzzedDecoder => ({
        name: kind === 'log' ? 'log segments' : 'snapshots of the log',
        bodies: whole[kind],
        // Two stores, and now and then an instance of WebAssembly. A reference may be any number of 32 bits, and the
        // table of references takes 64 MiB for the largest.
        heapBytes: 512 << 20,
        mutate: (random) => mutatedRecords(random, whole[kind]),
        decode: (bytes) => openWith(kind, bytes),
      }),
    ),
  ];
}

/** Opens a store on a file, writes to it, and opens it again. Answers with all that it had. */
async function openWith(kind: 'log' | 'snapshot', bytes: Uint8Array): Promise<unknown> {
  const crashDisk = new CrashDisk();
  const disk = crashDisk.boot();
  const file = await disk.create(PATHS[kind]);
  await file.append(bytes.slice());
  await file.sync();
  await file.close();
  const opened = await SampleStore.open({ disk, core: await someCore(), ...OPTIONS });
  const found = contentsOf(opened);
  await writeKnown(opened);
  const before = contentsOf(opened);
  await opened[Symbol.asyncDispose]();
  const again = await SampleStore.open({ disk, core: await someCore(), ...OPTIONS });
  const after = contentsOf(again);
  await again[Symbol.asyncDispose]();
  if (!Buffer.from(JSON.stringify(before)).equals(Buffer.from(JSON.stringify(after)))) {
    throw new Error(
      `what was read differs when it is read again: ${JSON.stringify(before)} and ${JSON.stringify(after)}`,
    );
  }
  const { records, tornBytes, damagedBytes, orphanSamples, unknownRecords } = opened.recovery;
  return { found, records, tornBytes, damagedBytes, orphanSamples, unknownRecords };
}

const KNOWN = encodeLabels(labelsOf({ __name__: 'known_only_here' }));

/** The store takes samples after what was read, however damaged. */
async function writeKnown(store: SampleStore): Promise<void> {
  const [answer] = store.ref(DEFAULT_TENANT, [KNOWN], 'raw');
  // Where a series that was read has the last reference of all, the store says so.
  if (answer?.kind === 'refused' && answer.id === 'err-foresail-references-used-up') return;
  if (answer?.kind !== 'ref') throw new Error('a new series has no reference');
  const batch = { refs: Uint32Array.of(answer.ref), times: Float64Array.of(NOW), values: Float64Array.of(42) };
  if (store.write(DEFAULT_TENANT, batch)[0] !== 0) throw new Error('a new series takes no sample');
  await store.commit();
  const series = store.head.tenants.get(DEFAULT_TENANT)!.find(KNOWN);
  if (series === undefined || store.head.live.read(series.slot, ALL).values.at(-1) !== 42) {
    throw new Error('a sample that was written is not there');
  }
}

function contentsOf({ head }: SampleStore): unknown {
  return [...head.tenants.values()].map(({ id, series, metadata, attachments }) => [
    id,
    [...series.values()].map(({ ref, labels, slot, retention, past }) => {
      const { times, values } = head.live.read(slot, ALL);
      return [
        ...[ref, labels, retention, [...times], [...values].map(String), past.map(({ count }) => count)],
        attachments.exemplarsIn(ref, ALL, ALL.start).length,
        attachments.histogramsIn(ref, ALL, ALL.start).length,
      ];
    }),
    [...metadata.values()],
  ]);
}

const MAX_SHARED_BYTES = 64 << 20;

/** An instance for some hundreds of stores: each leaves its samples there. */
let shared: { readonly core: Awaited<ReturnType<typeof loadCore>>; uses: number } | undefined;
async function someCore() {
  if (shared === undefined || shared.uses++ > 200 || shared.core.memory.buffer.byteLength > MAX_SHARED_BYTES) {
    shared = { core: await loadCore(), uses: 0 };
  }
  return shared.core;
}

/** Counters, gauges, single samples, odd values. */
function columns(): readonly (readonly [Float64Array, Float64Array])[] {
  const run = (count: number, value: (i: number) => number, step: (i: number) => number = () => 15_000) => {
    let time = NOW;
    const times = Float64Array.from({ length: count }, (_, i) => (time += step(i)));
    return [times, Float64Array.from({ length: count }, (_, i) => value(i))] as const;
  };
  return [
    run(120, (i) => 1e6 + i * 7),
    run(120, (i) => Math.sin(i) * 1e3),
    run(
      60,
      (i) => Math.round(Math.sin(i) * 100) / 100,
      (i) => 15_000 + (i % 3),
    ),
    run(1, () => -0),
    run(40, (i) => (i % 7 === 0 ? Number.NaN : i % 5 === 0 ? Number.POSITIVE_INFINITY : 0)),
    run(
      200,
      () => 0,
      (i) => 0.25 + i,
    ),
    run(500, (i) => (i * 2_654_435_761) % 1_000),
  ];
}

/** A segment and a snapshot with records of every kind. */
async function recordFiles(): Promise<Readonly<Record<'log' | 'snapshot', readonly Uint8Array[]>>> {
  const crashDisk = new CrashDisk();
  const disk = crashDisk.boot();
  const store = await SampleStore.open({ disk, core: await loadCore(), ...OPTIONS });
  const names = ['up', 'http_requests_total', 'x'];
  const answers = store.ref(
    DEFAULT_TENANT,
    names.map((name) => encodeLabels(labelsOf({ __name__: name, job: 'a' }))),
    'raw',
  );
  const refs = answers.map((answer) => (answer.kind === 'ref' ? answer.ref : 0));
  for (let i = 0; i < 150; i++) {
    const times = Float64Array.from(refs, () => NOW - 3e6 + i * 15_000);
    const starts = Float64Array.from(refs, () => NOW - 4e6);
    store.write(DEFAULT_TENANT, { refs: Uint32Array.from(refs), times, values: times.map((_, n) => n * i), starts });
    if (i % 40 === 0) await store.commit();
  }
  store.describe(DEFAULT_TENANT, [{ metric: 'up', type: 'gauge', help: 'Help.', unit: '' }]);
  store.attach(DEFAULT_TENANT, {
    exemplars: [{ ref: refs[0]!, time: NOW, value: 1, labels: labelsOf({ trace_id: 'abc' }) }],
    histograms: [{ ref: refs[1]!, time: NOW, start: 0, bytes: Uint8Array.of(8, 1) }],
  });
  await store.commit();
  const times = Float64Array.of(NOW - 5e6, NOW - 4.5e6);
  restorePast(store, { labels: labelsOf({ __name__: 'past' }), times, values: times }, 'demand');
  await store.commit();
  const log = await contentOf(disk, PATHS.log);
  await store.chores.checkpoint();
  const [name] = (await disk.list('/log')).filter((each) => each.endsWith('.snapshot'));
  const snapshot = await contentOf(disk, `/log/${name}`);
  await store[Symbol.asyncDispose]();
  const old = new RecordBuffer();
  old.append({ kind: 'tenant', tenant: 1, nextRef: 4, id: DEFAULT_TENANT });
  old.append({
    kind: 'series',
    tenant: 1,
    ref: 3,
    retention: 'raw',
    labels: encodeLabels(labelsOf({ __name__: 'old' })),
  });
  old.append({ kind: 'samples', tenant: 1, refs: Uint32Array.of(3, 3), times, values: times });
  old.append({
    kind: 'run',
    tenant: 1,
    ref: 3,
    layer: 'backfill',
    times: times.map((time) => time - 1e5),
    values: times,
  });
  for (const bytes of encodeRun(store.head.live.core, { times: times.map((time) => time - 2e5), values: times })) {
    old.append({ kind: 'chunk', tenant: 1, ref: 3, layer: 'backfill', bytes });
  }
  old.append({ kind: 'run', tenant: 1, ref: 3, layer: 'live', times: times.map((time) => time + 1e5), values: times });
  return { log: [log, join(log.subarray(0, HEADER_BYTES), old.bytes)], snapshot: [snapshot] };
}

async function contentOf(disk: ReturnType<CrashDisk['boot']>, path: string): Promise<Uint8Array> {
  const file = await disk.openToRead(path);
  const bytes = new Uint8Array(file.size);
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

/** Half of them as a device would damage them, half with right sums: as a release with a fault would write them. */
function mutatedRecords(random: Random, files: readonly Uint8Array[]): Uint8Array {
  if (random() < 0.4) return mutated(random, { bodies: files });
  const file = pick(random, files);
  const frames = framesOf(file);
  const changed = Math.floor(random() * frames.length);
  const all = frames.map((body, i) => {
    if (i !== changed && random() < 0.95) return framed(body);
    const action = random();
    if (action < 0.15) return new Uint8Array();
    if (action < 0.3) return join(framed(body), framed(body));
    return framed(mutated(random, { bodies: [body, pick(random, frames)] }));
  });
  return join(file.subarray(0, HEADER_BYTES), ...all);
}

function framesOf(file: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const bodies: Uint8Array[] = [];
  for (let at = HEADER_BYTES; at + FRAME_BYTES <= file.length; ) {
    const length = view.getUint32(at + 4, true);
    bodies.push(file.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length));
    at += FRAME_BYTES + length;
  }
  return bodies;
}

function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_BYTES);
  frame.set(new TextEncoder().encode('FSR1'));
  const view = new DataView(frame.buffer);
  view.setUint32(4, body.length, true);
  view.setUint32(8, crc32(body, crc32(frame.subarray(4, 8))), true);
  return join(frame, body);
}
