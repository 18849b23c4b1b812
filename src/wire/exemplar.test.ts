import { expect, test } from 'vitest';
import { loadCore } from '../tsdb/core.ts';
import { readExemplar } from './exemplar.ts';
import { LabelTables } from './label-tables.ts';
import { ProtoWriter } from './proto-writer.ts';
import { WriteBody } from './write-body.ts';

const { memory } = new LabelTables(await loadCore(), [1, 2, 3, 4]);
const LIMITS = { maxNames: 30, maxNameBytes: 1_024, maxValueBytes: 2_048 };

test.each([
  { protocol: '1.0', count: 100_000, why: 'it has more labels than are kept of one' },
  { protocol: '2.0', count: 100_000, why: 'it has more labels than are kept of one' },
  { protocol: '1.0', count: 2, why: 'a label has no name, or is there twice' },
  { protocol: '2.0', count: 2, why: 'a label has no name, or is there twice' },
] as const)('readExemplar() refuses $count empty labels of $protocol without reading all of them', (each) => {
  const { protocol, count, why } = each;
  const out = new ProtoWriter();
  if (protocol === '1.0') for (let i = 0; i < count; i++) out.message(0x0a, () => undefined);
  else out.message(0x0a, () => out.bytes(new Uint8Array(count * 2)));
  // One symbol, the empty one.
  using request = WriteBody.of(memory, Uint8Array.of(0x22, 0), '2.0');
  request.read(undefined, LIMITS);
  expect(readExemplar(out.finish(), protocol, memory)).toEqual({ kind: 'refused', time: 0, why });
});
