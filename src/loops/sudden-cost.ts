import { setImmediate as yieldTurn } from 'node:timers/promises';
import { amountOf } from '../cost/money.ts';
import { localDate } from '../cost/period.ts';
import { type CostPart, costByWorkload, explainCost, isSudden, median, totalMicros } from '../cost/sudden.ts';
import type { WorkloadHour } from '../cost/workload-hour.ts';
import { type Alert, END_TOLD_FOR_MS } from '../model/alert.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis, type TimeRange } from '../model/time.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import type { KeyValue } from '../storage/key-value.ts';
import { RUNBOOK } from './budget-alert.ts';

export interface SuddenCostDeps {
  readonly now: () => Millis;
  readonly keyValue: Pick<KeyValue, 'read' | 'write'>;
  readonly currency: string;
  readonly url: string;
  readonly limits: { readonly above: number; readonly least: number };
  readonly hoursIn: (tenant: TenantId, range: TimeRange) => Promise<readonly WorkloadHour[]>;
}

/** The last day that was judged, and what was wrong with it. Plain JSON. */
interface Kept {
  readonly judged: Millis;
  readonly found?: Found;
  readonly ended?: Found & { readonly at: Millis };
}

interface Found {
  readonly day: Millis;
  readonly cost: number;
  readonly usual: number;
  readonly parts: readonly CostPart[];
  readonly startsAt: Millis;
}

/** Days before that a day is compared with. */
const BEFORE = 14;
const CAUSES_TOLD = 5;

/** Judges each full day (UTC) once, and tells of one that cost much more than the days before until the next one is judged. */
export function openSuddenCost(deps: SuddenCostDeps) {
  const memory = new Map<TenantId, Kept>();

  async function judge(tenant: TenantId, day: Millis, before: Kept | undefined): Promise<Kept> {
    const hours = await deps.hoursIn(tenant, { start: day - BEFORE * DAY, end: day + DAY });
    const byDay = new Map<Millis, WorkloadHour[]>();
    for (const each of hours) {
      const at = Math.floor(each.hour / DAY) * DAY;
      const list = byDay.get(at);
      if (list === undefined) byDay.set(at, [each]);
      else list.push(each);
    }
    const today = costByWorkload(byDay.get(day) ?? [], 1);
    const others = [...byDay].filter(([at]) => at !== day).map(([, list]) => list);
    const sumOf = (list: readonly WorkloadHour[]) =>
      amountOf(costByWorkload(list, 1).reduce((sum, each) => sum + totalMicros(each), 0));
    const cost = sumOf(byDay.get(day) ?? []);
    const sums: number[] = [];
    for (const list of others) {
      sums.push(sumOf(list));
      // A day of hundreds of workloads takes a moment.
      await yieldTurn();
    }
    const ended = before?.found && { ended: { ...before.found, at: deps.now() } };
    if (!isSudden(cost, sums, deps.limits)) return { judged: day, ...ended };
    const parts = explainCost(costByWorkload(others.flat(), others.length), today);
    return { judged: day, found: { day, cost, usual: median(sums), parts, startsAt: deps.now() }, ...ended };
  }

  function alertOf({ day, cost, usual, parts, startsAt }: Found, endsAt?: Millis): Alert {
    const money = (amount: number) => `${amount.toFixed(2)} ${deps.currency}`;
    const [first] = parts.filter(({ amount }) => amount > 0);
    const told = parts.slice(0, CAUSES_TOLD).map(({ cause, namespace, workload, amount }) => {
      return `${cause} of ${namespace}/${workload} ${amount > 0 ? '+' : ''}${amount.toFixed(2)}`;
    });
    const date = localDate(day, 'UTC');
    const url = deps.url;
    const why = first === undefined ? '' : `, most of it by ${first.cause} of ${first.namespace}/${first.workload}`;
    return {
      labels: [
        ['alertname', 'ForesailSuddenCost'],
        ['day', date],
        ['severity', 'warning'],
      ],
      annotations: {
        summary: `${date} cost ${money(cost)}, usual is ${money(usual)}${why}`,
        description: `${date} (UTC) cost ${money(cost)}; the days before it ${money(usual)} (median). What differs from their mean, the largest first: ${told.join('; ')}.`,
        cause: first === undefined ? 'not known' : `${first.cause} of ${first.namespace}/${first.workload}`,
        remedy: 'See whether it was meant: foresail cost spend. If it was not, undo what the first cause names.',
        runbook_url: `${RUNBOOK}#foresailsuddencost`,
        picture: `${url}/api/v1/cost/spend?by=namespace,workload&step=1d`,
      },
      startsAt,
      ...(endsAt !== undefined && { endsAt }),
      generatorUrl: `${url}/api/v1/cost/spend?by=namespace,workload&step=1h&start=${day / 1000}&end=${(day + DAY) / 1000}`,
    };
  }

  return {
    /** @param upTo All hours before are made. */
    async pass(tenant: TenantId, upTo: Millis): Promise<readonly Alert[]> {
      const key = `cost/sudden/${tenant}`;
      let kept = memory.get(tenant);
      if (kept === undefined) {
        const bytes = await deps.keyValue.read(key);
        kept = bytes && decodeJson<Kept>(bytes);
      }
      const day = Math.floor(upTo / DAY) * DAY - DAY;
      if (kept === undefined || kept.judged < day) {
        kept = await judge(tenant, day, kept);
        await deps.keyValue.write([{ key, value: encodeJson(kept) }]);
      }
      memory.set(tenant, kept);
      const { found, ended } = kept;
      const isFresh = ended !== undefined && deps.now() - ended.at < END_TOLD_FOR_MS;
      return [...(found ? [alertOf(found)] : []), ...(isFresh ? [alertOf(ended, ended.at)] : [])];
    },
  };
}
