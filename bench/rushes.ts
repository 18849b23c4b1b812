/**
 * Rushes by the clock, which demand has and the shared traces lack: 28 days at steps of a minute, the last seven judged.
 * The 0.95 quantile of the largest demand within five minutes, before rushes and at all other times, beside the largest
 * of the same five minutes a day before. Run: npx tsx bench/rushes.ts
 */
import { fitForecaster } from '../src/forecast/forecaster.ts';
import { DAY, MINUTE } from '../src/model/time.ts';
import { seededRandom } from '../src/numeric/seeded-random.ts';

interface Rush {
  readonly name: string;
  /** How much it adds to a usual demand of about one, and the spread of that over the days as a share of it. */
  readonly size: number;
  readonly sizeSpread?: number;
  /** Minutes until it is there, until a third is left, and by which it comes earlier or later at most. */
  readonly attack: number;
  readonly decay: number;
  readonly jitter?: number;
  readonly days?: readonly number[];
  readonly noise?: number;
}

const RUSHES: readonly Rush[] = [
  { name: 'daily, doubles', size: 0.7, attack: 1.5, decay: 30 },
  { name: 'daily, threefold within a minute', size: 1.6, attack: 0.5, decay: 15 },
  { name: 'daily, small', size: 0.2, attack: 1.5, decay: 30 },
  { name: 'daily, up to 3 min early or late', size: 0.9, attack: 1, decay: 30, jitter: 3 },
  { name: 'daily, of uneven size', size: 0.8, sizeSpread: 0.5, attack: 1.5, decay: 30 },
  { name: 'daily, in noise of 12 %', size: 0.8, attack: 1.5, decay: 30, noise: 0.12 },
  { name: 'five days a week', size: 0.8, attack: 1, decay: 60, days: [0, 1, 2, 3, 4] },
  { name: 'once a week', size: 0.8, attack: 1, decay: 60, days: [0] },
];

const DAYS = 28;
const PER_DAY = DAY / MINUTE;
const JUDGED = 7 * PER_DAY;
const RUSH_AT = 18 * 60;
const WINDOW = 5;
const ALL_DAYS = [0, 1, 2, 3, 4, 5, 6];

function demandOf(rush: Rush): Float64Array {
  const { size, sizeSpread = 0.1, attack, decay, jitter = 0, days = ALL_DAYS, noise = 0.03 } = rush;
  const random = seededRandom(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const each = Array.from({ length: DAYS }, (_, day) => ({
    late: jitter * (2 * random() - 1),
    size: days.includes(day % 7) ? size * Math.max(0, 1 + sizeSpread * normal()) : 0,
  }));
  let [fast, slow] = [0, 0];
  return Float64Array.from({ length: DAYS * PER_DAY }, (_, minute) => {
    fast = 0.7 * fast + 0.7 * noise * normal();
    slow = 0.995 * slow + 0.1 * noise * normal();
    const { late, size: today } = each[Math.floor(minute / PER_DAY)]!;
    const since = (minute % PER_DAY) - RUSH_AT - late;
    const rushing = since > 0 ? today * (1 - Math.exp(-since / attack)) * Math.exp(-since / decay) : 0;
    const hour = (minute % PER_DAY) / 60;
    return 1000 * (0.5 + 0.5 * Math.exp(-(((hour - 14) / 4) ** 2) / 2) + rushing) * Math.exp(fast + slow);
  });
}

interface Tally {
  count: number;
  covered: number;
  short: number;
  pinball: number;
  peaks: number;
}

function add(tally: Tally, quantile: number, peak: number): void {
  tally.count++;
  tally.peaks += peak;
  if (peak <= quantile) tally.covered++;
  tally.short += Math.max(0, peak - quantile) / peak;
  tally.pinball += peak > quantile ? 0.95 * (peak - quantile) : 0.05 * (quantile - peak);
}

function told({ count, covered, short, pinball, peaks }: Tally): string {
  return `${(covered / count).toFixed(2)}  ${(short / count).toFixed(3)}  ${(pinball / peaks).toFixed(4)}`;
}

const empty = (): Tally => ({ count: 0, covered: 0, short: 0, pinball: 0, peaks: 0 });

console.log('each: covered, mean shortfall over the peak, pinball at 0.95 over the mean peak');
console.log(`${''.padEnd(34)} before a rush           as yesterday            else`);
for (const rush of RUSHES) {
  const values = demandOf(rush);
  const { days = ALL_DAYS } = rush;
  const cut = values.length - JUDGED;
  const options = { horizonSteps: 60, peakWindowMs: WINDOW * MINUTE, quantiles: [0.95] };
  const fit = fitForecaster({ start: 20_000 * DAY, stepMs: MINUTE, values: values.slice(0, cut) }, options);
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  const [before, yesterday, otherwise] = [empty(), empty(), empty()];
  for (let t = cut; t + WINDOW < values.length; t++) {
    fit.forecaster.update(values.subarray(t, t + 1));
    if (t % PER_DAY === 0) fit.forecaster.refit();
    const off = (t % PER_DAY) - RUSH_AT;
    const isNear = days.includes(Math.floor(t / PER_DAY) % 7) && off >= -6 && off <= 3;
    const peak = Math.max(...values.subarray(t + 1, t + 1 + WINDOW));
    const isBefore = isNear && peak > 1.15 * values[t]!;
    if (!isBefore && (isNear || t % 7 > 0)) continue;
    const quantile = fit.forecaster.predict().peak.quantiles[0]!.value;
    add(isBefore ? before : otherwise, quantile, peak);
    if (isBefore) add(yesterday, Math.max(...values.subarray(t + 1 - PER_DAY, t + 1 + WINDOW - PER_DAY)), peak);
  }
  console.log(`${rush.name.padEnd(34)} ${told(before)}   ${told(yesterday)}   ${told(otherwise)}`);
}
