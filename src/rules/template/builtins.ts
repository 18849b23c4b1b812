import type { TemplateFunction } from './definition.ts';
import { text } from './definition.ts';
import { htmlEscape, jsEscape, queryEscape } from './escape.ts';
import { formatPlain, sprint, sprintf, sprintln } from './format.ts';
import { type GoValue, isTrue, TemplateRunError, typeNameOf } from './values.ts';

/** Go's own functions. `and` and `or` look at no more arguments than they need, which `execute` sees to. */
export const BUILTINS: Readonly<Record<string, TemplateFunction>> = {
  and: { parameters: ['any'], rest: 'any', call: (args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1) },
  or: { parameters: ['any'], rest: 'any', call: (args) => args.find(isTrue) ?? args.at(-1) },
  not: { parameters: ['any'], call: ([value]) => !isTrue(value) },
  len: { parameters: ['any'], call: ([value]) => lengthOf(value) },
  index: { parameters: ['any'], rest: 'any', call: ([item, ...indices]) => indices.reduce(indexed, item) },
  slice: { parameters: ['any'], rest: 'any', call: ([item, ...bounds]) => sliced(item, bounds) },
  print: { parameters: [], rest: 'any', call: sprint },
  println: { parameters: [], rest: 'any', call: sprintln },
  printf: { parameters: ['string'], rest: 'any', call: ([format, ...args]) => sprintf(text(format), args) },
  html: { parameters: [], rest: 'any', call: (args) => htmlEscape(joined(args)) },
  js: { parameters: [], rest: 'any', call: (args) => jsEscape(joined(args)) },
  urlquery: { parameters: [], rest: 'any', call: (args) => queryEscape(joined(args)) },
  call: {
    ...{ parameters: ['any'], rest: 'any' },
    call: ([callee]) => {
      if (callee === undefined) throw new TemplateRunError('call of nil');
      throw new TemplateRunError(`non-function ${formatPlain(callee)} of type ${typeNameOf(callee)}`);
    },
  },
  eq: { parameters: ['any'], rest: 'any', call: ([first, ...others]) => equalsAny(first, others) },
  ne: { parameters: ['any', 'any'], call: ([a, b]) => !equalsAny(a, [b]) },
  lt: { parameters: ['any', 'any'], call: ([a, b]) => isLess(a, b) },
  le: { parameters: ['any', 'any'], call: ([a, b]) => isLess(a, b) || equalsAny(a, [b]) },
  gt: { parameters: ['any', 'any'], call: ([a, b]) => !(isLess(a, b) || equalsAny(a, [b])) },
  ge: { parameters: ['any', 'any'], call: ([a, b]) => !isLess(a, b) },
};

function joined(args: readonly GoValue[]): string {
  const [first] = args;
  return args.length === 1 && typeof first === 'string' ? first : sprint(args);
}

/** Text that is marked as HTML is a text as any other. */
function unmarked(value: GoValue): GoValue {
  return typeof value === 'object' && value.kind === 'html' ? value.text : value;
}

function lengthOf(marked: GoValue): bigint {
  const value = unmarked(marked);
  if (typeof value === 'string') return BigInt(new TextEncoder().encode(value).length);
  if (typeof value === 'object' && value.kind === 'map') return BigInt(value.entries.size);
  if (typeof value === 'object' && value.kind === 'samples') return BigInt(value.samples.length);
  if (typeof value === 'object' && value.kind === 'list') return BigInt(value.items.length);
  if (value === undefined) throw new TemplateRunError('reflect: call of reflect.Value.Type on zero Value');
  throw new TemplateRunError(`len of type ${typeNameOf(value)}`);
}

