import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { fileTrouble } from './read-text.ts';
import { UsageError } from './usage-error.ts';

/** A part of a text that ends where a line does. */
export interface TextPiece {
  readonly text: string;
  /** Lines before it. */
  readonly linesBefore: number;
  readonly isLast: boolean;
}

const PIECE_CHARS = 1 << 20;
/** A line that is longer is no line of any of our formats. */
const MOST_CHARS = 64 << 20;

/**
 * Reads a file, or standard input where it is `-`, in pieces of whole lines. Gzip is known by its first bytes.
 * @param isWhole Whether a piece may end where it does: a text in quotes may hold a line break.
 * @throws {UsageError} If it cannot be read, is not UTF-8, or has no line breaks.
 */
export async function* readPieces(
  path: string,
  isWhole: (text: string) => boolean = () => true,
): AsyncGenerator<TextPiece> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let held = '';
  let linesBefore = 0;
  try {
    for await (const bytes of unpacked(path)) {
      held += decoder.decode(bytes, { stream: true });
      if (held.length < PIECE_CHARS) continue;
      const end = held.lastIndexOf('\n') + 1;
      const text = held.slice(0, end);
      if (end === 0 || !isWhole(text)) {
        if (held.length <= MOST_CHARS) continue;
        throw new UsageError(`${nameOf(path)}:${linesBefore + 1}: a line has no end within ${MOST_CHARS} characters`);
      }
      yield { text, linesBefore, isLast: false };
      linesBefore += linesIn(text);
      held = held.slice(end);
    }
    held += decoder.decode();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why =
      error instanceof TypeError
        ? `line ${linesBefore + linesIn(held) + 1} or one of the next is not UTF-8`
        : fileTrouble(error);
    throw new UsageError(`cannot read ${nameOf(path)}: ${why}`, { cause: error });
  }
  yield { text: held, linesBefore, isLast: true };
}

export function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}

function linesIn(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}

async function* unpacked(path: string): AsyncGenerator<Uint8Array> {
  const source: AsyncIterable<Uint8Array> = path === '-' ? process.stdin : createReadStream(path);
  const parts = source[Symbol.asyncIterator]();
  let first = new Uint8Array() as Uint8Array;
  while (first.length < 2) {
    const next = await parts.next();
    if (next.done === true) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield first;
    for (let next = await parts.next(); next.done !== true; next = await parts.next()) yield next.value;
  }
  if (first[0] !== 0x1f || first[1] !== 0x8b) {
    yield* all();
    return;
  }
  const packed = Readable.from(all());
  const text = createGunzip();
  packed.on('error', (error) => text.destroy(error));
  yield* packed.pipe(text);
}
