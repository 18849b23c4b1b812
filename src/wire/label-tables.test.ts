import { expect, test } from 'vitest';
import { loadCore } from '../tsdb/core.ts';
import { encodeWriteRequest } from './encode-write-request.ts';
import { LabelTables } from './label-tables.ts';
import { WriteBody } from './write-body.ts';

const LIMITS = { maxNames: 30, maxNameBytes: 1_024, maxValueBytes: 2_048 };

test('all tables together stay within their bound, at the cost of the largest', async () => {
  const tables = new LabelTables(await loadCore(), [1, 2, 3, 4], 100_000);
  const learn = (tenant: string, name: string) => {
    const request = encodeWriteRequest([{ labels: [['__name__', name]], times: [1], values: Float64Array.of(1) }]);
    using body = WriteBody.of(tables.memory, request, '1.0');
    const { key } = body.read(undefined, LIMITS).unseen[0]!;
    tables.of(tenant).learnBytes(body.address, [{ ...key!, ref: 7, note: 0 }]);
  };
  const refs = (tenant: string, name: string) => {
    const request = encodeWriteRequest([{ labels: [['__name__', name]], times: [1], values: Float64Array.of(1) }]);
    using body = WriteBody.of(tables.memory, request, '1.0');
    return [...body.read(tables.of(tenant), LIMITS).refs];
  };
  learn('small', 'known');
  for (let i = 0; i < 5_000; i++) {
    learn('hostile', `spelling ${i} ${'x'.repeat(100)}`);
    expect(tables.sizeBytes).toBeLessThanOrEqual(100_000);
  }
  expect(refs('small', 'known')).toEqual([7]);
  expect(tables.sizeBytes).toBe(tables.of('small').sizeBytes + tables.of('hostile').sizeBytes);
});

test('what two requests of a new tenant learn at once is one table', async () => {
  const tables = new LabelTables(await loadCore(), [1, 2, 3, 4]);
  const [first, second] = [tables.of('a'), tables.of('a')];
  const request = encodeWriteRequest([{ labels: [['__name__', 'm']], times: [1], values: Float64Array.of(1) }]);
  using body = WriteBody.of(tables.memory, request, '1.0');
  const learnt = [{ ...body.read(undefined, LIMITS).unseen[0]!.key!, ref: 1, note: 0 }];
  first.learnBytes(body.address, learnt);
  second.learnBytes(body.address, learnt);
  expect(second.sizeBytes).toBe(0);
  expect(tables.of('a')).toBe(first);
  expect(tables.sizeBytes).toBe(first.sizeBytes);
});
