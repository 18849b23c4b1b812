/**
 * The discrete Fourier transform in place, radix 2. The length of both arrays is the same power of two.
 * The inverse is not divided by the length.
 */
export function fftInPlace(re: Float64Array, im: Float64Array, inverse = false): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const swapRe = re[i]!;
    const swapIm = im[i]!;
    re[i] = re[j]!;
    im[i] = im[j]!;
    re[j] = swapRe;
    im[j] = swapIm;
  }
  const sign = inverse ? 1 : -1;
  const cosines = new Float64Array(n / 2);
  const sines = new Float64Array(n / 2);
  for (let k = 0; k < n / 2; k++) {
    cosines[k] = Math.cos((2 * Math.PI * k) / n);
    sines[k] = sign * Math.sin((2 * Math.PI * k) / n);
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    const stride = n / size;
    for (let from = 0; from < n; from += size) {
      for (let k = 0; k < half; k++) {
        const c = cosines[k * stride]!;
        const s = sines[k * stride]!;
        const a = from + k;
        const b = a + half;
        const tRe = re[b]! * c - im[b]! * s;
        const tIm = re[b]! * s + im[b]! * c;
        re[b] = re[a]! - tRe;
        im[b] = im[a]! - tIm;
        re[a] = re[a]! + tRe;
        im[a] = im[a]! + tIm;
      }
    }
  }
}

/**
 * Autocorrelation at lags 0 to `maxLag`, over pairs of which both values are known: a gap (NaN) takes part in no pair,
 * where a zero would pull every lag towards a false peak. Each lag is divided by its own number of pairs.
 * @returns NaN at lags without pairs; all zero where the values do not vary.
 */
export function maskedAutocorrelation(values: Float64Array, maxLag: number): Float64Array {
  const n = values.length;
  let sum = 0;
  let known = 0;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    sum += value;
    known++;
  }
  const mean = known > 0 ? sum / known : 0;
  let size = 1;
  while (size < n + maxLag + 1) size *= 2;
  // Values in the real part and the mask in the imaginary part would mix; two transforms keep them apart.
  const products = autoproducts(values, size, (value) => value - mean);
  const pairs = autoproducts(values, size, () => 1);
  const result = new Float64Array(maxLag + 1);
  const variance = products[0]! / Math.max(1, known);
  if (!(variance > 0)) return result;
  for (let lag = 0; lag <= maxLag; lag++) {
    const count = Math.round(pairs[lag]!);
    result[lag] = count > 0 ? products[lag]! / count / variance : Number.NaN;
  }
  return result;
}

/** Sums of f(x_t) f(x_{t+lag}) for all lags, through the power spectrum. */
function autoproducts(values: Float64Array, size: number, f: (value: number) => number): Float64Array {
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  for (let i = 0; i < values.length; i++) re[i] = Number.isNaN(values[i]!) ? 0 : f(values[i]!);
  fftInPlace(re, im);
  for (let i = 0; i < size; i++) {
    re[i] = re[i]! * re[i]! + im[i]! * im[i]!;
    im[i] = 0;
  }
  fftInPlace(re, im, true);
  for (let i = 0; i < size; i++) re[i] = re[i]! / size;
  return re;
}
