import { formatLabels, labelsOf } from '../model/labels.ts';
import { formatInstant } from '../model/time.ts';
import type { QueryData } from './query-render.ts';

const BLOCKS = '▁▂▃▄▅▆▇█';
const MOST_SERIES = 20;
const COLUMNS = 60;

/**
 * A line of blocks for each series of a range, from its smallest value to its largest, with both and the last. Columns are
 * the same times in all of them; a gap is a blank, and a column of several values has their largest.
 */
export function renderChart(data: QueryData): string {
  if (data.resultType !== 'matrix') return 'a chart needs a range: give --start\n';
  const series = data.result.flatMap(({ metric, values = [] }) => {
    const points = values.map(([time, text]) => ({ time, value: numberOf(text) }));
    return points.length === 0 ? [] : [{ name: formatLabels(labelsOf(metric)), points }];
  });
  if (series.length === 0) return 'no series\n';
  const times = series.flatMap(({ points }) => [points[0]!.time, points.at(-1)!.time]);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const shown = series.slice(0, MOST_SERIES).map(({ name, points }) => {
    const finite = points.map(({ value }) => value).filter(Number.isFinite);
    const [least, most] = [Math.min(...finite), Math.max(...finite)];
    const columns = columnsOf(points, first, last);
    return { name, line: columns.map((value) => blockOf(value, least, most)).join(''), least, most, points };
  });
  const widest = Math.max(...shown.map(({ name }) => name.length));
  const lines = shown.map(({ name, line, least, most, points }) => {
    const figures = `${short(least)} to ${short(most)}, last ${short(points.at(-1)!.value)}`;
    return `${name.padEnd(widest)}  ${line}  ${figures}`;
  });
  const more = series.length > MOST_SERIES ? [`and ${series.length - MOST_SERIES} more series`] : [];
  const axis = `${''.padEnd(widest)}  ${formatInstant(first * 1000)} to ${formatInstant(last * 1000)}`;
  return `${[...lines, ...more, axis].join('\n')}\n`;
}

function columnsOf(
  points: readonly { readonly time: number; readonly value: number }[],
  first: number,
  last: number,
): readonly (number | undefined)[] {
  const columns = new Array<number | undefined>(COLUMNS).fill(undefined);
  const width = (last - first) / (COLUMNS - 1) || 1;
  for (const { time, value } of points) {
    const at = Math.round((time - first) / width);
    const known = columns[at];
    if (!Number.isNaN(value)) columns[at] = known === undefined ? value : Math.max(known, value);
  }
  const distance = Math.min(...points.slice(1).map(({ time }, i) => time - points[i]!.time));
  if (!(distance > width)) return columns;
  // Fewer points than columns: each holds until the next one is due.
  return columns.map((value, at) => {
    for (let back = 0; value === undefined && back * width < distance && back <= at; back++) {
      if (columns[at - back] !== undefined) return columns[at - back];
    }
    return value;
  });
}

function blockOf(value: number | undefined, least: number, most: number): string {
  if (value === undefined) return ' ';
  if (!(most > least)) return BLOCKS[3]!;
  const share = Math.min(1, Math.max(0, (value - least) / (most - least)));
  return BLOCKS[Math.round(share * (BLOCKS.length - 1))]!;
}

function numberOf(text: string): number {
  return Number(text.replace(/Inf$/, 'Infinity'));
}

/** Four digits. */
function short(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : '-';
}
