import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { encodeLabels, labelsOf } from '../../model/labels.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { loadCore } from '../../tsdb/core.ts';
import { DEFAULT_LIMITS } from '../../tsdb/limits.ts';
import { SampleStore } from '../../tsdb/sample-store.ts';
import { encodeWriteRequest } from '../../wire/encode-write-request.ts';
import { readExemplar } from '../../wire/exemplar.ts';
import { SeenFamilies } from '../../wire/exposition.ts';
import { readExpositionText } from '../../wire/exposition-text.ts';
import { readHistogram } from '../../wire/histogram.ts';
import { LabelTables, type TenantLabels } from '../../wire/label-tables.ts';
import { readMetricFamilies } from '../../wire/metric-families.ts';
import { decodeNativeHistogram } from '../../wire/native-histogram.ts';
import { OPEN_METRICS } from '../../wire/open-metrics.ts';
import { decodeOtlpProtobuf } from '../../wire/otlp-protobuf.ts';
import { sentLabels, type WriteProtocol } from '../../wire/part-lists.ts';
import { SeenLines } from '../../wire/seen-lines.ts';
import { encodeSnappy } from '../../wire/snappy.ts';
import { TEXT_FORMAT } from '../../wire/text-format.ts';
import { announcedLength, WriteBody } from '../../wire/write-body.ts';
import { CrashDisk } from '../crash-disk.ts';
import { encodeHistogram } from '../encode-histogram.ts';
import { encodeOtlp } from '../encode-otlp.ts';
import { encodeWriteRequest2, type OutgoingSeries2 } from '../encode-write-request-2.ts';
import type { FuzzedDecoder } from './fuzz.ts';
import { join, varint } from './mutate.ts';
import { gatheringSink, NUMBERS, OPEN_METRICS_BODIES, OTLP_DOCUMENT, TEXT_BODIES } from './seed-bodies.ts';

const UTF8 = new TextEncoder();
const LIMITS = { maxNames: 30, maxNameBytes: 1_024, maxValueBytes: 2_048 };
const SLACK_BYTES = 64;
/** More of a snappy block is refused: an element of a few bytes may announce as much. */
const MAX_DECODED = 1 << 20;
const NOW = Date.parse('2026-08-03T10:00:00Z');
const KNOWN = encodeLabels(labelsOf({ __name__: 'known', job: 'fuzz' }));

const HISTOGRAM = encodeHistogram({
  count: 12,
  sum: 3.5,
  schema: 1,
  zeroThreshold: 0.001,
  zeroCount: 2,
  positiveSpans: [
    { offset: -2, length: 2 },
    { offset: 3, length: 2 },
  ],
  positiveDeltas: [1, 2, -1, 2],
  negativeSpans: [{ offset: 0, length: 1 }],
  negativeDeltas: [1],
});
const CUSTOM_HISTOGRAM = encodeHistogram({
  floatCount: 6,
  sum: 3,
  schema: -53,
  positiveSpans: [{ offset: 0, length: 3 }],
  positiveCounts: [1, 2, 3],
  customValues: [0.1, 1, 10],
});

