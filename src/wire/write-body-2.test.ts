import { describe, expect, test } from 'vitest';
import { METRIC_NAME } from '../model/labels.ts';
import { encodeWriteRequest2, type OutgoingSeries2 } from '../testing/encode-write-request-2.ts';
import { decode, LIMITS, learn, memory, tables } from '../testing/write-bodies.ts';
import { WireError } from './errors.ts';
import { sentLabels } from './part-lists.ts';
import { WriteBody } from './write-body.ts';

describe('remote write 2.0', () => {
  const one = (more: Partial<OutgoingSeries2> = {}): OutgoingSeries2 => ({
    labels: [
      ['__name__', 'up'],
      ['job', 'a'],
    ],
    times: [5],
    values: Float64Array.of(1),
    ...more,
  });

  test.each([
    { name: 'unpacked numbers', encoding: { unpacked: true } },
    { name: 'symbols behind their use', encoding: { symbolsLast: true } },
  ])('reads $name', ({ encoding }) => {
    const labels = tables.of('encodings');
    learn(encodeWriteRequest2([one()]), '2.0', labels);
    const bytes = encodeWriteRequest2([one(), one({ labels: [['__name__', 'down']] })], encoding);
    const decoded = decode(bytes, '2.0', labels);
    expect(decoded).toMatchObject({ refs: [1, 0], times: [5, 5], labels: [[['__name__', 'down']]] });
    labels.clear();
  });

  test('keys are texts and not their numbers, which are others in each request', () => {
    const labels = tables.of('symbols');
    learn(encodeWriteRequest2([one(), one({ labels: [['__name__', 'other']] })]), '2.0', labels);
    const swapped = [one({ labels: [['__name__', 'other']] }), one(), one({ labels: [['__name__', 'a']] })];
    expect(decode(encodeWriteRequest2(swapped), '2.0', labels).refs).toEqual([2, 1, 0]);
    labels.clear();
  });

  test('the created time of a series counts for samples without a start of their own', () => {
    const samples = { times: [5, 6], values: Float64Array.of(1, 2), starts: [0, 4] };
    const decoded = decode(encodeWriteRequest2([one({ ...samples, created: 3 }), one()]), '2.0');
    expect(decoded.starts).toEqual([3, 4, 0]);
  });

  test.each([
    { name: 'a symbol that is not there', refs: [1, 200], bad: true },
    { name: 'a number of more than 32 bits', refs: [1, 2 ** 33], bad: true },
    { name: 'a name without a value', refs: [1, 2, 1], bad: true },
    { name: 'symbols that are there', refs: [1, 2], bad: false },
  ])('marks a series with $name, and reads the others', ({ refs, bad }) => {
    const [good] = [encodeWriteRequest2([one()])];
    const packed = refs.flatMap((ref) => {
      const bytes: number[] = [];
      for (let rest = ref; ; rest = Math.floor(rest / 128)) {
        bytes.push(rest > 127 ? (rest % 128) | 128 : rest);
        if (rest <= 127) return bytes;
      }
    });
    const series = [0x2a, packed.length + 6, 0x0a, packed.length, ...packed, 0x12, 2, 0x10, 7];
    using body = WriteBody.of(memory, Uint8Array.from([...good!, ...series]), '2.0');
    const { unseen, times } = body.read(undefined, LIMITS);
    expect(unseen.map(({ badRefs }) => badRefs)).toEqual([false, bad]);
    expect([...times]).toEqual([5, 7]);
  });

  test('hands out metadata once, and again when it changes or was lost', () => {
    const labels = tables.of('metadata');
    const described = (help: string) => one({ metadata: { type: 1, help, unit: 's' } });
    const first = encodeWriteRequest2([described('A.')]);
    const entry = { metric: 'up', type: 'counter', help: 'A.', unit: 's' };
    expect(decode(first, '2.0', labels).metadata).toEqual([entry]);
    learn(first, '2.0', labels);
    expect(decode(first, '2.0', labels).metadata).toEqual([]);
    const second = encodeWriteRequest2([described('B.')]);
    expect(decode(second, '2.0', labels).metadata).toEqual([{ ...entry, help: 'B.' }]);
    expect(decode(second, '2.0', labels).metadata).toEqual([]);
    labels.forgetMetadata();
    expect(decode(second, '2.0', labels).metadata).toEqual([{ ...entry, help: 'B.' }]);
    labels.clear();
  });

  test('hands out the metadata of a damaged request again, and of no other', () => {
    const labels = tables.of('damaged');
    const other = tables.of('bystander');
    const described = (help: string) => encodeWriteRequest2([one({ metadata: { type: 1, help, unit: 's' } })]);
    for (const of of [labels, other]) {
      learn(described('A.'), '2.0', of);
      decode(described('A.'), '2.0', of);
    }
    const changed = described('B.');
    expect(() => decode(Uint8Array.from([...changed, 0x2a, 0x7f]), '2.0', labels)).toThrow(WireError);
    expect(decode(described('A.'), '2.0', other).metadata).toEqual([]);
    expect(decode(changed, '2.0', labels).metadata).toMatchObject([{ help: 'B.' }]);
    expect(decode(changed, '2.0', labels).metadata).toEqual([]);
    labels.clear();
    other.clear();
  });

  test.each([
    { name: 'as they were learnt', order: [0, 1, 2] },
    { name: 'with one left out', order: [0, 2] },
    { name: 'the other way round', order: [2, 1, 0] },
    { name: 'one of them again and again', order: [1, 1, 1] },
  ])('finds known series $name, behind ever other symbols', ({ order }) => {
    const labels = tables.of('known');
    const all = [0, 1, 2].map((i) => one({ labels: [...one().labels, ['pod', `pod-${i}`]] }));
    learn(encodeWriteRequest2(all), '2.0', labels);
    // So many symbols before them that numbers of one, two and three bytes refer to them.
    for (const count of [0, 150, 20_000]) {
      const otherSymbols = Array.from({ length: count }, (_, i) => `f${i}`);
      const bytes = encodeWriteRequest2(
        order.map((i) => all[i]!),
        { otherSymbols },
      );
      expect(decode(bytes, '2.0', labels).refs).toEqual(order.map((i) => i + 1));
    }
    labels.clear();
  });

  test.each([
    { metric: 'a_bucket', type: 3, family: 'a' },
    { metric: 'a_sum', type: 5, family: 'a' },
    { metric: 'a_sum', type: 1, family: 'a_sum' },
  ])('describes the family of $metric with type $type', ({ metric, type, family }) => {
    const series = one({ labels: [['__name__', metric]], metadata: { type, help: 'h', unit: '' } });
    expect(decode(encodeWriteRequest2([series]), '2.0').metadata).toMatchObject([{ metric: family }]);
  });
});

