import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { MINUTE } from '../../model/time.ts';
import { encodeOtlp } from '../../testing/encode-otlp.ts';
import {
  attributes,
  NOW,
  nanos,
  otlpRequest,
  startOtlpReceiver,
  useOtlpReceiver,
} from '../../testing/otlp-receiver.ts';
import { openIntake } from '../intake.ts';

const receiver = useOtlpReceiver();

describe('otlpHandler() rejects', () => {
  const point = { timeUnixNano: nanos(-1_000), asInt: '1' };
  test.each([
    {
      name: 'no temporality',
      metric: { name: 'r1', sum: { dataPoints: [point] } },
      reason: 'invalid_temporality',
      want: 'neither delta nor cumulative',
    },
    {
      name: 'no value',
      metric: { name: 'r2', gauge: { dataPoints: [{ timeUnixNano: nanos(0) }] } },
      reason: 'malformed_point',
      want: 'it has no value',
    },
    {
      name: 'no time',
      metric: { name: 'r3', gauge: { dataPoints: [{ asInt: '1' }] } },
      reason: 'missing_time',
      want: 'it has no time',
    },
    {
      name: 'no name',
      metric: { name: '@', gauge: { dataPoints: [point] } },
      reason: 'missing_metric_name',
      want: 'nothing of its name',
    },
    {
      name: 'an attribute that names no label',
      metric: { name: 'r4', gauge: { dataPoints: [{ ...point, attributes: attributes({ __: 'x' }) }] } },
      reason: 'invalid_label_name',
      want: 'cannot name a label',
    },
    {
      name: 'a long value',
      metric: { name: 'r5', gauge: { dataPoints: [{ ...point, attributes: attributes({ a: 'x'.repeat(2_049) }) }] } },
      reason: 'label_value_too_long',
      want: 'longer than 2048 bytes',
    },
    {
      name: 'half a character',
      metric: { name: 'r6', gauge: { dataPoints: [{ ...point, attributes: attributes({ a: '\ud800' }) }] } },
      reason: 'invalid_utf8',
      want: 'not valid UTF-8',
    },
    {
      name: 'too few buckets',
      metric: {
        name: 'r7',
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [{ timeUnixNano: nanos(0), bucketCounts: ['1'], explicitBounds: [1, 2] }],
        },
      },
      reason: 'malformed_point',
      want: '1 buckets where its bounds make 3',
    },
    {
      name: 'bounds in disorder',
      metric: {
        name: 'r8',
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [{ timeUnixNano: nanos(0), bucketCounts: ['1', '1', '1'], explicitBounds: [2, 1] }],
        },
      },
      reason: 'malformed_point',
      want: 'bounds do not ascend',
    },
    {
      name: 'a scale below a native histogram',
      metric: {
        name: 'r9',
        exponentialHistogram: { aggregationTemporality: 2, dataPoints: [{ timeUnixNano: nanos(0), scale: -5 }] },
      },
      reason: 'malformed_point',
      want: 'its scale is -5',
    },
    {
      name: 'a count that is not in the buckets',
      metric: {
        name: 'r10',
        exponentialHistogram: {
          aggregationTemporality: 2,
          dataPoints: [{ timeUnixNano: nanos(0), count: '4', positive: { bucketCounts: ['1'] } }],
        },
      },
      reason: 'malformed_point',
      want: 'its count is 4, and 1 are in its buckets',
    },
    {
      name: 'what lies ahead',
      metric: { name: 'r11', gauge: { dataPoints: [{ timeUnixNano: nanos(11 * MINUTE), asInt: '1' }] } },
      reason: 'too_far_in_future',
      want: 'too far in the future',
    },
  ])('$name, and keeps the rest', async ({ metric, reason, want }) => {
    const before = receiver.dropped.get(reason) ?? 0;
    const good = { name: `kept.${metric.name}`, gauge: { dataPoints: [point] } };
    const { status, body } = await receiver.sendJson(otlpRequest([metric, good]));
    expect(status).toBe(200);
    expect(body.partialSuccess.rejectedDataPoints).toBe('1');
    expect(body.partialSuccess.errorMessage).toContain(want);
    expect(receiver.dropped.get(reason)).toBe(before + 1);
    expect(Object.values(await receiver.stored(metric.name === '@' ? 'kept' : `kept_${metric.name}`))).toEqual([
      [[-1_000, 1]],
    ]);
  });

  test('a point once, however many series it would be, and says so in protobuf too', async () => {
    const dataPoints = [
      { timeUnixNano: nanos(11 * MINUTE), count: '2', bucketCounts: ['1', '1'], explicitBounds: [1] },
    ];
    const { status, bytes } = await receiver.post(
      encodeOtlp(otlpRequest([{ name: 'm', histogram: { aggregationTemporality: 2, dataPoints } }])),
    );
    expect(status).toBe(200);
    // ExportMetricsServiceResponse{partial_success: {rejected_data_points: 1, error_message: …}}
    expect([bytes[0], bytes.includes(Buffer.of(0x08, 1, 0x12))]).toEqual([0x0a, true]);
    expect(bytes.toString('utf8')).toContain('too far in the future');
  });

  test.each<
    [name: string, body: Uint8Array, headers: Record<string, string>, method: string, status: number, want: string]
  >([
    ['what is no protobuf', Uint8Array.of(0x0a, 0x7f), {}, 'POST', 400, 'cannot decode OTLP request'],
    [
      'what is no JSON',
      Buffer.from('{'),
      { 'content-type': 'application/json' },
      'POST',
      400,
      'cannot decode OTLP request',
    ],
    ['what is no gzip', Buffer.from('xxxx'), { 'content-encoding': 'gzip' }, 'POST', 400, 'cannot unpack the body'],
    [
      'gzip cut short',
      gzipSync(Buffer.alloc(1_000)).subarray(0, 20),
      { 'content-encoding': 'gzip' },
      'POST',
      400,
      'cannot unpack',
    ],
    ['a large body', Buffer.alloc((1 << 20) + 1), {}, 'POST', 413, 'larger than 1048576 bytes'],
    [
      'a bomb',
      gzipSync(Buffer.alloc(64 << 20)),
      { 'content-encoding': 'gzip' },
      'POST',
      413,
      'larger than 1048576 bytes',
    ],
    [
      'another type',
      Buffer.from('x'),
      { 'content-type': 'text/plain' },
      'POST',
      415,
      'application/x-protobuf or application/json',
    ],
    ['another encoding', Buffer.from('x'), { 'content-encoding': 'zstd' }, 'POST', 415, 'gzip or none'],
    ['another method', Buffer.from(''), {}, 'GET', 405, 'use POST'],
  ])('%s', async (_name, body, headers, method, status, want) => {
    const answer = await receiver.post(body, headers, method);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(want)]);
    const isProtobuf = (headers['content-type'] ?? 'application/x-protobuf') === 'application/x-protobuf';
    expect(answer.headers.get('content-type')).toBe(isProtobuf ? 'application/x-protobuf' : 'application/json');
  });
});

describe('otlpHandler() asks to be sent again', () => {
  const body = encodeOtlp(
    otlpRequest([{ name: 'again', gauge: { dataPoints: [{ timeUnixNano: nanos(0), asInt: '1' }] } }]),
  );
  const bytesInFlight = (maxInFlightBytes: number) => ({ intake: openIntake({ now: () => NOW, maxInFlightBytes }) });

  test.each([
    { name: 'while too much is in flight', more: bytesInFlight(100), want: 'in flight' },
    {
      name: 'while what is in flight decodes to too much',
      more: bytesInFlight(body.length + 100),
      want: 'in flight',
    },
    { name: 'while the store is full', more: {}, maxSampleBytes: 0, want: 'the store is full' },
  ])('$name', async ({ more, maxSampleBytes = 1 << 20, want }) => {
    await using full = await startOtlpReceiver(more, { maxSeriesPerTenant: 200, maxSampleBytes });
    const { status, headers, text } = await full.post(body);
    expect([status, headers.get('retry-after'), text]).toEqual([503, '5', expect.stringContaining(want)]);
  });
});
