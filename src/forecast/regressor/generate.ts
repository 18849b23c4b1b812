import type { RegularSeries } from '../../model/series.ts';
import { DAY, HOUR } from '../../model/time.ts';
import { normal } from '../../numeric/seeded-random.ts';

/**
 * A series that no one measured, of the kinds that load comes in: in logs, the sum of a day of up to four harmonics that
 * changes a little from day to day, a week, a trend, slow and fast noise and level shifts; on top of that bursts that
 * decay, jobs by the clock, renewals (on and off) or sparse counts. Each part is there with a probability.
 */
export function generateSeries(random: () => number, stepMs: number, length: number): RegularSeries {
  const chance = (share: number) => random() < share;
  const between = (low: number, high: number) => low + (high - low) * random();
  const z = new Float64Array(length);
  const day = DAY / stepMs;
  if (chance(0.75)) addDays(z, day, random, between(0.1, 1.2));
  if (chance(0.4)) addWeek(z, day, random, between(0.1, 0.6));
  if (chance(0.2)) for (let t = 0, slope = (normal(random) * 0.05) / day; t < length; t++) z[t] = z[t]! + slope * t;
  if (chance(0.6)) addAutoregression(z, random, 1 - 1 / between(2, day), between(0.02, 0.4));
  if (chance(0.25)) addAutoregression(z, random, 1, between(0.05, 0.5) / Math.sqrt(day));
  if (chance(0.3)) addShifts(z, random, between(0.1, 2) / day, between(0.1, 0.8));
  const noise = chance(0.85) ? 10 ** between(-2.5, -0.3) : 0;
  const base = 10 ** between(0, 4);
  const values = z.map((level) => base * Math.exp(Math.min(8, level + noise * normal(random))));
  if (chance(0.3)) addBursts(values, random, { rate: between(0.2, 12) / day, decay: between(1, day / 12), size: base });
  if (chance(0.25)) addJobs(values, stepMs, random, base * between(0.1, 2));
  if (chance(0.1)) applyRenewals(values, random, between(3, day), between(3, day / 2));
  if (chance(0.12)) {
    const unit = base / 10 ** between(-1, 1);
    return { start: 0, stepMs, values: values.map((value) => poisson(random, value / unit)) };
  }
  return { start: 0, stepMs, values };
}

function addDays(z: Float64Array, day: number, random: () => number, size: number): void {
  const harmonics = 1 + Math.floor(4 * random());
  const amplitudes = Array.from({ length: 2 * harmonics }, (_, k) => (normal(random) * size) / (1 + (k >> 1)));
  const wander = 0.15 * random();
  for (let t = 0; t < z.length; t++) {
    if (t > 0 && t % Math.round(day) === 0)
      for (let k = 0; k < amplitudes.length; k++) amplitudes[k] = amplitudes[k]! * (1 + wander * normal(random));
    let sum = 0;
    for (let k = 0; k < harmonics; k++) {
      const angle = (2 * Math.PI * (k + 1) * t) / day;
      sum += amplitudes[2 * k]! * Math.cos(angle) + amplitudes[2 * k + 1]! * Math.sin(angle);
    }
    z[t] = z[t]! + sum;
  }
}

function addWeek(z: Float64Array, day: number, random: () => number, size: number): void {
  const levels = Array.from({ length: 7 }, (_, weekday) => (weekday >= 5 ? -size : 0) + 0.1 * size * normal(random));
  const shift = Math.floor(7 * random());
  for (let t = 0; t < z.length; t++) z[t] = z[t]! + levels[(Math.floor(t / day) + shift) % 7]!;
}

function addAutoregression(z: Float64Array, random: () => number, kept: number, size: number): void {
  const shock = kept === 1 ? size : size * Math.sqrt(1 - kept * kept);
  let level = 0;
  for (let t = 0; t < z.length; t++) {
    level = kept * level + shock * normal(random);
    z[t] = z[t]! + level;
  }
}

function addShifts(z: Float64Array, random: () => number, rate: number, size: number): void {
  let level = 0;
  for (let t = 0; t < z.length; t++) {
    if (random() < rate) level = size * normal(random);
    z[t] = z[t]! + level;
  }
}

function addBursts(
  values: Float64Array,
  random: () => number,
  { rate, decay, size }: { readonly rate: number; readonly decay: number; readonly size: number },
): void {
  let burst = 0;
  const kept = Math.exp(-1 / decay);
  for (let t = 0; t < values.length; t++) {
    if (random() < rate) burst += size * Math.exp(normal(random));
    values[t] = values[t]! + burst;
    burst *= kept;
  }
}

function addJobs(values: Float64Array, stepMs: number, random: () => number, size: number): void {
  const every = Math.max(2, Math.round([HOUR, HOUR / 2, HOUR / 4, DAY / 4][Math.floor(4 * random())]! / stepMs));
  const phase = Math.floor(every * random());
  const lasts = 1 + Math.floor((every / 4) * random());
  for (let t = phase; t < values.length; t += every) {
    const height = size * Math.exp(0.2 * normal(random));
    for (let i = t; i < Math.min(values.length, t + lasts); i++) values[i] = values[i]! + height;
  }
}

function applyRenewals(values: Float64Array, random: () => number, meanOn: number, meanOff: number): void {
  let on = true;
  const idle = 0.2 * random();
  for (let t = 0; t < values.length; t++) {
    if (random() < 1 / (on ? meanOn : meanOff)) on = !on;
    if (!on) values[t] = values[t]! * idle;
  }
}

/** Knuth's product of uniforms for small means, the normal limit above. */
function poisson(random: () => number, mean: number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const least = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > least; product *= random()) count++;
  return count;
}
