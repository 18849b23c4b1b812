import { formatLabels, labelsOf } from '../model/labels.ts';
import { formatInstant } from '../model/time.ts';

type Sample = readonly [seconds: number, value: string];
type LabelObject = Readonly<Record<string, string>>;

/** The `data` of Prometheus's answer to a query. */
export type QueryData =
  | { readonly resultType: 'scalar' | 'string'; readonly result: Sample }
  | {
      readonly resultType: 'vector';
      readonly result: readonly { metric: LabelObject; value?: Sample; histogram?: HistogramAt }[];
    }
  | {
      readonly resultType: 'matrix';
      readonly result: readonly {
        metric: LabelObject;
        values?: readonly Sample[];
        histograms?: readonly HistogramAt[];
      }[];
    };

type HistogramAt = readonly [
  seconds: number,
  histogram: {
    readonly count: string;
    readonly sum: string;
    /** What belongs to the bucket of its bounds (0: the upper one, 1: the lower one, 2: neither, 3: both), both, and its count. */
    readonly buckets?: readonly (readonly [rule: number, lower: string, upper: string, count: string])[];
  },
];

interface Row {
  readonly series: string;
  readonly time: string;
  readonly value: string;
}

/** For people: aligned columns, a series named once. */
export function renderTable(data: QueryData): string {
  const rows = rowsOf(data);
  if (data.resultType === 'scalar' || data.resultType === 'string') return `${rows[0]?.value}\n`;
  if (rows.length === 0) return 'no series\n';
  const timed = data.resultType === 'matrix';
  const head = { series: 'SERIES', time: 'TIME', value: 'VALUE' };
  const all = [head, ...rows.map((row, i) => (rows[i - 1]?.series === row.series ? { ...row, series: '' } : row))];
  const widest = (column: keyof Row): number => all.reduce((most, row) => Math.max(most, row[column].length), 0);
  const [series, time, value] = [widest('series'), widest('time'), widest('value')];
  const line = (row: Row): string =>
    `${row.series.padEnd(series)}  ${timed ? `${row.time.padEnd(time)}  ` : ''}${row.value.padStart(value)}`;
  return `${all.map(line).join('\n')}\n`;
}

/** For machines: `series,timestamp,value`, the form that `foresail forecast` and `detect` read. */
export function renderCsv(data: QueryData): string {
  const lines = rowsOf(data).map(({ series, time, value }) => `${quoted(series)},${time},${quoted(value)}`);
  return `${['series,timestamp,value', ...lines].join('\n')}\n`;
}

const POSITION = /(?:^|[^\d:])(\d+):(\d+): |\((\d+):(\d+)\)$/;

/** The query's line with a caret under the place that the message names, or nothing. */
export function renderCaret(query: string, message: string): string {
  const found = POSITION.exec(message);
  if (found === null) return '';
  const line = query.split('\n')[Number(found[1] ?? found[3]) - 1];
  const column = Number(found[2] ?? found[4]);
  if (line === undefined || column > line.length + 1) return '';
  // Tabs stay tabs, so that the caret stands where they put it.
  return `  ${line}\n  ${line.slice(0, column - 1).replace(/[^\t]/g, ' ')}^\n`;
}

function rowsOf(data: QueryData): readonly Row[] {
  switch (data.resultType) {
    case 'scalar':
    case 'string':
      return [rowOf('', data.result)];
    case 'vector':
      return data.result.flatMap(({ metric, value, histogram }) => {
        const sample = value ?? (histogram && written(histogram));
        return sample === undefined ? [] : [rowOf(formatLabels(labelsOf(metric)), sample)];
      });
    case 'matrix':
      return data.result.flatMap(({ metric, values = [], histograms = [] }) => {
        const series = formatLabels(labelsOf(metric));
        const samples = [...values, ...histograms.map(written)].sort(([a], [b]) => a - b);
        return samples.map((sample) => rowOf(series, sample));
      });
  }
}

/** A histogram in one line: `{count:3, sum:4, (1,2]:3}`. */
function written([seconds, { count, sum, buckets = [] }]: HistogramAt): Sample {
  const parts = buckets.map(([rule, lower, upper, own]) => {
    const opens = rule === 1 || rule === 3 ? '[' : '(';
    const closes = rule === 0 || rule === 3 ? ']' : ')';
    return `, ${opens}${lower},${upper}${closes}:${own}`;
  });
  return [seconds, `{count:${count}, sum:${sum}${parts.join('')}}`];
}

function rowOf(series: string, [seconds, value]: Sample): Row {
  return { series, time: formatInstant(Math.round(seconds * 1000)), value };
}

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
