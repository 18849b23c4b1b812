import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { targetReading } from '../observe/observe.ts';
import type { CapacityReading } from '../scaling/capacity.ts';
import type { TargetState } from '../scaling/cluster.ts';
import type { CostReading } from '../scaling/cost-cap.ts';
import { decideOwnership } from '../scaling/ownership.ts';
import { planReplicas } from '../scaling/plan.ts';
import {
  type DemandReading,
  type ForecastReading,
  NO_MEMORY,
  type PlanInput,
  type PlannerMemory,
} from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { brokenBy, brokenOwnership, brokenRelease, brokenReplay } from './plan-laws.ts';

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
  const dice = { random, chance, whole };
  let policy = randomPolicy(dice);
  let state = randomState(policy, dice);
  let memory: PlannerMemory = NO_MEMORY;
  let setBacks: Millis[] = [];
  let now = START + whole(0, 10_000) * MINUTE;
  let inForce: { at: Millis; floor: number }[] = [{ at: now - HOUR, floor: state.min }];
  const check = (broken: string | undefined, what: object) => {
    if (broken !== undefined)
      throw new Error(`${broken} (seed ${seed}): ${JSON.stringify({ ...what, state, inForce })}`);
  };

  for (let i = 0; i < PLANS_IN_SEQUENCE; i++) {
    if (chance(0.02)) {
      state = setByOthers(state, dice);
      inForce = [{ at: now, floor: state.min }];
    }
    if (chance(0.01)) policy = { ...policy, paused: !policy.paused };
    // A person takes the annotation of what was given up away.
    if (state.ownership?.givenUp && chance(0.2)) {
      state = { ...state, ownership: null };
      setBacks = [];
    }
    const replicas = chance(0.03) ? 0 : Math.min(state.max, Math.max(state.min, whole(1, 150)));
    state = { ...state, specReplicas: replicas, statusReplicas: chance(0.8) ? replicas : whole(0, 150) };
    const input: PlanInput = {
      now,
      policy,
      demands: policy.demands.map((spec) => randomReading(spec.name, policy, now, dice)),
      target: targetReading(state, { lettingGo: policy.paused }),
      leadTime: { ms: whole(0, 1200) * SECOND, source: 'learned' },
      refreshMs: MINUTE,
      memory,
      ...(policy.costBudget !== undefined && chance(0.9) && { cost: randomCost(now, dice) }),
    };
    const plan = planReplicas(input);
    check(brokenBy(input, plan, inForce), { input, plan });
    if (i % REPLAYED_EVERY === 0) check(brokenReplay(input, plan), { input, plan });
    const owner = decideOwnership(state, plan, policy, now);
    const isBack = !policy.paused && state.ownership !== null && state.min !== state.ownership.written.min;
    const setBacksNow = isBack && state.ownership?.givenUp === null ? [...setBacks, now] : setBacks;
    check(brokenOwnership(state, input, owner, setBacksNow), { input, plan, owner, setBacksNow });
    ({ memory } = plan);
    if (owner.change !== null && !chance(0.05)) {
      const { min, max, ownership, force } = owner.change;
      const minManagers =
        ownership === null ? ['helm'] : force ? ['foresail'] : [...new Set([...state.minManagers, 'foresail'])];
      state = { ...state, min, max, ownership, minManagers };
      inForce.push({ at: now, floor: min });
      setBacks = ownership === null ? [] : setBacksNow;
    }
    now += whole(1, 40) * SECOND;
    if (chance(0.01)) {
      now += whole(-60, 60) * MINUTE;
      // Who counts set-backs by a clock that jumps may miss one.
      setBacks = [];
    }
    while (inForce.length > 1 && inForce[1]!.at <= now - MINUTE) inForce.shift();
    // After a clock was set back, nothing is known of the minute before.
    if (inForce.at(-1)!.at > now) inForce = [{ at: now, floor: state.min }];
  }
  if (state.ownership !== null && chance(0.2)) {
    check(brokenRelease(state, { now, memory, ramp: policy.ramp, inForce }), { memory });
  }
}

interface Dice {
  readonly random: () => number;
  readonly chance: (share: number) => boolean;
  readonly whole: (low: number, high: number) => number;
}

function randomState({ namespace, target: { kind, name } }: ScalingPolicy, dice: Dice): TargetState {
  const { chance, whole } = dice;
  const max = whole(1, 150);
  return {
    ...{ kind: 'found', ref: { kind, namespace, name }, uid: 'u', resourceVersion: '1' },
    ...{ min: whole(1, max), max, minManagers: chance(0.5) ? ['helm'] : [], maxManagers: ['helm'] },
    controller: chance(0.02) ? { kind: 'ScaledObject', name: 'web' } : null,
    ...{ workload: { kind: 'Deployment', name: 'web' }, specReplicas: 1, statusReplicas: 1, ownership: null },
  };
}

/** Another manager sets both bounds, perhaps one of them to the very value that we wrote. */
function setByOthers(state: TargetState, { chance, whole }: Dice): TargetState {
  const max = chance(0.3) ? state.max : whole(1, 150);
  const min = chance(0.2) && state.min <= max ? state.min : whole(1, max);
  const managers = [chance(0.7) ? 'helm' : 'argocd'];
  const minManagers = min === state.min ? [...new Set([...state.minManagers, ...managers])] : managers;
  return { ...state, min, max, minManagers };
}

function randomPolicy({ random, chance, whole }: Dice): ScalingPolicy {
  const min = whole(1, 80);
  const count = chance(0.8) ? 1 : whole(2, 3);
  return {
    ...{ name: 'p', namespace: 'n', paused: chance(0.03), timeZone: 'UTC' },
    takeOver: chance(0.9) ? 'once' : 'never',
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
