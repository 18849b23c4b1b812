import { CodedError } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';

/** What to throw for an error of the WebAssembly module: where its memory is used up, senders are to try again. */
export function fullWhereUsedUp(error: unknown): unknown {
  // The message of the instruction at which the allocator ends; other traps are faults of ours.
  if (!(error instanceof WebAssembly.RuntimeError && error.message === 'unreachable')) return error;
  return new StorageFullError('the 4 GiB that the store can have in memory are used up', { cause: error });
}

/** Another process has the data folder open. */
export class StorageInUseError extends CodedError {
  override readonly name = 'StorageInUseError';
  readonly code = 'storage_in_use';

  constructor(folder: string, options?: ErrorOptions) {
    super(`cannot open the data folder ${folder}: another process is using it`, options);
  }
}

/** A file was written by a release that this one cannot read. */
export class StorageFormatError extends CodedError {
  override readonly name = 'StorageFormatError';
  readonly code = 'storage_format';

  constructor(file: string, version: number, known: number) {
    super(
      `cannot read ${file}: it has format version ${version} and this release reads version ${known}; start the release that wrote it`,
    );
  }
}

/** The data folder cannot be made, read or written. */
export class StorageUnusableError extends CodedError {
  override readonly name = 'StorageUnusableError';
  readonly code = 'storage_unusable';

  constructor(folder: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      `cannot open the data folder ${folder}: ${why}; let this user write to it, make room, or name another folder with --data`,
      { cause },
    );
  }
}

/** Retention would remove samples by a time that no stored samples bear out. Reported, not thrown. */
export class ClockAheadError extends CodedError {
  override readonly name = 'ClockAheadError';
  readonly code = 'clock_ahead';

  constructor(now: Millis, trusted: Millis) {
    const at = (time: Millis) => new Date(time).toISOString().slice(0, 16);
    super(
      `it is ${at(now)}, and of the days before few have samples: retention goes by ${at(trusted)} until three days have some; set the clock right, or look for why nothing came`,
    );
  }
}

/** What is on disk is not what was written. */
export class DamagedDataError extends CodedError {
  override readonly name = 'DamagedDataError';
  readonly code = 'damaged_data';

  constructor(what: string, folder: string, options?: ErrorOptions) {
    super(
      `cannot read ${what} in ${folder}: the device changed it; restore a snapshot of the store, or remove that folder with the server stopped`,
      options,
    );
  }
}

/** A day of samples goes with its retention, and without points. Reported, not thrown. */
export class PointsLostError extends CodedError {
  override readonly name = 'PointsLostError';
  readonly code = 'points_lost';

  constructor(partition: string, { cause }: { readonly cause: unknown }) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`${partition} goes without points made of it: its retention is over, and for a day they failed: ${why}`, {
      cause,
    });
  }
}

/** A snapshot of the store is being taken: there is one at a time. */
export class SnapshotRunningError extends CodedError {
  override readonly name = 'SnapshotRunningError';
  readonly code = 'snapshot_running';

  constructor() {
    super('cannot take a snapshot: another one is being taken; ask again when it is done');
  }
}

/** A snapshot is not what was written, or a folder is none. */
export class DamagedSnapshotError extends CodedError {
  override readonly name = 'DamagedSnapshotError';
  readonly code = 'damaged_snapshot';

  constructor(snapshot: string, why: string, cause?: unknown) {
    super(`cannot use the snapshot ${snapshot}: ${why}; take another copy of it, or an older snapshot`, { cause });
  }
}

/** A snapshot is restored to an empty folder alone. */
export class FolderNotEmptyError extends CodedError {
  override readonly name = 'FolderNotEmptyError';
  readonly code = 'folder_not_empty';

  constructor(folder: string) {
    super(`cannot restore to ${folder}: it is not empty; name a new folder, or move away what is there`);
  }
}

/** A restore into the data folder was interrupted: what is there is not the whole store. */
export class RestoreUnfinishedError extends CodedError {
  override readonly name = 'RestoreUnfinishedError';
  readonly code = 'restore_unfinished';

  constructor(folder: string) {
    super(`cannot open the data folder ${folder}: a restore into it has not ended; run foresail restore again`);
  }
}
