import type { CostReport } from '../../cost/cost-report.ts';
import { hoursText, money, plainMoney, signedPercent } from './money-words.ts';
import { gapLines, notes, policyNotes, reportTitle, SAVINGS_NOTES, summaryLines } from './report-page.ts';

const MOST_WORKLOADS = 20;

/** A report in plain text: the body of a mail for programs that show no HTML. */
export function reportText(report: CostReport): string {
  const { showback, savings } = report;
  const { workloads, digits } = showback;
  const shown = workloads.slice(0, MOST_WORKLOADS);
  const width = Math.max(0, ...shown.map(({ namespace, name }) => namespace.length + name.length + 1));
  const lines = shown.map(({ namespace, name, total }) => {
    return `  ${`${namespace}/${name}`.padEnd(width)}  ${plainMoney(total, digits).padStart(14)}`;
  });
  const rest = workloads.length - shown.length;
  return [
    reportTitle(report),
    '',
    ...summaryLines(showback),
    ...gapLines(showback),
    '',
    `By workload, in ${showback.currency}:`,
    ...lines,
    ...(rest > 0 ? [`  and ${rest} more, in the table that is attached`] : []),
    '',
    ...(savings === null ? [] : [...savingsLines(savings, report), '']),
    ...notes(showback),
    '',
  ].join('\n');
}

function savingsLines({ total, policies }: NonNullable<CostReport['savings']>, { showback }: CostReport) {
  const { reactive, staticPeak } = total.saved;
  const told = [
    ['the reactive autoscaler', reactive],
    ['a static peak', staticPeak],
  ] as const;
  return [
    'What Foresail saves (simulated):',
    ...told.map(([name, { cost, replicaHours, ratio }]) => {
      const paid = cost === null ? '' : `${money(cost, showback)}, `;
      return `  against ${name}: ${paid}${hoursText(replicaHours)} replica-hours${ratio === null ? '' : ` (${signedPercent(ratio)})`}`;
    }),
    ...policies.flatMap(policyNotes).map((note) => `  ${note}`),
    ...SAVINGS_NOTES,
  ];
}
