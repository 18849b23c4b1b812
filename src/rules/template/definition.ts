import type { GoSample, GoSamples, GoValue } from './values.ts';
import { TemplateRunError, typeNameOf } from './values.ts';

/** What a function takes in one place. */
export type Parameter = 'any' | 'string' | 'int' | 'samples' | 'sample';

/** What templates see of the world. */
export interface TemplateWorld {
  /** PromQL at the instant of the evaluation. */
  readonly query: (expression: string) => GoSamples;
  /** The instant of the evaluation, in seconds. */
  readonly now: number;
  /** Where this server is reached, without a slash at the end; empty where it is not known. */
  readonly externalUrl: string;
}

export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** What all further arguments are. */
  readonly rest?: Parameter;
  /** @throws {TemplateRunError} In Go's words. */
  readonly call: (args: readonly GoValue[], world: TemplateWorld) => GoValue;
}

const TYPE_NAMES: Readonly<Record<Parameter, string>> = {
  ...{ any: 'interface {}', string: 'string', int: 'int' },
  ...{ samples: 'template.queryResult', sample: '*template.sample' },
};

/** A value as a parameter takes it. */
export function checkedArgument(value: GoValue, parameter: Parameter): GoValue {
  if (parameter === 'any' || fits(value, parameter)) return value;
  const wanted = TYPE_NAMES[parameter];
  if (value !== undefined)
    throw new TemplateRunError(`wrong type for value; expected ${wanted}; got ${typeNameOf(value)}`);
  if (parameter === 'samples') return { kind: 'samples', samples: [] };
  throw new TemplateRunError(`invalid value; expected ${wanted}`);
}

export function typeNameOfParameter(parameter: Parameter): string {
  return TYPE_NAMES[parameter];
}

function fits(value: GoValue, parameter: Parameter): boolean {
  switch (parameter) {
    case 'string':
      return typeof value === 'string';
    case 'int':
      return typeof value === 'bigint';
    case 'samples':
    case 'sample':
      return typeof value === 'object' && value.kind === parameter;
    case 'any':
      return true;
  }
}

/* Arguments were checked before a function is called. */

export function text(value: GoValue): string {
  return value as string;
}

export function samplesIn(value: GoValue): readonly GoSample[] {
  return value === undefined ? [] : (value as GoSamples).samples;
}

/** @throws {TemplateRunError} If there is none. */
export function sampleIn(value: GoValue): GoSample {
  if (value === undefined)
    throw new TemplateRunError('runtime error: invalid memory address or nil pointer dereference');
  return value as GoSample;
}
