import type { BudgetStep, BudgetView } from '../cost/budget.ts';
import { localDate } from '../cost/period.ts';
import type { Alert } from '../model/alert.ts';
import { formatInstant, type Millis } from '../model/time.ts';

export const RUNBOOK = 'docs/runbooks/alerts.md';

const SEVERITY = { warn: 'warning', critical: 'critical', cap: 'critical' } as const;
const PASSED = { warn: 'warn', critical: 'critical', cap: 'cap' } as const;

/** What people are told of a budget at a step: its labels stay the same for as long as it is there. */
export function budgetAlert(
  { url, currency, view }: { readonly url: string; readonly currency: string; readonly view: BudgetView },
  {
    step,
    startsAt,
    endsAt,
  }: { readonly step: Exclude<BudgetStep, 'within'>; readonly startsAt: Millis; readonly endsAt?: Millis },
): Alert {
  const { budget, period, upTo, verdict, estimated, made, ceilings } = view;
  const { spent, projected, lower, upper, crossing, leavesAt } = verdict;
  const money = (amount: number) => `${amount.toFixed(2)} ${currency}`;
  const share = (amount: number) => `${((100 * amount) / budget.amount).toFixed(1)} %`;
  const name = `the ${budget.period} cost budget ${budget.name}`;
  const until = projected === null ? '' : `, and ${money(projected)} (${share(projected)}) are projected`;
  const day = crossing === null ? 'not within the period' : localDate(crossing, budget.timeZone);
  const interval = lower === null || upper === null ? '' : ` (95 %: ${lower.toFixed(2)} to ${upper.toFixed(2)})`;
  const how = made === 'forecast' ? 'by the forecast of the demand' : 'as in the weeks before';
  const asked = Object.entries(ceilings).map(([policy, replicas]) => `${policy} to ${replicas} replicas`);
  const path = `/api/v1/cost/budgets?name=${encodeURIComponent(budget.name)}`;
  const { namespace, workload } = budget.match;
  return {
    labels: Object.entries({
      alertname: 'ForesailBudget',
      severity: SEVERITY[step],
      step: PASSED[step],
      budget: budget.name,
      ...(typeof namespace === 'string' && { namespace }),
      ...(typeof workload === 'string' && { workload }),
    }).sort(([a], [b]) => (a < b ? -1 : 1)),
    annotations: {
      summary: `${name}: ${money(spent)} of ${money(budget.amount)} are spent${until}`,
      description: [
        `${name} has ${money(budget.amount)} for ${localDate(period.start, budget.timeZone)} to ${localDate(period.end - 1, budget.timeZone)}.`,
        `Up to ${formatInstant(upTo)} ${money(spent)} (${share(spent)}) are spent${estimated > 0 ? `, ${money(estimated)} of it estimated` : ''}.`,
        projected === null
          ? 'Too little is known to project the rest.'
          : `Projected for the whole period, ${how}: ${money(projected)}${interval}.`,
        `The amount is reached: ${day}.`,
        ...(leavesAt === null
          ? []
          : [`The projection is below this step by now: it is left ${formatInstant(leavesAt)} if it stays so.`]),
        ...(asked.length > 0 ? [`It lowers maxima: ${asked.join(', ')}.`] : []),
      ].join(' '),
      spent: spent.toFixed(2),
      ...(projected !== null && { projected: projected.toFixed(2) }),
      ...(lower !== null && upper !== null && { interval: `${lower.toFixed(2)} to ${upper.toFixed(2)}` }),
      crossing: day,
      remedy:
        budget.onCap === 'lower'
          ? 'See what grew: foresail cost spend. Raise the amount, or leave it: past the cap, maxima come down step by step, and never below what runs.'
          : 'See what grew: foresail cost spend. Raise the amount, lower maxima or requests, or set onCap: lower.',
      runbook_url: `${RUNBOOK}#foresailbudget`,
      picture: `${url}/api/v1/cost/spend?by=namespace,workload&step=1d`,
    },
    startsAt,
    ...(endsAt !== undefined && { endsAt }),
    generatorUrl: `${url}${path}`,
  };
}
