import type { CostReport } from '../../cost/cost-report.ts';
import type { ShowbackRow } from '../../cost/showback.ts';
import { formatInstant } from '../../model/time.ts';

const COLUMNS = [
  ...['tenant', 'period', 'start', 'end', 'currency', 'table', 'namespace', 'name', 'policy'],
  ...['recorded', 'estimated', 'shared', 'total', 'idle', 'replica_hours', 'before', 'missing_hours'],
] as const;

/**
 * A report as one table: each of its tables has all of the cost, and its name in the column `table`. Amounts add up
 * within a table. What is not known is empty.
 */
export function reportCsv({ tenant, showback }: CostReport): string {
  const { period, until, currency, digits, hours } = showback;
  const head = [tenant, period.name, formatInstant(period.start), formatInstant(until), currency];
  const amount = (value: number | null) => (value === null ? '' : value.toFixed(digits));
  const figures = (row: ShowbackRow) => [
    ...[row.recorded, row.estimated, row.shared, row.total, row.idle].map(amount),
    String(Number(row.replicaHours.toFixed(3))),
    amount(row.before),
  ];
  const lines: (readonly string[])[] = [COLUMNS];
  const add = (
    table: string,
    row: ShowbackRow,
    of: { readonly namespace?: string; readonly policy?: string | null } = {},
  ) => lines.push([...head, table, of.namespace ?? '', row.name, of.policy ?? '', ...figures(row), '']);
  lines.push([...head, 'total', '', '', '', ...figures(showback.total), String(hours.missing)]);
  for (const row of showback.namespaces) add('namespace', row);
  for (const row of showback.workloads) add('workload', row, row);
  for (const row of showback.regions) add('region', row);
  for (const row of showback.plans) add('plan', row);
  for (const { label, rows } of showback.labels) for (const row of rows) add(`label:${label}`, row);
  for (const { start, recorded, estimated, missingHours } of showback.days) {
    const amounts = [recorded, estimated, 0, recorded + estimated].map(amount);
    lines.push([
      ...head,
      'day',
      '',
      formatInstant(start).slice(0, 10),
      '',
      ...amounts,
      '',
      '',
      '',
      String(missingHours),
    ]);
  }
  return lines.map((cells) => `${cells.map(cellOf).join(',')}\r\n`).join('');
}

/** Spreadsheets take a text that begins like a formula for one: a quote before it keeps it a text. */
function cellOf(text: string): string {
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
