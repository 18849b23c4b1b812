import { DAY, MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';

/** What the demo asks the running server, over HTTP as any client would. */
export interface DemoApi {
  putPolicy(namespace: string, name: string, yaml: string): Promise<void>;
  /** Undefined while there is none. */
  forecast(namespace: string, name: string): Promise<DemoForecast | undefined>;
  /** The last decision that rests on a forecast; undefined while there is none. */
  trustedDecision(namespace: string, name: string): Promise<DemoDecision | undefined>;
  /** A policy's demand as the server recorded it over the four weeks before `now`; gaps over five minutes are left out. */
  demand(policy: ScalingPolicy, now: Millis): Promise<RecordedDemand>;
}

export interface RecordedDemand {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export interface DemoForecast {
  readonly issuedAt: Millis;
  readonly stepMs: number;
  readonly point: readonly (number | null)[];
  readonly lower: readonly (number | null)[];
  readonly upper: readonly (number | null)[];
  readonly model: string;
  readonly maeVsLast: number | null;
}

export interface DemoDecision {
  readonly at: Millis;
  readonly min: number;
  readonly reasons: readonly string[];
}

export function openDemoApi(url: string, signal: AbortSignal): DemoApi {
  const ask = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const response = await fetch(`${url}${path}`, { ...init, signal });
    const answer = (await response.json()) as { data: T; error?: string };
    if (!response.ok) throw new Error(`cannot play the demo: ${answer.error ?? `${path} answered ${response.status}`}`);
    return answer.data;
  };
  const policyPath = (namespace: string, name: string) => `/api/v1/policies/${namespace}/${name}`;

  return {
    async putPolicy(namespace, name, yaml) {
      const headers = { 'content-type': 'application/yaml' };
      await ask(policyPath(namespace, name), { method: 'PUT', headers, body: yaml });
    },
    async forecast(namespace, name) {
      const [first] = await ask<readonly ForecastAnswer[]>(`${policyPath(namespace, name)}/forecast`);
      return first?.state === 'ready' ? forecastOf(first) : undefined;
    },
    async trustedDecision(namespace, name) {
      const decisions = await ask<readonly DecisionAnswer[]>(`${policyPath(namespace, name)}/decisions?limit=5`);
      const trusted = decisions.find(({ reasons }) => reasons.every(({ code }) => code !== 'Demoted'));
      if (trusted === undefined) return undefined;
      const { at, bounds, reasons } = trusted;
      return { at: at * SECOND, min: bounds.min, reasons: reasons.map(({ text }) => text) };
    },
    demand: ({ namespace, name, demands }, now) =>
      readDemand(ask, `${demands[0]!.name}{namespace="${namespace}",policy="${name}"}`, now),
  };
}

interface ForecastAnswer {
  readonly state: string;
  readonly issuedAt: number;
  readonly stepSeconds: number;
  readonly point: readonly (number | null)[];
  readonly quantiles: readonly { readonly quantile: number; readonly values: readonly (number | null)[] }[];
  readonly model: string;
  readonly maeVsLast: number | null;
}

interface DecisionAnswer {
  readonly at: number;
  readonly bounds: { readonly min: number };
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
}

function forecastOf({ issuedAt, stepSeconds, point, quantiles, model, maeVsLast }: ForecastAnswer): DemoForecast {
  const path = (quantile: number) => quantiles.find((one) => one.quantile === quantile)?.values ?? [];
  const times = { issuedAt: issuedAt * SECOND, stepMs: stepSeconds * SECOND };
  return { ...times, point, lower: path(0.05), upper: path(0.95), model, maeVsLast };
}

/** Steps of one range query: below the server's limit of 11,000. */
const SLICE = 7 * DAY;

async function readDemand(ask: <T>(path: string) => Promise<T>, query: string, now: Millis): Promise<RecordedDemand> {
  const end = Math.floor((now - MINUTE) / MINUTE) * MINUTE;
  const times: number[] = [];
  const values: number[] = [];
  for (let start = end - 28 * DAY; start <= end; start += SLICE) {
    const last = Math.min(end, start + SLICE - MINUTE);
    const range = { query, start: String(start / SECOND), end: String(last / SECOND), step: '60' };
    const { result } = await ask<Matrix>(`/api/v1/query_range?${new URLSearchParams(range)}`);
    for (const [t, value] of result[0]?.values ?? []) {
      times.push(t * SECOND);
      values.push(Number(value));
    }
  }
  return { times: Float64Array.from(times), values: Float64Array.from(values) };
}

interface Matrix {
  readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[];
}
