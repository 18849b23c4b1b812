import type { ReplayRow, ReplayTable } from '../deps.ts';
import { type Html, html } from './html.ts';
import { amount, whole } from './words.ts';

const STRATEGY_WORDS: Readonly<Record<string, string>> = {
  reactive: 'the autoscaler alone',
  yesterday: 'a floor from the same time yesterday',
  foresail: 'Foresail',
  oracle: 'a floor that knows the future',
};

/** What the past would have been like under each strategy, a group of rows for each workload. */
export function replayTable({ range, rows }: ReplayTable): Html {
  const groups = new Map<string, ReplayRow[]>();
  for (const row of rows) {
    const key = `${row.namespace}/${row.policy}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const days = Math.round(((range.end - range.start) / 86_400_000) * 10) / 10;
  return html`<section><h2>What if</h2>
<p class="note">The last ${days} days again, by simulation: each strategy sees only what was known at the time, but the last, which knows the future.</p>
<div class="scroll"><table><thead><tr><th>workload</th><th>strategy</th><th>minutes over capacity</th><th>share</th><th>unmet demand</th><th>pod-hours</th></tr></thead>
${[...groups].map(([name, group]) => html`<tbody>${group.map((row, i) => replayRow(row, i === 0 ? name : '', group.length))}</tbody>`)}
</table></div></section>`;
}

function replayRow(row: ReplayRow, name: string, span: number): Html {
  const { strategy, minutesOverCapacity, overCapacityRatio, unmetDemand, podHours } = row;
  const words = Object.hasOwn(STRATEGY_WORDS, strategy) ? STRATEGY_WORDS[strategy]! : strategy;
  return html`<tr class="${strategy === 'foresail' && 'ours'}">${name !== '' && html`<th rowspan="${span}">${name}</th>`}<td>${words}</td><td>${whole(minutesOverCapacity)}</td><td>${(overCapacityRatio * 100).toFixed(2)} %</td><td>${amount(unmetDemand)}</td><td>${whole(podHours)}</td></tr>`;
}
