import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { DEFAULT_RAMP, planRelease, planReplicas } from './plan.ts';
import { type DemandReading, NO_MEMORY, type PlanInput, type PlannerMemory } from './plan-types.ts';
import type { ScalingPolicy } from './policy.ts';
import { highestAfterMinute, lowestAfterMinute, type Ramp } from './ramp.ts';
import { planText } from './reasons.ts';

/** The laws of architecture 3.4, over random inputs and over random sequences in a closed loop. */
const NOW = 1_772_445_600_000;

const strange = fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -5, -0);
const amount = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: 0, max: 20_000, noNaN: true }) },
  { weight: 1, arbitrary: strange },
);

const ready = fc.record({
  kind: fc.constant('ready' as const),
  issuedAt: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: NOW - 3 * MINUTE, max: NOW }) },
    fc.integer({ min: NOW - DAY, max: NOW + DAY }),
  ),
  peak: amount,
  windowMs: fc.integer({ min: MINUTE, max: HOUR }),
  quantile: fc.constantFrom(0.5, 0.9, 0.95),
  model: fc.constant('ridge'),
  maeVsLast: fc.oneof({ weight: 4, arbitrary: fc.double({ min: 0, max: 1.2, noNaN: true }) }, strange),
  coverage: fc.constant(null),
  historyMs: fc.oneof({ weight: 6, arbitrary: fc.constant(9 * DAY) }, fc.integer({ min: 0, max: 3 * DAY })),
});
const forecast = fc.oneof(
  { weight: 8, arbitrary: ready },
  { weight: 1, arbitrary: fc.constant({ kind: 'none' as const, message: 'gone' }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'insufficient-history' as const, haveMs: HOUR, needMs: DAY }) },
);
const demand: fc.Arbitrary<DemandReading> = fc.record({
  name: fc.constant('rps'),
  current: fc.record({ time: fc.integer({ min: NOW - HOUR, max: NOW }), value: amount }),
  forecast,
});

/** Time zones make cron windows slow: a few are enough. */
function seldom<T>(what: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> {
  return fc.oneof({ weight: 30, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: what.map((one) => [one]) });
}

const ratio = fc.double({ min: 0, max: 2, noNaN: true });
const policyOf = (demands: number): fc.Arbitrary<ScalingPolicy> =>
  fc.record({
    name: fc.constant('p'),
    namespace: fc.constant('n'),
    mode: fc.constantFrom('observe' as const, 'enforce' as const),
    paused: fc.boolean().map((paused) => paused && demands === 1),
    takeOver: fc.constant('once' as const),
    target: fc.constant({ kind: 'HorizontalPodAutoscaler' as const, name: 'web' }),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin'),
    demands: fc.array(
      fc.record({
        name: fc.constant('rps'),
        query: fc.constant('x'),
        stepMs: fc.constant(MINUTE),
        historyMs: fc.constant(28 * DAY),
        perReplica: fc.double({ min: 0.01, max: 1000, noNaN: true }),
        fill: fc.double({ min: 0.05, max: 1, noNaN: true }),
      }),
      { minLength: demands, maxLength: demands },
    ),
    leadTime: fc.constant({ kind: 'auto' as const }),
    replicas: fc
      .tuple(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 0, max: 80 }))
      .map(([min, more]) => ({ min, max: min + more })),
    quantile: fc.constant(0.95),
    horizonMs: fc.constant(2 * HOUR),
    seasonsMs: fc.constant('auto' as const),
    exclude: fc.constant([]),
    events: fc.array(
      fc
        .tuple(
          fc.integer({ min: -90, max: 90 }),
          fc.oneof(
            fc.record({ floor: fc.integer({ min: 1, max: 100 }) }),
            fc.record({ demandFactor: fc.double({ min: 0.1, max: 5, noNaN: true }) }),
          ),
        )
        .map(([minute, what]) => ({
          name: 'e',
          start: NOW + minute * MINUTE,
          end: NOW + (minute + 45) * MINUTE,
          ...what,
        })),
      { maxLength: 1 },
    ),
    schedules: seldom(fc.constant({ cron: '5 10 * * *', durationMs: 20 * MINUTE, min: 12 })),
    maintenance: seldom(fc.constant({ cron: '20 10 * * *', durationMs: 5 * MINUTE })),
    ramp: fc.record({
      upRatioPerMinute: ratio,
      downRatioPerMinute: fc.double({ min: 0, max: 1, noNaN: true }),
      holdDownMs: fc.integer({ min: 0, max: 20 * MINUTE }),
    }),
    safety: fc.constant({ minHistoryMs: 2 * DAY, maxForecastAgeMs: 15 * MINUTE, maxErrorVsNaive: 1 }),
  });

