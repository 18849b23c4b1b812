import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatInstant, HOUR, type Millis, parseDuration, parseInstant } from '../model/time.ts';

/** What one pod's container cost in an hour, in OpenCost's terms. */
export interface OpenCostPod {
  /** `__unmounted__`: a volume or a load balancer that no pod has. */
  readonly namespace: string;
  /** Left out: a pod on its own. */
  readonly controller?: string;
  readonly controllerKind?: string;
  /** NaN: not known. */
  readonly cpuCost: number;
  readonly ramCost: number;
  readonly pvCost?: number;
  readonly minutes?: number;
}

export interface OpenCostWorld {
  readonly podsIn: (hour: Millis) => readonly OpenCostPod[];
  /** What the nodes cost beyond what pods asked for. */
  readonly idleIn: (hour: Millis) => number;
}

export type OpenCostManner = 'well' | 'error' | 'empty' | 'garbage' | 'hangs';

export interface OpenCostServer extends AsyncDisposable {
  readonly url: string;
  /** What was asked for, each as its query. */
  readonly asked: readonly URLSearchParams[];
  manner: OpenCostManner;
}

/**
 * Answers `GET /allocation/compute` as OpenCost does: sets of a step each, rows by what they are aggregated by (KIND:NAME
 * of controllers, `__unallocated__` without one), idle as one row where it is asked for, amounts with five digits, and
 * null where something is not a number.
 */
export async function openOpenCost({ podsIn, idleIn }: OpenCostWorld): Promise<OpenCostServer> {
  const asked: URLSearchParams[] = [];
  const state: { manner: OpenCostManner } = { manner: 'well' };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://opencost');
    asked.push(searchParams);
    if (pathname !== '/allocation/compute') return void response.writeHead(404).end('404 page not found');
    if (state.manner === 'hangs') return;
    if (state.manner === 'error') return send(response, 500, { code: 500, message: 'Error: no data in Prometheus' });
    if (state.manner === 'garbage') return void response.end('<html>a proxy</html>');
    answer(searchParams, response);
  });

  function answer(query: URLSearchParams, response: ServerResponse): void {
    const bounds = (query.get('window') ?? '').split(',');
    let [start, end]: Millis[] = [];
    try {
      [start, end] = bounds.map(parseInstant);
    } catch {
      // As told below.
    }
    if (start === undefined || end === undefined || !(end > start)) {
      return void response.writeHead(400).end("Invalid 'window' parameter: illegal window");
    }
    const stepMs = query.get('step') === null ? end - start : parseDuration(query.get('step')!);
    const by = (query.get('aggregate') ?? '').split(',').filter((name) => name !== '');
    const sets: Record<string, object>[] = [];
    for (let from = start; from < end; from += stepMs) sets.push(setOf(from, from + stepMs, by, query));
    send(response, 200, { code: 200, data: state.manner === 'empty' ? [{}] : sets });
  }

  function setOf(from: Millis, to: Millis, by: readonly string[], query: URLSearchParams): Record<string, object> {
    const rows = new Map<string, { properties: Record<string, string>; amounts: Amounts }>();
    const add = (name: string, properties: Record<string, string>, amounts: Amounts) => {
      const found = rows.get(name);
      rows.set(name, { properties, amounts: found === undefined ? amounts : sumOf(found.amounts, amounts) });
    };
    for (let hour = from; hour < to; hour += HOUR) {
      for (const { namespace, controller, controllerKind, cpuCost, ramCost, pvCost = 0, minutes = 60 } of podsIn(
        hour,
      )) {
        const named = controller === undefined ? '__unallocated__' : `${controllerKind}:${controller}`;
        const parts = by.map((name) => (name === 'namespace' ? namespace : named));
        const properties = {
          ...{ cluster: 'cluster-one', namespace },
          ...(controller !== undefined && controllerKind !== undefined && { controller, controllerKind }),
        };
        add(parts.join('/'), properties, { cpuCost, ramCost, pvCost, minutes });
      }
      const idle = { cpuCost: 0.8 * idleIn(hour), ramCost: 0.2 * idleIn(hour), pvCost: 0, minutes: 60 };
      if (query.get('includeIdle') === 'true') add('__idle__', { cluster: 'cluster-one' }, idle);
    }
    const window = { start: formatInstant(from), end: formatInstant(to) };
    return Object.fromEntries(
      [...rows].map(([name, { properties, amounts }]) => {
        const { minutes, ...costs } = amounts;
        const totalCost = costs.cpuCost + costs.ramCost + costs.pvCost;
        const rounded = Object.entries({ ...costs, minutes, totalCost, sharedCost: 0, externalCost: 0 }).map(
          ([key, value]) => [key, Number.isFinite(value) ? Math.round(value * 1e5) / 1e5 : null] as const,
        );
        return [name, { name, properties, window, ...window, ...Object.fromEntries(rounded) }];
      }),
    );
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get manner() {
      return state.manner;
    },
    set manner(value) {
      state.manner = value;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Amounts {
  readonly cpuCost: number;
  readonly ramCost: number;
  readonly pvCost: number;
  readonly minutes: number;
}

function sumOf(a: Amounts, b: Amounts): Amounts {
  return {
    cpuCost: a.cpuCost + b.cpuCost,
    ramCost: a.ramCost + b.ramCost,
    pvCost: a.pvCost + b.pvCost,
    minutes: Math.max(a.minutes, b.minutes),
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
