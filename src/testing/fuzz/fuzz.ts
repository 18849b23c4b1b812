import { isDeepStrictEqual } from 'node:util';
import { getHeapStatistics, serialize } from 'node:v8';
import { CodedError } from '../../model/errors.ts';
import { seededRandom } from '../../numeric/seeded-random.ts';
import { join, type Material, mutated, type Random, randomBytes } from './mutate.ts';

/** Something that reads bytes of others. */
export interface FuzzedDecoder extends Material {
  readonly name: string;
  /**
   * Decodes, and answers with all that was read, in copies.
   * @param bytes Part of a larger buffer: what is around it differs each time and must make no difference.
   * @param behind What to put behind them where they are copied.
   */
  decode(bytes: Uint8Array, behind: Uint8Array): unknown;
  /** In place of the usual changes. */
  readonly mutate?: (random: Random) => Uint8Array;
  /** Errors that it may answer with, beside those with a code. */
  readonly refuses?: (error: Error) => boolean;
  /** Of the heap, for an input, where what is called is more than a decoder. */
  readonly heapBytes?: number;
  /** Memory that it holds beside the heap. */
  readonly memoryBytes?: () => number;
  /** What is left of it is checked: called now and then, and at the end. */
  readonly verify?: () => void | Promise<void>;
}

export interface FuzzOptions {
  readonly count: number;
  readonly seed: number;
  /** The first input: an earlier run of the seed did those before it. */
  readonly from?: number;
  readonly onProgress?: (done: number) => void;
}

export interface FuzzReport {
  readonly inputs: number;
  /** Those that were read to the end. */
  readonly read: number;
  /** By decoder: the input that took longest, in milliseconds of the processor. */
  readonly slowest: ReadonlyMap<string, { readonly ms: number; readonly input: number; readonly bytes: number }>;
}

/** An input that broke a law, to be tried again with `fuzzOne`. */
class BrokenLawError extends Error {
  constructor(decoder: string, input: number, bytes: Uint8Array, law: string, cause?: unknown) {
    const shown = Buffer.from(bytes.subarray(0, 200)).toString('base64');
    super(`${decoder}: input ${input} of ${bytes.length} bytes ${law}; it begins (base64) ${shown}`, { cause });
  }
}

/** What nobody may throw, whatever its class: the engine's own limits. */
const EXHAUSTED = /call stack|array length|array buffer|allocation|out of memory|string length|memory access/i;
const SURROUNDINGS = 64;
/** Garbage of one input, with room for what others leave at the same time. */
const HEAP_BYTES = 32 << 20;
const HEAP_PER_BYTE = 1_024;
const MEMORY_BYTES = 4 << 20;
const MEMORY_PER_BYTE = 128;
const VERIFY_EVERY = 2_000;

/**
 * Gives mutated bodies to decoders in turn. Input `i` of a seed is always the same.
 * @throws {BrokenLawError} If one crashes, answers with an error that is not its own, depends on what is around the
 *   bytes, takes memory out of proportion, or leaves something damaged.
 */
export async function fuzz(decoders: readonly FuzzedDecoder[], options: FuzzOptions): Promise<FuzzReport> {
  const { count, seed, from = 0, onProgress } = options;
  const slowest = new Map<string, { ms: number; input: number; bytes: number }>();
  let read = 0;
  for (let input = from; input < count; input++) {
    const decoder = decoders[input % decoders.length]!;
    const began = process.cpuUsage();
    const { bytes, isRead } = await fuzzOne(decoder, seed, input);
    // Of the processor, and for both times that it is decoded: a busy machine says nothing of an input.
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1_000;
    if (isRead) read++;
    if (ms > (slowest.get(decoder.name)?.ms ?? 0)) slowest.set(decoder.name, { ms, input, bytes });
    if ((input + 1) % VERIFY_EVERY === 0) {
      await verifyAll(decoders, input);
      onProgress?.(input + 1);
    }
  }
  await verifyAll(decoders, count);
  return { inputs: count - from, read, slowest };
}

/** One input, and whether it was read to the end. */
async function fuzzOne(
  decoder: FuzzedDecoder,
  seed: number,
  input: number,
): Promise<{ readonly bytes: number; readonly isRead: boolean }> {
  // Neighbouring seeds of the generator are unrelated, so inputs may be numbered.
  const random = seededRandom((Math.imul(seed, 2_654_435_761) + input) >>> 0);
  const bytes = decoder.mutate?.(random) ?? mutated(random, decoder);
  const broken = (law: string, cause?: unknown) => new BrokenLawError(decoder.name, input, bytes, law, cause);
  const memory = decoder.memoryBytes?.() ?? 0;
  const heap = heapBytes();
  const first = await answerOf(decoder, random, bytes, broken);
  const grown = heapBytes() - heap;
  if (grown > (decoder.heapBytes ?? HEAP_BYTES) + HEAP_PER_BYTE * bytes.length)
    throw broken(`took ${grown} bytes of the heap`);
  const held = (decoder.memoryBytes?.() ?? 0) - memory;
  if (held > MEMORY_BYTES + MEMORY_PER_BYTE * bytes.length) throw broken(`took ${held} bytes of memory`);
  const second = await answerOf(decoder, random, bytes, broken);
  if (!Buffer.from(first.digest).equals(second.digest) && !isDeepStrictEqual(first.found, second.found)) {
    throw broken('was read as something else where other bytes are around it');
  }
  return { bytes: bytes.length, isRead: first.isRead };
}

async function answerOf(
  decoder: FuzzedDecoder,
  random: Random,
  bytes: Uint8Array,
  broken: (law: string, cause?: unknown) => BrokenLawError,
): Promise<{ readonly found: unknown; readonly digest: Uint8Array; readonly isRead: boolean }> {
  const behind = randomBytes(random, SURROUNDINGS);
  const around = join(randomBytes(random, SURROUNDINGS), bytes, behind);
  try {
    const found = await decoder.decode(around.subarray(SURROUNDINGS, SURROUNDINGS + bytes.length), behind);
    return { found, digest: serialize(found), isRead: true };
  } catch (error) {
    if (!(error instanceof Error)) throw broken('threw what is no error', error);
    const isOwn = error instanceof CodedError || decoder.refuses?.(error) === true;
    if (!isOwn || EXHAUSTED.test(error.message)) throw broken(`threw ${error.name}: ${error.message}`, error);
    return { found: undefined, digest: serialize(`${error.name} ${error.message}`), isRead: false };
  }
}

async function verifyAll(decoders: readonly FuzzedDecoder[], input: number): Promise<void> {
  for (const decoder of decoders) {
    try {
      await decoder.verify?.();
    } catch (error) {
      throw new BrokenLawError(decoder.name, input, new Uint8Array(), 'left something damaged', error);
    }
  }
}

/** Of objects and array buffers, with garbage that was not collected yet. */
function heapBytes(): number {
  const { used_heap_size: used, external_memory: external } = getHeapStatistics();
  return used + external;
}
