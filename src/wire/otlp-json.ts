import { WireError } from './errors.ts';
import {
  Elements,
  type ExponentialBuckets,
  type ExponentialPoint,
  type HistogramPoint,
  MAX_VALUE_DEPTH,
  type NumberPoint,
  OTLP_REQUEST,
  type OtlpAttributes,
  type OtlpData,
  type OtlpExemplar,
  type OtlpMetric,
  type OtlpRequest,
  type OtlpResource,
  type OtlpScope,
  type Point,
  type SummaryPoint,
  type Temporality,
} from './otlp.ts';
import { type AttributeValue, attributeText } from './otlp-attribute.ts';

/**
 * Decodes OTLP metrics in JSON, as OTLP bends protobuf's mapping: ids as hex, 64-bit numbers as texts or numbers,
 * enums as numbers or names, fields that are not known ignored.
 * @throws {WireError} If the bytes are not such a document.
 * @throws {WireTooLargeError} If it holds more than one request may.
 */
export function decodeOtlpJson(bytes: Uint8Array): OtlpRequest {
  // Parsed JSON takes up to forty times its bytes: what it would hold is counted first.
  const elements = measure(bytes);
  const seen: Seen = { invalidTexts: 0 };
  const root = new Fields(parse(bytes), '', seen);
  return { resources: root.messages('resourceMetrics', readResource), elements };
}

/** No request nests deeper: eight messages, and values in values. */
const MAX_DEPTH = 64;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts values, and bounds their depth, without a parse. */
function measure(bytes: Uint8Array): number {
  const elements = new Elements();
  let depth = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (inText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inText = false;
      continue;
    }
    if (byte === QUOTE) inText = true;
    else if (byte === 0x2c) elements.add();
    else if (byte === 0x7b || byte === 0x5b) {
      elements.add();
      if (++depth > MAX_DEPTH) throw new WireError(OTLP_REQUEST, `nested more than ${MAX_DEPTH} deep`, at);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return elements.count;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new WireError(OTLP_REQUEST, error instanceof SyntaxError ? error.message : 'it is not UTF-8');
  }
}

const LONE_SURROGATES = /\p{Surrogate}/gu;

interface Seen {
  /** Texts so far that UTF-8 cannot say: JSON can escape half of a character. */
  invalidTexts: number;
}

/** The fields of one JSON object, by their kinds. `null` is no value. Errors name the path. */
class Fields {
  readonly seen: Seen;
  readonly #path: string;
  readonly #object: Readonly<Record<string, unknown>>;