describe('parts of remote write 2.0', () => {
  const series = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      labels: [[METRIC_NAME, `${prefix}${i}`]] as const,
      times: [i],
      values: Float64Array.of(i),
    }));
  const long = encodeWriteRequest2(series('a', 44));

  test('have the symbols of their own request, whatever was decoded between', () => {
    using body = WriteBody.of(memory, long, '2.0');
    using other = WriteBody.of(memory, encodeWriteRequest2(series('b', 44)), '2.0');
    const { next } = body.read(undefined, LIMITS);
    other.read(undefined, LIMITS);
    const { unseen } = body.read(undefined, LIMITS, next);
    expect(unseen.map(({ sent }) => sentLabels(sent)[0]![1])).toEqual(
      series('a', 44)
        .slice(32)
        .map(({ labels }) => labels[0][1]),
    );
  });

  test('find what was learnt between, and not what was forgotten', () => {
    const labels = tables.of('parts');
    using body = WriteBody.of(memory, long, '2.0');
    const { next } = body.read(labels, LIMITS);
    const rest = body.read(undefined, LIMITS, next);
    labels.learnSymbols(
      rest.text,
      rest.unseen.map(({ key }, i) => ({ ...key!, ref: i + 1, note: 0 })),
    );
    expect([...body.read(labels, LIMITS, next).refs]).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    labels.clear();
    expect(body.read(labels, LIMITS, next).unseen).toHaveLength(12);
  });
});
