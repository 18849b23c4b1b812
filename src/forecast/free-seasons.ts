import { median } from 'simple-statistics';
import { fftInPlace } from '../numeric/fft.ts';

/** A period that the spectrum hints at. */
export interface SpectralPeak {
  /** In steps, not whole. */
  readonly period: number;
  /** Power over that of its surroundings. */
  readonly power: number;
}

/** Cycles that a free season must have: a wandering series has a few large swings of any length. */
const LEAST_CYCLES = 6;
/**
 * Where there is no season, power over its mean in the neighbourhood is exponentially distributed: among n bins the
 * largest exceeds ln(n / q) with probability q.
 */
const FALSE_HINTS = 0.01;
/** Bands per octave over which the spectrum of what surrounds a season is taken to be even. */
const BANDS_PER_OCTAVE = 2;
/** The median of an exponential distribution over its mean. */
const MEDIAN_SHARE = Math.LN2;

/**
 * Periods at which the spectrum stands out from its surroundings, strongest first (the hints of Autoperiod, Vlachos et al.
 * 2005, with an analytic threshold instead of permutations, and against the spectrum's own slope instead of white noise,
 * since demand wanders).
 *
 * @param z Without trend; NaN in gaps.
 * @param leastSteps Shortest period to look for.
 */
export function spectralPeaks(z: Float64Array, leastSteps: number): readonly SpectralPeak[] {
  let size = 64;
  while (size < z.length) size *= 2;
  const power = powerOf(z, size);
  const from = Math.ceil((LEAST_CYCLES * size) / z.length);
  const to = Math.min(size / 2 - 1, Math.floor(size / leastSteps));
  if (to - from < 16) return [];
  const background = backgroundOf(power, from, to);
  const threshold = Math.log((to - from) / FALSE_HINTS);
  const peaks: SpectralPeak[] = [];
  for (let k = from; k <= to; k++) {
    const ratio = power[k]! / background[k]!;
    if (!(ratio > threshold) || power[k]! < power[k - 1]! || power[k]! < power[k + 1]!) continue;
    peaks.push({ period: size / refined(power, k), power: ratio });
  }
  return peaks.sort((a, b) => b.power - a.power);
}

/** Hann's window keeps a strong season from spilling over all others. */
function powerOf(z: Float64Array, size: number): Float64Array {
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  for (let i = 0; i < z.length; i++) {
    const value = z[i]!;
    if (!Number.isNaN(value)) re[i] = value * (0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / z.length));
  }
  fftInPlace(re, im);
  return Float64Array.from({ length: size / 2 + 1 }, (_, k) => re[k]! * re[k]! + im[k]! * im[k]!);
}

/** The mean power expected at each bin: medians of bands of equal ratio, joined by straight lines in logarithms. */
function backgroundOf(power: Float64Array, from: number, to: number): Float64Array {
  const at: number[] = [];
  const level: number[] = [];
  for (let low = from; low <= to; ) {
    const high = Math.min(to + 1, Math.max(low + 9, Math.ceil(low * 2 ** (1 / BANDS_PER_OCTAVE))));
    at.push(Math.log((low + high - 1) / 2));
    level.push(Math.log(median(Array.from(power.subarray(low, high))) / MEDIAN_SHARE + Number.MIN_VALUE));
    low = high;
  }
  const out = new Float64Array(power.length);
  let band = 0;
  for (let k = from; k <= to; k++) {
    const x = Math.log(k);
    while (band < at.length - 2 && x > at[band + 1]!) band++;
    const next = Math.min(band + 1, at.length - 1);
    const share = next > band ? (x - at[band]!) / (at[next]! - at[band]!) : 0;
    out[k] = Math.exp(level[band]! + Math.max(-0.5, Math.min(1.5, share)) * (level[next]! - level[band]!));
  }
  return out;
}

/** The peak between bins: the vertex of a parabola through the logarithms of three, as a Gaussian lobe has it. */
function refined(power: Float64Array, k: number): number {
  const [before, here, after] = [power[k - 1]!, power[k]!, power[k + 1]!].map((x) => Math.log(x + Number.MIN_VALUE));
  const bend = before! - 2 * here! + after!;
  return bend < 0 ? k + Math.max(-0.5, Math.min(0.5, (0.5 * (before! - after!)) / bend)) : k;
}
