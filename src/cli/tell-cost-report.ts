import { formatInstant } from '../model/time.ts';
import { tableLines } from './table-lines.ts';

/** What the server answers of a period's costs, as far as the command shows it. Instants are epoch seconds. */
export interface ToldReport {
  readonly tenant: string;
  readonly period: {
    readonly kind: 'week' | 'month';
    readonly name: string;
    readonly start: number;
    readonly end: number;
  };
  readonly until: number;
  readonly currency: string;
  readonly digits: number;
  readonly rule: { readonly text: string };
  readonly hours: { readonly hours: number; readonly estimated: number; readonly missing: number };
  readonly total: ToldRow;
  readonly before: { readonly period: { readonly name: string }; readonly total: number | null };
  readonly workloads: readonly (ToldRow & { readonly namespace: string })[];
  readonly savings: ToldSavings | null;
}

interface ToldRow {
  readonly name: string;
  readonly recorded: number;
  readonly estimated: number;
  readonly shared: number;
  readonly total: number;
  readonly replicaHours: number;
  readonly before: number | null;
}

interface ToldSaved {
  readonly replicaHours: number;
  readonly cost: number | null;
  readonly ratio: number | null;
}

interface ToldSavings {
  readonly notes: readonly string[];
  readonly total: { readonly policies: number; readonly saved: Readonly<Record<'reactive' | 'staticPeak', ToldSaved>> };
  readonly policies: readonly {
    readonly namespace: string;
    readonly policy: string;
    readonly days: number;
    readonly pending: number;
    readonly skipped: readonly { readonly why: string; readonly days: number }[];
    readonly saved: Readonly<Record<'reactive' | 'staticPeak', ToldSaved>>;
    readonly foresail: { readonly minutesOver: number };
    readonly reactive: { readonly minutesOver: number };
  }[];
}

/** The report as text: the sum, the workloads, what was saved. */
export function tellReport(report: ToldReport): string {
  const { tenant, period, until, currency, digits, hours, total, before, workloads, savings } = report;
  const amount = (value: number) => value.toFixed(digits);
  const change = (now: number, then: number | null) =>
    then === null || then === 0 ? '-' : `${(100 * (now / then - 1)).toFixed(1)} %`;
  const cells = (name: string, row: ToldRow) => [
    name,
    ...[row.recorded, row.estimated, row.shared, row.total].map(amount),
    row.replicaHours.toFixed(1),
    row.before === null ? '-' : amount(row.before),
    change(row.total, row.before),
  ];
  const head = ['WORKLOAD', 'RECORDED', 'ESTIMATED', 'SHARED', 'TOTAL', 'REPLICA-HOURS', 'BEFORE', 'CHANGE'];
  const soFar = until < period.end ? ' so far' : '';
  const lines = [
    `${tenant}, ${period.kind} ${period.name}${soFar}: ${currency} ${amount(total.total)}`,
    `  ${formatInstant(period.start * 1000)} to ${formatInstant(until * 1000)}, ${hours.estimated} of ${hours.hours} hours estimated, ${hours.missing} not known`,
    `  ${before.total === null ? `nothing is known of ${before.period.name}` : `${before.period.name} in the same time: ${currency} ${amount(before.total)}`}`,
    '',
    ...tableLines([head, ...workloads.map((row) => cells(`${row.namespace}/${row.name}`, row)), cells('sum', total)]),
    '',
    report.rule.text,
    ...(savings === null ? [] : ['', ...savingsLines(savings, currency, digits)]),
  ];
  return `${lines.join('\n')}\n`;
}

function savingsLines({ policies, total, notes }: ToldSavings, currency: string, digits: number): readonly string[] {
  const told = ({ replicaHours, cost, ratio }: ToldSaved) => {
    const share = ratio === null ? '' : ` (${(100 * ratio).toFixed(1)} %)`;
    return `${cost === null ? '' : `${currency} ${cost.toFixed(digits)}, `}${replicaHours.toFixed(1)} replica-hours${share}`;
  };
  const rows = policies.map((policy) => [
    `${policy.namespace}/${policy.policy}`,
    String(policy.days),
    told(policy.saved.reactive),
    told(policy.saved.staticPeak),
    `${policy.foresail.minutesOver.toFixed(0)} / ${policy.reactive.minutesOver.toFixed(0)}`,
  ]);
  const troubles = policies.flatMap(({ namespace, policy, pending, skipped }) => [
    ...(pending > 0 ? [`  ${namespace}/${policy}: ${pending} days are being simulated: ask again`] : []),
    ...skipped.map(({ why, days }) => `  ${namespace}/${policy}: ${days} days were not simulated: ${why}`),
  ]);
  return [
    'what Foresail saves (simulated)',
    ...tableLines([
      ['POLICY', 'DAYS', 'AGAINST REACTIVE', 'AGAINST STATIC PEAK', 'MINUTES OVER (ITS/REACTIVE)'],
      ...rows,
    ]).map((line) => `  ${line.trimEnd()}`),
    ...(total.policies > 1
      ? [
          `  in all: ${told(total.saved.reactive)} against reactive, ${told(total.saved.staticPeak)} against a static peak`,
        ]
      : []),
    ...troubles,
    ...notes.map((note) => `  ${note}`),
  ];
}
