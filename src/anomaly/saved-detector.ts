import { type DetectorState, STATE_CELLS, STATE_NUMBERS } from './detector.ts';
import { blankMemory } from './memory.ts';

/** Raised with each change of what a state's bytes mean; a state of another version is learnt anew. */
const VERSION = 1;
/** Version and length, written in this machine's order of bytes: bytes of a machine with the other order are refused. */
const HEADER = 8;

/** All that a detector knows, to be kept. About 3 kB. */
export function saveDetector({ numbers, cells }: DetectorState): Uint8Array {
  const bytes = new Uint8Array(HEADER + numbers.byteLength + cells.byteLength);
  new Uint32Array(bytes.buffer, 0, 2).set([VERSION, bytes.length]);
  bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), HEADER);
  bytes.set(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength), HEADER + numbers.byteLength);
  return bytes;
}

/** A detector that goes on exactly as the saved one would have. Undefined for bytes of another version or length. */
export function restoreDetector(bytes: Uint8Array): DetectorState | undefined {
  const state = blankMemory(STATE_NUMBERS, STATE_CELLS);
  const { numbers, cells } = state;
  const length = HEADER + numbers.byteLength + cells.byteLength;
  if (bytes.length !== length) return undefined;
  const [version, told] = new Uint32Array(Uint8Array.from(bytes.subarray(0, HEADER)).buffer);
  if (version !== VERSION || told !== length) return undefined;
  new Uint8Array(numbers.buffer).set(bytes.subarray(HEADER));
  return state;
}
