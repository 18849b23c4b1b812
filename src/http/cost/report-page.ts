import type { CostReport } from '../../cost/cost-report.ts';
import type { PolicySavings, Saved, StrategyUse } from '../../cost/savings.ts';
import { type Showback, type ShowbackRow, UNALLOCATED, type WorkloadRow } from '../../cost/showback.ts';
import { formatInstant } from '../../model/time.ts';
import { type Html, html } from '../page/html.ts';
import { CHART_STYLES } from '../svg/chart-styles.ts';
import { dayBars } from './day-bars.ts';
import { changeOf, hoursText, money, plainMoney, signedPercent } from './money-words.ts';

const STYLES = `
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 20px 56px}h1{font-size:22px;margin:0 0 6px}h2{font-size:16px;margin:28px 0 6px}
p{margin:2px 0;color:var(--soft);font-size:14px;overflow-wrap:anywhere}.sum{font-size:26px;color:var(--text);font-weight:600;margin:10px 0 2px}
.warning{color:var(--bad)}.badge{font-size:12px;font-weight:600;border:1px solid currentColor;border-radius:99px;padding:1px 9px;margin-left:8px;color:var(--second)}
svg{display:block;width:100%;height:auto;margin-top:12px}.recorded{fill:var(--future)}.estimated{fill:var(--second);fill-opacity:.7}.hatch{stroke:var(--soft);stroke-width:2;stroke-opacity:.35}
.key{display:flex;gap:18px;font-size:13px;color:var(--soft)}.key i{display:inline-block;width:12px;height:12px;margin-right:6px;vertical-align:-1px}
.key .recorded{background:var(--future)}.key .estimated{background:var(--second)}.key .gap{border:1px dashed var(--soft)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;margin-top:8px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:4px 10px;white-space:nowrap}th{color:var(--soft);font-weight:500}th:first-child,td:first-child{text-align:left;padding-left:0}
tbody tr{border-top:1px solid var(--line)}tfoot tr{border-top:2px solid var(--line);font-weight:600}td:first-child{white-space:normal;overflow-wrap:anywhere}
@media print{:root{color-scheme:light;--bg:#fff;--text:#000;--soft:#444;--line:#bbb}main{max-width:none;padding:0}section,tr{break-inside:avoid}.scroll{overflow:visible}table{font-size:11px}rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;

export interface PageOptions {
  /** Mail programs show no SVG: without it the days are a table. */
  readonly picture: boolean;
}

/** A report as a page that stands alone: it loads nothing, and can be printed. */
export function reportPage(report: CostReport, { picture }: PageOptions = { picture: true }): string {
  const { tenant, madeAt, showback, savings } = report;
  const title = reportTitle(report);
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">
<style>${styles()}</style></head>
<body><main><h1>${title}</h1>
${summaryLines(showback).map((line, i) => html`<p class="${i === 0 && 'sum'}">${line}</p>`)}
${gapLines(showback).map((line) => html`<p class="warning">${line}</p>`)}
${daysSection(showback, picture)}
${workloadTable(showback)}
${rowTable('By namespace', 'namespace', showback.namespaces, showback)}
${showback.labels.map(({ label, rows }) => rowTable(`By the label ${label}`, label, rows, showback))}
${rowTable('By region', 'region', showback.regions, showback)}
${rowTable('By how it is paid for', 'plan', showback.plans, showback)}
${savings !== null && savingsSection(savings, showback)}
<section><h2>How to read this</h2>${notes(showback).map((note) => html`<p>${note}</p>`)}
<p>Made for ${tenant} at ${formatInstant(madeAt)}.</p></section>
</main></body></html>
`.text;
}

export function reportTitle({ tenant, showback: { period, until } }: Pick<CostReport, 'tenant' | 'showback'>): string {
  const what = period.kind === 'week' ? 'week' : 'month';
  return `Costs of ${tenant}, ${what} ${period.name}${until < period.end ? ' so far' : ''}`;
}

/** The sum first. */
export function summaryLines(showback: Showback): readonly string[] {
  const { total, period, until, before, hours } = showback;
  const range = `${dateText(period.start)} to ${dateText(until)} UTC`;
  const compared = before.until < before.period.end ? `The same time of ${before.period.name}` : before.period.name;
  return [
    money(total.total, showback),
    before.total === null
      ? `${range}. Nothing is known of ${before.period.name}, so there is nothing to compare with.`
      : `${range}. ${compared} cost ${money(before.total, showback)}: ${changeOf(total.total, before.total)}.${before.hours.missing > 0 ? ` Of that, ${before.hours.missing} hours are not known.` : ''}`,
    `${money(total.recorded, showback)} as recorded, ${money(total.estimated, showback)} estimated (in ${hours.estimated} of ${hours.hours} hours), ${money(total.shared, showback)} shared.`,
  ];
}

