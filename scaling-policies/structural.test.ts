import { expect, test } from 'vitest';
import { z } from 'zod';
import { structuralSchema } from './structural.ts';

const of = (schema: z.ZodType) => structuralSchema(z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>);
const RULES = 'x-kubernetes-validations';
const given = z.strictObject({ perReplica: z.number().positive(), fill: z.number().default(0.9) });

test.each([
  { name: 'a literal', schema: z.literal('a'), want: { type: 'string', enum: ['a'] } },
  { name: 'more than', schema: z.number().gt(0), want: { type: 'number', minimum: 0, exclusiveMinimum: true } },
  {
    name: 'words',
    schema: z.union([z.literal('a'), z.enum(['b', 'c'])]),
    want: { type: 'string', enum: ['a', 'b', 'c'] },
  },
  { name: 'a word or any text', schema: z.union([z.literal('auto'), z.string()]), want: { type: 'string' } },
  {
    name: 'a number or text',
    schema: z.union([z.int().min(1), z.string()]),
    want: { 'x-kubernetes-int-or-string': true },
  },
  {
    name: 'one or a list',
    schema: z.union([given, z.array(given)]),
    want: { 'x-kubernetes-preserve-unknown-fields': true },
  },
  {
    name: 'a default of a union',
    schema: z.union([z.literal('auto'), z.array(z.string())]).default('auto'),
    want: { default: 'auto', 'x-kubernetes-preserve-unknown-fields': true },
  },
  {
    name: 'a record',
    schema: z.record(z.string(), z.string().min(1)),
    want: { type: 'object', additionalProperties: { type: 'string', minLength: 1 } },
  },
])('structuralSchema() of $name', ({ schema, want }) => {
  expect(of(schema)).toEqual(want);
});

test('structuralSchema() makes one object of a union of objects, with a rule for each', () => {
  const schema = of(z.union([given, z.strictObject({ query: z.string(), if: z.string().optional() })]));
  expect(schema).toEqual({
    type: 'object',
    properties: {
      perReplica: { type: 'number', minimum: 0, exclusiveMinimum: true },
      // Its default would be written beside `query`, where it may not stand.
      fill: { type: 'number' },
      query: { type: 'string' },
      if: { type: 'string' },
    },
    [RULES]: [
      {
        rule: '(has(self.perReplica) && !has(self.query) && !has(self.__if__)) || (!has(self.perReplica) && !has(self.fill) && has(self.query))',
        message: 'expected exactly one of: perReplica; query',
      },
    ],
  });
});

test('structuralSchema() names the field that tells the objects of a union apart', () => {
  const by = (kind: string, field: string) => z.strictObject({ kind: z.literal(kind), [field]: z.string() });
  const schema = of(z.discriminatedUnion('kind', [by('a', 'x'), by('b', 'y')]));
  expect(schema).toMatchObject({ required: ['kind'], properties: { kind: { type: 'string', enum: ['a', 'b'] } } });
  expect((schema[RULES] as { rule: string }[])[0]!.rule).toContain('self.kind == "b" && !has(self.x) && has(self.y)');
});

test('structuralSchema() refuses what it does not know', () => {
  expect(() => structuralSchema({ type: 'string', contentEncoding: 'base64' })).toThrow('contentEncoding');
});
