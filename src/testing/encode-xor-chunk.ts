/** Prometheus's XOR chunk of samples, as `tsdb/chunkenc/xor.go` appends them. Bit by bit: for tests. */
export function encodeXorChunk(times: ArrayLike<number>, values: Float64Array): Uint8Array {
  const bits: number[] = [];
  const put = (value: bigint, width: number) => {
    for (let i = width - 1; i >= 0; i--) bits.push(Number((value >> BigInt(i)) & 1n));
  };
  const uvarint = (value: bigint) => {
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) put((rest & 0x7fn) | 0x80n, 8);
    put(rest, 8);
  };
  const words = new BigUint64Array(values.slice().buffer);
  put(BigInt(times.length), 16);
  let delta = 0n;
  let leading = -1;
  let trailing = 0;
  for (let i = 0; i < times.length; i++) {
    const time = BigInt(times[i]!);
    if (i === 0) {
      uvarint(time >= 0n ? time * 2n : -time * 2n - 1n);
      put(words[0]!, 64);
      continue;
    }
    const next = time - BigInt(times[i - 1]!);
    if (i === 1) uvarint(next);
    else putDifference(next - delta, put);
    delta = next;
    const xor = words[i]! ^ words[i - 1]!;
    if (xor === 0n) {
      put(0n, 1);
      continue;
    }
    const digits = xor.toString(2);
    const [newLeading, newTrailing] = [
      Math.min(31, 64 - digits.length),
      digits.length - digits.replace(/0+$/, '').length,
    ];
    if (leading >= 0 && newLeading >= leading && newTrailing >= trailing) {
      put(0b10n, 2);
    } else {
      [leading, trailing] = [newLeading, newTrailing];
      put(0b11n, 2);
      put(BigInt(leading), 5);
      put(BigInt((64 - leading - trailing) % 64), 6);
    }
    put(xor >> BigInt(trailing), 64 - leading - trailing);
  }
  while (bits.length % 8 !== 0) bits.push(0);
  return Uint8Array.from({ length: bits.length / 8 }, (_, i) =>
    bits.slice(i * 8, i * 8 + 8).reduce((byte, bit) => byte * 2 + bit, 0),
  );
}

function putDifference(difference: bigint, put: (value: bigint, width: number) => void): void {
  if (difference === 0n) {
    put(0n, 1);
    return;
  }
  for (const [prefix, ones, width] of [
    [0b10n, 2, 14],
    [0b110n, 3, 17],
    [0b1110n, 4, 20],
  ] as const) {
    const half = 1n << BigInt(width - 1);
    if (difference < -(half - 1n) || difference > half) continue;
    put(prefix, ones);
    put(BigInt.asUintN(width, difference), width);
    return;
  }
  put(0b1111n, 4);
  put(BigInt.asUintN(64, difference), 64);
}
