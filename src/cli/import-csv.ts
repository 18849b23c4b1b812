import { readRows } from './csv.ts';

/** Rows that are held before their lines are sent. */
const ROWS_AT_ONCE = 100_000;

/** Reads a CSV file as lines for the import route, in pieces. A row without a finite value is a gap and gives no sample. */
export async function* readCsvLines(
  path: string,
  labels: Readonly<Record<string, string>>,
): AsyncGenerator<{
  readonly lines: readonly string[];
  readonly samples: number;
  readonly rows: number;
  readonly gaps: number;
}> {
  let bySeries = new Map<string, { values: number[]; timestamps: number[] }>();
  let held = 0;
  let rows = 0;
  let gaps = 0;

  const take = () => {
    const lines = [...bySeries].map(([series, columns]) => {
      const metric = series === '' ? labels : { ...labels, series };
      return JSON.stringify({ metric, ...columns });
    });
    const taken = { lines, samples: held, rows, gaps };
    bySeries = new Map();
    held = 0;
    gaps = 0;
    return taken;
  };

  for await (const { series, time, value } of readRows(path)) {
    rows++;
    if (Number.isNaN(value)) {
      gaps++;
      continue;
    }
    const columns = bySeries.get(series) ?? { values: [], timestamps: [] };
    bySeries.set(series, columns);
    columns.values.push(value);
    columns.timestamps.push(time);
    held++;
    if (held >= ROWS_AT_ONCE) yield take();
  }
  yield take();
}
