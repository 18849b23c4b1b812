import type { Command } from 'commander';
import { formatInstant } from '../model/time.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { costReportCommand } from './cost-report.ts';
import { costReservationCommand } from './cost-reservation.ts';
import { parseCount } from './forecast-options.ts';
import { tableLines } from './table-lines.ts';

interface SpendOptions extends ServerOptions {
  readonly start?: string;
  readonly end?: string;
  readonly by: string;
  readonly step?: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly json: boolean;
}

interface ToldSpend {
  readonly currency: string;
  readonly start: number;
  readonly end: number;
  readonly upTo: number;
  readonly total: ToldSum;
  readonly groups: readonly {
    readonly group: Readonly<Record<string, string>>;
    readonly total: ToldSum;
  }[];
  readonly left: { readonly groups: number; readonly cost: number; readonly next: number } | null;
  readonly unpriced: readonly string[];
}

interface ToldSum {
  readonly replicaHours: number;
  readonly cost: number;
  readonly estimated: number;
  readonly idle: number | null;
}

interface ToldBudget {
  readonly name: string;
  readonly period: string;
  readonly amount: number;
  readonly currency: string;
  readonly state: string;
  readonly leavesAt: number | null;
  readonly spent: number;
  readonly projected: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly crossing: { readonly day: string } | null;
  readonly ceilings: readonly { readonly policy: string; readonly replicas: number }[];
}

/** `foresail cost …`: what replicas cost, and how cost budgets stand, asked of a running server. */
export function costCommand(program: Command, server: { readonly signal: AbortSignal }): void {
  const { signal } = server;
  const cost = program
    .command('cost')
    .description('What replicas cost, how cost budgets stand, reports, and advice on reserved capacity');
  const spend = cost
    .command('spend')
    .description('What was spent, by namespace, workload, policy, region, plan or label:NAME')
    .option('--start <time>', 'first hour, such as 2026-11-01 (default: 30 days before the end)')
    .option('--end <time>', 'end (default: now)')
    .option('--by <names>', 'what to group by', 'namespace,workload')
    .option('--step <duration>', 'length of the steps in the JSON (default: 1d)')
    .option('--limit <count>', 'groups, the dearest first (default: 500)', parseCount)
    .option('--offset <count>', 'groups to pass over', parseCount);
  serverOptions(spend)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail cost spend --by namespace --start 2026-11-01')
    .action(async (options: SpendOptions) => {
      const parameters = new URLSearchParams({ by: options.by });
      for (const name of ['start', 'end', 'step', 'limit', 'offset'] as const) {
        const value = options[name];
        if (value !== undefined) parameters.set(name, String(value));
      }
      const { data } = (await askServer(options, `/api/v1/cost/spend?${parameters}`, { signal })) as {
        data: ToldSpend;
      };
      console.log(options.json ? JSON.stringify(data, null, 2) : tellSpend(data));
    });
  const budgets = cost
    .command('budgets')
    .description('How each cost budget stands: spent, projected, and when it will be used up')
    .option('--check', 'exit code 1 if one is past its warning', false);
  serverOptions(budgets)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail cost budgets --check')
    .action(async (options: ServerOptions & { readonly json: boolean; readonly check: boolean }) => {
      const { data } = (await askServer(options, '/api/v1/cost/budgets', { signal })) as {
        data: readonly ToldBudget[];
      };
      console.log(options.json ? JSON.stringify(data, null, 2) : tellBudgets(data));
      if (options.check && data.some(({ state }) => state !== 'within')) process.exitCode = 1;
    });
  costReportCommand(cost, server);
  costReservationCommand(cost, server);
}

/** Zero because nothing is known is not zero. */
const NOTHING_RAN =
  'where it says 0, nothing is known of what ran: that takes the series of kube-state-metrics, or policies and access to the cluster';

function tellSpend({ currency, start, end, upTo, total, groups, left, unpriced }: ToldSpend): string {
  const names = Object.keys(groups[0]?.group ?? {});
  const cells = ({ replicaHours, cost, estimated, idle }: ToldSum) => [
    replicaHours.toFixed(1),
    cost.toFixed(2),
    estimated.toFixed(2),
    idle === null ? '-' : idle.toFixed(2),
  ];
  const head = [names.join('/').toUpperCase() || 'ALL', 'REPLICA-HOURS', `COST ${currency}`, 'ESTIMATED', 'IDLE'];
  const rows = [...groups]
    .sort((a, b) => b.total.cost - a.total.cost)
    .map(({ group, total: own }) => [Object.values(group).join('/') || '-', ...cells(own)]);
  const behind = upTo < end ? [`hours from ${formatInstant(upTo * 1000)} on are not made yet`] : [];
  const missing = unpriced.length === 0 ? [] : [`no price is known for ${unpriced.join(', ')}: not in the sums`];
  const unknown = groups.length === 0 && total.cost === 0 ? [NOTHING_RAN] : [];
  return [
    `${formatInstant(start * 1000)} to ${formatInstant(end * 1000)}`,
    ...tableLines([head, ...rows, ['total', ...cells(total)]]),
    ...(left === null
      ? []
      : [
          `the total has ${left.groups} more groups, ${left.cost.toFixed(2)} ${currency} together: --offset ${left.next} shows them`,
        ]),
    ...behind,
    ...missing,
    ...unknown,
  ].join('\n');
}

function tellBudgets(budgets: readonly ToldBudget[]): string {
  if (budgets.length === 0) return 'no cost budget is set, or none was judged yet (cost.budgets of the settings)';
  const head = ['BUDGET', 'PERIOD', 'AMOUNT', 'SPENT', 'PROJECTED', '95 %', 'USED UP', 'STATE', 'OF THE AMOUNT'];
  const rows = budgets.map((each) => [
    each.name,
    each.period,
    `${each.amount.toFixed(2)} ${each.currency}`,
    each.spent.toFixed(2),
    each.projected === null ? '-' : each.projected.toFixed(2),
    each.lower === null || each.upper === null ? '-' : `${each.lower.toFixed(2)} to ${each.upper.toFixed(2)}`,
    each.crossing?.day ?? '-',
    each.state,
    barOf(each),
  ]);
  const leaving = budgets.flatMap(({ name, state, leavesAt }) =>
    leavesAt === null
      ? []
      : [`${name} is projected below its step ${state} by now: left ${formatInstant(leavesAt * 1000)} if it stays so`],
  );
  const asked = budgets.flatMap(({ name, ceilings }) =>
    ceilings.map(({ policy, replicas }) => `${name} lowers the maximum of ${policy} to ${replicas}`),
  );
  const unknown = budgets.some(({ spent, projected }) => spent === 0 && projected === null) ? [NOTHING_RAN] : [];
  const key = '# spent, = projected, - up to the upper bound, | the amount';
  return [...tableLines([head, ...rows]), key, ...leaving, ...asked, ...unknown].join('\n');
}

/** Where the amount stands in a bar, and its width: a quarter beyond the amount has room. */
const BAR = { amount: 24, width: 30 } as const;

/** `######====---           |`: spent, projected and its upper bound, of the amount. */
function barOf({ amount, spent, projected, upper }: ToldBudget): string {
  const cells = (value: number | null) => Math.min(BAR.width, Math.round(((value ?? 0) / amount) * BAR.amount));
  const [full, ahead, most] = [cells(spent), cells(projected), cells(upper)];
  const bar: string[] = Array.from({ length: BAR.width }, (_, i) =>
    i < full ? '#' : i < ahead ? '=' : i < most ? '-' : ' ',
  );
  bar.splice(BAR.amount, 0, '|');
  return `[${bar.join('')}]`;
}
