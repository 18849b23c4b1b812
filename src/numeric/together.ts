/** Arrays of zeros in one buffer: each array of its own costs a few hundred bytes beside its values. */
export function zerosTogether(...lengths: readonly number[]): readonly Float64Array[] {
  const all = new Float64Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return all.subarray(at - length, at);
  });
}
