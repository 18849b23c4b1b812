import type { HistogramValue } from '../../model/histogram-value.ts';
import { formatHistogram } from '../../promql/histograms/text.ts';

/**
 * A value as Go's templates know it: a number is a float64 and a bigint an int, which are never equal. Undefined is nil.
 */
export type GoValue =
  | undefined
  | string
  | number
  | bigint
  | boolean
  | GoMap
  | GoData
  | GoSamples
  | GoSample
  | GoList
  | { readonly kind: 'histogram'; readonly value: HistogramValue }
  | GoTime
  | GoDuration
  | { readonly kind: 'html'; readonly text: string };

export interface GoMap {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, GoValue>;
  /** Of texts alone: what is missing is the empty text. */
  readonly ofTexts: boolean;
}

/** What a template is given: `.Labels`, `.Value` and so on, in order. */
export interface GoData {
  readonly kind: 'data';
  readonly fields: ReadonlyMap<string, GoValue>;
}

export interface GoSamples {
  readonly kind: 'samples';
  readonly samples: readonly GoSample[];
}

/** A list, such as the alerts of a message, with what else may be asked of it: `.Alerts.Firing`. */
export interface GoList {
  readonly kind: 'list';
  readonly items: readonly GoValue[];
  readonly fields: ReadonlyMap<string, GoValue>;
}

export interface GoSample {
  readonly kind: 'sample';
  readonly labels: GoMap;
  readonly value: GoValue;
}

/** UTC. */
export interface GoTime {
  readonly kind: 'time';
  /** Nanoseconds since the epoch. */
  readonly ns: bigint;
}

export interface GoDuration {
  readonly kind: 'duration';
  readonly ns: bigint;
}

/** Of one text: a template of a few bytes may ask for a great many. */
export const MOST_CHARS = 1 << 20;

/** What a function is given it does not take, or a field is not there. */
export class TemplateRunError extends Error {
  override readonly name = 'TemplateRunError';
}

export function textMap(pairs: Iterable<readonly [string, string]>): GoMap {
  return { kind: 'map', entries: new Map(pairs), ofTexts: true };
}

/** The name of a value's type in Go's messages. */
export function typeNameOf(value: GoValue): string {
  if (value === undefined) return '<nil>';
  if (typeof value !== 'object')
    return { string: 'string', number: 'float64', bigint: 'int', boolean: 'bool' }[plainKind(value)];
  switch (value.kind) {
    case 'map':
      return value.ofTexts ? 'map[string]string' : 'map[string]interface {}';
    case 'data':
      return 'struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }';
    case 'samples':
      return 'template.queryResult';
    case 'sample':
      return '*template.sample';
    case 'list':
      return 'template.Alerts';
    case 'histogram':
      return '*histogram.FloatHistogram';
    case 'time':
      return '*time.Time';
    case 'duration':
      return '*time.Duration';
    case 'html':
      return 'template.HTML';
  }
}

function plainKind(value: string | number | bigint | boolean): 'string' | 'number' | 'bigint' | 'boolean' {
  return typeof value as 'string' | 'number' | 'bigint' | 'boolean';
}

/** What `if` makes of a value. */
export function isTrue(value: GoValue): boolean {
  if (typeof value !== 'object') return Boolean(value) || Number.isNaN(value);
  if (value.kind === 'map') return value.entries.size > 0;
  if (value.kind === 'samples') return value.samples.length > 0;
  if (value.kind === 'list') return value.items.length > 0;
  return value.kind !== 'html' || value.text !== '';
}

/** A field, a map's entry or a method without arguments, or undefined where there is no such. */
export function fieldOf(value: GoValue, name: string): { readonly value: GoValue } | undefined {
  if (typeof value !== 'object') return undefined;
  switch (value.kind) {
    case 'map':
      return { value: value.entries.has(name) ? value.entries.get(name) : value.ofTexts ? '' : undefined };
    case 'data':
    case 'list':
      return value.fields.has(name) ? { value: value.fields.get(name) } : undefined;
    case 'sample':
      if (name === 'Labels') return { value: value.labels };
      return name === 'Value' ? { value: value.value } : undefined;
    case 'histogram': {
      const { sum, count, zeroCount, zeroThreshold } = value.value;
      const numbers: Record<string, GoValue> = {
        ...{ Sum: sum, Count: count, ZeroCount: zeroCount, ZeroThreshold: zeroThreshold },
        String: formatHistogram(value.value),
      };
      return Object.hasOwn(numbers, name) ? { value: numbers[name] } : undefined;
    }
    default:
      return undefined;
  }
}
