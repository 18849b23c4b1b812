import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { seededRandom } from '../../src/numeric/seeded-random.ts';

/** Time is squeezed six-fold, so that pods that take 20 to 40 s take 2 to 4 minutes of the demand's own time. */
export const SPEED = 6;
/** A row of one minute. */
export const STEP_MS = 60_000 / SPEED;

/** One demand, row by row, `STEP_MS` apart. */
export interface SqueezedDemand {
  /** Fit for the name of an object. */
  readonly name: string;
  readonly rows: Float64Array;
  /** The row at which the judged time begins. */
  readonly from: number;
  readonly perReplica: number;
  /** As a policy has them, in squeezed time. */
  readonly seasons: readonly string[];
}

/** The share of the demand before the judged time that 40 replicas carry, as in bench/what-if.ts. */
const CARRIED = { quantile: 0.999, replicas: 40 };

/** Rows of a trace before its steepest rise at which the judged time begins. */
const BEFORE_RISE = 20;

/**
 * Recorded workloads of one minute a row. Each is judged from 20 rows before its steepest rise within its last three
 * days, whether or not anything before tells of that rise.
 */
export function squeezedTraces(folder: string, names: readonly string[] = []): readonly SqueezedDemand[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith('_1min.csv.gz'));
  return files
    .sort()
    .map((file) => ({ file, name: file.replace('_1min.csv.gz', '').replaceAll('_', '-') }))
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .map(({ file, name }) => {
      const [, ...lines] = gunzipSync(readFileSync(join(folder, file)))
        .toString('utf8')
        .trim()
        .split('\n');
      const rows = Float64Array.from(lines, (line) => Number(line.split(',')[1]));
      const judged = rows.length - 3 * 1440;
      const before = rows.slice(0, judged).sort();
      const most = before[Math.floor(CARRIED.quantile * (before.length - 1))]!;
      // A day and a week.
      const seasons = [`${(24 * 60) / SPEED}m`, `${(7 * 24 * 60) / SPEED}m`];
      const from = steepestRise(rows, judged) - BEFORE_RISE;
      return { name, rows, from, perReplica: most / CARRIED.replicas, seasons };
    });
}

/** The row at which ten rows are the most above the ten before them. */
function steepestRise(rows: Float64Array, first: number): number {
  const mean = (from: number) => rows.slice(from, from + 10).reduce((sum, value) => sum + value, 0) / 10;
  let best = { row: first, rise: Number.NEGATIVE_INFINITY };
  // An hour and a half must be left to play.
  for (let row = first + 30; row < rows.length - 90; row++) {
    const rise = mean(row) - mean(row - 10);
    if (rise > best.rise) best = { row, rise };
  }
  return best.row;
}

const WAVE = { rows: 30, low: 10, high: 34, risesAt: 12, fallsAt: 21, noise: 0.03 };

/**
 * A demand of a short period, the same every time: five minutes, of which a minute and a half are three times as busy
 * as the rest, from one row to the next. One replica carries 1.
 */
export function wave({ history, rows }: { readonly history: number; readonly rows: number }): SqueezedDemand {
  const random = seededRandom(11);
  const values = Float64Array.from({ length: history + rows }, (_, i) => {
    const at = i % WAVE.rows;
    const level = at >= WAVE.risesAt && at < WAVE.fallsAt ? WAVE.high : WAVE.low;
    return level * (1 + WAVE.noise * (random() + random() + random() - 1.5));
  });
  const period = `${(WAVE.rows * STEP_MS) / 1000}s`;
  return { name: 'wave', rows: values, from: history, perReplica: 1, seasons: [period] };
}
