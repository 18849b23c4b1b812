/**
 * What the calendar does for the forecast. Run: npx tsx bench/calendar.ts [holidays] [clock]
 *
 * holidays: bike trips of Washington DC by the hour (naive local time), public holidays of US-DC; each holiday is
 * forecast from the days before it, with the holidays known and not. clock: the same trips at their true instants.
 */
import Holidays from 'date-holidays';
import { type SpecialTime, zoneOffsets } from '../src/forecast/calendar.ts';
import { type Forecaster, fitForecaster } from '../src/forecast/forecaster.ts';
import type { RegularSeries } from '../src/model/series.ts';
import { DAY, formatInstant, HOUR, WEEK } from '../src/model/time.ts';
import { loadTraces } from './shared-data.ts';

const ZONE = 'America/New_York';
const HORIZON = 24;
const EVERY = 3;

function holidaysOf(region: readonly [string, string], years: readonly number[]): readonly SpecialTime[] {
  const calendar = new Holidays(...region);
  return years
    .flatMap((year) => calendar.getHolidays(year))
    .filter(({ type }) => type === 'public')
    .map(({ name, date }) => {
      const start = Date.parse(`${date.slice(0, 10)}T00:00:00Z`);
      return { kind: 'day' as const, source: 'holidays', name, start, end: start + DAY };
    });
}

interface Errors {
  sum: number;
  signed: number;
  count: number;
  below: number;
  inside: number;
}

function empty(): Errors {
  return { sum: 0, signed: 0, count: 0, below: 0, inside: 0 };
}

/** Forecasts `days` days from `first` on, every three hours, and adds the errors up by the day that they belong to. */
function roll(
  series: RegularSeries,
  first: number,
  historyMs: number,
  options: object,
  errors: readonly Errors[],
): void {
  const at = (first - DAY - series.start) / HOUR;
  const from = Math.max(0, at - historyMs / HOUR);
  const history = { start: series.start + from * HOUR, stepMs: HOUR, values: series.values.subarray(from, at) };
  const fit = fitForecaster(history, { horizonSteps: HORIZON, peakWindowMs: HOUR, ...options });
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  rollOn(fit.forecaster, series, at, first, errors);
}

function rollOn(
  forecaster: Forecaster,
  { values, start }: RegularSeries,
  from: number,
  first: number,
  errors: readonly Errors[],
): void {
  const end = (first - start) / HOUR + 24 * errors.length;
  for (let at = from; at < end; at += EVERY) {
    const { point, quantiles } = forecaster.predict();
    const path = (q: number) => quantiles.find(({ quantile }) => quantile === q)!.values;
    const [low, high, upper] = [path(0.025), path(0.975), path(0.95)];
    point.forEach((value, h) => {
      const day = Math.floor((start + (at + h) * HOUR - first) / DAY);
      const truth = values[at + h]!;
      const into = errors[day];
      if (day < 0 || into === undefined || !Number.isFinite(truth)) return;
      into.sum += Math.abs(value - truth);
      into.signed += value - truth;
      into.count++;
      if (truth <= upper[h]!) into.below++;
      if (truth >= low[h]! && truth <= high[h]!) into.inside++;
    });
    forecaster.update(values.subarray(at, at + EVERY));
    if ((at - from) % 24 === 21) forecaster.refit();
  }
}

function tell(name: string, errors: readonly Errors[]): void {
  const cells = errors.map(
    ({ sum, signed, count, below, inside }) =>
      `MAE ${(sum / count).toFixed(1)} bias ${(signed / count).toFixed(1)} below q0.95 ${(below / count).toFixed(3)} inside 95 % ${(inside / count).toFixed(3)}`,
  );
  console.log(`${name.padEnd(34)} ${cells.join('  |  ')}`);
}

function measureHolidays(series: RegularSeries): void {
  const specials = holidaysOf(['US', 'DC'], [2016, 2017, 2018, 2019]);
  const calendar = { offsets: [{ from: 0, offsetMs: 0 }], specials };
  const judged = specials.filter(({ start }) => start > series.start + 60 * DAY && start < series.start + 960 * DAY);
  console.log(`${judged.length} holidays; then the day after, then the one after that`);
  for (const days of [28, 120, 400]) {
    const blind = [empty(), empty(), empty()];
    const aware = [empty(), empty(), empty()];
    const week = [empty(), empty(), empty()];
    for (const { name, start } of judged) {
      const own = [
        [empty(), empty(), empty()],
        [empty(), empty(), empty()],
      ] as const;
      roll(series, start, days * DAY, {}, own[0]);
      roll(series, start, days * DAY, { calendar }, own[1]);
      if (process.argv.includes('each')) {
        const mae = (errors: readonly Errors[]) => errors.map(({ sum, count }) => (sum / count).toFixed(0)).join('/');
        console.log(formatInstant(start).slice(0, 10), name.padEnd(30), mae(own[0]), mae(own[1]));
      }
      for (const [i, into] of [blind, aware].entries())
        own[i]!.forEach((errors, day) => {
          for (const key of Object.keys(errors) as (keyof Errors)[]) into[day]![key] += errors[key];
        });
      if (days === 28) roll(series, start + 2 * WEEK, days * DAY, { calendar }, week);
    }
    tell(`history ${days} d, without`, blind);
    tell(`history ${days} d, with`, aware);
    if (days === 28) tell('the same days two weeks later', week);
  }
}

/** The same trips at their true instants: each change of the clock, with the zone and without. */
function measureClock(naive: RegularSeries): void {
  const end = naive.start + naive.values.length * HOUR;
  const offsets = zoneOffsets(ZONE, naive.start, end);
  const length = Math.floor((end - naive.start) / HOUR);
  const values = Float64Array.from({ length }, (_, i) => {
    const t = naive.start + 5 * HOUR + i * HOUR;
    const offset = offsets.findLast(({ from }) => from <= t)!.offsetMs;
    return naive.values[Math.round((t + offset - naive.start) / HOUR)] ?? Number.NaN;
  });
  const series = { start: naive.start + 5 * HOUR, stepMs: HOUR, values };
  for (const { from } of offsets.slice(1)) {
    if (from < series.start + 60 * DAY) continue;
    const first = Math.floor(from / DAY) * DAY + 5 * HOUR + DAY;
    for (const zone of ['UTC', ZONE]) {
      const errors = [empty(), empty(), empty()];
      roll(series, first, 56 * DAY, { calendar: { offsets: zoneOffsets(zone, series.start, end) } }, errors);
      tell(`${formatInstant(from)} ${zone}`, errors);
    }
    const errors = [empty(), empty(), empty()];
    roll(series, first - WEEK, 56 * DAY, { calendar: { offsets } }, errors);
    tell('a week before', errors);
  }
}

const [bikeshare] = loadTraces(HOUR, ['bikeshare']);
const wants = (name: string) => process.argv.length === 2 || process.argv.includes(name);
if (wants('holidays')) measureHolidays(bikeshare!.series);
if (wants('clock')) measureClock(bikeshare!.series);
