import { readRows } from './csv.ts';

/** Rows that are held before their lines are sent. */
const ROWS_AT_ONCE = 100_000;

/** Reads a CSV file as lines for the import route, in pieces. A row without a value is a gap and gives no sample. */
export async function* readCsvLines(
  path: string,
  labels: Readonly<Record<string, string>>,
): AsyncGenerator<{ readonly lines: readonly string[]; readonly rows: number }> {
  let bySeries = new Map<string, { values: number[]; timestamps: number[] }>();
  let held = 0;
  let rows = 0;

  const take = () => {
    const lines = [...bySeries].map(([series, columns]) => {
      const metric = series === '' ? labels : { ...labels, series };
      const values = columns.values.map((value) => (Number.isFinite(value) ? value : String(value)));
      return JSON.stringify({ metric, values, timestamps: columns.timestamps });
    });
    bySeries = new Map();
    held = 0;
    return { lines, rows };
  };

  for await (const { series, time, value } of readRows(path)) {
    rows++;
    if (Number.isNaN(value)) continue;
    const columns = bySeries.get(series) ?? { values: [], timestamps: [] };
    bySeries.set(series, columns);
    columns.values.push(value);
    columns.timestamps.push(time);
    held++;
    if (held >= ROWS_AT_ONCE) yield take();
  }
  yield take();
}
