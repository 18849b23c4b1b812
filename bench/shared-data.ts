import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { toRegular } from '../src/forecast/prepare.ts';
import type { RegularSeries } from '../src/model/series.ts';

/** The folder of public series that the tables are measured on. Not part of the project. */
export const SHARED_DATA = new URL('../../shared/data/', import.meta.url).pathname;

const TRACE_SETS = ['nasa-http', 'crane-k8s', 'cluster-pools', 'azure-vm', 'bitbrains', 'netman-kpi'];

export interface NamedSeries {
  readonly set: string;
  readonly name: string;
  readonly series: RegularSeries;
}

/** @throws {Error} If the shared folder is not there. */
export function loadTraces(stepMs: number, sets = TRACE_SETS): NamedSeries[] {
  if (!existsSync(SHARED_DATA)) throw new Error(`cannot measure: ${SHARED_DATA} is missing`);
  return sets.flatMap((set) =>
    readdirSync(join(SHARED_DATA, set))
      .filter((file) => file.endsWith('.csv.gz'))
      .map((file) => ({
        set,
        name: file.replace('.csv.gz', ''),
        series: loadTrace(join(SHARED_DATA, set, file), stepMs),
      })),
  );
}

function loadTrace(path: string, stepMs: number): RegularSeries {
  const lines = gunzipSync(readFileSync(path)).toString('utf8').trim().split('\n').slice(1);
  const times = new Float64Array(lines.length);
  const values = new Float64Array(lines.length);
  lines.forEach((line, i) => {
    const [time, value] = line.split(',');
    times[i] = Number(time) * 1000;
    values[i] = Number(value);
  });
  return toRegular({ times, values }, { stepMs, phaseMs: 0 }).series;
}

export interface M4Series {
  readonly id: string;
  readonly train: Float64Array;
  readonly test: Float64Array;
  readonly naive2: Float64Array;
}

export function loadM4Hourly(): M4Series[] {
  const [train, test, naive2] = ['train.csv', 'test.csv', 'naive2.csv'].map((file) =>
    rowsOf(join(SHARED_DATA, 'm4-hourly', file)),
  );
  return [...train!].map(([id, values]) => ({ id, train: values, test: test!.get(id)!, naive2: naive2!.get(id)! }));
}

function rowsOf(path: string): Map<string, Float64Array> {
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1);
  return new Map(
    lines.map((line) => {
      const [id, ...cells] = line.replaceAll('"', '').split(',');
      return [id!, Float64Array.from(cells.filter((cell) => cell !== '').map(Number))] as const;
    }),
  );
}
