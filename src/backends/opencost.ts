import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { formatInstant, HOUR, type Millis } from '../model/time.ts';
import { EngineAnswerError } from './errors.ts';

/** What OpenCost says that one workload cost in one hour, in its own currency. */
export interface Allocation {
  readonly namespace: string;
  readonly workload: string;
  readonly cost: number;
}

const Answer = z.object({
  code: z.number(),
  data: z.array(
    z
      .record(
        z.string(),
        z.object({
          properties: z.object({ namespace: z.string().optional(), controller: z.string().optional() }).nullish(),
          cpuCost: z.number().default(0),
          gpuCost: z.number().default(0),
          ramCost: z.number().default(0),
          totalCost: z.number().optional(),
        }),
      )
      .nullable(),
  ),
});

export interface OpenCostOptions {
  readonly url: string;
  readonly tokenFile: string | undefined;
  readonly timeoutMs: number;
}

/**
 * Asks an OpenCost-compatible server what each workload of an hour cost: `GET /allocation/compute`.
 * @throws {EngineAnswerError} If nobody answers, or not as OpenCost does.
 */
export async function readAllocations(
  { url, tokenFile, timeoutMs }: OpenCostOptions,
  hour: Millis,
  signal: AbortSignal,
): Promise<readonly Allocation[]> {
  const window = `${formatInstant(hour)},${formatInstant(hour + HOUR)}`;
  const query = new URLSearchParams({ window, aggregate: 'namespace,controller', step: '1h', accumulate: 'true' });
  const headers: Record<string, string> = { accept: 'application/json' };
  if (tokenFile !== undefined) headers['authorization'] = `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
  let body: unknown;
  try {
    const response = await fetch(`${url}/allocation/compute?${query}`, {
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    body = await response.json();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new EngineAnswerError(`cannot ask OpenCost at ${url}: ${(error as Error).message}`, { cause: error });
  }
  const checked = Answer.safeParse(body);
  if (!checked.success || checked.data.code !== 200) {
    throw new EngineAnswerError(`cannot use the answer of OpenCost at ${url}: it is no list of allocations`);
  }
  return checked.data.data.flatMap((set) =>
    Object.entries(set ?? {}).flatMap(([key, { properties, cpuCost, gpuCost, ramCost, totalCost }]) => {
      const [first = '', second = ''] = key.split('/');
      const namespace = properties?.namespace ?? first;
      const workload = properties?.controller ?? second;
      if (namespace === '' || workload === '' || workload.startsWith('__')) return [];
      return [{ namespace, workload, cost: totalCost ?? cpuCost + gpuCost + ramCost }];
    }),
  );
}
