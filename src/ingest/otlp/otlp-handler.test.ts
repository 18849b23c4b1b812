import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { formatLabels } from '../../model/labels.ts';
import { encodeOtlp } from '../../testing/encode-otlp.ts';
import {
  attributes,
  DONE,
  NOW,
  named,
  nanos,
  otlpRequest,
  RANGE,
  SHOP,
  useOtlpReceiver,
} from '../../testing/otlp-receiver.ts';
import { decodeNativeHistogram } from '../../wire/native-histogram.ts';

const receiver = useOtlpReceiver();

describe('otlpHandler() keeps', () => {
  test('a sum, a gauge and who they are of', async () => {
    const zone = attributes({ zone: 'b', 'host.name': 'h7' });
    const document = otlpRequest(
      [
        {
          name: 'http.requests',
          unit: '1',
          sum: {
            aggregationTemporality: 2,
            isMonotonic: true,
            dataPoints: [
              {
                startTimeUnixNano: nanos(-9_000),
                timeUnixNano: nanos(-1_000),
                asInt: '7',
                attributes: attributes({ 'http.route': '/', http_route: 'x' }),
              },
            ],
          },
        },
        {
          name: 'queue.length',
          description: 'How long.',
          unit: '{items}',
          gauge: { dataPoints: [{ timeUnixNano: nanos(-1_000), asDouble: 2.5 }] },
        },
      ],
      [...SHOP, ...zone],
    );
    expect((await receiver.post(encodeOtlp(document))).status).toBe(200);
    expect(await receiver.stored('http_requests_total')).toEqual({
      'http_requests_total{http_route="/;x", instance="a1", job="eu/shop", zone="b"}': [[-1_000, 7]],
    });
    expect(await receiver.stored('queue_length')).toEqual({
      'queue_length{instance="a1", job="eu/shop", zone="b"}': [[-1_000, 2.5]],
    });
    expect(await receiver.stored('target_info')).toEqual({
      'target_info{host_name="h7", instance="a1", job="eu/shop", zone="b"}': [[-1_000, 1]],
    });
    const tenant = receiver.tenant();
    expect(await tenant.metadata()).toEqual(
      expect.arrayContaining([
        { metric: 'http_requests_total', type: 'counter', help: '', unit: '' },
        { metric: 'queue_length', type: 'gauge', help: 'How long.', unit: '' },
        { metric: 'target_info', type: 'gauge', help: 'Target metadata', unit: '' },
      ]),
    );
    const [starts] = await tenant.starts(named('http_requests_total'), RANGE);
    expect([...starts!.starts]).toEqual([NOW - 9_000]);
  });

  test('a histogram with its buckets and exemplars, and a summary', async () => {
    const exemplars = [0.05, 7].map((asDouble, i) => ({
      timeUnixNano: nanos(-2_000),
      asDouble,
      traceId: `0${i + 1}`.repeat(16),
      filteredAttributes: attributes({ user: 'ann' }),
    }));
    const document = otlpRequest([
      {
        name: 'latency',
        unit: 's',
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            {
              timeUnixNano: nanos(-1_000),
              count: '6',
              sum: 9,
              bucketCounts: ['1', '2', '3'],
              explicitBounds: [1e-7, 1],
              exemplars,
            },
          ],
        },
      },
      {
        name: 'pause',
        summary: {
          dataPoints: [
            { timeUnixNano: nanos(-1_000), count: '3', sum: 2, quantileValues: [{ quantile: 0.99, value: 1.5 }] },
          ],
        },
      },
    ]);
    expect(await receiver.sendJson(document)).toEqual(DONE);
    const of = 'instance="a1", job="eu/shop"';
    expect(await receiver.stored('latency_seconds_bucket')).toEqual({
      [`latency_seconds_bucket{${of}, le="+Inf"}`]: [[-1_000, 6]],
      [`latency_seconds_bucket{${of}, le="0.0000001"}`]: [[-1_000, 1]],
      [`latency_seconds_bucket{${of}, le="1"}`]: [[-1_000, 3]],
    });
    expect(await receiver.stored('latency_seconds_count')).toEqual({ [`latency_seconds_count{${of}}`]: [[-1_000, 6]] });
    expect(await receiver.stored('latency_seconds_sum')).toEqual({ [`latency_seconds_sum{${of}}`]: [[-1_000, 9]] });
    expect(await receiver.stored('pause')).toEqual({ [`pause{${of}, quantile="0.99"}`]: [[-1_000, 1.5]] });
    expect(await receiver.stored('pause_count')).toEqual({ [`pause_count{${of}}`]: [[-1_000, 3]] });
    const found = await receiver.tenant().exemplars([named('latency_seconds_bucket')], RANGE);
    expect(found.map(({ labels, exemplars: all }) => [formatLabels(labels).slice(-10), all])).toEqual(
      [
        [
          'le="+Inf"}',
          [
            {
              time: NOW - 2_000,
              value: 7,
              labels: [
                ['trace_id', '02'.repeat(16)],
                ['user', 'ann'],
              ],
            },
          ],
        ],
        [
          ', le="1"}',
          [
            {
              time: NOW - 2_000,
              value: 0.05,
              labels: [
                ['trace_id', '01'.repeat(16)],
                ['user', 'ann'],
              ],
            },
          ],
        ],
      ].map(([labels, all]) => [expect.stringContaining(String(labels).slice(-8)), all]),
    );
  });

  test('an exponential histogram as a native one', async () => {
    const point = {
      timeUnixNano: nanos(-1_000),
      startTimeUnixNano: nanos(-9_000),
      count: '9',
      sum: 4,
      scale: 10,
      zeroCount: '1',
      positive: { offset: 3, bucketCounts: ['1', '2', '3'] },
      negative: { offset: -1, bucketCounts: ['2'] },
    };
    expect(
      await receiver.sendJson(
        otlpRequest([{ name: 'size', exponentialHistogram: { aggregationTemporality: 2, dataPoints: [point] } }]),
      ),
    ).toEqual(DONE);
    const [found] = await receiver.tenant().histograms(named('size'), RANGE);
    expect(found!.histograms.map(({ time, start }) => [time - NOW, start - NOW])).toEqual([[-1_000, -9_000]]);
    // Scale 10 is two coarser at 8: OpenTelemetry's 3 lies in its 0, 4 and 5 in 1, and -1 in -1; each index is one more here.
    expect(decodeNativeHistogram(found!.histograms[0]!.bytes)).toEqual({
      count: 9,
      sum: Float64Array.of(4),
      schema: 8,
      zeroThreshold: 1e-128,
      zeroCount: 1,
      positive: new Map([
        [1, 1],
        [2, 5],
      ]),
      negative: new Map([[0, 2]]),
    });
  });

  test('that a series ended', async () => {
    const dataPoints = [{ timeUnixNano: nanos(-1_000), flags: 1 }];
    expect(await receiver.sendJson(otlpRequest([{ name: 'over', gauge: { dataPoints } }]))).toEqual(DONE);
    expect(Object.values(await receiver.stored('over'))).toEqual([[[-1_000, 'stale']]]);
  });

  test('gzip, and nothing at all', async () => {
    const document = otlpRequest([{ name: 'packed', gauge: { dataPoints: [{ timeUnixNano: nanos(0), asInt: '1' }] } }]);
    const answer = await receiver.post(gzipSync(encodeOtlp(document)), { 'content-encoding': 'gzip' });
    expect([answer.status, answer.bytes.length, answer.headers.get('content-type')]).toEqual([
      200,
      0,
      'application/x-protobuf',
    ]);
    expect(Object.values(await receiver.stored('packed'))).toEqual([[[0, 1]]]);
    expect((await receiver.post(new Uint8Array())).status).toBe(200);
  });
});