/** Bodies of remote write from generators of fast-check, and such as senders have. */
function requests(seed: number): readonly (readonly OutgoingSeries2[])[] {
  const label = fc.tuple(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 40 }));
  const time = fc.integer({ min: NOW - 1e7, max: NOW });
  const series = fc
    .tuple(
      fc.array(label, { maxLength: 6 }),
      fc.array(fc.tuple(time, fc.double(), time), { minLength: 1, maxLength: 8 }),
    )
    .map(
      ([labels, samples]): OutgoingSeries2 => ({
        labels,
        times: samples.map(([at]) => at),
        values: Float64Array.from(samples, ([, value]) => value),
        starts: samples.map(([, , start]) => start),
      }),
    );
  const real = Array.from(
    { length: 20 },
    (_, i): OutgoingSeries2 => ({
      labels: [
        ['__name__', 'http_requests_total'],
        ['instance', `10.0.0.${i}:8080`],
        ['job', 'api'],
      ],
      times: [NOW, NOW + 15_000],
      values: Float64Array.of(i * 1_000, i * 1_000 + 7),
      exemplars: [{ labels: [['trace_id', `abc${i}`]], value: 1, time: NOW }],
      metadata: { type: 1, help: 'Requests.', unit: '' },
      ...(i % 3 === 0 && {
        histograms: [{ bytes: i === 0 ? HISTOGRAM : CUSTOM_HISTOGRAM, time: NOW, start: NOW - 1 }],
      }),
      ...(i % 4 === 0 && { created: NOW - 5 }),
    }),
  );
  return [real, real.slice(0, 2), ...fc.sample(fc.array(series, { maxLength: 4 }), { seed, numRuns: 12 })];
}

const encode1 = (series: readonly OutgoingSeries2[]) =>
  encodeWriteRequest(
    series.map(({ labels, times = [], values = new Float64Array() }) => ({ labels, times, values })),
    [{ metric: 'http_requests_total', type: 'counter', help: 'Requests.', unit: '' }],
  );

/**
 * What is decoded in the memory of a store, which goes on meanwhile: samples of a known series are written and read back.
 */
