import { openForecastStore } from '../forecasts/forecast-store.ts';
import { openLedger } from '../ledger/ledger.ts';
import { decisionText } from '../loops/decision-text.ts';
import { openScaleLoop, type PassNotes, type ScaleLoop } from '../loops/scale-loop.ts';
import type { Share } from '../loops/share.ts';
import type { Forecast } from '../model/forecast.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { parsePolicy, type ScalingPolicy } from '../scaling/policy.ts';
import { type FakeCluster, fakeCluster, targetOfKey } from './fake-cluster.ts';
import { type RecordedTelemetry, recordedTelemetry } from './loop-telemetry.ts';
import { memoryKeyValue } from './memory-key-value.ts';
import { type SimClock, simClock } from './sim-clock.ts';

/** The scale loop on a store and a cluster in memory, on a simulated clock. */
export interface ScaleWorld {
  readonly clock: SimClock;
  readonly cluster: { -readonly [K in keyof FakeCluster]: FakeCluster[K] };
  readonly telemetry: RecordedTelemetry;
  /** Those in force; a test edits the list. */
  readonly policies: ScalingPolicy[];
  /** What the policy store says that it cannot read. */
  readonly unreadable: string[];
  readonly ledger: ReturnType<ReturnType<typeof openLedger>['tenant']>;
  /** By name of the policy, of its last pass. */
  readonly notes: ReadonlyMap<string, PassNotes>;
  /** By name of the policy, what its last pass planned. */
  readonly drafts: ReadonlyMap<string, DecisionDraft>;
  /** The forecast that stands at a pass; by default a fresh one of 900. */
  forecast: (now: Millis) => Forecast | undefined;
  /** What the demand's query answers. */
  demand: number;
  /** Which targets the loop acts on, from the next `restart` on. None: all. */
  share: Share | undefined;
  /** Nothing can be recorded while this is set. */
  storeFull: boolean;
  /** Lets the loop run for so long. */
  run(ms: number): Promise<void>;
  /** The loop stops, and another one begins on the same store and cluster. */
  restart(): void;
}

const WORLD_START: Millis = 20_000 * DAY;

export function openScaleWorld(policies: ScalingPolicy[], targets: readonly string[] = ['web', 'broken']): ScaleWorld {
  const keyValue = memoryKeyValue();
  const clock = simClock(WORLD_START);
  const cluster: ScaleWorld['cluster'] = fakeCluster('shop', targets);
  const telemetry = recordedTelemetry();
  const ledger = openLedger(keyValue, decisionText).tenant(DEFAULT_TENANT);
  const forecasts = openForecastStore(keyValue).tenant(DEFAULT_TENANT);
  const unreadable: string[] = [];
  const notes = new Map<string, PassNotes>();
  const drafts = new Map<string, DecisionDraft>();
  const world: ScaleWorld = {
    clock,
    cluster,
    telemetry,
    policies,
    unreadable,
    ledger,
    notes,
    drafts,
    forecast: (now) => forecastOf(900, now),
    demand: 100,
    share: undefined,
    storeFull: false,
    restart() {
      loop = open();
    },
    async run(ms) {
      const stop = new AbortController();
      const running = loop.run(stop.signal);
      await clock.advance(ms);
      stop.abort();
      await running;
    },
  };
  const open = (): ScaleLoop =>
    openScaleLoop({
      onPass: (_, { name }, passed) => notes.set(name, passed),
      onPlan: (draft) => drafts.set(draft.policy, draft),
      clock,
      telemetry,
      share: world.share,
      policies: async () => ({
        policies: policies.map((policy) => ({ tenant: DEFAULT_TENANT, policy })),
        unreadable: [...unreadable],
      }),
      tenantOf: () => DEFAULT_TENANT,
      cluster: {
        read: (ref, signal) => cluster.read(ref, signal),
        apply: (change, signal) => cluster.apply(change, signal),
        listOwned: (signal) => cluster.listOwned(signal),
        announce: (ref, event, signal) => cluster.announce(ref, event, signal),
      },
      storageOf: () => ({
        instant: async (_, time) => ({ value: { kind: 'scalar', time, value: world.demand }, warnings: [], infos: [] }),
      }),
      forecastsOf: () => ({
        latest: async (key) => {
          const forecast = world.forecast(clock.now());
          if (forecast !== undefined) await forecasts.issue(key, forecast, []);
          return await forecasts.latest(key);
        },
      }),
      ledgerOf: () => ({
        ...ledger,
        record: async (draft) => {
          if (world.storeFull) throw new RangeError('no space left');
          return await ledger.record(draft);
        },
      }),
    });
  let loop = open();
  return world;
}

type PolicyChange = Partial<Pick<ScalingPolicy, 'mode' | 'takeOver' | 'paused'>> & {
  /** Its key. Default: the HPA of the policy's own name. */
  readonly target?: string;
  readonly replicas?: { readonly min: number; readonly max: number };
  /** How fast the floor may rise in a minute. */
  readonly up?: string;
};

/** 100 of demand a replica, filled to 0.9; up to four times as many a minute, down by 10 %. */
export function worldPolicy(
  name: string,
  { mode, takeOver = 'once', paused = false, target = name, replicas = { min: 1, max: 50 }, up = '300%' }: PolicyChange,
): ScalingPolicy {
  return parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      mode,
      takeOver,
      paused,
      target: targetOfKey(target),
      demand: { query: 'rps', capacity: { perReplica: 100 } },
      leadTime: '2m',
      replicas,
      ramp: { maxUpPerMinute: up, maxDownPerMinute: '10%', holdDown: '1m' },
    },
  });
}

/** A forecast that expects so much for the next minutes. */
export function forecastOf(peak: number, issuedAt: Millis): Forecast {
  return {
    issuedAt,
    stepMs: MINUTE,
    point: new Float64Array(10).fill(peak * 0.95),
    quantiles: [{ quantile: 0.95, values: new Float64Array(10).fill(peak) }],
    peak: { windowMs: 3 * MINUTE, quantiles: [{ quantile: 0.95, value: peak }] },
    model: 'ridge',
    seasons: [],
    accuracy: { mae: 1, maeVsLast: 0.5, coverage: 0.95, origins: 100, peakVsNaive: 0.5, peakCoverage: 0.95 },
    historyMs: 28 * DAY,
  };
}
