import { projectPattern } from '../src/cost/project.ts';
import { DAY, HOUR } from '../src/model/time.ts';
import { loadTraces } from './shared-data.ts';

/**
 * How often what a month came to was within the interval that was told on its day 10, 15 and 20: traces of demand as if
 * each unit cost one, months of 30 days that begin every three days, four weeks of history at most.
 *
 * `npx tsx bench/budget-coverage.ts`
 */
const MONTH = 30;
/** Months begin so often: neighbours share days, and are no independent proofs. */
const STRIDE_DAYS = 3;
const DAYS = [10, 15, 20];
const HISTORY_HOURS = (28 * DAY) / HOUR;

interface Found {
  told: number;
  within: number;
  /** Of what the rest of the month came to. */
  readonly widths: number[];
  readonly errors: number[];
}

const traces = loadTraces(HOUR);
const all = new Map<string, Found>();
const months = new Map<string, number>();
for (const { set, series } of traces) {
  const { values, start } = series;
  for (let first = 0; first + MONTH * 24 <= values.length; first += STRIDE_DAYS * 24) {
    for (const day of DAYS) {
      const at = first + day * 24;
      const rest = values.subarray(at, first + MONTH * 24);
      const known = rest.filter(Number.isFinite);
      const actual = (known.reduce((sum, value) => sum + value, 0) / known.length) * rest.length;
      if (known.length < 0.95 * rest.length || !(actual > 0)) continue;
      const history = values.subarray(Math.max(0, at - HISTORY_HOURS), at);
      const ahead = projectPattern({ end: start + at * HOUR, values: history }, rest.length);
      if (ahead === undefined) continue;
      const [sum, lower, upper] = [ahead.sums, ahead.lower, ahead.upper].map((path) => path.at(-1)!) as [
        number,
        number,
        number,
      ];
      for (const key of [set, 'all']) {
        const name = `${key} day ${day}`;
        const found = all.get(name) ?? { told: 0, within: 0, widths: [], errors: [] };
        all.set(name, found);
        found.told++;
        if (actual >= lower && actual <= upper) found.within++;
        found.widths.push((upper - lower) / actual);
        found.errors.push(Math.abs(sum - actual) / actual);
      }
    }
    months.set(set, (months.get(set) ?? 0) + 1);
  }
}

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN;
const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`;
console.log(`months: ${[...months].map(([set, count]) => `${set} ${count}`).join(', ')}`);
console.log('| traces | months | within 95 % | median width | median error |\n|---|---|---|---|---|');
for (const [name, { told, within, widths, errors }] of all) {
  const cells = [name, String(told), percent(within / told), percent(median(widths)), percent(median(errors))];
  console.log(`| ${cells.join(' | ')} |`);
}
