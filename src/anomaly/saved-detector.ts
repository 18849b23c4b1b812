import { createDetector, type DetectorState, FIRST_NUMBERS } from './detector.ts';

/** Raised with each change of what a state's bytes mean. The first had fewer numbers: it is read, as if nothing had been told of late. */
const VERSION = 2;
const FIRST_VERSION = 1;
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

/** A detector that goes on exactly as the saved one would have. Undefined for bytes of an unknown version or another length. */
export function restoreDetector(bytes: Uint8Array): DetectorState | undefined {
  if (bytes.length < HEADER) return undefined;
  const [version, told] = new Uint32Array(Uint8Array.from(bytes.subarray(0, HEADER)).buffer);
  if (version !== VERSION && version !== FIRST_VERSION) return undefined;
  const state = createDetector();
  const { numbers, cells } = state;
  const known = version === VERSION ? numbers.byteLength : FIRST_NUMBERS * numbers.BYTES_PER_ELEMENT;
  const length = HEADER + known + cells.byteLength;
  if (bytes.length !== length || told !== length) return undefined;
  new Uint8Array(numbers.buffer, numbers.byteOffset, known).set(bytes.subarray(HEADER, HEADER + known));
  new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength).set(bytes.subarray(HEADER + known));
  return state;
}
