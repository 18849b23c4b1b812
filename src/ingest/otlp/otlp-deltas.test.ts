import { describe, expect, test } from 'vitest';
import { DONE, NOW, named, nanos, otlpRequest, RANGE, useOtlpReceiver } from '../../testing/otlp-receiver.ts';
import { decodeNativeHistogram } from '../../wire/native-histogram.ts';

const receiver = useOtlpReceiver();

function deltas(name: string, dataPoints: readonly object[]) {
  return otlpRequest([{ name, sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints } }]);
}
const delta = (start: number, time: number, asInt: number) => ({
  startTimeUnixNano: nanos(start),
  timeUnixNano: nanos(time),
  asInt: String(asInt),
});

describe('otlpHandler() makes of deltas', () => {
  test('a cumulative counter that survives a restart, and retries count once', async () => {
    const send = (...points: object[]) => receiver.sendJson(deltas('hits', points));
    const first = [delta(-60_000, -50_000, 5), delta(-50_000, -40_000, 2)];
    expect(await send(...first)).toEqual(DONE);
    expect(await send(...first)).toEqual(DONE);
    await receiver.reopen();
    expect(await send(...first)).toEqual(DONE);
    expect(await send(delta(-40_000, -30_000, 3))).toEqual(DONE);
    await receiver.reopen();
    expect(await send(delta(-40_000, -30_000, 3))).toEqual(DONE);
    expect(await send(delta(-30_000, -20_000, 1))).toEqual(DONE);
    expect(Object.values(await receiver.stored('hits_total'))).toEqual([
      [
        [-60_000, 0],
        [-50_000, 5],
        [-40_000, 7],
        [-30_000, 10],
        [-20_000, 11],
      ],
    ]);
    const [starts] = await receiver.tenant().starts(named('hits_total'), RANGE);
    expect([...starts!.starts]).toEqual([NOW - 60_000]);
  });

  test('a counter that begins anew after a gap', async () => {
    const points = [delta(-60_000, -50_000, 5), delta(-30_000, -20_000, 9)];
    expect(await receiver.sendJson(deltas('gap', points))).toEqual(DONE);
    expect(Object.values(await receiver.stored('gap_total'))).toEqual([
      [
        [-60_000, 0],
        [-50_000, 5],
        [-30_000, 0],
        [-20_000, 9],
      ],
    ]);
    const [starts] = await receiver.tenant().starts(named('gap_total'), RANGE);
    expect([...starts!.starts]).toEqual([NOW - 60_000, NOW - 30_000]);
  });

  test('nothing of one that comes late, and says so', async () => {
    await receiver.sendJson(deltas('late', [delta(-50_000, -40_000, 5)]));
    const { body } = await receiver.sendJson(deltas('late', [delta(-70_000, -60_000, 9), delta(-40_000, -30_000, 1)]));
    expect(body.partialSuccess).toEqual({
      rejectedDataPoints: '1',
      errorMessage: expect.stringContaining('deltas up to a later time are counted already'),
    });
    expect(Object.values(await receiver.stored('late_total'))).toEqual([
      [
        [-50_000, 0],
        [-40_000, 5],
        [-30_000, 6],
      ],
    ]);
    expect(receiver.dropped.get('delta_out_of_order')).toBe(1);
  });

  test('a histogram, of both kinds', async () => {
    const explicit = (start: number, bucketCounts: string[], sum: number) => ({
      startTimeUnixNano: nanos(start),
      timeUnixNano: nanos(start + 10_000),
      count: '3',
      sum,
      bucketCounts,
      explicitBounds: [1],
    });
    const exponential = (start: number, scale: number) => ({
      startTimeUnixNano: nanos(start),
      timeUnixNano: nanos(start + 10_000),
      count: '3',
      sum: 2,
      scale,
      zeroCount: '1',
      positive: { offset: 0, bucketCounts: ['1', '1'] },
    });
    for (const [start, scale] of [
      [-40_000, 1],
      [-30_000, 0],
    ] as const) {
      const metrics = [
        { name: 'work', histogram: { aggregationTemporality: 1, dataPoints: [explicit(start, ['1', '2'], 2)] } },
        {
          name: 'size_d',
          exponentialHistogram: { aggregationTemporality: 1, dataPoints: [exponential(start, scale)] },
        },
      ];
      expect(await receiver.sendJson(otlpRequest(metrics))).toEqual(DONE);
      expect(await receiver.sendJson(otlpRequest(metrics))).toEqual(DONE);
      await receiver.reopen();
    }
    expect(Object.values(await receiver.stored('work_bucket'))).toEqual([
      [
        [-40_000, 0],
        [-30_000, 3],
        [-20_000, 6],
      ],
      [
        [-40_000, 0],
        [-30_000, 1],
        [-20_000, 2],
      ],
    ]);
    expect(Object.values(await receiver.stored('work_sum'))).toEqual([
      [
        [-40_000, 0],
        [-30_000, 2],
        [-20_000, 4],
      ],
    ]);
    const [found] = await receiver.tenant().histograms(named('size_d'), RANGE);
    expect(
      found!.histograms.map(({ time, start, bytes }) => {
        const { count, schema, zeroCount, positive } = decodeNativeHistogram(bytes)!;
        return [time - NOW, start - NOW, count, schema, zeroCount, [...positive]];
      }),
    ).toEqual([
      [
        -30_000,
        -40_000,
        3,
        1,
        1,
        [
          [1, 1],
          [2, 1],
        ],
      ],
      [
        -20_000,
        -40_000,
        6,
        0,
        2,
        [
          [1, 3],
          [2, 1],
        ],
      ],
    ]);
  });
});
