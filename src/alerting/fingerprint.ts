import type { Labels } from '../model/labels.ts';

const UTF8 = new TextEncoder();

/** The 64 bits of FNV-1a over what `feed` is given, as 16 hexadecimal digits. */
function fnv(feed: (take: (byte: number) => void) => void): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  feed((byte) => {
    low = (low ^ byte) >>> 0;
    // Times 2^40 + 0x1b3, modulo 2^64.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + (low << 8) + Math.floor(product / 2 ** 32)) >>> 0;
    low = product % 2 ** 32;
  });
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/** Names a label set in 16 digits, as Alertmanager does: two servers give one alert the same name. */
export function fingerprintOf(labels: Labels): string {
  return fnv((take) => {
    for (const [name, value] of labels) {
      for (const byte of UTF8.encode(name)) take(byte);
      take(0xff);
      for (const byte of UTF8.encode(value)) take(byte);
      take(0xff);
    }
  });
}

/** 16 digits for any text. */
export function digestOf(text: string): string {
  return fnv((take) => {
    for (const byte of UTF8.encode(text)) take(byte);
  });
}
