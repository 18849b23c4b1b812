import type { Samples } from '../model/series.ts';
import { ATTACHMENT_RECORD_BYTES } from './attach.ts';
import { type CodecExports, encodeSamples } from './codec.ts';
import type { Disk } from './disk.ts';
import type { Head } from './head.ts';
import type { HeadSeries } from './head-series.ts';
import { createLogFile, listLogFiles, logPath } from './log-files.ts';
import { type LogRecord, RecordBuffer } from './record.ts';
import { Turns } from './turns.ts';

/** Samples of one chunk of what is not in closed chunks. */
const CHUNK_SAMPLES = 2_048;
/** Written at once. */
const WRITE_BYTES = 1 << 20;

/**
 * Writes everything visible in the head to a snapshot that covers the segments below `segment`, then removes what it
 * replaces. A crash at any point leaves either the old files or the new one, never neither.
 *
 * Samples that arrive meanwhile may be in the snapshot as well as in later segments: recovery takes them once.
 *
 * @returns Its length in bytes.
 */
export async function writeSnapshot(disk: Disk, folder: string, head: Head, segment: number): Promise<number> {
  const path = logPath(folder, 'snapshot', segment);
  const unfinished = `${path}.tmp`;
  const file = await createLogFile(disk, unfinished, 'snapshot');
  const buffer = new RecordBuffer();
  const turns = new Turns();
  let records = 0;
  let written = 0;
  try {
    for (const record of recordsOf(head)) {
      const pause = turns.due();
      if (pause !== undefined) await pause;
      buffer.append(record);
      records++;
      if (buffer.length < WRITE_BYTES) continue;
      await file.append(buffer.bytes);
      written += buffer.length;
      buffer.clear();
    }
    buffer.append({ kind: 'end', records });
    await file.append(buffer.bytes);
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(unfinished);
    throw error;
  }
  await disk.rename(unfinished, path);
  await disk.syncFolder(folder);
  for (const old of await listLogFiles(disk, folder)) {
    if (old.number < segment) await disk.remove(old.path);
  }
  await disk.syncFolder(folder);
  return written + buffer.length;
}

function* recordsOf(head: Head): Generator<LogRecord> {
  for (const tenant of [...head.tenants.values()]) {
    const { number } = tenant;
    yield { kind: 'tenant', tenant: number, nextRef: tenant.nextRef, id: tenant.id };
    for (const metadata of [...tenant.metadata.values()]) yield { kind: 'metadata', tenant: number, ...metadata };
    for (const series of tenant.series.values()) {
      const { ref, retention, labelBytes } = series;
      yield { kind: 'series', tenant: number, ref, retention, labels: labelBytes };
      // All are taken in one turn: while this waits, chunks may be merged or dropped.
      const layers = { live: liveChunks(head, series), backfill: pastChunks(head, series) };
      for (const layer of ['live', 'backfill'] as const) {
        for (const bytes of layers[layer]) yield { kind: 'chunk', tenant: number, ref, layer, bytes };
      }
    }
    yield* tenant.attachments.recordsOf(number, ATTACHMENT_RECORD_BYTES);
  }
}

/** Closed chunks as they are, and the visible samples behind them. */
function liveChunks({ live }: Head, { slot }: HeadSeries): readonly Uint8Array[] {
  const closed = live.closedChunks(slot);
  const last = closed.at(-1)?.last ?? Number.NEGATIVE_INFINITY;
  const { times, values } = live.read(slot, { start: last, end: Number.POSITIVE_INFINITY });
  const from = times[0] === last ? 1 : 0;
  const rest = encodeRun(live.core, { times: times.subarray(from), values: values.subarray(from) });
  return [...closed.map(({ bytes }) => bytes), ...rest];
}

function pastChunks({ live }: Head, { past }: HeadSeries): readonly Uint8Array[] {
  return past.flatMap((samples) => encodeRun(live.core, samples));
}

/** Any number of samples of one series, in chunks. */
export function encodeRun(core: CodecExports, { times, values }: Samples): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < times.length; at += CHUNK_SAMPLES) {
    chunks.push(encodeSamples(core, times.subarray(at, at + CHUNK_SAMPLES), values.subarray(at, at + CHUNK_SAMPLES)));
  }
  return chunks;
}