const target = fc
  .record({ max: fc.integer({ min: 1, max: 150 }), a: fc.nat(1000), b: fc.nat(1000), replicas: fc.nat(150) })
  .map(({ max, a, b, replicas }) => {
    const [low, high] = [1 + (a % max), 1 + (b % max)].sort((x, y) => x - y) as [number, number];
    return { min: high, max, original: { min: low, max }, specReplicas: replicas, statusReplicas: replicas };
  });

const memory: fc.Arbitrary<PlannerMemory> = fc
  .array(fc.record({ agoMs: fc.nat(15 * MINUTE), floor: fc.integer({ min: 1, max: 150 }) }), { maxLength: 5 })
  .map((entries) => {
    const recent = entries.map(({ agoMs, floor }) => ({ at: NOW - agoMs, floor })).sort((a, b) => a.at - b.at);
    return { recent, held: entries.map(({ agoMs, floor }) => ({ floor, until: NOW - 5 * MINUTE + agoMs })) };
  });

const input: fc.Arbitrary<PlanInput> = fc.integer({ min: 1, max: 3 }).chain((demands) =>
  fc.record({
    now: fc.constant(NOW),
    policy: policyOf(demands),
    demands: fc.array(demand, { minLength: demands, maxLength: demands }),
    target,
    leadTime: fc.record({ ms: fc.integer({ min: 0, max: 20 * MINUTE }), source: fc.constant('learned' as const) }),
    refreshMs: fc.constant(MINUTE),
    memory,
  }),
);

const quiet = ({ policy, target: { specReplicas } }: PlanInput, reasons: readonly { code: string }[]) =>
  policy.paused || specReplicas === 0 || reasons.some(({ code }) => code === 'Maintenance');

function check(law: (input: PlanInput) => void, numRuns = PROPERTY_RUNS) {
  fc.assert(fc.property(input, law), { numRuns });
}

describe('planReplicas() for any input', () => {
  test("bounds are whole, ordered, never above the autoscaler's max, which is never lowered", () => {
    check((given) => {
      const { bounds, reasons } = planReplicas(given);
      expect(bounds.max).toBe(given.target.max);
      expect(Number.isInteger(bounds.min)).toBe(true);
      expect(bounds.min).toBeGreaterThanOrEqual(1);
      expect(bounds.min).toBeLessThanOrEqual(bounds.max);
      expect(reasons.length).toBeGreaterThan(0);
    });
  });

  test("the floor lies within the policy's limits, and never under the owner's minimum", () => {
    check((given) => {
      const { bounds, reasons } = planReplicas(given);
      if (quiet(given, reasons)) return;
      const {
        policy,
        target: { original, max },
      } = given;
      expect(bounds.min).toBeGreaterThanOrEqual(Math.min(original.min, max));
      expect(bounds.min).toBeGreaterThanOrEqual(Math.min(policy.replicas.min, policy.replicas.max, max));
      expect(bounds.min).toBeLessThanOrEqual(Math.max(policy.replicas.max, original.min));
    });
  });

  test('nothing is raised because of a forecast that is not trusted', () => {
    check((given) => {
      const bad = given.demands.map((reading) => ({
        ...reading,
        forecast: { kind: 'none' as const, message: 'gone' },
      }));
      const policy = { ...given.policy, events: [], schedules: [] };
      const plan = planReplicas({ ...given, demands: bad, policy });
      const {
        target: { min, original, max },
      } = given;
      const before = policy.mode === 'observe' ? (given.memory.recent.at(-1)?.floor ?? min) : min;
      expect(plan.wanted).toBe(null);
      expect(plan.bounds.min).toBeLessThanOrEqual(
        Math.max(before, original.min, min, Math.min(policy.replicas.min, max)),
      );
    });
  });

  test('more demand never means fewer replicas', () => {
    check((given) => {
      const more = given.demands.map((reading) => ({
        ...reading,
        current: { ...reading.current, value: times(reading.current.value) },
        forecast:
          reading.forecast.kind === 'ready'
            ? { ...reading.forecast, peak: times(reading.forecast.peak) }
            : reading.forecast,
      }));
      expect(planReplicas({ ...given, demands: more }).bounds.min).toBeGreaterThanOrEqual(
        planReplicas(given).bounds.min,
      );
    });
  });

  test('a recorded input gives the same plan again, and both are plain JSON', () => {
    check((given) => {
      const plan = planReplicas(given);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      expect(planReplicas(JSON.parse(JSON.stringify(given)))).toEqual(plan);
      expect(planText(plan, given)).not.toMatch(/NaN|undefined|Infinity|null/);
    });
  });
});

