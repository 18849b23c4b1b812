/** Encodes OTLP metrics in protobuf from the document that OTLP's JSON has for them, so that a test writes one of both. */
export function encodeOtlp(document: unknown): Uint8Array {
  return Uint8Array.from(messageOf(document as Document, REQUEST));
}

type Document = Readonly<Record<string, unknown>>;
type Field = readonly [number: number, kind: Kind | Schema];
type Kind =
  | 'text'
  | 'bool'
  | 'varint'
  | 'sint32'
  | 'fixed64'
  | 'double'
  | 'hex'
  | 'base64'
  | 'packedFixed64'
  | 'packedDouble'
  | 'packedVarint';
interface Schema {
  readonly [name: string]: Field;
}

const VALUE: Record<string, Field> = {
  stringValue: [1, 'text'],
  boolValue: [2, 'bool'],
  intValue: [3, 'varint'],
  doubleValue: [4, 'double'],
  bytesValue: [7, 'base64'],
};
const ATTRIBUTE: Schema = { key: [1, 'text'], value: [2, VALUE] };
VALUE['arrayValue'] = [5, { values: [1, VALUE] }];
VALUE['kvlistValue'] = [6, { values: [1, ATTRIBUTE] }];
const TIMES: Schema = { startTimeUnixNano: [2, 'fixed64'], timeUnixNano: [3, 'fixed64'] };
const EXEMPLAR: Schema = {
  filteredAttributes: [7, ATTRIBUTE],
  timeUnixNano: [2, 'fixed64'],
  asDouble: [3, 'double'],
  asInt: [6, 'fixed64'],
  spanId: [4, 'hex'],
  traceId: [5, 'hex'],
};
const NUMBER: Schema = {
  ...TIMES,
  attributes: [7, ATTRIBUTE],
  asDouble: [4, 'double'],
  asInt: [6, 'fixed64'],
  exemplars: [5, EXEMPLAR],
  flags: [8, 'varint'],
};
const HISTOGRAM: Schema = {
  ...TIMES,
  attributes: [9, ATTRIBUTE],
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  bucketCounts: [6, 'packedFixed64'],
  explicitBounds: [7, 'packedDouble'],
  exemplars: [8, EXEMPLAR],
  flags: [10, 'varint'],
};
const BUCKETS: Schema = { offset: [1, 'sint32'], bucketCounts: [2, 'packedVarint'] };
const EXPONENTIAL: Schema = {
  ...TIMES,
  attributes: [1, ATTRIBUTE],
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  scale: [6, 'sint32'],
  zeroCount: [7, 'fixed64'],
  positive: [8, BUCKETS],
  negative: [9, BUCKETS],
  flags: [10, 'varint'],
  exemplars: [11, EXEMPLAR],
  zeroThreshold: [14, 'double'],
};
const SUMMARY: Schema = {
  ...TIMES,
  attributes: [7, ATTRIBUTE],
  count: [4, 'fixed64'],
  sum: [5, 'double'],
  quantileValues: [6, { quantile: [1, 'double'], value: [2, 'double'] }],
  flags: [8, 'varint'],
};
const dataOf = (point: Schema): Schema => ({
  dataPoints: [1, point],
  aggregationTemporality: [2, 'varint'],
  isMonotonic: [3, 'bool'],
});
const METRIC: Schema = {
  name: [1, 'text'],
  description: [2, 'text'],
  unit: [3, 'text'],
  gauge: [5, dataOf(NUMBER)],
  sum: [7, dataOf(NUMBER)],
  histogram: [9, dataOf(HISTOGRAM)],
  exponentialHistogram: [10, dataOf(EXPONENTIAL)],
  summary: [11, dataOf(SUMMARY)],
};
const SCOPE: Schema = { name: [1, 'text'], version: [2, 'text'], attributes: [3, ATTRIBUTE] };
const REQUEST: Schema = {
  resourceMetrics: [
    1,
    {
      resource: [1, { attributes: [1, ATTRIBUTE] }],
      scopeMetrics: [2, { scope: [1, SCOPE], metrics: [2, METRIC], schemaUrl: [3, 'text'] }],
      schemaUrl: [3, 'text'],
    },
  ],
};

const UTF8 = new TextEncoder();

function messageOf(document: Document, schema: Schema): number[] {
  return Object.entries(document).flatMap(([name, value]) => {
    const field = schema[name];
    if (field === undefined) return [];
    const [number, kind] = field;
    if (typeof kind === 'string' && kind.startsWith('packed')) {
      const each = kind === 'packedVarint' ? 'varint' : kind === 'packedDouble' ? 'double' : 'fixed64';
      return delimited(
        number,
        (value as unknown[]).flatMap((one) => plain(one, each)),
      );
    }
    return (Array.isArray(value) ? value : [value]).flatMap((one) => fieldOf(number, kind, one));
  });
}

function fieldOf(number: number, kind: Kind | Schema, value: unknown): number[] {
  if (typeof kind !== 'string') return delimited(number, messageOf(value as Document, kind));
  if (kind === 'text') return delimited(number, [...UTF8.encode(value as string)]);
  if (kind === 'hex') return delimited(number, [...Buffer.from(value as string, 'hex')]);
  if (kind === 'base64') return delimited(number, [...Buffer.from(value as string, 'base64')]);
  const wireType = kind === 'fixed64' || kind === 'double' ? 1 : 0;
  return [...varint(BigInt((number << 3) | wireType)), ...plain(value, kind)];
}

function plain(value: unknown, kind: Kind): number[] {
  if (kind === 'bool') return [value === true ? 1 : 0];
  const bytes = new DataView(new ArrayBuffer(8));
  if (kind === 'double') bytes.setFloat64(0, Number(value), true);
  else if (kind === 'fixed64') bytes.setBigInt64(0, BigInt.asIntN(64, BigInt(value as string)), true);
  else if (kind === 'sint32') return varint(BigInt(((value as number) << 1) ^ ((value as number) >> 31)));
  else return varint(BigInt.asUintN(64, BigInt(value as string)));
  return [...new Uint8Array(bytes.buffer)];
}

function delimited(number: number, body: readonly number[]): number[] {
  return [...varint(BigInt((number << 3) | 2)), ...varint(BigInt(body.length)), ...body];
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}
