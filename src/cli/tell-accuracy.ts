import { formatDuration, formatInstant } from '../model/time.ts';

/** A demand as `GET /api/v1/accuracy` answers it. Times are epoch seconds. */
export interface AccuracyRow {
  readonly namespace: string;
  readonly policy: string;
  readonly demand: string;
  readonly state: 'trusted' | 'demoted' | 'unknown';
  readonly since: number | null;
  readonly reason: { readonly code: string; readonly text: string } | null;
  readonly errorVsNaive: number | null;
  readonly limit: number;
  readonly recent: readonly {
    readonly horizon: string;
    readonly aheadSeconds: number;
    readonly errorVsLast: number | null;
    readonly errorVsSeason: number | null;
    readonly coverage: number | null;
    readonly central: number | null;
    readonly bias: number | null;
  }[];
}

const HEAD = ['POLICY', 'HORIZON', 'VS LAST', 'VS YESTERDAY', 'COVERED', 'CENTRAL', 'BIAS', 'GATE', 'STATE'];
/** Columns of words; the others are numbers. */
const WORDS = [0, 1, 8];

/** The table: a row for each demand and horizon, and below it why those that are demoted are. */
export function tellAccuracy(rows: readonly AccuracyRow[], total: number): string {
  if (rows.length === 0) return 'there is no policy to tell of';
  const cells = [HEAD, ...rows.flatMap(cellsOf)];
  const widths = HEAD.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => (WORDS.includes(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  const reasons = rows.flatMap((row) => (row.reason === null ? [] : [`${nameOf(row)}: ${row.reason.text}`]));
  const more = total > rows.length ? [`and ${total - rows.length} more: --limit 0 shows all`] : [];
  return [...lines, ...(reasons.length > 0 ? ['', ...reasons] : []), ...more].join('\n');
}

function cellsOf(row: AccuracyRow): readonly (readonly string[])[] {
  const since = row.since === null ? '' : ` since ${formatInstant(Math.round(row.since) * 1000)}`;
  const why = row.reason === null ? '' : ` (${row.reason.code})`;
  const first = [ratio(row.errorVsNaive), `${row.state}${since}${why}`];
  if (row.recent.length === 0) return [[nameOf(row), 'none yet', '-', '-', '-', '-', '-', ...first]];
  return row.recent.map((each, i) => [
    i === 0 ? nameOf(row) : '',
    `${each.horizon} ${formatDuration(each.aheadSeconds * 1000)}`,
    ratio(each.errorVsLast),
    ratio(each.errorVsSeason),
    percent(each.coverage),
    percent(each.central),
    signed(each.bias),
    ...(i === 0 ? first : ['', '']),
  ]);
}

function nameOf({ namespace, policy, demand }: AccuracyRow): string {
  return `${namespace}/${policy} ${demand}`;
}

function ratio(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(1)} %`;
}

function signed(share: number | null): string {
  return share === null ? '-' : `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
}
