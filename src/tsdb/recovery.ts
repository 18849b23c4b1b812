import type { Disk } from './disk.ts';
import type { Head } from './head.ts';
import { type LogFile, listLogFiles, readLogFile } from './log-files.ts';
import type { LogRecord } from './record.ts';

/** What opening the log found. All counts of what is lost are zero after a clean stop; after a crash only `tornBytes` may not be. */
export interface RecoveryReport {
  readonly records: number;
  readonly durationMs: number;
  /** Cut off at the ends of files: writes that the crash interrupted. */
  readonly tornBytes: number;
  /** Stepped over between good records: the device changed them. */
  readonly damagedBytes: number;
  /** Samples whose series was in damaged bytes. */
  readonly orphanSamples: number;
  /** Records of a kind that this release does not know, or with something in them that is not of their kind. */
  readonly unknownRecords: number;
  /** Files with damage, and where. */
  readonly notes: readonly string[];
}

export interface Recovered {
  readonly report: RecoveryReport;
  /** The first number that no file has. */
  readonly nextSegment: number;
  /** Bytes of the segments that are kept. */
  readonly logBytes: number;
}

/** Fills the head from the newest snapshot and the segments after it, and cuts torn tails off. */
export async function recover(disk: Disk, folder: string, head: Head): Promise<Recovered> {
  const began = performance.now();
  const files = await listLogFiles(disk, folder);
  const report = { records: 0, tornBytes: 0, damagedBytes: 0, orphanSamples: 0, unknownRecords: 0 };
  const notes: string[] = [];
  let records = 0;
  let ended: number | undefined;
  const visit = (record: LogRecord) => {
    records++;
    if (record.kind === 'end') ended = record.records;
    try {
      report.orphanSamples += head.restore(record);
    } catch (error) {
      // Its sum is right: a release with a fault wrote it. The rest must not be lost with it.
      if (!(error instanceof RangeError)) throw error;
      report.unknownRecords++;
      notes.push(`record ${records} of its file cannot be used: ${error.message}`);
    }
  };
  const read = async (file: LogFile): Promise<number> => {
    const found = await readLogFile(disk, file, visit);
    report.records += found.records;
    report.damagedBytes += found.damagedBytes;
    report.tornBytes += found.tornBytes;
    report.unknownRecords += found.unknownRecords;
    if (found.damagedBytes > 0) notes.push(`${file.path}: ${found.damagedBytes} damaged bytes stepped over`);
    if (found.tornBytes > 0) {
      notes.push(`${file.path}: ${found.tornBytes} bytes of an unfinished write cut off at byte ${found.goodEnd}`);
      await disk.truncate(file.path, found.goodEnd);
    }
    return found.goodEnd;
  };

  let from = 0;
  for (const snapshot of files.filter(({ kind }) => kind === 'snapshot').reverse()) {
    records = 0;
    ended = undefined;
    await read(snapshot);
    // A snapshot gets its name only when it is complete. Where it is damaged, everything older that is left helps.
    if (ended !== undefined && records === ended + 1) {
      from = snapshot.number;
      break;
    }
    notes.push(`${snapshot.path}: the snapshot is not whole`);
  }
  // A killed process may have left bytes and names that are in the page cache alone. From now on they answer queries
  // and retries, so they must be durable first; and no file may go before what replaces it is there for good.
  await disk.syncFolder(folder);
  let logBytes = 0;
  for (const file of files) {
    if (file.kind === 'log' && file.number >= from) {
      logBytes += await read(file);
      await disk.sync(file.path);
    } else if (file.number < from) {
      await disk.remove(file.path);
    }
  }
  const nextSegment = files.reduce((next, { number }) => Math.max(next, number + 1), 1);
  return { report: { ...report, durationMs: performance.now() - began, notes }, nextSegment, logBytes };
}