/** Hours of which nothing is known: they are in no sum. */
export function gapLines({ hours }: Showback): readonly string[] {
  if (hours.missing === 0) return [];
  const shown = hours.gaps.slice(0, 8).map(([from, to]) => `${dateText(from)} to ${dateText(to)}`);
  const more = hours.gaps.length > shown.length ? ` and ${hours.gaps.length - shown.length} more gaps` : '';
  return [
    `Nothing is known of ${hours.missing} of ${hours.hours} hours, and no sum has them: ${shown.join(', ')}${more}.`,
  ];
}

export function notes(showback: Showback): readonly string[] {
  return [
    showback.ruleText,
    'Every amount of a workload is rounded once, so that all of them add up to the sum (largest remainders); all other amounts are sums of these.',
    'Estimated: nothing was recorded of the hour, so it costs what is most likely, never nothing. Idle: what was asked for and not used, where usage is known; it is part of the cost, and not one more.',
    ...(showback.pot.unshared > 0
      ? [`${money(showback.pot.unshared, showback)} belong to no workload, and stand as ${UNALLOCATED}.`]
      : []),
  ];
}

function dateText(at: number): string {
  return formatInstant(at).replace('T', ' ').replace(/:00Z$/, '');
}

function daysSection({ days, currency, digits }: Showback, picture: boolean): Html {
  if (picture) {
    return html`<section><h2>Day by day, in ${currency}</h2>${dayBars(days)}
<p class="key"><span><i class="recorded"></i>recorded</span><span><i class="estimated"></i>estimated</span><span><i class="gap"></i>hatched: hours are not known</span></p></section>`;
  }
  return html`<section><h2>Day by day</h2><div class="scroll"><table><thead><tr><th>day</th><th>recorded</th><th>estimated</th><th>hours not known</th></tr></thead>
<tbody>${days.map(({ start, recorded, estimated, missingHours }) => html`<tr><td>${formatInstant(start).slice(0, 10)}</td><td>${plainMoney(recorded, digits)}</td><td>${plainMoney(estimated, digits)}</td><td>${missingHours}</td></tr>`)}</tbody></table></div></section>`;
}

const FIGURES = ['recorded', 'estimated', 'shared', 'total', 'of it idle', 'replica-hours', 'before', 'change'];

function figureCells({ recorded, estimated, shared, total, idle, replicaHours, before }: ShowbackRow, digits: number) {
  const cells = [
    ...[recorded, estimated, shared, total].map((amount) => plainMoney(amount, digits)),
    idle === null ? '–' : plainMoney(idle, digits),
    hoursText(replicaHours),
    before === null ? '–' : plainMoney(before, digits),
    changeOf(total, before),
  ];
  return cells.map((cell) => html`<td>${cell}</td>`);
}

function workloadTable({ workloads, total, digits, currency }: Showback): Html {
  const name = ({ namespace, name: workload, policy }: WorkloadRow) =>
    html`${namespace}/${workload}${policy === null && namespace !== UNALLOCATED && ' (no policy)'}`;
  return html`<section><h2>By workload, in ${currency}</h2><div class="scroll"><table><thead><tr><th>workload</th>${FIGURES.map((cell) => html`<th>${cell}</th>`)}</tr></thead>
<tbody>${workloads.map((row) => html`<tr><td>${name(row)}</td>${figureCells(row, digits)}</tr>`)}</tbody>
<tfoot><tr><td>sum</td>${figureCells(total, digits)}</tr></tfoot></table></div></section>`;
}

function rowTable(title: string, column: string, rows: readonly ShowbackRow[], { total, digits }: Showback): Html {
  return html`<section><h2>${title}</h2><div class="scroll"><table><thead><tr><th>${column}</th>${FIGURES.map((cell) => html`<th>${cell}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr><td>${row.name === '' ? '(not known)' : row.name}</td>${figureCells(row, digits)}</tr>`)}</tbody>
<tfoot><tr><td>sum</td>${figureCells(total, digits)}</tr></tfoot></table></div></section>`;
}