export async function wireDecoders(seed: number): Promise<readonly FuzzedDecoder[]> {
  const core = await loadCore();
  const tables = new LabelTables(core, [1, 2, 3, 4]);
  const { memory } = tables;
  const store = await SampleStore.open({
    disk: new CrashDisk().boot(),
    core,
    folder: '/log',
    now: () => NOW,
    limits: DEFAULT_LIMITS,
    seed: 7,
    segmentBytes: 1 << 20,
  });
  const memoryBytes = () => core.memory.buffer.byteLength;
  const bodies = requests(seed);
  const known = tables.of('fuzz');

  const readAll = (body: WriteBody, labels: TenantLabels | undefined) => {
    const found: unknown[] = [];
    for (let next = 0; next < body.length; ) {
      const part = body.read(labels, LIMITS, next);
      const attached = [
        ...part.histograms.map(({ start, end }) => readHistogram(body.bytes(start, end))),
        ...part.exemplars.map(({ start, end }) => readExemplar(body.bytes(start, end), body.protocol, memory)),
      ];
      const { refs, times, values, starts } = part;
      const columns = [refs.slice(), times.slice(), values.slice(), starts?.slice()];
      const unseen = part.unseen.map(({ sent, firstSample, endSample }) => [sentLabels(sent), firstSample, endSample]);
      // What a tenant's table knows of a metric is not told again: the second time it is known.
      found.push([columns, unseen, labels === undefined ? part.metadata : [], attached, part.next]);
      if (part.next <= next) throw new Error('a part has no end');
      next = part.next;
    }
    return found;
  };
  const decodeWrite = (protocol: WriteProtocol) => (bytes: Uint8Array, behind: Uint8Array) => {
    using body = WriteBody.of(memory, bytes, protocol);
    memory.bytes.set(behind.subarray(0, SLACK_BYTES), body.address + body.length);
    // With what a tenant's tables know, and without.
    return [readAll(body, undefined), readAll(body, known)];
  };
  learn(tables, known, encode1(bodies[0]!), '1.0');
  learn(tables, known, encodeWriteRequest2(bodies[0]!), '2.0');

  let written = 0;
  const verify = async () => {
    const [answer] = store.ref(DEFAULT_TENANT, [KNOWN], 'raw');
    if (answer?.kind !== 'ref') throw new Error('the known series has no reference');
    const [time, value] = [NOW - 1e6 + written * 10, written * 1.5];
    const batch = { refs: Uint32Array.of(answer.ref), times: Float64Array.of(time), values: Float64Array.of(value) };
    store.write(DEFAULT_TENANT, batch);
    await store.commit();
    written++;
    const [series] = store.head.tenants.get(DEFAULT_TENANT)!.series.values();
    const { times, values } = store.head.live.read(series!.slot, { start: -Infinity, end: Infinity });
    for (let i = 0; i < written; i++) {
      if (times.length !== written || times[i] !== NOW - 1e6 + i * 10 || values[i] !== i * 1.5) {
        throw new Error(`the known series has other samples than were written, from sample ${i} on`);
      }
    }
    using body = WriteBody.of(memory, encode1(bodies[1]!), '1.0');
    if ((readAll(body, known)[0] as readonly (readonly Uint32Array[])[])[0]![0]!.includes(0)) {
      throw new Error('labels that were known are not found');
    }
  };

  const protobufFamilies = [familyOf('requests_total', 0), familyOf('up', 1), join(familyOf('a', 3), familyOf('b', 1))];
  return [
    { name: 'remote write 1.0', bodies: bodies.map(encode1), decode: decodeWrite('1.0'), memoryBytes, verify },
    {
      name: 'remote write 2.0',
      bodies: bodies.flatMap((series) => [
        encodeWriteRequest2(series),
        encodeWriteRequest2(series, { unpacked: true }),
      ]),
      decode: decodeWrite('2.0'),
      memoryBytes,
    },
    {
      name: 'snappy',
      bodies: bodies.flatMap((series) => [encodeSnappy(encode1(series)), encodeSnappy(encodeWriteRequest2(series))]),
      memoryBytes,
      decode(bytes, behind) {
        const raw = decodeRaw(memory, bytes, behind);
        using body = WriteBody.decode(memory, [bytes.subarray(0, 3), bytes.subarray(3)], {
          protocol: '1.0',
          maxBytes: MAX_DECODED,
        });
        const whole = body.bytes(0, body.length).slice();
        if (raw === undefined || !Buffer.from(raw).equals(whole)) throw new Error('was decoded as something else');
        return whole;
      },
    },
    {
      name: 'OTLP protobuf',
      bodies: [encodeOtlp(OTLP_DOCUMENT), encodeOtlp({ resourceMetrics: OTLP_DOCUMENT.resourceMetrics.slice(1) })],
      decode: (bytes) => decodeOtlpProtobuf(bytes),
    },
    {
      name: 'protobuf scrape',
      bodies: protobufFamilies,
      decode(bytes) {
        const { sink, found } = gatheringSink();
        const seen = new SeenFamilies();
        // The second time the series are known.
        for (let i = 0; i < 2; i++) readMetricFamilies(bytes, seen, sink);
        return found;
      },
    },
    ...([TEXT_FORMAT, OPEN_METRICS] as const).map(
      (format): FuzzedDecoder => ({
        name: format.isOpenMetrics ? 'OpenMetrics' : 'text format',
        bodies: (format.isOpenMetrics ? OPEN_METRICS_BODIES : TEXT_BODIES).map((text) => UTF8.encode(text)),
        words: [...NUMBERS, '# TYPE ', '# HELP ', '# UNIT ', '# EOF', ' # {', '{', '}', '="', '\\"', '\t', ',,'],
        memoryBytes,
        decode(bytes, behind) {
          // Those who scrape refuse what is not UTF-8.
          const body = isUtf8(bytes) ? bytes : UTF8.encode(Buffer.from(bytes).toString());
          const { sink, found } = gatheringSink();
          const seen = new SeenLines(memory);
          try {
            for (let i = 0; i < 2; i++) {
              litter(memory, body.length, behind);
              readExpositionText(body, format, seen, sink);
            }
          } finally {
            seen.clear();
          }
          return found;
        },
      }),
    ),
    {
      name: 'native histogram',
      bodies: [HISTOGRAM, CUSTOM_HISTOGRAM],
      decode(bytes) {
        const read = readHistogram(bytes);
        return [
          read,
          read.kind === 'histogram' ? decodeNativeHistogram(read.bytes) : undefined,
          decodeNativeHistogram(bytes),
        ];
      },
    },
  ];
}

