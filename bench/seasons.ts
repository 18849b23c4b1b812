/** Seasons found: M4 hourly, the traces, and noise. Run: npx tsx bench/seasons.ts */
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
let seed = 7;
const uniform = () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
  return (seed + 1) / (2 ** 31 + 1);
};
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const NOISE: Record<string, (length: number) => Float64Array> = {
  white: (length) => Float64Array.from({ length }, () => 100 + 10 * normal()),
  'AR(1) 0.9': (length) => walk(length, 0.9),
  'random walk': (length) => walk(length, 1),
  bursts: (length) => Float64Array.from({ length }, () => (uniform() < 0.02 ? 1000 * uniform() : 10 + normal())),
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
    const runs = 300;
    let any = 0;
    for (let run = 0; run < runs; run++) {
      const found = findSeasons({ start: 0, stepMs, values: make(length) });
      if (found.length > 0) any++;
      for (const season of found) counts.set(season.length, (counts.get(season.length) ?? 0) + 1);
    }
    console.log(
      `${name}, ${length} steps of ${stepMs / MINUTE} min: a season in ${any} of ${runs}`,
      [...counts].map(([length, count]) => `${length}: ${count}`).join(' '),
    );
  }
}