/** What the simulated strategies are, for every form of the report. */
export const SAVINGS_NOTES: readonly string[] = [
  'Simulated: every finished day is played again with the demand that was recorded, each policy and its autoscaler as they are set now, and forecasts that know only what was known at the time. A day begins anew, with the replicas that its demand needs.',
  'Reactive: the autoscaler alone. Static peak: the fewest replicas that carry the highest demand of these days, known only afterwards, without reserve, all the time. Below zero, Foresail takes more: it then has fewer minutes over capacity for it.',
  'Money is what a replica-hour of the policy cost on average in these days. What ran is recorded, not simulated.',
];

function savingsSection(savings: NonNullable<CostReport['savings']>, showback: Showback): Html {
  const { total, policies } = savings;
  const words = ({ cost, replicaHours, ratio }: Saved) =>
    `${cost === null ? '' : `${money(cost, showback)}, `}${hoursText(replicaHours)} replica-hours${ratio === null ? '' : ` (${signedPercent(ratio)})`}`;
  return html`<section><h2>What Foresail saves<span class="badge">simulated</span></h2>
${total.policies === 0 ? html`<p>No finished day of any policy was simulated yet.</p>` : html`<p>Against the reactive autoscaler: ${words(total.saved.reactive)}. Against a static peak: ${words(total.saved.staticPeak)}.${total.unpriced > 0 && ` ${total.unpriced} policies have no price: the money leaves them out.`}</p>`}
<div class="scroll"><table><thead><tr><th>policy</th><th>days</th><th>strategy</th><th>replica-hours</th><th>cost</th><th>minutes over capacity</th><th>saved by Foresail</th><th>in money</th></tr></thead>
<tbody>${policies.map((policy) => policyRows(policy, showback.digits))}</tbody></table></div>
${policies.flatMap(policyNotes).map((note) => html`<p>${note}</p>`)}
${SAVINGS_NOTES.map((note) => html`<p>${note}</p>`)}</section>`;
}

function policyRows(policy: PolicySavings, digits: number): Html {
  const { namespace, policy: name, days, foresail, reactive, staticPeak, saved, ran } = policy;
  if (days === 0) return html`<tr><td>${namespace}/${name}</td><td>0</td><td>not simulated</td></tr>`;
  const cost = (value: number | null) => (value === null ? '–' : plainMoney(value, digits));
  const row = (label: string, { replicaHours, cost: paid, minutesOver }: StrategyUse, by: Saved | null, i: number) =>
    html`<tr><td>${i === 0 && `${namespace}/${name}`}</td><td>${i === 0 && days}</td><td>${label}</td><td>${hoursText(replicaHours)}</td><td>${cost(paid)}</td><td>${hoursText(minutesOver)}</td><td>${by !== null && `${hoursText(by.replicaHours)}${by.ratio === null ? '' : ` (${signedPercent(by.ratio)})`}`}</td><td>${by !== null && cost(by.cost)}</td></tr>`;
  return html`${row('Foresail (simulated)', foresail, null, 0)}${row('reactive (simulated)', reactive, saved.reactive, 1)}${row(`static peak of ${staticPeak.replicas} (simulated)`, staticPeak, saved.staticPeak, 2)}${ran !== null && html`<tr><td></td><td></td><td>what ran (recorded)</td><td>${hoursText(ran.replicaHours)}</td><td></td><td></td><td></td><td></td></tr>`}`;
}

/** What is missing of a policy's simulation, a sentence each. */
export function policyNotes({
  namespace,
  policy,
  mode,
  pending,
  skipped,
  ran,
  days,
}: PolicySavings): readonly string[] {
  const name = `${namespace}/${policy}`;
  return [
    ...(mode === 'observe'
      ? [`${name} observes and changes nothing: what Foresail takes and saves is what it would.`]
      : []),
    ...(pending > 0 ? [`${name}: the simulation of ${pending} days is under way; ask again.`] : []),
    ...skipped.map(({ why, days: count }) => `${name}: ${count} days were not simulated: ${why}.`),
    ...(ran !== null && ran.hours < 24 * days
      ? [`${name}: what ran is known for ${ran.hours} of ${24 * days} hours.`]
      : []),
  ];
}

/** The style sheets are ours: escaping would break their quotes. */
function styles(): Html {
  return html([CHART_STYLES + STYLES] as unknown as TemplateStringsArray);
}
