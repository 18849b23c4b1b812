import { CodedError } from '../model/errors.ts';

/** Bytes are not what their format promises. Sending them again cannot help. */
export class WireError extends CodedError {
  override readonly name = 'WireError';
  readonly code = 'bad_wire_data';
  /** Where in the (decompressed, for protobuf) bytes the fault was found. Undefined where the format has names for places. */
  readonly offset: number | undefined;

  constructor(what: string, why: string, offset?: number) {
    super(`cannot decode ${what}: ${why}${offset === undefined ? '' : ` at byte ${offset}`}`);
    this.offset = offset;
  }
}

/** A request is in order, but decoded it would hold more than one request may. Send it in smaller pieces. */
export class WireTooLargeError extends CodedError {
  override readonly name = 'WireTooLargeError';
  readonly code = 'request_too_large';
}

/** What a target exposes is not in the format that it names. The whole scrape fails. */
export class ExpositionError extends CodedError {
  override readonly name = 'ExpositionError';
  readonly code = 'bad_exposition';
  /** The line of the text, from 1. Undefined for the protobuf format. */
  readonly line: number | undefined;
  /** The character of the line, from 1, where the line is known. */
  readonly column: number | undefined;
  /** Without where. */
  readonly why: string;

  constructor(why: string, line?: number, { column, ...options }: ErrorOptions & { readonly column?: number } = {}) {
    super(
      line === undefined ? `cannot read the metrics: ${why}` : `cannot read the metrics: line ${line}: ${why}`,
      options,
    );
    this.line = line;
    this.column = column;
    this.why = why;
  }
}
