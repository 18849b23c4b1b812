import type { Request } from 'express';
import { parseDuration, parseInstant } from '../model/time.ts';
import { BadParameterError } from './errors.ts';

/** Names and values in order, as sent: of the address, then of a form. */
export type Parameters = URLSearchParams;

const MAX_PARAMETERS = 1000;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** The instants that a JavaScript date can have: 271,821 years to both sides of 1970. */
const MAX_MILLIS = 8.64e15;

/** The parameters of a GET, or of a POST form: the same for both. The form comes first, as in Go. */
export function parametersOf(request: Request): Parameters {
  const address = request.originalUrl;
  const at = address.indexOf('?');
  const inAddress = at === -1 ? '' : address.slice(at + 1);
  const form = typeof request.body === 'string' ? request.body : '';
  const text = form === '' ? inAddress : inAddress === '' ? form : `${form}&${inAddress}`;
  checkEscapes(text);
  const parameters = new URLSearchParams(text);
  if (parameters.size > MAX_PARAMETERS) throw new BadParameterError('*', `more than ${MAX_PARAMETERS} parameters`);
  return parameters;
}

/** Those of the address alone: the body is a document. */
export function parametersInAddress({ originalUrl }: Pick<Request, 'originalUrl'>): Parameters {
  const at = originalUrl.indexOf('?');
  const text = at === -1 ? '' : originalUrl.slice(at + 1);
  checkEscapes(text);
  return new URLSearchParams(text);
}

/** A query, which may be empty: the parser says what is wrong with it then. */
export function queryText(parameters: Parameters): string {
  return parameters.get('query') ?? '';
}

export function requiredText(parameters: Parameters, name: string): string {
  const text = parameters.get(name);
  if (text === null || text === '') throw new BadParameterError(name, 'it is missing');
  return text;
}

/** An instant: epoch seconds with fractions, or RFC 3339. */
export function instantOf(parameters: Parameters, name: string, otherwise?: number): number {
  const text = parameters.get(name);
  if (text === null || text === '') {
    if (otherwise !== undefined) return otherwise;
    throw new BadParameterError(name, 'cannot parse "" to a valid timestamp');
  }
  try {
    const instant = FLOAT.test(text) ? Math.round(Number(text) * 1000) : parseInstant(text);
    if (Math.abs(instant) <= MAX_MILLIS) return instant;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new BadParameterError(name, `cannot parse ${quoted(text)} to a valid timestamp`);
}

/** A length of time: seconds with fractions, or `5m`. In milliseconds. */
export function durationOf(parameters: Parameters, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === '') return undefined;
  try {
    const length = FLOAT.test(text) ? Math.round(Number(text) * 1000) : parseDuration(text);
    if (Math.abs(length) <= MAX_MILLIS) return length;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new BadParameterError(name, `cannot parse ${quoted(text)} to a valid duration`);
}

/** A whole number. Undefined where it is not given or, as in Prometheus, where it is 0. */
export function limitOf(parameters: Parameters, name = 'limit'): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw new BadParameterError(name, `${quoted(text)} is not a whole number of zero or more`);
  return Number(text) === 0 ? undefined : Number(text);
}

/** Refuses parameters that the route does not have: own routes are strict. */
export function onlyParameters(parameters: Parameters, known: readonly string[]): void {
  for (const name of parameters.keys()) {
    if (!known.includes(name)) {
      const expected = known.length === 0 ? 'none is expected' : `expected ${known.join(', ')}`;
      throw new BadParameterError(name.slice(0, 80), `it is not known (${expected})`);
    }
  }
}

function checkEscapes(text: string): void {
  try {
    decodeURIComponent(text);
  } catch (error) {
    throw new BadParameterError('*', 'a percent sign is not followed by the code of a UTF-8 character', {
      cause: error,
    });
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 100 ? text : `${text.slice(0, 100)}…`);
}
