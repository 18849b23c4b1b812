import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { DAY, HOUR, MINUTE } from '../../src/model/time.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { openSink } from '../receivers.ts';
import { startServe } from '../serve-process.ts';

/** What was found after the kills. */
export interface CostOutcome {
  /** Hours of workloads that were there once, each with its amount. */
  readonly hours: number;
  /** Alerts of budgets and of sudden cost that were told, each with one beginning. */
  readonly alerts: number;
  /** Times that they were sent. */
  readonly messages: number;
}

/** The first day of a quarter. */
const START = Date.UTC(2026, 6, 1);
const WORKLOADS = 12;
const PRICE = 0.123457;
const MAX_LIFE_MS = 1_500;
const MOST_HOURS = 22;
const DEADLINE_MS = 120_000;
const LINK = join(import.meta.dirname, '..', 'real', 'shifted-clock.mjs');

/** One replica more each week: every step of the budget is passed once in a quarter, and never the other way. */
const replicasAt = (workload: number, hour: number) => 1 + (workload % 3) + Math.floor((hour - START) / (7 * DAY));
const amountOf = (workload: number, hour: number) => Math.round(replicasAt(workload, hour) * PRICE * 1e6);

/**
 * Kills the program at random moments while it makes hours of spend and judges a budget on them, and while its clock
 * jumps on by hours. Samples of the next hours are taken in before their time comes.
 *
 * @param random From 0 to 1: the moments, as far as the machine lets them be the same.
 * @throws {Error} If an hour is lost, counted twice or estimated, or a step of the budget is told anew as another one.
 */
