import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { CapacityReading } from '../scaling/capacity.ts';
import type { CostReading } from '../scaling/cost-cap.ts';
import { planReplicas } from '../scaling/plan.ts';
import {
  type DemandReading,
  type ForecastReading,
  NO_MEMORY,
  type Plan,
  type PlanInput,
  type PlannerMemory,
} from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { highestAfterMinute, lowestAfterMinute } from '../scaling/ramp.ts';
import { replayDecision } from '../scaling/replay.ts';

/** Plans in one sequence. */
export const PLANS_IN_SEQUENCE = 100;
/** Every so many plans one is computed again from its JSON, which costs ten times as much as a plan. */
const REPLAYED_EVERY = 50;
const START: Millis = 1_772_445_600_000;

/** A source of numbers in [0, 1). The same seed gives the same ones. */
function randomOf(seed: number): () => number {
  // Mulberry32 (Tommy Ettinger, public domain): fast, and good enough to try odd inputs with.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * A hundred plans of one random policy in a closed loop, each checked against the laws of architecture 3.4: writes get
 * lost, owners change their bounds, clocks jump, and what is read may be missing, absurd or no number.
 * @throws {Error} That names the law, with the input that broke it.
 */
export function torturePlans(seed: number): void {
  const random = randomOf(seed);
  const chance = (share: number) => random() < share;
  const whole = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const policy = randomPolicy({ random, chance, whole });
  const owner = { min: 1, max: 1 };
  const setOwner = () => {
    owner.max = whole(1, 150);
    owner.min = whole(1, owner.max);
  };
  setOwner();
  let { min, max } = owner;
  let memory: PlannerMemory = NO_MEMORY;
  let now = START + whole(0, 10_000) * MINUTE;
  let inForce: { at: Millis; floor: number; ours: boolean }[] = [{ at: now - HOUR, floor: min, ours: false }];

  for (let i = 0; i < PLANS_IN_SEQUENCE; i++) {
    if (chance(0.02)) {
      setOwner();
      ({ min, max } = owner);
      inForce = [{ at: now, floor: min, ours: false }];
    }
    const replicas = chance(0.03) ? 0 : Math.min(max, Math.max(min, whole(1, 150)));
    const input: PlanInput = {
      now,
      policy,
      demands: policy.demands.map((spec) => randomReading(spec.name, policy, now, { random, chance, whole })),
      target: {
        min,
        max,
        original: { ...owner },
        specReplicas: replicas,
        statusReplicas: chance(0.8) ? replicas : whole(0, 150),
      },
      leadTime: { ms: whole(0, 1200) * SECOND, source: 'learned' },
      refreshMs: MINUTE,
      memory,
      ...(policy.costBudget !== undefined && chance(0.9) && { cost: randomCost(now, { random, chance, whole }) }),
    };
    const plan = planReplicas(input);
    const broken = brokenBy(input, plan, inForce) ?? (i % REPLAYED_EVERY === 0 ? brokenReplay(input, plan) : undefined);
    if (broken !== undefined) {
      throw new Error(`${broken} (seed ${seed}, plan ${i}): ${JSON.stringify({ input, plan, inForce })}`);
    }
    ({ memory } = plan);
    if (policy.mode === 'enforce' && !chance(0.05)) {
      ({ min, max } = plan.bounds);
      inForce.push({ at: now, floor: min, ours: true });
    }
    now += whole(1, 40) * SECOND;
    if (chance(0.01)) now += whole(-60, 60) * MINUTE;
    while (inForce.length > 1 && inForce[1]!.at <= now - MINUTE) inForce.shift();
    // After a clock was set back, nothing is known of the minute before.
    if (inForce.at(-1)!.at > now) inForce = [{ at: now, floor: min, ours: false }];
  }
}

interface Dice {
  readonly random: () => number;
  readonly chance: (share: number) => boolean;
  readonly whole: (low: number, high: number) => number;
}

/** The first law that a plan breaks, or undefined. */
function brokenBy(
  { policy, target, demands, memory }: PlanInput,
  { bounds, reasons, wanted }: Plan,
  inForce: readonly { readonly at: Millis; readonly floor: number; readonly ours: boolean }[],
): string | undefined {
  const { original } = target;
  const { min, max } = bounds;
  if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 1 && min <= max)) return 'law 1: whole and ordered';
  if (reasons.length === 0) return 'a plan has a reason';
  const still = reasons[0]!.code === 'Maintenance' || reasons[0]!.code === 'ScaledToZero';
  if (still) return min === target.min && max === target.max ? undefined : 'nothing is changed';

  const running = Math.max(target.specReplicas, target.statusReplicas);
  if (max > original.max) return "law 3: never above the owner's maximum";
  if (max < original.max) {
    if (policy.costBudget?.onCap !== 'lower') return 'law 3: only a declared cap lowers the maximum';
    if (max < Math.min(running, original.max)) return 'law 3: what runs is not cut';
    if (!reasons.some(({ code }) => code === 'CostCap')) return 'law 3: a lowered maximum is announced';
  }
  if (min < Math.min(original.min, max)) return "law 1: never under the owner's minimum";
  if (policy.paused) return undefined;
  if (min < Math.min(policy.replicas.min, original.max)) return "law 1: never under the policy's minimum";
  if (min > Math.max(policy.replicas.max, original.min)) return "law 1: never above the policy's maximum";

  const isBlind = demands.every(({ forecast }) => forecast.kind !== 'ready');
  const isAsked = policy.events.length > 0 || policy.schedules.length > 0;
  const before = policy.mode === 'observe' ? (memory.recent.at(-1)?.floor ?? target.min) : target.min;
  const low = Math.max(original.min, Math.min(policy.replicas.min, original.max));
  if (isBlind && wanted !== null) return 'law 4: nothing is wanted without a forecast';
  if (isBlind && !isAsked && min > Math.max(before, low)) return 'law 4: nothing is raised without a forecast';

  if (policy.mode === 'observe') return undefined;
  const floors = inForce.map(({ floor }) => floor);
  const limit = Math.max(policy.replicas.max, original.min);
  if (min > target.min && min > Math.max(highestAfterMinute(Math.min(...floors), policy.ramp), low)) {
    return 'law 2: no jump up';
  }
  if (min < target.min && min < Math.min(lowestAfterMinute(Math.max(...floors), policy.ramp), limit)) {
    return 'law 2: no jump down';
  }
  return undefined;
}

