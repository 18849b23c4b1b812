import { CodedError } from '../model/errors.ts';

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
