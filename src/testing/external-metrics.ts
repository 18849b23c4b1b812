import { type BoardFeed, openBoardFeed } from '../external-metrics/board-feed.ts';
import { type MetricsBoard, openMetricsBoard } from '../external-metrics/metrics-board.ts';
import type { Forecast } from '../model/forecast.ts';
import type { ForecastStatus } from '../model/issued-forecast.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { NO_MEMORY, type PlanInput } from '../scaling/plan-types.ts';
import { parsePolicy } from '../scaling/policy.ts';

export const NOW = Date.UTC(2026, 10, 21, 9);

export interface DraftOptions {
  readonly name: string;
  readonly namespace?: string;
  readonly floor?: number;
  readonly demands: readonly { readonly name: string; readonly value: number | null }[];
  readonly quantile?: number;
  readonly now?: Millis;
}

/** What a pass would have decided for the policy `name` and its HPA of the same name. */
export function draftOf({
  name,
  namespace = 'shop',
  floor = 3,
  demands,
  quantile = 0.95,
  now = NOW,
}: DraftOptions): DecisionDraft {
  const policy = parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace },
    spec: {
      target: { name },
      demand: demands.map((demand) => ({ name: demand.name, query: demand.name, capacity: { perReplica: 100 } })),
      replicas: { min: 1, max: 50 },
      forecast: { quantile },
    },
  });
  const input: PlanInput = {
    now,
    policy,
    demands: demands.map(({ name: demand, value }) => ({
      name: demand,
      current: { time: now, value },
      forecast: { kind: 'none', message: 'not read here' },
    })),
    target: { min: 1, max: 50, original: { min: 1, max: 50 }, specReplicas: 1, statusReplicas: 1 },
    leadTime: { ms: 3 * MINUTE, source: 'assumed' },
    refreshMs: MINUTE,
    memory: NO_MEMORY,
  };
  const bounds = { min: floor, max: 50 };
  const plan = {
    planner: 'test',
    now,
    bounds,
    wanted: floor,
    changed: false,
    reasons: [],
    demotion: null,
    memory: NO_MEMORY,
  };
  const act = { kind: 'none', message: '' } as const;
  const ownership = { kind: 'observing', message: '' };
  return {
    at: now,
    tenant: DEFAULT_TENANT,
    namespace,
    policy: name,
    mode: 'observe',
    planner: 'test',
    input,
    plan,
    ownership,
    act,
  };
}

/** Issued a minute before `NOW`, ten steps of a minute: the path at step i is the peak + i. */
export function forecastOf(peaks: Readonly<Record<number, number>>, issuedAt = NOW - MINUTE): Forecast {
  const of = Object.entries(peaks).map(([quantile, value]) => ({ quantile: Number(quantile), value }));
  return {
    issuedAt,
    stepMs: MINUTE,
    point: new Float64Array(10),
    quantiles: of.map(({ quantile, value }) => ({
      quantile,
      values: Float64Array.from({ length: 10 }, (_, i) => value + i + 1),
    })),
    peak: { windowMs: 5 * MINUTE, quantiles: of },
    model: 'test',
    seasons: [],
    accuracy: { mae: 1, maeVsLast: 0.5, coverage: 0.95, origins: 10, peakVsNaive: 0.5, peakCoverage: 0.95 },
    historyMs: 28 * DAY,
  };
}

/** A board with its feed, which has seen these plans and, for each, these forecasts by demand. */
export async function boardOf(
  drafts: readonly DecisionDraft[],
  forecasts: Readonly<Record<string, Forecast | ForecastStatus>>,
  now: () => Millis = () => NOW,
): Promise<MetricsBoard & BoardFeed> {
  const inner = openMetricsBoard({ now, passIntervalMs: 15 * SECOND });
  const board = { ...inner, ...openBoardFeed(inner.apply) };
  for (const draft of drafts) {
    board.planned(draft);
    for (const [demand, given] of Object.entries(forecasts)) {
      const status = 'kind' in given ? given : ({ kind: 'forecast', forecast: given } as const);
      const key = { namespace: draft.namespace, policy: draft.policy, demand };
      await board.watching(DEFAULT_TENANT, { latest: async () => status }).latest(key);
    }
  }
  return board;
}