function brokenReplay(input: PlanInput, plan: Plan): string | undefined {
  const record = JSON.parse(JSON.stringify({ input, plan })) as { input: PlanInput; plan: Plan };
  return JSON.stringify(replayDecision(record)) === JSON.stringify(plan) ? undefined : 'a replay gives the same plan';
}

function randomPolicy({ random, chance, whole }: Dice): ScalingPolicy {
  const min = whole(1, 80);
  const count = chance(0.8) ? 1 : whole(2, 3);
  return {
    ...{ name: 'p', namespace: 'n', paused: chance(0.03), takeOver: 'once', timeZone: 'UTC' },
    mode: chance(0.9) ? 'enforce' : 'observe',
    target: { kind: 'HorizontalPodAutoscaler', name: 'web' },
    demands: Array.from({ length: count }, (_, i) => ({
      ...{ name: `d${i}`, query: 'x', stepMs: MINUTE, historyMs: 28 * DAY },
      ...(chance(0.8) && { perReplica: 10 ** (random() * 6 - 2) }),
      ...(chance(0.3) && { utilization: { query: 'u', target: 0.9 } }),
      fill: 0.05 + 0.95 * random(),
    })),
    leadTime: { kind: 'auto' },
    replicas: { min, max: min + whole(0, 80) },
    ...{ quantile: 0.95, horizonMs: 2 * HOUR, seasonsMs: 'auto', exclude: [] },
    ...(chance(0.2) && { objective: { overCapacityMs: random() * 500 * MINUTE, periodMs: 30 * DAY } }),
    events: chance(0.85)
      ? []
      : [
          {
            ...{ name: 'e', start: START + whole(0, 10_000) * MINUTE, end: START + whole(5_000, 20_000) * MINUTE },
            ...(chance(0.5) ? { floor: whole(1, 100) } : { demandFactor: 0.1 + 5 * random() }),
          },
        ],
    schedules: chance(0.98) ? [] : [{ cron: '5 10 * * *', durationMs: 20 * MINUTE, min: 12 }],
    maintenance: chance(0.98) ? [] : [{ cron: '20 10 * * *', durationMs: 5 * MINUTE }],
    ramp: { upRatioPerMinute: 2 * random(), downRatioPerMinute: random(), holdDownMs: whole(0, 20) * MINUTE },
    safety: { minHistoryMs: 2 * DAY, maxForecastAgeMs: 15 * MINUTE, maxErrorVsNaive: 1 },
    ...(chance(0.4) && {
      costBudget: {
        ...{ monthly: 10 ** (1 + 4 * random()), currency: 'USD', perReplicaHour: 10 ** (2 * random() - 2) },
        ...{ warn: 0.8, critical: 0.95, cap: 1.1, onCap: chance(0.7) ? 'lower' : 'alert' },
      },
    }),
  };
}

