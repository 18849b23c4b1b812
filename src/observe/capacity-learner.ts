import type { Labels } from '../model/labels.ts';
import type { Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import {
  CAPACITY_HISTORY_MS,
  CAPACITY_STEP_MS,
  type CapacityReading,
  learnCapacity,
  steadyCapacity,
} from '../scaling/capacity.ts';
import type { CapacityPairs } from '../scaling/capacity-pairs.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import type { Evaluator, SeriesReader } from '../storage/storage.ts';
import { meanOver } from './sum.ts';
import { readState } from './workload-state.ts';

export interface CapacityLearnerDeps {
  readonly storageOf: (tenant: TenantId) => Pick<Evaluator, 'range'> & Pick<SeriesReader, 'select'>;
  /** Under which a demand is recorded. */
  readonly demandLabels: (policy: ScalingPolicy, spec: DemandSpec) => Labels;
}

export interface CapacityLearner {
  /** What is known of the demand's capacity: at most ten minutes old. Only for a demand with a utilization query. */
  capacityOf(
    tenant: TenantId,
    policy: ScalingPolicy,
    spec: DemandSpec,
    now: Millis,
    signal?: AbortSignal,
  ): Promise<CapacityReading>;
}

/** A new pair comes every five minutes. */
const LEARNED_EVERY_MS = 10 * MINUTE;
/** What nobody asked for in this time is forgotten. */
const FORGOTTEN_MS = DAY;
/** One question covers a day of pairs. */
const SLICE_MS = DAY;

interface Known {
  readonly fingerprint: string;
  readonly at: Millis;
  readonly reading: CapacityReading;
  /** The utilization as far as it was asked for: it is asked for once. */
  readonly utilization: Samples;
}

/**
 * Keeps what replicas carry, learned from the recorded demand, the recorded replicas and the utilization query. All of
 * it can be lost: it is learned again from what is stored.
 */
export function openCapacityLearner({ storageOf, demandLabels }: CapacityLearnerDeps): CapacityLearner {
  const known = new Map<string, Known>();

  async function learn(
    tenant: TenantId,
    policy: ScalingPolicy,
    spec: DemandSpec,
    now: Millis,
    before: Known | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Omit<Known, 'fingerprint'>> {
    const storage = storageOf(tenant);
    const { query, target } = spec.utilization!;
    const end = Math.floor(now / CAPACITY_STEP_MS) * CAPACITY_STEP_MS;
    const range = { start: end - CAPACITY_HISTORY_MS, end };
    const kept = after(before?.utilization ?? NO_SAMPLES, range.start);
    const asked = { start: (kept.times.at(-1) ?? range.start - CAPACITY_STEP_MS) + CAPACITY_STEP_MS, end };
    try {
      const utilization = joined(kept, await evaluate(storage, query, asked, signal));
      const state = await readState(storage, policy, demandLabels(policy, spec), range, CAPACITY_STEP_MS);
      const next = learnCapacity(pairsOf(utilization, state), { target, now });
      return { at: now, reading: steadyCapacity(before?.reading, next), utilization };
    } catch (error) {
      if (signal?.aborted === true) throw error;
      // What was learned is as good as it was until it can be asked for again.
      if (before?.reading.kind === 'learned') return { at: now, reading: before.reading, utilization: kept };
      const why = { code: 'unreadable', message: (error as Error).message } as const;
      return { at: now, reading: { kind: 'not-learnable', why }, utilization: kept };
    }
  }

  return {
    async capacityOf(tenant, policy, spec, now, signal) {
      const key = `${tenant}/${policy.namespace}/${policy.name}/${spec.name}`;
      const fingerprint = JSON.stringify([spec.query, spec.stepMs, spec.utilization]);
      const last = known.get(key);
      const before = last?.fingerprint === fingerprint && last.at <= now ? last : undefined;
      if (before !== undefined && now - before.at < LEARNED_EVERY_MS) return before.reading;
      const learned = await learn(tenant, policy, spec, now, before, signal);
      known.set(key, { ...learned, fingerprint });
      for (const [name, { at }] of known) if (at < now - FORGOTTEN_MS) known.delete(name);
      return learned.reading;
    },
  };
}

async function evaluate(
  storage: Pick<Evaluator, 'range'>,
  query: string,
  { start, end }: TimeRange,
  signal: AbortSignal | undefined,
): Promise<Samples> {
  let found = NO_SAMPLES;
  for (let from = start; from <= end; from += SLICE_MS) {
    const slice = { start: from, end: Math.min(end, from + SLICE_MS - CAPACITY_STEP_MS), stepMs: CAPACITY_STEP_MS };
    const { value } = await storage.range(query, slice, signal === undefined ? {} : { signal });
    const { values } = meanOver(value, slice, CAPACITY_STEP_MS);
    found = joined(found, { times: values.map((_, i) => from + i * CAPACITY_STEP_MS), values });
  }
  return found;
}

/** A pair for each step in which the replicas did not change: those that start are there, and carry nothing yet. */
function pairsOf(utilization: Samples, state: { readonly demand: Samples; readonly replicas: Samples }): CapacityPairs {
  const demand = byStep(state.demand);
  const replicas = byStep(state.replicas);
  const { times } = utilization;
  const loads = times.map((time) => {
    const step = Math.round(time / CAPACITY_STEP_MS) - 1;
    const running = replicas.get(step);
    const isSteady = running !== undefined && running > 0 && replicas.get(step - 1) === running;
    return isSteady ? (demand.get(step) ?? Number.NaN) / running : Number.NaN;
  });
  return { times, loads, utilizations: utilization.values };
}

/** The last value of each step. */
function byStep({ times, values }: Samples): ReadonlyMap<number, number> {
  return new Map(Array.from(times, (time, i) => [Math.floor(time / CAPACITY_STEP_MS), values[i]!]));
}

const NO_SAMPLES: Samples = { times: new Float64Array(), values: new Float64Array() };

function after({ times, values }: Samples, start: Millis): Samples {
  const first = times.findIndex((time) => time >= start);
  return first === -1 ? NO_SAMPLES : { times: times.subarray(first), values: values.subarray(first) };
}

function joined(a: Samples, b: Samples): Samples {
  return { times: Float64Array.of(...a.times, ...b.times), values: Float64Array.of(...a.values, ...b.values) };
}
