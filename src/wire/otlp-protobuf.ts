import {
  type ExponentialBuckets,
  type ExponentialPoint,
  type HistogramPoint,
  MAX_VALUE_DEPTH,
  type NumberPoint,
  type OtlpAttributes,
  type OtlpData,
  type OtlpExemplar,
  type OtlpMetric,
  type OtlpRequest,
  type OtlpResource,
  type OtlpScope,
  type SummaryPoint,
  type Temporality,
} from './otlp.ts';
import { type AttributeValue, attributeText } from './otlp-attribute.ts';
import { NOTHING, Once, Walk } from './otlp-walk.ts';

/**
 * Decodes OTLP metrics in protobuf. Fields that are not known are skipped.
 * @param only Where the metrics begin that are wanted: the others are passed over. Undefined: all are.
 * @throws {WireError} If the bytes are not such a message.
 * @throws {WireTooLargeError} If it holds more than one request may.
 */
export function decodeOtlpProtobuf(bytes: Uint8Array, only?: ReadonlySet<number>): OtlpRequest {
  const steps = decodeOtlpInSteps(bytes, only);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * As `decodeOtlpProtobuf`, in steps of a millisecond or so: the bytes must stay until the last. Each tells what is decoded
 * so far, as `OtlpRequest.elements`.
 */
export function* decodeOtlpInSteps(bytes: Uint8Array, only?: ReadonlySet<number>): Generator<number, OtlpRequest> {
  const walk = new Walk(bytes, only);
  const resources: OtlpResource[] = [];
  yield* walk.fieldSteps(function* (tag) {
    if (tag !== message(1)) return false;
    resources.push(yield* walk.nestedSteps(() => readResource(walk)));
    yield walk.elements.count;
    return true;
  });
  return { resources, elements: walk.elements.count };
}

/** Points in a step. */
const STEP_POINTS = 64;

const varint = (field: number) => field << 3;
const fixed64 = (field: number) => (field << 3) | 1;
const message = (field: number) => (field << 3) | 2;
const TEMPORALITIES: readonly Temporality[] = ['unspecified', 'delta', 'cumulative'];

function* readResource(walk: Walk): Generator<number, OtlpResource> {
  const { at } = walk.reader;
  let attributes: OtlpAttributes = [];
  let invalidText = false;
  const own = new Once(walk);
  const scopes: OtlpScope[] = [];
  yield* walk.fieldSteps(function* (tag) {
    if (tag === message(1)) {
      const before = walk.invalidTexts;
      own.peek();
      attributes = walk.nested(() => readAttributed(walk, 1));
      invalidText ||= walk.invalidTexts > before;
    } else if (tag === message(2)) scopes.push(yield* walk.nestedSteps(() => readScopeMetrics(walk)));
    else return false;
    return true;
  });
  const wire = own.isOnce && !invalidText ? own.bytes : undefined;
  return { attributes, invalidText, scopes, wire, at, end: walk.reader.at };
}

/** The attributes of a message whose other fields do not matter. */
function readAttributed(walk: Walk, field: number): OtlpAttributes {
  const attributes: [string, string][] = [];
  walk.fields((tag) => {
    if (tag !== message(field)) return false;
    attributes.push(walk.nested(() => readAttribute(walk)));
    return true;
  });
  return attributes;
}

function* readScopeMetrics(walk: Walk): Generator<number, OtlpScope> {
  let name = '';
  let version = '';
  let schemaUrl = '';
  let invalidText = false;
  const attributes: [string, string][] = [];
  const metrics: OtlpMetric[] = [];
  const own = { scope: new Once(walk), schemaUrl: new Once(walk) };
  const readScope = (tag: number) => {
    if (tag === message(1)) name = walk.text();
    else if (tag === message(2)) version = walk.text();
    else if (tag === message(3)) attributes.push(walk.nested(() => readAttribute(walk)));
    else return false;
    return true;
  };
  yield* walk.fieldSteps(function* (tag) {
    if (tag === message(2)) {
      if (!walk.isWanted()) return false;
      metrics.push(yield* walk.nestedSteps(() => readMetric(walk)));
      yield walk.elements.count;
      return true;
    }
    const before = walk.invalidTexts;
    if (tag === message(1)) {
      own.scope.peek();
      walk.nested(() => walk.fields(readScope));
    } else if (tag === message(3)) {
      own.schemaUrl.peek();
      schemaUrl = walk.text();
    } else return false;
    invalidText ||= walk.invalidTexts > before;
    return true;
  });
  const { scope, schemaUrl: url } = own;
  const wire = scope.isOnce && url.isOnce && !invalidText ? { scope: scope.bytes, schemaUrl: url.bytes } : undefined;
  return { name, version, schemaUrl, attributes, invalidText, metrics, wire };
}

function* readMetric(walk: Walk): Generator<number, OtlpMetric> {
  let name = '';
  let description = '';
  let unit = '';
  let invalidText = false;
  let data: OtlpData | undefined;
  const own = [new Once(walk), new Once(walk), new Once(walk), new Once(walk)] as const;
  yield* walk.fieldSteps(function* (tag) {
    const before = walk.invalidTexts;
    if (tag === message(1) || tag === message(2) || tag === message(3)) own[((tag >>> 3) - 1) as 0 | 1 | 2].peek();
    if (tag === message(1)) name = walk.text();
    else if (tag === message(2)) description = walk.text();
    else if (tag === message(3)) unit = walk.text();
    else {
      const read = DATA[tag >>> 3];
      if (read === undefined || (tag & 7) !== 2) return false;
      own[3].peek();
      data = yield* walk.nestedSteps(() => read(walk));
      return true;
    }
    invalidText ||= walk.invalidTexts > before;
    return true;
  });
  const [{ bytes: nameBytes }, { bytes: about }, { bytes: unitBytes }] = own;
  const isPlain = own.every(({ isOnce }) => isOnce) && !invalidText;
  const wire = isPlain ? { name: nameBytes, description: about, unit: unitBytes } : undefined;
  return { name, description, unit, invalidText, data, wire };
}

const DATA: Readonly<Record<number, (walk: Walk) => Generator<number, OtlpData>>> = {
  *5(walk) {
    const { points } = yield* readData(walk, readNumberPoint);
    return { kind: 'gauge', points };
  },
  *7(walk) {
    return { kind: 'sum', ...(yield* readData(walk, readNumberPoint)) };
  },
  *9(walk) {
    const { points, temporality } = yield* readData(walk, readHistogramPoint);
    return { kind: 'histogram', temporality, points };
  },
  *10(walk) {
    const { points, temporality } = yield* readData(walk, readExponentialPoint);
    return { kind: 'exponentialHistogram', temporality, points };
  },
  *11(walk) {
    const { points } = yield* readData(walk, readSummaryPoint);
    return { kind: 'summary', points };
  },
};

function* readData<P>(
  walk: Walk,
  readPoint: (walk: Walk) => P,
): Generator<number, { points: P[]; temporality: Temporality; monotonic: boolean }> {
  const points: P[] = [];
  let temporality: Temporality = 'unspecified';
  let monotonic = false;
  yield* walk.fieldSteps(function* (tag) {
    if (tag === message(1)) {
      points.push(walk.nested(() => readPoint(walk)));
      if (points.length % STEP_POINTS === 0) yield walk.elements.count;
    } else if (tag === varint(2)) temporality = TEMPORALITIES[walk.reader.varint()] ?? 'unspecified';
    else if (tag === varint(3)) monotonic = walk.reader.varint() !== 0;
    else return false;
    return true;
  });
  return { points, temporality, monotonic };
}

/** What all points have: start 2, time 3, and fields of their kind for attributes and flags. */
function pointReader(walk: Walk, fields: { readonly attributes: number; readonly flags: number }) {
  const before = walk.invalidTexts;
  const attributes: [string, string][] = [];
  let start = 0;
  let time = 0;
  let flags = 0;
  /** Where its attributes stand together; -1 where they do not. */
  let from = 0;
  let to = 0;
  return {
    field(tag: number): boolean {
      if (tag === message(fields.attributes)) {
        const at = walk.fieldAt;
        attributes.push(walk.nested(() => readAttribute(walk)));
        if (to === 0) from = at;
        else if (to !== at) from = -1;
        to = walk.reader.at;
      } else if (tag === fixed64(2)) start = walk.nanos();
      else if (tag === fixed64(3)) time = walk.nanos();
      else if (tag === varint(fields.flags)) flags = walk.reader.uint32();
      else return false;
      return true;
    },
    finish: (bounds: Uint8Array | null = NOTHING) => {
      const noRecordedValue = (flags & 1) !== 0;
      const invalidText = walk.invalidTexts > before;
      const isFound = from >= 0 && !invalidText && bounds !== null;
      const wire = isFound ? { attributes: walk.reader.bytes.subarray(from, to), bounds } : undefined;
      return { attributes, invalidText, start, time, noRecordedValue, wire };
    },
  };
}

function readNumberPoint(walk: Walk): NumberPoint {
  const point = pointReader(walk, { attributes: 7, flags: 8 });
  let value: number | undefined;
  const exemplars: OtlpExemplar[] = [];
  walk.fields((tag) => {
    if (tag === fixed64(4)) value = walk.double();
    else if (tag === fixed64(6)) value = walk.int64();
    else if (tag === message(5)) exemplars.push(walk.nested(() => readExemplar(walk)));
    else return point.field(tag);
    return true;
  });
  return { ...point.finish(), value, exemplars };
}

function readHistogramPoint(walk: Walk): HistogramPoint {
  const point = pointReader(walk, { attributes: 9, flags: 10 });
  let count = 0;
  let sum: number | undefined;
  const bucketCounts: number[] = [];
  const bounds: number[] = [];
  const own = new Once(walk);
  let isPacked = true;
  const exemplars: OtlpExemplar[] = [];
  walk.fields((tag) => {
    if (tag === fixed64(4)) count = walk.uint64();
    else if (tag === fixed64(5)) sum = walk.double();
    else if (tag === message(6)) walk.packed(() => bucketCounts.push(walk.uint64()));
    else if (tag === fixed64(6)) walk.one(() => bucketCounts.push(walk.uint64()));
    else if (tag === message(7)) {
      own.peek();
      walk.packed(() => bounds.push(walk.double()));
    } else if (tag === fixed64(7)) {
      isPacked = false;
      walk.one(() => bounds.push(walk.double()));
    } else if (tag === message(8)) exemplars.push(walk.nested(() => readExemplar(walk)));
    else return point.field(tag);
    return true;
  });
  const isFound = own.isOnce && isPacked;
  return { ...point.finish(isFound ? own.bytes : null), count, sum, bucketCounts, bounds, exemplars };
}

function readExponentialPoint(walk: Walk): ExponentialPoint {
  const point = pointReader(walk, { attributes: 1, flags: 10 });
  let count = 0;
  let sum: number | undefined;
  let scale = 0;
  let zeroCount = 0;
  let zeroThreshold = 0;
  let positive: ExponentialBuckets = { offset: 0, counts: [] };
  let negative: ExponentialBuckets = { offset: 0, counts: [] };
  const exemplars: OtlpExemplar[] = [];
  walk.fields((tag) => {
    if (tag === fixed64(4)) count = walk.uint64();
    else if (tag === fixed64(5)) sum = walk.double();
    else if (tag === varint(6)) scale = walk.sint32();
    else if (tag === fixed64(7)) zeroCount = walk.uint64();
    else if (tag === message(8)) positive = walk.nested(() => readBuckets(walk));
    else if (tag === message(9)) negative = walk.nested(() => readBuckets(walk));
    else if (tag === message(11)) exemplars.push(walk.nested(() => readExemplar(walk)));
    else if (tag === fixed64(14)) zeroThreshold = walk.double();
    else return point.field(tag);
    return true;
  });
  return { ...point.finish(), count, sum, scale, zeroCount, zeroThreshold, positive, negative, exemplars };
}

function readBuckets(walk: Walk): ExponentialBuckets {
  let offset = 0;
  const counts: number[] = [];
  const readCount = () => counts.push(walk.unsignedVarint());
  walk.fields((tag) => {
    if (tag === varint(1)) offset = walk.sint32();
    else if (tag === message(2)) walk.packed(readCount);
    else if (tag === varint(2)) walk.one(readCount);
    else return false;
    return true;
  });
  return { offset, counts };
}

function readSummaryPoint(walk: Walk): SummaryPoint {
  const point = pointReader(walk, { attributes: 7, flags: 8 });
  let count = 0;
  let sum = 0;
  const quantiles: { quantile: number; value: number }[] = [];
  walk.fields((tag) => {
    if (tag === fixed64(4)) count = walk.uint64();
    else if (tag === fixed64(5)) sum = walk.double();
    else if (tag === message(6)) quantiles.push(walk.nested(() => readQuantile(walk)));
    else return point.field(tag);
    return true;
  });
  return { ...point.finish(), count, sum, quantiles };
}

function readQuantile(walk: Walk) {
  const read = { quantile: 0, value: 0 };
  walk.fields((tag) => {
    if (tag === fixed64(1)) read.quantile = walk.double();
    else if (tag === fixed64(2)) read.value = walk.double();
    else return false;
    return true;
  });
  return read;
}

function readExemplar(walk: Walk): OtlpExemplar {
  const attributes: [string, string][] = [];
  let time = 0;
  let value = 0;
  let traceId = '';
  let spanId = '';
  walk.fields((tag) => {
    if (tag === message(7)) attributes.push(walk.nested(() => readAttribute(walk)));
    else if (tag === fixed64(2)) time = walk.nanos();
    else if (tag === fixed64(3)) value = walk.double();
    else if (tag === fixed64(6)) value = walk.int64();
    else if (tag === message(4)) spanId = hex(walk.bytes());
    else if (tag === message(5)) traceId = hex(walk.bytes());
    else return false;
    return true;
  });
  return { attributes, time, value, traceId, spanId };
}

function readAttribute(walk: Walk, depth = 0): [string, string] {
  const [key, value] = readKeyValue(walk, depth);
  return [key, attributeText(value)];
}

function readKeyValue(walk: Walk, depth: number): [string, AttributeValue] {
  let key = '';
  let value: AttributeValue;
  walk.fields((tag) => {
    if (tag === message(1)) key = walk.text();
    else if (tag === message(2)) value = walk.nested(() => readValue(walk, depth));
    else return false;
    return true;
  });
  return [key, value];
}

function readValue(walk: Walk, depth: number): AttributeValue {
  if (depth > MAX_VALUE_DEPTH) {
    throw walk.reader.fault(`attribute values nested more than ${MAX_VALUE_DEPTH} deep`, walk.reader.at);
  }
  let value: AttributeValue;
  walk.fields((tag) => {
    if (tag === message(1)) value = walk.text();
    else if (tag === varint(2)) value = walk.reader.varint() !== 0;
    else if (tag === varint(3)) value = walk.exactInt64();
    else if (tag === fixed64(4)) value = walk.double();
    else if (tag === message(5)) value = walk.nested(() => readList(walk, depth));
    else if (tag === message(6)) value = walk.nested(() => readMap(walk, depth));
    else if (tag === message(7)) value = walk.bytes();
    else return false;
    return true;
  });
  return value;
}

function readList(walk: Walk, depth: number): AttributeValue {
  const values: AttributeValue[] = [];
  walk.fields((tag) => {
    if (tag !== message(1)) return false;
    values.push(walk.nested(() => readValue(walk, depth + 1)));
    return true;
  });
  return values;
}

function readMap(walk: Walk, depth: number): AttributeValue {
  const values = new Map<string, AttributeValue>();
  walk.fields((tag) => {
    if (tag !== message(1)) return false;
    const [key, value] = walk.nested(() => readKeyValue(walk, depth + 1));
    values.set(key, value);
    return true;
  });
  return values;
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