const STRANGE = [null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -5, -0, 1e300];

function randomReading(name: string, policy: ScalingPolicy, now: Millis, dice: Dice): DemandReading {
  const { random, chance, whole } = dice;
  const amount = () => (chance(0.05) ? STRANGE[whole(0, STRANGE.length - 1)]! : 10 ** (random() * 6 - 1));
  return {
    name,
    current: { time: now - whole(0, chance(0.9) ? 120 : 4000) * SECOND, value: amount() },
    forecast: randomForecast(policy, now, amount, dice),
    ...(chance(0.4) && { capacity: randomCapacity(now, dice) }),
    ...(policy.objective !== undefined &&
      chance(0.7) && {
        shortSoFar: { monthStart: now - 10 * DAY, monthEnd: now + 20 * DAY, overMs: whole(0, 900) * MINUTE },
      }),
  };
}

function randomForecast(
  policy: ScalingPolicy,
  now: Millis,
  amount: () => number | null,
  { random, chance, whole }: Dice,
): ForecastReading {
  if (chance(0.08)) return { kind: 'none', message: 'gone' };
  if (chance(0.05)) return { kind: 'insufficient-history', haveMs: HOUR, needMs: DAY };
  const peak = amount();
  return {
    kind: 'ready',
    issuedAt: now - whole(chance(0.05) ? -4000 : 0, chance(0.9) ? 180 : 4000) * SECOND,
    peak,
    windowMs: whole(1, 60) * MINUTE,
    quantile: 0.95,
    ...(policy.objective !== undefined && {
      quantiles: [0.5, 0.9, 0.95, 0.975, 0.99].map((quantile) => ({
        quantile,
        value: chance(0.02) ? Number.NaN : (peak ?? 1) * (0.6 + quantile / 2),
      })),
    }),
    model: 'ridge',
    maeVsLast: chance(0.9) ? random() : 1.5 * random(),
    coverage: null,
    historyMs: chance(0.95) ? 9 * DAY : DAY,
    ...(chance(0.1) && { live: { errorVsNaive: 1.3 * random(), coverage: 0.9, coverageBroken: chance(0.1) } }),
  };
}

function randomCapacity(now: Millis, { random, chance }: Dice): CapacityReading {
  if (chance(0.3)) return { kind: 'not-learnable', why: { code: 'too-few-pairs', have: 3, need: 48 } };
  const perReplica = chance(0.02) ? Number.NaN : 10 ** (random() * 6 - 2);
  return { kind: 'learned', perReplica, pairs: 100, since: now - DAY, error: 0.1, highest: perReplica };
}

function randomCost(now: Millis, { random, chance, whole }: Dice): CostReading {
  return {
    monthStart: now - whole(0, 30) * DAY,
    monthEnd: now + whole(0, 30) * DAY,
    replicaHours: 10 ** (random() * 5),
    knownMs: whole(0, 30) * DAY,
    meanReplicas: chance(0.1) ? null : 160 * random(),
    meanMs: whole(0, 7 * 24) * HOUR,
  };
}
