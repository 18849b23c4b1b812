/** What an OTLP receiver answers, in the encoding of the request. */
export type OtlpEncoding = 'protobuf' | 'json';

/** Some points were not taken, and will not be: senders must not send them again. */
export interface PartialSuccess {
  readonly rejectedPoints: number;
  readonly message: string;
}

/** An `ExportMetricsServiceResponse`. Everything taken is the empty message. */
export function encodeOtlpResponse(encoding: OtlpEncoding, partial?: PartialSuccess): Uint8Array {
  if (encoding === 'json') {
    const partialSuccess = partial && {
      rejectedDataPoints: String(partial.rejectedPoints),
      errorMessage: partial.message,
    };
    return UTF8.encode(JSON.stringify({ partialSuccess }));
  }
  if (partial === undefined) return new Uint8Array();
  const body = [...numberField(1, partial.rejectedPoints), ...textField(2, partial.message)];
  return Uint8Array.from([0x0a, ...varint(body.length), ...body]);
}

/** A `google.rpc.Status`: why a request failed. `code` is one of gRPC's, which clients may show. */
export function encodeOtlpStatus(encoding: OtlpEncoding, code: number, message: string): Uint8Array {
  if (encoding === 'json') return UTF8.encode(JSON.stringify({ code, message }));
  return Uint8Array.from([...numberField(1, code), ...textField(2, message)]);
}

const UTF8 = new TextEncoder();

function numberField(field: number, value: number): number[] {
  return value === 0 ? [] : [field << 3, ...varint(value)];
}

function textField(field: number, text: string): number[] {
  const bytes = UTF8.encode(text);
  return bytes.length === 0 ? [] : [(field << 3) | 2, ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}
