import type { Verdict } from '../anomaly/detector.ts';
import { judgedPanel } from '../http/anomaly-picture.ts';
import type { CsvRow } from './csv.ts';
import type { Report } from './report/report.ts';

/** What a picture has of one series. */
export interface JudgedColumns {
  readonly times: number[];
  readonly values: number[];
  readonly expected: number[];
  readonly lower: number[];
  readonly upper: number[];
  readonly spans: [number, number][];
  most: { readonly at: number; readonly value: number; readonly score: number } | undefined;
}

export function noteJudged(drawn: Map<string, JudgedColumns>, { series, time, value }: CsvRow, verdict: Verdict): void {
  let columns = drawn.get(series);
  if (columns === undefined) {
    columns = { times: [], values: [], expected: [], lower: [], upper: [], spans: [], most: undefined };
    drawn.set(series, columns);
  }
  const { expected, lower, upper, score, anomaly, learning } = verdict;
  columns.times.push(time);
  columns.values.push(value);
  columns.expected.push(expected);
  // What is expected while it learns is not known well enough for a band.
  columns.lower.push(learning ? Number.NaN : lower);
  columns.upper.push(learning ? Number.NaN : upper);
  if (!anomaly) return;
  columns.spans.push([time, time]);
  if (columns.most === undefined || score > columns.most.score) columns.most = { at: time, value, score };
}

/** A panel a series, those with the most striking anomalies first. */
export function detectPicture(drawn: ReadonlyMap<string, JudgedColumns>, title: string, most: number): Report {
  const ranked = [...drawn].sort(([, a], [, b]) => (b.most?.score ?? 0) - (a.most?.score ?? 0));
  const panels = ranked.slice(0, most).map(([name, columns]) => {
    const times = Float64Array.from(columns.times);
    const count = columns.spans.length;
    return judgedPanel({
      title: name === '' ? title : name,
      note: count === 0 ? 'no anomaly' : `${count} ${count === 1 ? 'anomaly' : 'anomalies'}`,
      domain: [times[0] ?? 0, times.at(-1) ?? 1],
      value: { times, values: Float64Array.from(columns.values) },
      expected: { times, values: Float64Array.from(columns.expected) },
      lower: { times, values: Float64Array.from(columns.lower) },
      upper: { times, values: Float64Array.from(columns.upper) },
      spans: columns.spans,
      peak: columns.most,
    });
  });
  const left = drawn.size - panels.length;
  const notes = ['Each value beside what was expected of it from those before it alone. Times are UTC.'];
  if (left > 0) notes.push(`${left} more series are not drawn.`);
  return { title, notes, sections: [{ panels }] };
}
