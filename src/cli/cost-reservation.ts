import { type Command, InvalidArgumentError } from 'commander';
import { formatInstant, parseDuration } from '../model/time.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { asArgument, parseCount } from './forecast-options.ts';
import { tableLines } from './table-lines.ts';

interface ReservationOptions extends ServerOptions {
  readonly discount?: number;
  readonly horizon?: number;
  readonly namespace?: string;
  readonly workload?: string;
  readonly limit?: number;
  readonly deferrable?: number;
  readonly delay?: number;
  readonly json: boolean;
}

interface ToldRange {
  readonly expected: number;
  readonly low: number;
  readonly high: number;
}

type ToldAdvice =
  | { readonly name: string; readonly message: string }
  | {
      readonly name: string;
      readonly onDemand: number;
      readonly reserved: number;
      readonly discount: number;
      readonly held: number | null;
      readonly breakEven: number;
      readonly level: number;
      readonly utilization: number | null;
      readonly lastUnit: number | null;
      readonly nextUnit: number;
      readonly cost: ToldRange;
      readonly withoutReservation: ToldRange;
      readonly levels: readonly { readonly quantile: number; readonly level: number }[];
      readonly deferral: {
        readonly peak: { readonly now: number; readonly deferred: number };
        readonly level: number;
        readonly cost: ToldRange;
        readonly isOfUse: boolean;
      } | null;
    };

interface ToldCapacity {
  readonly currency: string;
  readonly start: number;
  readonly end: number;
  readonly discount: number | null;
  readonly discountFrom: 'question' | 'price book';
  readonly undiscounted: readonly string[];
  readonly assumptions: readonly string[];
  readonly commitment: ToldAdvice | null;
  readonly workloads: readonly ToldAdvice[];
  readonly others: number;
}

/** `foresail cost reservation`: how much capacity to reserve, and what work that can wait would save. */
export function costReservationCommand(cost: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = cost
    .command('reservation')
    .description('How much capacity to reserve: the cheapest level over the forecast, and where it breaks even')
    .option(
      '--discount <ratio>',
      "what a reserved replica is cheaper by, such as 0.4 (default: the price book's)",
      parseShare,
    )
    .option('--horizon <duration>', 'over which it is reckoned (default: 28d)', parseLength)
    .option('--namespace <name>', 'only of this namespace')
    .option('--workload <name>', 'only of this workload')
    .option('--limit <count>', 'workloads with advice of their own, the dearest (default: 10)', parseCount)
    .option('--deferrable <ratio>', 'share of the work that can wait, such as 0.2', parseShare)
    .option('--delay <duration>', 'how long it can wait, such as 6h', parseLength);
  serverOptions(command)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail cost reservation --deferrable 0.2 --delay 6h')
    .action(async (options: ReservationOptions) => {
      const query = new URLSearchParams();
      for (const name of ['discount', 'namespace', 'workload', 'limit', 'deferrable'] as const) {
        const value = options[name];
        if (value !== undefined) query.set(name, String(value));
      }
      for (const name of ['horizon', 'delay'] as const) {
        const value = options[name];
        if (value !== undefined) query.set(name, String(value / 1000));
      }
      const { data } = (await askServer(options, `/api/v1/cost/reservation?${query}`, { signal })) as {
        readonly data: ToldCapacity;
      };
      console.log(options.json ? JSON.stringify(data, null, 2) : tellCapacity(data));
    });
}

/** The advice as text. */
function tellCapacity({
  currency,
  start,
  end,
  discount,
  discountFrom,
  undiscounted,
  commitment,
  workloads,
  others,
  assumptions,
}: ToldCapacity) {
  const cheaper = discount === null ? 'no reserved price is known' : `reserved ${percent(discount)} cheaper`;
  const by = discountFrom === 'price book' && discount !== null ? ' (by the price book, all together)' : '';
  const head = [
    'WORKLOAD',
    'RESERVE',
    'LIKELY 25-75 %',
    'BREAK-EVEN',
    'IN USE',
    'LAST/NEXT',
    'COST',
    'WITHOUT',
    'SAVES',
  ];
  const rows = workloads.map((advice) => rowOf(advice, advice.name, 1));
  const ofAll =
    commitment === null
      ? []
      : [rowOf(commitment, `all, ${currency} an hour`, 'onDemand' in commitment ? commitment.onDemand : 1)];
  return [
    `${formatInstant(start * 1000)} to ${formatInstant(end * 1000)}, ${cheaper}${by}; costs are expected ones of this time, in ${currency}`,
    '',
    ...tableLines([head, ...rows, ...ofAll]),
    ...(others > 0 ? [`and ${others} more workloads, which the last row has too`] : []),
    ...(undiscounted.length > 0
      ? [`no reserved price is known of ${undiscounted.join(', ')}: give one with --discount`]
      : []),
    ...deferralLines([...workloads, ...(commitment === null ? [] : [commitment])], currency),
    '',
    ...assumptions,
  ].join('\n');
}

function rowOf(advice: ToldAdvice, name: string, unit: number): readonly string[] {
  if ('message' in advice) return [name, `no advice: ${advice.message}`];
  const { level, levels, breakEven, utilization, lastUnit, nextUnit, cost, withoutReservation } = advice;
  const units = (count: number) => String(Number((count * unit).toPrecision(4)));
  const at = (quantile: number) => units(levels.find((one) => one.quantile >= quantile - 1e-9)?.level ?? level);
  const saves = withoutReservation.expected - cost.expected;
  return [
    name,
    units(level),
    `${at(0.25)}-${at(0.75)}`,
    percent(breakEven),
    utilization === null ? '-' : percent(utilization),
    `${lastUnit === null ? '-' : percent(lastUnit)} / ${percent(nextUnit)}`,
    `${cost.expected.toFixed(2)} (${cost.low.toFixed(0)}-${cost.high.toFixed(0)})`,
    withoutReservation.expected.toFixed(2),
    `${saves.toFixed(2)}${withoutReservation.expected > 0 ? ` (${percent(saves / withoutReservation.expected)})` : ''}`,
  ];
}

function deferralLines(all: readonly ToldAdvice[], currency: string): readonly string[] {
  const lines = all.flatMap((advice) => {
    if ('message' in advice || advice.deferral === null) return [];
    const { peak, level, cost, isOfUse } = advice.deferral;
    const name = advice.name === '' ? 'all' : advice.name;
    if (!isOfUse) return [`  ${name}: without a discount waiting saves nothing`];
    const unit = advice.name === '' ? advice.onDemand : 1;
    const units = (count: number) => String(Number((count * unit).toPrecision(3)));
    const saves = advice.cost.expected - cost.expected;
    return [
      `  ${name}: the peak falls from ${units(peak.now)} to ${units(peak.deferred)}; with ${units(level)} reserved it costs ${currency} ${cost.expected.toFixed(2)}, ${saves.toFixed(2)} less`,
    ];
  });
  return lines.length === 0 ? [] : ['', 'if the share that can wait does wait', ...lines];
}

function percent(ratio: number): string {
  return `${Number((100 * ratio).toFixed(1))} %`;
}

function parseShare(text: string): number {
  const share = Number(text);
  if (text.trim() === '' || !(share >= 0 && share <= 1)) {
    throw new InvalidArgumentError('expected a number of 0 to 1, such as 0.4');
  }
  return share;
}

function parseLength(text: string): number {
  return asArgument(() => parseDuration(text));
}