  constructor(value: unknown, path: string, seen: Seen) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new WireError(OTLP_REQUEST, `${path === '' ? 'it' : path} is not an object`);
    }
    this.#object = value as Record<string, unknown>;
    this.#path = path;
    this.seen = seen;
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  message<T>(name: string, read: (fields: Fields) => T): T | undefined {
    const raw = this.raw(name);
    return raw === undefined ? undefined : read(new Fields(raw, this.#pathOf(name), this.seen));
  }

  messages<T>(name: string, read: (fields: Fields) => T): T[] {
    return this.#list(name).map((each, i) => read(new Fields(each, `${this.#pathOf(name)}[${i}]`, this.seen)));
  }

  text(name: string): string {
    const raw = this.raw(name);
    if (raw === undefined) return '';
    if (typeof raw !== 'string') throw this.#fault(name, 'a text');
    const whole = raw.replace(LONE_SURROGATES, '\ufffd');
    if (whole !== raw) this.seen.invalidTexts++;
    return whole;
  }

  boolean(name: string): boolean | undefined {
    const raw = this.raw(name);
    if (raw !== undefined && typeof raw !== 'boolean') throw this.#fault(name, 'true or false');
    return raw;
  }

  /** A double, or a count: rounded where a double cannot hold it. */
  number(name: string): number | undefined {
    const raw = this.raw(name);
    return raw === undefined ? undefined : this.#number(raw, name);
  }

  numbers(name: string): number[] {
    return this.#list(name).map((each) => this.#number(each, name));
  }

  integer(name: string): number | bigint | undefined {
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    if (typeof raw === 'number' && Number.isInteger(raw)) return raw;
    if (typeof raw !== 'string' || !/^-?\d{1,20}$/.test(raw)) throw this.#fault(name, 'a whole number');
    const value = Number(raw);
    return Number.isSafeInteger(value) ? value : BigInt.asIntN(64, BigInt(raw));
  }

  /** Nanoseconds to whole milliseconds. */
  nanos(name: string): number {
    const raw = this.raw(name);
    if (raw === undefined) return 0;
    if (typeof raw === 'number' && raw >= 0) return Math.floor(raw / 1e6);
    if (typeof raw !== 'string' || !/^\d{1,20}$/.test(raw)) throw this.#fault(name, 'nanoseconds');
    return Number(raw.slice(0, -6));
  }

  /** Hex, of any case. */
  id(name: string): string {
    const text = this.text(name);
    if (!/^(?:[0-9a-fA-F]{2}){0,64}$/.test(text)) throw this.#fault(name, 'hex');
    return text.toLowerCase();
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? (this.#object[name] ?? undefined) : undefined;
  }

  #list(name: string): readonly unknown[] {
    const raw = this.raw(name);
    if (raw === undefined) return [];
    if (!Array.isArray(raw)) throw this.#fault(name, 'a list');
    return raw;
  }

  #number(raw: unknown, name: string): number {
    if (typeof raw === 'number') return raw;
    const value = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : Number.NaN;
    if (Number.isNaN(value) && raw !== 'NaN') throw this.#fault(name, 'a number');
    return value;
  }

  #fault(name: string, expected: string): WireError {
    return new WireError(OTLP_REQUEST, `${this.#pathOf(name)} is not ${expected}`);
  }

  #pathOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

function readResource(fields: Fields): OtlpResource {
  const { seen } = fields;
  const before = seen.invalidTexts;
  const attributes = fields.message('resource', readAttributes) ?? [];
  const invalidText = seen.invalidTexts > before;
  return { attributes, invalidText, scopes: fields.messages('scopeMetrics', readScopeMetrics) };
}

function readScopeMetrics(fields: Fields): OtlpScope {
  const { seen } = fields;
  const before = seen.invalidTexts;
  const scope = fields.message('scope', (of) => {
    return { name: of.text('name'), version: of.text('version'), attributes: readAttributes(of) };
  }) ?? { name: '', version: '', attributes: [] };
  const schemaUrl = fields.text('schemaUrl');
  const invalidText = seen.invalidTexts > before;
  return { ...scope, schemaUrl, invalidText, metrics: fields.messages('metrics', readMetric) };
}

function readMetric(fields: Fields): OtlpMetric {
  const { seen } = fields;
  const before = seen.invalidTexts;
  const name = fields.text('name');
  const description = fields.text('description');
  const unit = fields.text('unit');
  const invalidText = seen.invalidTexts > before;
  return { name, description, unit, invalidText, data: readData(fields) };
}

function readData(fields: Fields): OtlpData | undefined {
  return (
    fields.message(
      'gauge',
      (of): OtlpData => ({ kind: 'gauge', points: of.messages('dataPoints', readNumberPoint) }),
    ) ??
    fields.message('sum', (of): OtlpData => {
      const monotonic = of.boolean('isMonotonic') ?? false;
      return {
        kind: 'sum',
        temporality: readTemporality(of),
        monotonic,
        points: of.messages('dataPoints', readNumberPoint),
      };
    }) ??
    fields.message('histogram', (of): OtlpData => {
      return {
        kind: 'histogram',
        temporality: readTemporality(of),
        points: of.messages('dataPoints', readHistogramPoint),
      };
    }) ??
    fields.message('exponentialHistogram', (of): OtlpData => {
      const points = of.messages('dataPoints', readExponentialPoint);
      return { kind: 'exponentialHistogram', temporality: readTemporality(of), points };
    }) ??
    fields.message(
      'summary',
      (of): OtlpData => ({ kind: 'summary', points: of.messages('dataPoints', readSummaryPoint) }),
    )
  );
}

const TEMPORALITIES: ReadonlyMap<unknown, Temporality> = new Map<unknown, Temporality>([
  [1, 'delta'],
  [2, 'cumulative'],
  ['AGGREGATION_TEMPORALITY_DELTA', 'delta'],
  ['AGGREGATION_TEMPORALITY_CUMULATIVE', 'cumulative'],
]);

