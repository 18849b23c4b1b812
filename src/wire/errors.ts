import { CodedError } from '../model/errors.ts';

/** Bytes are not what their format promises. Sending them again cannot help. */
export class WireError extends CodedError {
  override readonly name = 'WireError';
  readonly code = 'bad_wire_data';
  /** Where in the (decompressed, for protobuf) bytes the fault was found. */
  readonly offset: number;

  constructor(what: string, why: string, offset: number) {
    super(`cannot decode ${what}: ${why} at byte ${offset}`);
    this.offset = offset;
  }
}
