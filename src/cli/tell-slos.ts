import type { SloSeriesView, SloView } from '../http/routes/slos.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { tableLines } from './table-lines.ts';

/** Objectives as a table, those whose budget is nearest its end first. */
export function tellSlos(slos: readonly SloView[], now: number): string {
  if (slos.length === 0) return 'There are no objectives: docs/how-to/slos.md says how to declare one.';
  const rows = slos
    .flatMap((slo): { readonly slo: SloView; readonly series: SloSeriesView | undefined }[] =>
      slo.series.length === 0 ? [{ slo, series: undefined }] : slo.series.map((series) => ({ slo, series })),
    )
    .sort((a, b) => leftOf(a.series) - leftOf(b.series));
  return tableLines([
    ['OBJECTIVE', 'TARGET', 'STATE', 'BUDGET LEFT', 'BURN 1H', 'BURN 1D', 'ENDS AS IN 1H', 'ENDS AS IN 1D'],
    ...rows.map(({ slo, series }) => [
      nameOf(slo, series),
      `${slo.objective}% of ${slo.window}`,
      slo.state,
      percent(series?.budgetRemaining),
      times(series?.burnRate['1h']),
      times(series?.burnRate['1d']),
      ending(series?.budgetEnds['1h'], now),
      ending(series?.budgetEnds['1d'], now),
    ]),
  ]).join('\n');
}

function leftOf(series: SloSeriesView | undefined): number {
  return series?.budgetRemaining ?? Number.POSITIVE_INFINITY;
}

function nameOf({ name, labels, source }: SloView, series: SloSeriesView | undefined): string {
  const more = Object.entries(series?.labels ?? {}).filter(([label]) => !(label in labels));
  const own = more.map(([label, value]) => `${label}=${value}`).join(',');
  const place = source.startsWith('policy ') ? `${source.slice('policy '.length)}/` : '';
  return `${place}${name}${own === '' ? '' : ` {${own}}`}`;
}

function percent(ratio: number | null | undefined): string {
  return ratio === null || ratio === undefined ? '-' : `${(ratio * 100).toFixed(1)}%`;
}

function times(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? '-' : `${rate.toFixed(2)}x`;
}

function ending(at: string | null | undefined, now: number): string {
  if (at === null || at === undefined) return '-';
  const left = Date.parse(at) - now;
  if (left <= 0) return 'ended';
  if (left < HOUR) return `in ${Math.round(left / MINUTE)}m`;
  return left < 2 * DAY ? `in ${Math.round(left / HOUR)}h` : `in ${Math.round(left / DAY)}d`;
}
