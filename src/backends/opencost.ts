import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { formatInstant, HOUR, type Millis } from '../model/time.ts';
import { EngineAnswerError } from './errors.ts';

/** What OpenCost says that one controller of a namespace cost in one hour, in its own currency. */
export interface Allocation {
  readonly namespace: string;
  /** Of a Deployment or StatefulSet its name, of others `KIND:NAME`; `__unallocated__`: pods without a controller. */
  readonly workload: string;
  /** Zero or more. */
  readonly cost: number;
  /** How long some of it ran, 0 to 1. */
  readonly hours: number;
}

/** All that it says of an hour. */
export interface AllocatedHour {
  readonly workloads: readonly Allocation[];
  /** Cost of the cluster that no namespace has, by OpenCost's names: `__idle__`, `__unmounted__`. */
  readonly overheads: readonly { readonly name: string; readonly cost: number }[];
}

/** OpenCost writes what is not a number as null. */
const amount = z.number().nullish();

const COSTS = [
  ...['cpuCost', 'cpuCostAdjustment', 'gpuCost', 'gpuCostAdjustment', 'ramCost', 'ramCostAdjustment'],
  ...['pvCost', 'pvCostAdjustment', 'networkCost', 'networkCostAdjustment', 'loadBalancerCost'],
  ...['loadBalancerCostAdjustment', 'sharedCost', 'externalCost'],
] as const;

const Row = z.looseObject({
  properties: z
    .looseObject({
      namespace: z.string().nullish(),
      controller: z.string().nullish(),
      controllerKind: z.string().nullish(),
    })
    .nullish(),
  minutes: amount,
  totalCost: amount,
});

const Answer = z.looseObject({
  code: z.number(),
  message: z.string().nullish(),
  data: z.array(z.record(z.string(), Row).nullable()).nullish(),
});

export interface OpenCostOptions {
  readonly url: string;
  readonly tokenFile: string | undefined;
  readonly timeoutMs: number;
}

/**
 * Asks an OpenCost-compatible server what an hour cost, idle cost as a row of its own:
 * `GET /allocation/compute?window=START,END&step=1h&aggregate=namespace,controller&includeIdle=true`.
 * @throws {EngineAnswerError} If nobody answers, or not as OpenCost does.
 */
export async function readAllocations(
  { url, tokenFile, timeoutMs }: OpenCostOptions,
  hour: Millis,
  signal: AbortSignal,
): Promise<AllocatedHour> {
  const query = new URLSearchParams({
    window: `${formatInstant(hour)},${formatInstant(hour + HOUR)}`,
    aggregate: 'namespace,controller',
    step: '1h',
    includeIdle: 'true',
    shareIdle: 'false',
    accumulate: 'false',
  });
  const headers: Record<string, string> = { accept: 'application/json' };
  if (tokenFile !== undefined) headers['authorization'] = `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
  let status: number;
  let text: string;
  try {
    const response = await fetch(`${url}/allocation/compute?${query}`, {
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    [status, text] = [response.status, await response.text()];
  } catch (error) {
    if (signal.aborted) throw error;
    throw new EngineAnswerError(`cannot ask OpenCost at ${url}: ${(error as Error).message}`, { cause: error });
  }
  const checked = Answer.safeParse(jsonOf(text));
  const code = checked.data?.code ?? status;
  if (status !== 200 || code !== 200) {
    const why = (checked.data?.message ?? text).slice(0, 200);
    throw new EngineAnswerError(`cannot ask OpenCost at ${url}: status ${status === 200 ? code : status}: ${why}`);
  }
  if (!checked.success) {
    throw new EngineAnswerError(`cannot use the answer of OpenCost at ${url}: it is no list of allocations`);
  }
  return added(checked.data.data ?? []);
}

/** A name that OpenCost makes up, such as `__idle__`. */
const MADE_UP = /__\w+__/;
/** Their pods are counted as replicas of what has the name. */
const SCALED = ['', 'deployment', 'statefulset', 'replicaset', 'rollout'];

function added(sets: readonly (Readonly<Record<string, z.infer<typeof Row>>> | null)[]): AllocatedHour {
  const workloads = new Map<string, Allocation>();
  const overheads = new Map<string, number>();
  for (const [name, row] of sets.flatMap((set) => Object.entries(set ?? {}))) {
    // Idle cost may be below zero where OpenCost's prices and its nodes' costs differ: that is nobody's gain.
    const cost = Math.max(0, costOf(row));
    const [first = '', second = ''] = name.split('/');
    const namespace = row.properties?.namespace || first;
    const isIdle = name.includes('__idle__');
    if (isIdle || namespace === '' || MADE_UP.test(namespace)) {
      const what = isIdle ? '__idle__' : (MADE_UP.exec(name)?.[0] ?? '__unallocated__');
      overheads.set(what, (overheads.get(what) ?? 0) + cost);
      continue;
    }
    const workload = workloadOf(row, second);
    const key = `${namespace}/${workload}`;
    const hours = Math.min(1, Math.max(0, (row.minutes ?? 60) / 60));
    const other = workloads.get(key);
    workloads.set(key, {
      ...{ namespace, workload },
      cost: cost + (other?.cost ?? 0),
      hours: Math.max(hours, other?.hours ?? 0),
    });
  }
  return {
    workloads: [...workloads.values()],
    overheads: [...overheads].map(([name, cost]) => ({ name, cost })),
  };
}

/** By its properties, else by its name, which is `KIND:NAME`. */
function workloadOf({ properties }: z.infer<typeof Row>, named: string): string {
  const at = named.indexOf(':');
  const kind = (properties?.controllerKind ?? named.slice(0, Math.max(0, at))).toLowerCase();
  const name = properties?.controller || named.slice(at + 1);
  if (name === '') return '__unallocated__';
  return SCALED.includes(kind) ? name : `${kind}:${name}`;
}

function costOf(row: z.infer<typeof Row>): number {
  if (typeof row.totalCost === 'number') return row.totalCost;
  return COSTS.reduce((sum, name) => sum + (typeof row[name] === 'number' ? row[name] : 0), 0);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
