import type { Labels } from '../model/labels.ts';

const UTF8 = new TextEncoder();

/**
 * Prometheus's hash of a label set, on which the choice of `limit_ratio` stands: xxHash64 (seed 0) over each name and
 * value with its length before it, as `model/labels/labels_stringlabels.go`, its default build, keeps them: one byte up
 * to 254, else 255 and three bytes, the lowest first.
 */
export function hashOfLabels(labels: Labels): bigint {
  const texts = labels.flatMap(([name, value]) => [UTF8.encode(name), UTF8.encode(value)]);
  const bytes: number[] = [];
  for (const text of texts) {
    if (text.length < 255) bytes.push(text.length);
    else bytes.push(255, text.length & 0xff, (text.length >> 8) & 0xff, (text.length >> 16) & 0xff);
    for (const byte of text) bytes.push(byte);
  }
  return xxHash64(Uint8Array.from(bytes));
}

const MASK = 0xffffffffffffffffn;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

/** xxHash64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
export function xxHash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash = P5;
  if (bytes.length >= 32) {
    const lanes = [(P1 + P2) & MASK, P2, 0n, -P1 & MASK];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let lane = 0; lane < 4; lane++) lanes[lane] = round(lanes[lane]!, view.getBigUint64(at + lane * 8, true));
    }
    hash = 0n;
    for (const [i, turn] of [1n, 7n, 12n, 18n].entries()) hash += rotated(lanes[i]!, turn);
    hash &= MASK;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotated(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= bytes.length) {
    hash = (rotated(hash ^ ((BigInt(view.getUint32(at, true)) * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) hash = (rotated(hash ^ ((BigInt(bytes[at]!) * P5) & MASK), 11n) * P1) & MASK;
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return (rotated((lane + input * P2) & MASK, 31n) * P1) & MASK;
}

function rotated(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK;
}