function times(value: number | null): number | null {
  return value !== null && value > 0 && Number.isFinite(value) ? value * 1.5 + 1 : value;
}

describe('planReplicas() in a closed loop', () => {
  const step = fc.record({
    demands: fc.array(demand, { minLength: 3, maxLength: 3 }),
    seconds: fc.constantFrom(1, 5, 15, 15, 15, 60, 90),
    lost: fc.boolean().map((lost) => lost),
  });
  const loop = fc.record({ given: input, steps: fc.array(step, { minLength: 5, maxLength: 60 }) });

  /** Applies each plan (unless its write is lost) and gives what was in force after each step. */
  function run({
    given,
    steps,
  }: {
    given: PlanInput;
    steps: readonly { demands: readonly DemandReading[]; seconds: number; lost: boolean }[];
  }) {
    const high = Math.max(given.target.original.min, Math.min(given.policy.replicas.max, given.target.max));
    const low = Math.min(Math.max(given.target.original.min, given.policy.replicas.min), high);
    // The loop starts within the limits: what a person sets as a limit holds at once, so it is no step of a ramp.
    let min = Math.min(Math.max(given.target.min, low), high);
    let state: PlannerMemory = NO_MEMORY;
    let now = NOW;
    const inForce = [{ at: NOW - HOUR, floor: min }];
    for (const { demands, seconds, lost } of steps) {
      const shifted = demands.slice(0, given.demands.length).map((reading) => shift(reading, now - NOW));
      const plan = planReplicas({ ...given, now, demands: shifted, memory: state, target: { ...given.target, min } });
      state = plan.memory;
      if (!lost) min = plan.bounds.min;
      inForce.push({ at: now, floor: min });
      now += seconds * 1000;
    }
    return { inForce, state, now, min };
  }

  test('no minute sees more than its share of change, up or down, lost writes or not', () => {
    fc.assert(
      fc.property(loop, ({ given, steps }) => {
        const enforced = { ...given, policy: { ...given.policy, mode: 'enforce' as const } };
        expectRamped(run({ given: enforced, steps }).inForce, given.policy.ramp);
      }),
      { numRuns: Math.ceil(0.3 * PROPERTY_RUNS) },
    );
  });

  test('what is remembered stays small', () => {
    fc.assert(
      fc.property(loop, ({ given, steps }) => {
        const { state } = run({ given, steps });
        expect(state.recent.length).toBeLessThanOrEqual(62);
        expect(state.held?.length ?? 0).toBeLessThanOrEqual(150);
      }),
      { numRuns: 40 },
    );
  });

  test('a release reaches the originals in bounded time, by the ramp, and then stays', () => {
    fc.assert(
      fc.property(loop, ({ given, steps }) => {
        let { min, state, now } = run({ given: { ...given, policy: { ...given.policy, mode: 'enforce' } }, steps });
        const inForce = [{ at: now - HOUR, floor: min }];
        const ramp = { ...DEFAULT_RAMP, ...given.policy.ramp };
        const minutes = minutesDown(min, given.target.original.min, ramp) + 2;
        for (let i = 0; i < minutes * 4; i++, now += 15_000) {
          const plan = planRelease({ now, target: { ...given.target, min }, memory: state, ramp });
          state = plan.memory;
          min = plan.bounds.min;
          inForce.push({ at: now, floor: min });
        }
        expect(min).toBe(given.target.original.min);
        expectRamped(inForce, ramp);
        expect(planRelease({ now, target: { ...given.target, min }, memory: state, ramp }).changed).toBe(false);
      }),
      { numRuns: 30 },
    );
  });
});

function shift(reading: DemandReading, ms: number): DemandReading {
  const current = { ...reading.current, time: reading.current.time + ms };
  if (reading.forecast.kind !== 'ready') return { ...reading, current };
  return { ...reading, current, forecast: { ...reading.forecast, issuedAt: reading.forecast.issuedAt + ms } };
}

function minutesDown(from: number, to: number, ramp: Ramp): number {
  let minutes = 0;
  for (let floor = from; floor > to; floor = lowestAfterMinute(floor, ramp)) minutes++;
  return minutes;
}

/** Compares every floor with each one that was in force within the minute before it. */
function expectRamped(inForce: readonly { at: number; floor: number }[], ramp: Ramp) {
  for (const [i, { at, floor }] of inForce.entries()) {
    for (let k = i - 1; k >= 0; k--) {
      const until = inForce[k + 1]!.at;
      if (until <= at - MINUTE) break;
      expect(floor).toBeLessThanOrEqual(highestAfterMinute(inForce[k]!.floor, ramp));
      expect(floor).toBeGreaterThanOrEqual(lowestAfterMinute(inForce[k]!.floor, ramp));
    }
  }
}