function learn(tables: LabelTables, labels: TenantLabels, bytes: Uint8Array, protocol: WriteProtocol): void {
  using body = WriteBody.of(tables.memory, bytes, protocol);
  const { unseen, text } = body.read(undefined, LIMITS);
  const all = unseen.flatMap(({ key, note }, i) => (key === undefined ? [] : [{ ...key, ref: i + 1, note }]));
  if (protocol === '1.0') labels.learnBytes(body.address, all);
  else labels.learnSymbols(text, all);
}

/** What is allocated next has something of ours in it. */
function litter({ core }: LabelTables['memory'], length: number, behind: Uint8Array): void {
  const address = core.allocate(length + SLACK_BYTES) >>> 0;
  const all = new Uint8Array(core.memory.buffer, address, length + SLACK_BYTES);
  for (let at = 0; at < all.length; at += behind.length) all.set(behind.subarray(0, all.length - at), at);
  core.release(address);
}

/** Snappy's elements with something of ours behind both stretches. Undefined where they are refused. */
function decodeRaw({ core }: LabelTables['memory'], bytes: Uint8Array, behind: Uint8Array) {
  const { length, end } = announcedLength([bytes]);
  if (length > MAX_DECODED || length * 3 > (bytes.length - end) * 64) return undefined;
  const source = core.allocate(bytes.length + SLACK_BYTES) >>> 0;
  const target = core.allocate(length + SLACK_BYTES) >>> 0;
  const all = new Uint8Array(core.memory.buffer);
  all.set(bytes, source);
  all.set(behind.subarray(0, SLACK_BYTES), source + bytes.length);
  all.set(behind.subarray(0, SLACK_BYTES), target + length);
  let fault = core.snappyDecode(source + end, bytes.length - end, target, length, 0, 0);
  while (fault === 5) {
    const [from, done] = [core.snappyFaultAt(), core.snappyDone()];
    fault = core.snappyDecode(source + end, bytes.length - end, target, length, from, done);
  }
  const after = all.slice(target, target + length + SLACK_BYTES);
  core.release(source);
  core.release(target);
  // It may write 16 bytes behind its end, and no more.
  if (!Buffer.from(after.subarray(length + 16)).equals(behind.subarray(16, SLACK_BYTES))) {
    throw new Error('snappy wrote behind its end');
  }
  return fault === 0 ? after.subarray(0, length) : undefined;
}

/** An io.prometheus.client.MetricFamily behind its length. */
function familyOf(name: string, type: number): Uint8Array {
  const text = (field: number, value: string) => delimited(field, new TextEncoder().encode(value));
  const double = (field: number, value: number) =>
    join(Uint8Array.of((field << 3) | 1), new Uint8Array(Float64Array.of(value).buffer));
  const label = delimited(1, join(text(1, 'job'), text(2, 'api')));
  const valueField = type === 0 ? 3 : type === 1 ? 2 : 5;
  const exemplar = type === 0 ? delimited(2, join(delimited(1, join(text(1, 'id'), text(2, 'x'))), double(2, 1))) : [];
  const metric = join(label, delimited(valueField, join(double(1, 1.5), Uint8Array.from(exemplar))));
  const bucket = delimited(3, join(Uint8Array.of(0x08, 3), double(2, 0.5)));
  const histogram = join(label, delimited(7, join(Uint8Array.of(0x08, 7), double(2, 3.5), bucket, bucket)));
  const isHistogram = type === 3;
  const family = join(
    text(1, name),
    text(2, 'Help.'),
    Uint8Array.of(0x18, isHistogram ? 4 : type),
    delimited(4, isHistogram ? histogram : metric),
    delimited(4, isHistogram ? histogram : metric),
  );
  return join(varint(family.length), family);
}

function delimited(field: number, body: Uint8Array): Uint8Array {
  return join(Uint8Array.of((field << 3) | 2), varint(body.length), body);
}