function readTemporality(fields: Fields): Temporality {
  return TEMPORALITIES.get(fields.raw('aggregationTemporality')) ?? 'unspecified';
}

function readPoint(fields: Fields): Point {
  const { seen } = fields;
  const before = seen.invalidTexts;
  const attributes = readAttributes(fields);
  const flags = fields.number('flags') ?? 0;
  return {
    attributes,
    invalidText: seen.invalidTexts > before,
    start: fields.nanos('startTimeUnixNano'),
    time: fields.nanos('timeUnixNano'),
    noRecordedValue: (flags & 1) !== 0,
  };
}

function readNumberPoint(fields: Fields): NumberPoint {
  const value = fields.number('asDouble') ?? fields.number('asInt');
  return { ...readPoint(fields), value, exemplars: fields.messages('exemplars', readExemplar) };
}

function readHistogramPoint(fields: Fields): HistogramPoint {
  return {
    ...readPoint(fields),
    count: fields.number('count') ?? 0,
    sum: fields.number('sum'),
    bucketCounts: fields.numbers('bucketCounts'),
    bounds: fields.numbers('explicitBounds'),
    exemplars: fields.messages('exemplars', readExemplar),
  };
}

function readExponentialPoint(fields: Fields): ExponentialPoint {
  return {
    ...readPoint(fields),
    count: fields.number('count') ?? 0,
    sum: fields.number('sum'),
    scale: fields.number('scale') ?? 0,
    zeroCount: fields.number('zeroCount') ?? 0,
    zeroThreshold: fields.number('zeroThreshold') ?? 0,
    positive: fields.message('positive', readBuckets) ?? { offset: 0, counts: [] },
    negative: fields.message('negative', readBuckets) ?? { offset: 0, counts: [] },
    exemplars: fields.messages('exemplars', readExemplar),
  };
}

function readBuckets(fields: Fields): ExponentialBuckets {
  return { offset: fields.number('offset') ?? 0, counts: fields.numbers('bucketCounts') };
}

function readSummaryPoint(fields: Fields): SummaryPoint {
  return {
    ...readPoint(fields),
    count: fields.number('count') ?? 0,
    sum: fields.number('sum') ?? 0,
    quantiles: fields.messages('quantileValues', (of) => {
      return { quantile: of.number('quantile') ?? 0, value: of.number('value') ?? 0 };
    }),
  };
}

function readExemplar(fields: Fields): OtlpExemplar {
  return {
    attributes: readAttributes(fields, 'filteredAttributes'),
    time: fields.nanos('timeUnixNano'),
    value: fields.number('asDouble') ?? fields.number('asInt') ?? 0,
    traceId: fields.id('traceId'),
    spanId: fields.id('spanId'),
  };
}

function readAttributes(fields: Fields, name = 'attributes'): OtlpAttributes {
  return fields.messages(name, (of): [string, string] => [
    of.text('key'),
    attributeText(of.message('value', (value) => readValue(value, 0))),
  ]);
}

function readValue(fields: Fields, depth: number): AttributeValue {
  if (depth > MAX_VALUE_DEPTH) {
    throw new WireError(OTLP_REQUEST, `attribute values nested more than ${MAX_VALUE_DEPTH} deep`);
  }
  if (fields.has('stringValue')) return fields.text('stringValue');
  if (fields.has('boolValue')) return fields.boolean('boolValue');
  if (fields.has('intValue')) return fields.integer('intValue');
  if (fields.has('doubleValue')) return fields.number('doubleValue');
  // Base64 already, which is how a label has bytes.
  if (fields.has('bytesValue')) return fields.text('bytesValue');
  return (
    fields.message('arrayValue', (list) => list.messages('values', (of) => readValue(of, depth + 1))) ??
    fields.message('kvlistValue', (map) => {
      const pairs = map.messages('values', (of): [string, AttributeValue] => [
        of.text('key'),
        of.message('value', (value) => readValue(value, depth + 1)),
      ]);
      return new Map(pairs);
    })
  );
}
