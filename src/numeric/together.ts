/** Where arrays of zeros are made that live together: each in a buffer of its own costs a few hundred bytes beside its values. */
export interface Room {
  doubles(length: number): Float64Array;
  singles(length: number): Float32Array;
}

/** A buffer of so many bytes for all of them; what does not fit in gets one of its own. */
export function roomOf(bytes: number): Room {
  const buffer = new ArrayBuffer(8 * Math.ceil(bytes / 8));
  let taken = 0;
  function placeFor(size: number): number | undefined {
    if (taken + size > buffer.byteLength) return undefined;
    const from = taken;
    taken += 8 * Math.ceil(size / 8);
    return from;
  }
  return {
    doubles(length) {
      const from = placeFor(8 * length);
      return from === undefined ? new Float64Array(length) : new Float64Array(buffer, from, length);
    },
    singles(length) {
      const from = placeFor(4 * length);
      return from === undefined ? new Float32Array(length) : new Float32Array(buffer, from, length);
    },
  };
}
