import { describe, expect, it } from 'vitest';
import { encodeOtlp } from '../../testing/encode-otlp.ts';
import { decodeOtlpInSteps, decodeOtlpProtobuf } from '../../wire/otlp-protobuf.ts';
import { inTurns } from './in-turns.ts';

function* busy(steps: number, ended: () => void): Generator<number, string> {
  try {
    for (let i = 0; i < steps; i++) {
      const until = performance.now() + 3;
      while (performance.now() < until);
      yield i;
    }
    return 'done';
  } finally {
    ended();
  }
}

describe('inTurns()', () => {
  it('rests between steps that took long, and answers what they return', async () => {
    const rests: number[] = [];
    expect(
      await inTurns(
        busy(20, () => {}),
        async (i) => void rests.push(i),
      ),
    ).toBe('done');
    expect(rests.length).toBeGreaterThan(3);
    expect(rests).toEqual([...rests].sort((a, b) => a - b));
  });

  it('lets the steps release what they hold where no other turn comes', async () => {
    let ends = 0;
    const refused = inTurns(
      busy(20, () => void ends++),
      () => Promise.reject(new Error('no room')),
    );
    await expect(refused).rejects.toThrow('no room');
    expect(ends).toBe(1);
  });
});

describe('decodeOtlpInSteps()', () => {
  it('rests within one metric of very many points, and decodes as in one piece', () => {
    const dataPoints = Array.from({ length: 1_000 }, (_, i) => ({ timeUnixNano: '1000000', asDouble: i }));
    const metrics = [{ name: 'a', gauge: { dataPoints } }];
    const bytes = encodeOtlp({ resourceMetrics: [{ resource: {}, scopeMetrics: [{ metrics }] }] });
    const steps = decodeOtlpInSteps(bytes);
    const elements: number[] = [];
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) elements.push(step.value);
    expect(elements.length).toBeGreaterThan(10);
    expect(elements).toEqual([...elements].sort((a, b) => a - b));
    expect(step.value).toEqual(decodeOtlpProtobuf(bytes));
  });
});
