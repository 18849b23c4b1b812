import { encodeLabels } from '../model/labels.ts';
import { visibleSamples } from './chunk.ts';
import type { Disk } from './disk.ts';
import type { Head } from './head.ts';
import { createLogFile, listLogFiles, logPath } from './log-files.ts';
import { type LogRecord, MAX_RECORD_SAMPLES, RecordBuffer } from './record.ts';

/** Written at once; between two writes other work gets its turn. */
const WRITE_BYTES = 1 << 20;

/**
 * Writes everything visible in the head to a snapshot that covers the segments below `segment`, then removes what it
 * replaces. A crash at any point leaves either the old files or the new one, never neither.
 *
 * Samples that arrive meanwhile may be in the snapshot as well as in later segments: recovery takes them once.
 */
export async function writeSnapshot(disk: Disk, folder: string, head: Head, segment: number): Promise<void> {
  const path = logPath(folder, 'snapshot', segment);
  const unfinished = `${path}.tmp`;
  const file = await createLogFile(disk, unfinished, 'snapshot');
  const buffer = new RecordBuffer();
  let records = 0;
  try {
    for (const record of recordsOf(head)) {
      buffer.append(record);
      records++;
      if (buffer.length < WRITE_BYTES) continue;
      await file.append(buffer.bytes);
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
}

function* recordsOf(head: Head): Generator<LogRecord> {
  for (const tenant of [...head.tenants.values()]) {
    const { number } = tenant;
    yield { kind: 'tenant', tenant: number, nextRef: tenant.nextRef, id: tenant.id };
    for (const metadata of [...tenant.metadata.values()]) yield { kind: 'metadata', tenant: number, ...metadata };
    for (const series of [...tenant.series.values()]) {
      const { ref, retention, labels } = series;
      yield { kind: 'series', tenant: number, ref, retention, labels: encodeLabels(labels) };
      // Views of all chunks are taken in one turn: while this waits, chunks may be split or merged.
      const layers = { live: series.live.map(visibleSamples), backfill: series.past.map(visibleSamples) };
      for (const layer of ['live', 'backfill'] as const) {
        for (const { times, values } of layers[layer]) {
          for (let at = 0; at < times.length; at += MAX_RECORD_SAMPLES) {
            const end = at + MAX_RECORD_SAMPLES;
            const run = { times: times.subarray(at, end), values: values.subarray(at, end) };
            yield { kind: 'run', tenant: number, ref, layer, ...run };
          }
        }
      }
    }
  }
}