export async function killWhileCounting(
  kills: number,
  random: () => number,
  onKill: (done: number) => void = () => {},
): Promise<CostOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-costing-'));
  await using sink = await openSink();
  const settings = join(folder, 'foresail.yaml');
  await writeFile(settings, settingsText(sink.port));
  const clock = join(folder, 'clock');
  const node = [process.execPath, '--import', `${pathToFileURL(LINK)}?${new URLSearchParams({ file: clock })}`];
  let now = START + 5 * MINUTE;

  const start = async () => {
    await writeFile(clock, String(now - Date.now()));
    return await startServe(join(folder, 'data'), ['env', `NODE_OPTIONS=${node.slice(1).join(' ')}`], undefined, [
      ...['--config', settings],
    ]);
  };
  try {
    /** Of all hours before it, samples are there. */
    let sent = START;
    for (let life = 0; life < kills; life++) {
      const server = await start();
      const end = Date.now() + random() * MAX_LIFE_MS;
      const until = sent + Math.ceil(random() * MOST_HOURS) * HOUR;
      const taken = sendHours(server.url, sent, until);
      await pause(Math.max(0, end - Date.now()));
      await server.kill();
      onKill(life + 1);
      // One that was not acknowledged is sent again, as Prometheus does.
      if (await taken) {
        sent = until;
        now = sent + 11 * MINUTE;
      }
    }
    await using server = await start();
    const deadline = Date.now() + DEADLINE_MS;
    const isDone = async () => {
      const { upTo } = await spendOf(server.url, sent - HOUR, sent);
      const told = sink.taken.some(({ body }) => body.includes('ForesailBudget'));
      return upTo * 1000 >= sent && told;
    };
    while (!(await isDone())) {
      if (Date.now() > deadline) {
        const { upTo } = await spendOf(server.url, sent - HOUR, sent);
        const made = `made up to ${new Date(upTo * 1000).toISOString()} of ${new Date(sent).toISOString()}`;
        throw new Error(`${made}, ${sink.taken.length} messages within two minutes:\n${server.output()}`);
      }
      await pause(250);
    }
    const hours = await checkHours(server.url, sent);
    return { hours, ...checkAlerts(sink.taken.map(({ body }) => body)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns Whether it was acknowledged. */
async function sendHours(url: string, from: number, to: number): Promise<boolean> {
  const times = Array.from({ length: (to - from) / MINUTE }, (_, i) => from + i * MINUTE);
  const series = Array.from({ length: WORKLOADS }, (_, workload) => ({
    labels: Object.entries({
      ...{ __name__: 'kube_deployment_status_replicas', deployment: `web-${workload}`, namespace: 'shop' },
    }),
    times,
    values: Float64Array.from(times, (at) => replicasAt(workload, Math.floor(at / HOUR) * HOUR)),
  }));
  try {
    const body = new Uint8Array(encodeSnappy(encodeWriteRequest(series)));
    const response = await fetch(`${url}/api/v1/write`, { method: 'POST', body });
    if (response.status !== 204) throw new Error(`writing answered ${response.status}: ${await response.text()}`);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

interface Spend {
  readonly upTo: number;
  readonly groups: readonly {
    readonly group: { readonly workload: string };
    readonly steps: readonly { readonly start: number; readonly cost: number; readonly estimated: number }[];
  }[];
}

async function spendOf(url: string, from: number, to: number): Promise<Spend> {
  const query = `by=workload&step=1h&start=${from / 1000}&end=${to / 1000}`;
  const response = await fetch(`${url}/api/v1/cost/spend?${query}`);
  const { data, error } = (await response.json()) as { readonly data?: Spend; readonly error?: string };
  if (data === undefined) throw new Error(`cannot read what was spent: ${error}`);
  return data;
}

/** Each hour of each workload once, with what it cost. */
async function checkHours(url: string, end: number): Promise<number> {
  let found = 0;
  for (let from = START; from < end; from += DAY) {
    const to = Math.min(end, from + DAY);
    const { groups } = await spendOf(url, from, to);
    for (let workload = 0; workload < WORKLOADS; workload++) {
      const name = `web-${workload}`;
      const steps = groups.find(({ group }) => group.workload === name)?.steps ?? [];
      for (let hour = from; hour < to; hour += HOUR) {
        const step = steps.find(({ start }) => start * 1000 === hour);
        const what = `${name} at ${new Date(hour).toISOString()}`;
        if (step === undefined) throw new Error(`lost: ${what}`);
        if (Math.round(step.cost * 1e6) !== amountOf(workload, hour) || step.estimated !== 0) {
          throw new Error(
            `${what} costs ${step.cost}, ${step.estimated} of it estimated: not ${amountOf(workload, hour)}`,
          );
        }
        found++;
      }
    }
  }
  // The same of the series: one sample an hour, with one set of labels.
  const span = `${(end - START) / HOUR}h`;
  const query = `count_over_time(foresail_spend_hourly{kind="recorded"}[${span}])`;
  const answer = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query, time: String(end / 1000) })}`);
  const { data } = (await answer.json()) as { data: { result: readonly { value: readonly [number, string] }[] } };
  const counts = data.result.map(({ value }) => Number(value[1]));
  const wanted = new Array(WORKLOADS).fill((end - START) / HOUR);
  if (JSON.stringify(counts) !== JSON.stringify(wanted)) throw new Error(`samples of ${span}: ${counts.join(', ')}`);
  return found;
}

/** Each step, in its quarter, and each day that was dear has one beginning, however often it was sent. */
function checkAlerts(bodies: readonly string[]): { readonly alerts: number; readonly messages: number } {
  const begun = new Map<string, Set<string>>();
  let messages = 0;
  for (const body of bodies) {
    const { alerts } = JSON.parse(body) as {
      readonly alerts: readonly { readonly labels: Record<string, string>; readonly startsAt: string }[];
    };
    for (const { labels, startsAt } of alerts) {
      messages++;
      const quarter = Math.floor(new Date(startsAt).getUTCMonth() / 3);
      const key = `${labels['alertname']} ${labels['step'] ?? labels['day']} of quarter ${quarter}`;
      begun.set(key, (begun.get(key) ?? new Set()).add(startsAt));
    }
  }
  const anew = [...begun].filter(([, starts]) => starts.size > 1);
  if (anew.length > 0) {
    throw new Error(
      `told anew: ${anew.map(([key, starts]) => `${key} since ${[...starts].join(' and ')}`).join('; ')}`,
    );
  }
  return { alerts: begun.size, messages };
}

function settingsText(port: number): string {
  return `kubernetes: off
tenantLimits: {tenants: {default: {creation_grace_period: 1d}}}
cost:
  prices: [{perReplicaHour: ${PRICE}}]
  budgets: [{name: shop, period: quarterly, amount: 7000}]
alerting:
  receivers:
    - name: sink
      webhookConfigs: [{url: 'http://127.0.0.1:${port}/', maxPerMinute: 100000}]
  route: {receiver: sink, groupBy: ['...'], groupWait: 0s, groupInterval: 500ms, repeatInterval: 1d}
  flapping: {starts: off}
`;
}