function indexed(marked: GoValue, index: GoValue): GoValue {
  const item = unmarked(marked);
  if (item === undefined) throw new TemplateRunError('index of untyped nil');
  if (typeof item === 'object' && item.kind === 'map') {
    if (index === undefined) throw new TemplateRunError('value is nil; should be of type string');
    if (typeof index !== 'string') throw new TemplateRunError(`value has type ${typeNameOf(index)}; should be string`);
    return item.entries.get(index) ?? (item.ofTexts ? '' : undefined);
  }
  if (typeof item === 'string') {
    const bytes = new TextEncoder().encode(item);
    return BigInt(bytes[position(index, bytes.length - 1)]!);
  }
  if (typeof item === 'object' && item.kind === 'samples') {
    return item.samples[position(index, item.samples.length - 1)];
  }
  if (typeof item === 'object' && item.kind === 'list') return item.items[position(index, item.items.length - 1)];
  throw new TemplateRunError(`can't index item of type ${typeNameOf(item)}`);
}

function sliced(marked: GoValue, bounds: readonly GoValue[]): GoValue {
  const item = unmarked(marked);
  if (item === undefined) throw new TemplateRunError('slice of untyped nil');
  if (bounds.length > 3) throw new TemplateRunError(`too many slice indexes: ${bounds.length}`);
  const cut = (length: number): [number, number] => {
    const from = bounds.length > 0 ? position(bounds[0], length) : 0;
    const to = bounds.length > 1 ? position(bounds[1], length) : length;
    if (from > to) throw new TemplateRunError(`invalid slice index: ${from} > ${to}`);
    return [from, to];
  };
  if (typeof item === 'string') {
    if (bounds.length === 3) throw new TemplateRunError('cannot 3-index slice a string');
    const bytes = new TextEncoder().encode(item);
    return new TextDecoder().decode(bytes.slice(...cut(bytes.length)));
  }
  if (typeof item === 'object' && item.kind === 'samples') {
    return { kind: 'samples', samples: item.samples.slice(...cut(item.samples.length)) };
  }
  throw new TemplateRunError(`can't slice item of type ${typeNameOf(item)}`);
}

function position(index: GoValue, last: number): number {
  if (index === undefined) throw new TemplateRunError('cannot index slice/array with nil');
  if (typeof index !== 'bigint') throw new TemplateRunError(`cannot index slice/array with type ${typeNameOf(index)}`);
  if (index < 0n || index > BigInt(last)) throw new TemplateRunError(`index out of range: ${index}`);
  return Number(index);
}

/** An int and a float are of different kinds, and cannot be compared. */
function kindOf(value: GoValue): string {
  if (typeof value !== 'object') return typeof value;
  return value.kind === 'html' ? 'string' : value.kind === 'duration' ? 'bigint' : 'other';
}

function plainOf(value: GoValue): GoValue {
  if (typeof value !== 'object') return value;
  return value.kind === 'html' ? value.text : value.kind === 'duration' ? value.ns : value;
}

function equalsAny(first: GoValue, others: readonly GoValue[]): boolean {
  if (others.length === 0) throw new TemplateRunError('missing argument for comparison');
  return others.some((other) => {
    const [a, b] = [kindOf(first), kindOf(other)];
    if (a === 'undefined' || b === 'undefined') return a === b;
    if (a !== b) throw incompatible(first, other);
    if (a !== 'other') return plainOf(first) === plainOf(other);
    if (typeof other === 'object' && (other.kind === 'map' || other.kind === 'samples')) {
      throw new TemplateRunError(`non-comparable type ${formatPlain(other)}: ${typeNameOf(other)}`);
    }
    return first === other;
  });
}

function incompatible(a: GoValue, b: GoValue): TemplateRunError {
  return new TemplateRunError(`incompatible types for comparison: ${typeNameOf(a)} and ${typeNameOf(b)}`);
}

function isLess(first: GoValue, second: GoValue): boolean {
  const [a, b] = [kindOf(first), kindOf(second)];
  const ordered = (kind: string) => kind === 'string' || kind === 'number' || kind === 'bigint';
  if ([a, b].some((kind) => kind === 'other' || kind === 'undefined')) {
    throw new TemplateRunError('invalid type for comparison');
  }
  if (a !== b) throw incompatible(first, second);
  if (!ordered(a)) throw new TemplateRunError('invalid type for comparison');
  return (plainOf(first) as string | number | bigint) < (plainOf(second) as string | number | bigint);
}
