/** Seasons found: M4 hourly, the traces, noise, and rhythms that are not the calendar's. Run: npx tsx bench/seasons.ts [RUNS] */
import { findSeasons } from '../src/forecast/seasonality.ts';
import { HOUR, MINUTE } from '../src/model/time.ts';
import { loadM4Hourly, loadTraces } from './shared-data.ts';

const m4 = loadM4Hourly().map(({ train }) =>
  findSeasons({ start: 0, stepMs: HOUR, values: train }).map(({ length }) => length),
);
console.log(
  `M4 hourly: 24 in ${m4.filter((found) => found.includes(24)).length} of ${m4.length}, 168 in ${m4.filter((found) => found.includes(168)).length}, 12 in ${m4.filter((found) => found.includes(12)).length}`,
);
for (const { name, series } of loadTraces(5 * MINUTE)) {
  console.log(
    name.padEnd(30),
    findSeasons(series)
      .map(({ length, autocorrelation }) => `${length} (${autocorrelation.toFixed(2)})`)
      .join(' '),
  );
}
/** Series of each noise and length. */
const RUNS = Number(process.argv[2] ?? 1000);
let state = 7;
// The top bits of a linear congruential generator, mixed: its low bits have short periods, which are seasons.
const uniform = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  let bits = state ^ (state >>> 16);
  bits = Math.imul(bits, 0x45_d9_f3_b) >>> 0;
  return (((bits ^ (bits >>> 16)) >>> 0) + 0.5) / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const NOISE: Record<string, (length: number) => Float64Array> = {
  white: (length) => Float64Array.from({ length }, () => 100 + 10 * normal()),
  'AR(1) 0.9': (length) => walk(length, 0.9),
  'random walk': (length) => walk(length, 1),
  bursts: (length) => Float64Array.from({ length }, () => (uniform() < 0.02 ? 1000 * uniform() : 10 + normal())),
  'bursts that fade': (length) => {
    let at = 0;
    return Float64Array.from({ length }, () => {
      at = 0.8 * at + (uniform() < 0.02 ? 100 * uniform() : 0);
      return 10 + at + normal();
    });
  },
  'bursts that last': (length) => {
    let on = false;
    return Float64Array.from({ length }, () => {
      if (uniform() < 0.03) on = !on;
      return (on ? 100 : 10) + normal();
    });
  },
  'mostly zero': (length) => Float64Array.from({ length }, () => (uniform() < 0.05 ? Math.ceil(10 * uniform()) : 0)),
};
function walk(length: number, kept: number): Float64Array {
  let at = 0;
  return Float64Array.from({ length }, () => {
    at = kept * at + normal();
    return 1000 + at;
  });
}
for (const [name, make] of Object.entries(NOISE)) {
  for (const [stepMs, length] of [
    [HOUR, 840],
    [5 * MINUTE, 4032],
  ] as const) {
    const counts = new Map<number, number>();
    let any = 0;
    for (let run = 0; run < RUNS; run++) {
      const found = findSeasons({ start: 0, stepMs, values: make(length) });
      if (found.length > 0) any++;
      for (const season of found) counts.set(season.length, (counts.get(season.length) ?? 0) + 1);
    }
    console.log(
      `${name}, ${length} steps of ${stepMs / MINUTE} min: a season in ${any} of ${RUNS}`,
      [...counts].map(([of, count]) => `${of}: ${count}`).join(' '),
    );
  }
}

/** Rhythms of other lengths on noise, alone and beside a day and a week, with outliers, a gap and a level shift. */
for (const minutes of [40, 90, 420, 2160]) {
  for (const beside of [false, true]) {
    let hits = 0;
    const runs = 60;
    for (let run = 0; run < runs; run++) {
      const values = rhythm(minutes, { shape: run % 3, beside });
      const found = findSeasons({ start: 0, stepMs: 5 * MINUTE, values });
      if (found.some(({ length }) => length * 5 === minutes)) hits++;
    }
    console.log(`every ${minutes} min${beside ? ' beside a day and a week' : ''}: found in ${hits} of ${runs}`);
  }
}
function rhythm(
  minutes: number,
  { shape, beside }: { readonly shape: number; readonly beside: boolean },
): Float64Array {
  return Float64Array.from({ length: 8064 }, (_, t) => {
    const phase = ((5 * t) % minutes) / minutes;
    const own = [
      phase * minutes < Math.max(5, minutes / 10) ? 3 : 0,
      Math.sin(2 * Math.PI * phase),
      phase < 0.3 ? 1 : 0,
    ];
    const weekday = Math.floor((5 * t) / 1440) % 7 < 5 ? 1 : 0.4;
    const day = beside ? 6 * weekday * Math.max(-0.5, Math.sin((2 * Math.PI * t) / 288)) : 0;
    const value = 20 + 3 * own[shape]! + 2 * normal() + day + (t > 5000 ? 8 : 0);
    return t > 3000 && t < 3300 ? Number.NaN : uniform() < 0.001 ? 20 * value : value;
  });
}

const times: number[] = [];
for (const [stepMs, length] of [
  [5 * MINUTE, 8064],
  [MINUTE, 40_320],
] as const) {
  const [{ series } = { series: undefined }] = loadTraces(stepMs, ['nasa-http']);
  const values = series!.values.subarray(0, length);
  for (let run = 0; run < 10; run++) findSeasons({ start: 0, stepMs, values });
  const before = process.cpuUsage();
  for (let run = 0; run < 20; run++) findSeasons({ start: 0, stepMs, values });
  const { user, system } = process.cpuUsage(before);
  times.push((user + system) / 20_000);
}
console.log(`CPU ms a series of 8,064 and of 40,320 steps: ${times.map((time) => time.toFixed(1)).join(' and ')}`);
