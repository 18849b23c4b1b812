import type { Request } from 'express';
import { parseDocument } from 'yaml';
import { UnreadableBodyError } from './errors.ts';

/** A policy's schema is seven levels deep. */
const MAX_DEPTH = 100;

/**
 * A body that was read as text, as JSON, or as YAML, which JSON is as well.
 * @param what Names the document in messages.
 * @throws {UnreadableBodyError} If it is empty, broken or nested too deeply.
 */
export function readDocument(request: Request, what: string): unknown {
  const text = typeof request.body === 'string' ? request.body : '';
  if (text.trim() === '') throw new UnreadableBodyError(`cannot read ${what}: the body is empty`);
  if (nestingOf(text) > MAX_DEPTH) throw new UnreadableBodyError(`cannot read ${what}: it is nested too deeply`);
  if (request.is('json') === 'json') {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new UnreadableBodyError(`cannot read ${what} as JSON: ${(error as Error).message}`, { cause: error });
    }
  }
  try {
    const document = parseDocument(text, { prettyErrors: true });
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const message = (error as Error).message.split('\n', 1)[0];
    throw new UnreadableBodyError(`cannot read ${what} as YAML: ${message}`, { cause: error });
  }
}

/** An upper bound of the depth of a document: brackets that are open, and dashes and indents of a line. */
function nestingOf(text: string): number {
  let open = 0;
  let deepest = 0;
  for (const line of text.split('\n')) {
    const lead = /^[ -]*/.exec(line)?.[0].length ?? 0;
    for (const letter of line) {
      if (letter === '[' || letter === '{') open++;
      else if (letter === ']' || letter === '}') open--;
      deepest = Math.max(deepest, open + lead / 2);
    }
  }
  return deepest;
}
