import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { createLive, type LiveState } from './live.ts';

/** Changes whenever a state of before means something else. The first had no number, and no more than `keptAt` is used of it. */
const VERSION = 2;

interface StoredLive extends Omit<LiveState, 'seen'> {
  readonly version: number;
  readonly seen: Omit<LiveState['seen'], 'last' | 'most'> & { readonly last: string; readonly most: string };
}

/** The state as JSON, its cells as 32-bit floats in base64. */
export function encodeLive(state: LiveState): Uint8Array {
  const { last, most, ...seen } = state.seen;
  const stored: StoredLive = { ...state, version: VERSION, seen: { ...seen, last: packed(last), most: packed(most) } };
  return encodeJson(stored);
}

/** The state as it was kept; a new one where there is none, it is of another version, or the step is another now. */
export function decodeLive(bytes: Uint8Array | undefined, stepMs: number): LiveState {
  const empty = createLive(stepMs);
  if (bytes === undefined) return empty;
  const { version, ...stored } = decodeJson<StoredLive>(bytes);
  if (version !== VERSION) return { ...empty, keptAt: stored.keptAt ?? 0 };
  const { last, most, ...seen } = stored.seen;
  const cells = { last: unpacked(last), most: unpacked(most) };
  if (seen.cellMs !== empty.seen.cellMs || cells.last.length !== empty.seen.last.length) {
    return { ...empty, keptAt: stored.keptAt };
  }
  return { ...stored, seen: { ...seen, ...cells } };
}

function packed(cells: Float32Array): string {
  return Buffer.from(cells.buffer, cells.byteOffset, cells.byteLength).toString('base64');
}

function unpacked(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}
