import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { DEFAULT_RAMP, planRelease, planReplicas } from './plan.ts';
import { type DemandReading, type ForecastReading, NO_MEMORY, type PlanInput } from './plan-types.ts';
import type { ScalingPolicy } from './policy.ts';
import { planText, reasonText } from './reasons.ts';

const NOW = parseInstant('2026-03-02T10:00:00Z'); // A Monday.

const POLICY = parsedPolicy('checkout', {
  mode: 'enforce',
  target: { name: 'checkout' },
  demand: { name: 'rps', query: 'sum(rate(x[2m]))', capacity: { perReplica: 100, fill: 1 } },
  replicas: { min: 1, max: 60 },
  ramp: { maxUpPerMinute: '50%', maxDownPerMinute: '10%', holdDown: '10m' },
});

type ReadyForecast = Extract<ForecastReading, { kind: 'ready' }>;

function reading(peak: number | null, change: Partial<ReadyForecast> = {}, value: number | null = 0): DemandReading {
  const forecast: ReadyForecast = {
    kind: 'ready',
    issuedAt: NOW - MINUTE,
    peak,
    windowMs: 5 * MINUTE,
    quantile: 0.95,
    model: 'ridge',
    maeVsLast: 0.6,
    coverage: 0.95,
    historyMs: 14 * DAY,
    ...change,
  };
  return { name: 'rps', current: { time: NOW - MINUTE, value }, forecast };
}

function input(
  change: Partial<PlanInput> & { readonly min?: number } = {},
  policy: Partial<ScalingPolicy> = {},
): PlanInput {
  const { min = 10, ...rest } = change;
  return {
    now: NOW,
    policy: { ...POLICY, ...policy },
    demands: [reading(1000)],
    target: { min, max: 50, original: { min: 2, max: 50 }, specReplicas: 12, statusReplicas: 12 },
    leadTime: { ms: 3 * MINUTE, source: 'given' },
    refreshMs: MINUTE,
    memory: NO_MEMORY,
    ...rest,
  };
}

const codes = (plan: ReturnType<typeof planReplicas>) => plan.reasons.map(({ code }) => code);

describe('planReplicas() follows the forecast', () => {
  test.each([
    { name: 'stays', peak: 1000, min: 10, want: 10, codes: ['ForecastPeak', 'DesiredWithinRange'] },
    { name: 'rounds up', peak: 1001, min: 10, want: 11, codes: ['ForecastPeak', 'DesiredWithinRange'] },
    { name: 'rises by the ramp', peak: 4000, min: 10, want: 15, codes: ['ForecastPeak', 'ScaleUpLimit'] },
    { name: 'rises by one at least', peak: 4000, min: 1, want: 2, codes: ['ForecastPeak', 'ScaleUpLimit'] },
    { name: 'falls by the ramp', peak: 300, min: 20, want: 18, codes: ['ForecastPeak', 'ScaleDownLimit'] },
    { name: 'falls by one at least', peak: 300, min: 6, want: 5, codes: ['ForecastPeak', 'ScaleDownLimit'] },
    { name: 'stops at the original minimum', peak: 10, min: 3, want: 2, codes: ['ForecastPeak', 'OriginalMinimum'] },
    {
      name: "stops at the autoscaler's maximum",
      peak: 9e9,
      min: 48,
      want: 50,
      codes: ['ForecastPeak', 'TooManyReplicas'],
    },
  ])('$name', ({ peak, min, want, codes: wantCodes }) => {
    const plan = planReplicas(input({ min, demands: [reading(peak)] }));
    expect(plan.bounds).toEqual({ min: want, max: 50 });
    expect(codes(plan)).toEqual(wantCodes);
    expect(plan.changed).toBe(want !== min);
  });

  test("the policy's limits hold at once, both ways", () => {
    const tight = { replicas: { min: 5, max: 8 } };
    expect(planReplicas(input({ min: 2, demands: [reading(100)] }, tight)).bounds.min).toBe(5);
    expect(planReplicas(input({ min: 30, demands: [reading(3000)] }, tight)).bounds.min).toBe(8);
  });

  test('the fill leaves room', () => {
    const half = { demands: POLICY.demands.map((demand) => ({ ...demand, fill: 0.5 })) };
    expect(planReplicas(input({ min: 20 }, half)).bounds.min).toBe(20);
  });

  test('the largest of several demands wins, each is explained', () => {
    const two = { demands: [POLICY.demands[0]!, { ...POLICY.demands[0]!, name: 'queue', perReplica: 10 }] };
    const plan = planReplicas(input({ demands: [reading(1000), { ...reading(120), name: 'queue' }] }, two));
    expect(plan.bounds.min).toBe(12);
    expect(plan.reasons.slice(0, 2)).toMatchObject([{ replicas: 10 }, { demand: 'queue', replicas: 12 }]);
  });

  test('a forecast fall lowers nothing while the demand is still high', () => {
    const plan = planReplicas(input({ demands: [reading(200, {}, 1150)] }));
    expect(plan.bounds.min).toBe(12);
    expect(codes(plan)).toContain('CurrentDemand');
  });

  test("max is left as it is, above the policy's own too", () => {
    expect(planReplicas(input({}, { replicas: { min: 1, max: 20 } })).bounds.max).toBe(50);
  });
});

describe('planReplicas() holds and ramps over time', () => {
  /** Feeds each plan's bounds and memory to the next, 15 s apart. */
  function run(peaks: readonly number[], start: number, policy: Partial<ScalingPolicy> = {}) {
    let min = start;
    let memory = NO_MEMORY;
    return peaks.map((peak, i) => {
      const now = NOW + i * 15_000;
      const demands = [reading(peak, { issuedAt: now })];
      const plan = planReplicas(input({ min, memory, demands, now }, policy));
      min = plan.bounds.min;
      memory = plan.memory;
      return min;
    });
  }

  test('a minute sees one step of the ramp, however often it is asked', () => {
    expect(
      run(
        Array.from({ length: 10 }, () => 4000),
        10,
      ),
    ).toEqual([15, 15, 15, 15, 22, 22, 22, 22, 33, 33]);
  });

  test('a floor stays for the hold-down after its last reason, then falls by the ramp', () => {
    const floors = run([...Array.from({ length: 4 }, () => 1500), ...Array.from({ length: 60 }, () => 300)], 10);
    expect(floors.slice(0, 43).every((floor) => floor === 15)).toBe(true);
    expect(floors.slice(43, 53)).toEqual([14, 14, 14, 14, 13, 13, 13, 13, 12, 12]);
  });

  test('a peak that was never reached is not held', () => {
    const floors = run([4000, ...Array.from({ length: 20 }, () => 1000)], 10);
    expect(Math.max(...floors)).toBe(15);
  });

  test('a floor that came into force without a record counts from when it is seen: no second step within the minute', () => {
    const memory = { recent: [{ at: NOW - HOUR, floor: 10 }] };
    const at = (min: number, peak: number) => planReplicas(input({ min, memory, demands: [reading(peak)] })).bounds.min;
    // Written as 15 and not recorded, as when the program was killed in between: 22 would be two steps at once.
    expect(at(15, 4000)).toBe(15);
    expect(at(9, 300)).toBe(9);
    // Far from what is remembered, whoever wrote it: it is not cut to within a step of what is remembered.
    expect(at(40, 300)).toBe(36);
  });

  test('a clock that was set back stops no ramp, and holds nothing for longer', () => {
    const ahead = NOW + HOUR;
    const memory = {
      recent: [
        { at: ahead - MINUTE, floor: 10 },
        { at: ahead, floor: 15 },
      ],
      held: [{ floor: 15, until: ahead + 10 * MINUTE }],
    };
    const rises = [];
    let raised = input({ min: 15, memory, demands: [reading(4000)] });
    for (let i = 1; i <= 2; i++) {
      const plan = planReplicas({ ...raised, now: NOW + i * MINUTE });
      rises.push(plan.bounds.min);
      raised = { ...raised, memory: plan.memory, target: { ...raised.target, min: plan.bounds.min } };
    }
    expect(rises).toEqual([15, 22]);
    const held = planReplicas(input({ min: 15, memory, demands: [reading(300)] })).reasons;
    expect(held).toContainEqual({ code: 'HoldDown', replicas: 15, until: NOW + 10 * MINUTE });
  });

  test('a write that was lost does not count: the ramp starts from what is in force', () => {
    const first = planReplicas(input({ demands: [reading(4000)] }));
    const second = planReplicas(input({ demands: [reading(4000)], memory: first.memory, now: NOW + 15_000 }));
    expect([first.bounds.min, second.bounds.min]).toEqual([15, 15]);
  });

  test('observe follows its own plan, since nothing comes into force', () => {
    const observe = { mode: 'observe' } as const;
    const first = planReplicas(input({ demands: [reading(4000)] }, observe));
    const later = { now: NOW + MINUTE, demands: [reading(4000, { issuedAt: NOW })], memory: first.memory };
    expect(planReplicas(input(later, observe)).bounds.min).toBe(22);
  });
});

describe('planReplicas() demotes itself', () => {
  test.each([
    { name: 'no forecast', forecast: { kind: 'none', message: 'no data' }, want: 'ForecastMissing' },
    {
      name: 'too little history',
      forecast: { kind: 'insufficient-history', haveMs: HOUR, needMs: DAY },
      want: 'InsufficientHistory',
    },
    {
      name: "short of the policy's own minimum",
      forecast: reading(1, { historyMs: DAY }).forecast,
      want: 'InsufficientHistory',
    },
    {
      name: 'stale',
      forecast: reading(9000, { issuedAt: NOW - 16 * MINUTE, windowMs: HOUR }).forecast,
      want: 'ForecastStale',
    },
    {
      name: 'past its own window',
      forecast: reading(9000, { issuedAt: NOW - 6 * MINUTE }).forecast,
      want: 'ForecastStale',
    },
    { name: 'from the future', forecast: reading(9000, { issuedAt: NOW + HOUR }).forecast, want: 'ForecastStale' },
    { name: 'null', forecast: reading(null).forecast, want: 'ForecastNotFinite' },
    { name: 'NaN', forecast: reading(Number.NaN).forecast, want: 'ForecastNotFinite' },
    { name: 'Infinity', forecast: reading(Number.POSITIVE_INFINITY).forecast, want: 'ForecastNotFinite' },
    { name: 'worse than naive', forecast: reading(9000, { maeVsLast: 1.01 }).forecast, want: 'WorseThanNaive' },
    {
      name: 'what was issued was worse than naive',
      forecast: reading(9000, { live: { errorVsNaive: 1.2, coverage: 0.95, coverageBroken: false } }).forecast,
      want: 'WorseThanNaive',
    },
    {
      name: 'its bound held too seldom',
      forecast: reading(9000, { live: { errorVsNaive: 0.7, coverage: 0.6, coverageBroken: true } }).forecast,
      want: 'CoverageBroken',
    },
  ] as const)('$name: holds', ({ forecast, want }) => {
    const plan = planReplicas(input({ demands: [{ ...reading(0), forecast }] }));
    expect(plan).toMatchObject({ bounds: { min: 10, max: 50 }, wanted: null, demotion: { code: want } });
    expect(plan.reasons[0]).toMatchObject({ code: 'Demoted', replicas: 10 });
  });

  test('holds for the hold-down, then releases slowly to the original', () => {
    const demands = [{ ...reading(0), forecast: { kind: 'none', message: 'gone' } as const }];
    let min = 10;
    let memory = NO_MEMORY;
    const floors = Array.from({ length: 20 }, (_, minute) => {
      const plan = planReplicas(input({ min, memory, demands, now: NOW + minute * MINUTE }));
      memory = plan.memory;
      min = plan.bounds.min;
      return min;
    });
    expect(floors).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9, 8, 7, 6, 5, 4, 3, 2, 2, 2]);
  });

  test('a forecast that was worse than naive must be clearly better to be trusted again', () => {
    const memory = { recent: [], demotedSince: NOW - HOUR, demotedBy: 'WorseThanNaive' } as const;
    const demotedAt = (maeVsLast: number) =>
      planReplicas(input({ memory, demands: [reading(1000, { maeVsLast })] })).demotion !== null;
    expect([1.1, 1, 0.99, 0.98, 0.5].map(demotedAt)).toEqual([true, true, true, false, false]);
  });

  const two = { demands: [POLICY.demands[0]!, { ...POLICY.demands[0]!, name: 'queue' }] };
  /** The codes by which a plan demotes, pass by pass, each pass with the memory of the one before. */
  function verdicts(passes: readonly (readonly DemandReading[])[], policy: Partial<ScalingPolicy> = {}) {
    let memory = NO_MEMORY;
    return passes.map((demands, i) => {
      const plan = planReplicas(input({ memory, demands, now: NOW + i * MINUTE }, policy));
      memory = plan.memory;
      return { plan, codes: Object.values(plan.memory.trust ?? {}).map(({ demotedBy }) => demotedBy) };
    });
  }
  const withError = (maeVsLast: number, change: Partial<ReadyForecast> = {}) =>
    reading(1000, { maeVsLast, issuedAt: NOW, ...change });

  test("hysteresis is each demand's own", () => {
    const passes = [1.1, 0.99, 0.97].map((error) => [withError(error), { ...withError(0.99), name: 'queue' }]);
    expect(verdicts(passes, two).map(({ codes: found }) => found)).toEqual([
      ['WorseThanNaive', null],
      ['WorseThanNaive', null],
      [null, null],
    ]);
  });

  test('hysteresis lasts through a time when the forecast is stale', () => {
    const stale = withError(0.99, { issuedAt: NOW - DAY });
    const passes = [withError(1.1), stale, withError(0.99), withError(0.9), stale, withError(0.99)];
    const found = verdicts(passes.map((each) => [each])).map(({ codes: each }) => each[0]);
    expect(found).toEqual(['WorseThanNaive', 'ForecastStale', 'WorseThanNaive', null, 'ForecastStale', null]);
  });

  test('the return says what is over, since when, and the figure; once', () => {
    const [, , back, after] = verdicts([1.1, 1.2, 0.9, 0.9].map((error) => [withError(error)]));
    expect(back?.plan.reasons[0]).toEqual({
      code: 'ForecastTrusted',
      demand: 'rps',
      demotedBy: 'WorseThanNaive',
      forMs: 2 * MINUTE,
      errorVsNaive: 0.9,
    });
    expect(reasonText(back!.plan.reasons[0]!)).toBe(
      'the forecast of rps is trusted from now on, after 2m of WorseThanNaive; its error is 0.9 times that of a naive one',
    );
    expect(codes(after!.plan)).not.toContain('ForecastTrusted');
    expect(after!.plan.memory.trust?.['rps']).toMatchObject({ since: NOW + 2 * MINUTE, demotedBy: null });
  });

  test('the gate does not flap: an error that stays within 2 % changes its mind once at most', () => {
    const band = fc.double({ min: 0.9, max: 1.1, noNaN: true });
    const within = fc.array(fc.double({ min: 0, max: 0.0199, noNaN: true }), { minLength: 2, maxLength: 30 });
    const interrupted = fc.array(fc.boolean(), { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(band, within, interrupted, (from, moves, gaps) => {
        const passes = moves.map((move, i) => [
          withError(from + move, gaps[i] === true && i > 0 ? { issuedAt: NOW - DAY } : {}),
        ]);
        const judged = verdicts(passes)
          .map(({ codes: found }) => found[0])
          .filter((code) => code !== 'ForecastStale');
        const changes = judged.filter((code, i) => i > 0 && code !== judged[i - 1]).length;
        expect(changes).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('one bad forecast of two: the other still counts, the floor is held', () => {
    const demands = [reading(null), { ...reading(1400), name: 'queue' }];
    expect(planReplicas(input({ demands }, two))).toMatchObject({ bounds: { min: 14 }, wanted: 14 });
    const low = [reading(null), { ...reading(300), name: 'queue' }];
    expect(planReplicas(input({ demands: low }, two))).toMatchObject({ bounds: { min: 10 }, wanted: 3 });
  });
});

describe('planReplicas() with what people declared', () => {
  const sale = (change: object) => ({
    events: [{ name: 'sale', start: NOW + 10 * MINUTE, end: NOW + HOUR, ...change }],
  });
  const minAt = (
    policy: Partial<ScalingPolicy>,
    minutes: number,
    change: Partial<PlanInput> & { min?: number } = {},
  ) => {
    const now = NOW + minutes * MINUTE;
    const demands = [reading(1000, { issuedAt: now })];
    return planReplicas(input({ demands, now, ...change }, policy)).bounds.min;
  };

  test("an event's floor is there before the start: lead time, refresh and the ramp's own time earlier", () => {
    // 10 to 22 takes two minutes of ramp, and three of lead time and one of refresh come before that.
    expect([3, 4, 59, 60].map((minute) => minAt(sale({ floor: 22 }), minute))).toEqual([10, 15, 15, 10]);
  });

  test('a factor multiplies the forecast before, and what was forecast before once it runs', () => {
    const policy = sale({ demandFactor: 3 });
    const before = planReplicas(
      input({ now: NOW + 9 * MINUTE, demands: [reading(1000, { issuedAt: NOW + 9 * MINUTE })] }, policy),
    );
    expect(before.reasons).toContainEqual({ code: 'DeclaredEvent', event: 'sale', factor: 3, replicas: 30 });
    const now = NOW + 12 * MINUTE;
    const during = planReplicas(
      input({ now, memory: before.memory, demands: [reading(2900, { issuedAt: now })] }, policy),
    );
    expect(during.reasons).toContainEqual({ code: 'DeclaredEvent', event: 'sale', factor: 3, replicas: 30 });
    const after = planReplicas(input({ now: NOW + HOUR, memory: during.memory }, policy));
    expect(after.memory.eventPeaks).toBeUndefined();
  });

  test('a factor that is in the forecast already is not applied again', () => {
    const policy = sale({ demandFactor: 3 });
    const at = (minutes: number, peak: number, change: object) => {
      const now = NOW + minutes * MINUTE;
      return planReplicas(input({ now, demands: [reading(peak, { issuedAt: now, ...change })] }, policy));
    };
    const want = { code: 'DeclaredEvent', event: 'sale', factor: 3, replicas: 30 };
    const before = at(9, 3000, { eventFactor: 3 });
    expect(before.reasons).toContainEqual(want);
    expect(before.reasons).toContainEqual(expect.objectContaining({ code: 'ForecastPeak', replicas: 30 }));
    expect(before.memory.eventPeaks).toEqual({ sale: [1000] });
    // After a restart in the middle of it, nothing is remembered.
    expect(at(12, 3000, { eventFactor: 3 }).reasons).toContainEqual(want);
  });

  test('a factor says nothing without a forecast', () => {
    const plan = planReplicas(input({ now: NOW + 12 * MINUTE, demands: [reading(null)] }, sale({ demandFactor: 3 })));
    expect(plan.bounds.min).toBe(10);
  });

  test.each([
    { name: 'before the lead-in', at: '05:53', want: 10 },
    { name: 'in the lead-in', at: '05:54', want: 15 },
    { name: 'at the start', at: '06:00', want: 15 },
    { name: 'before the end', at: '08:59', want: 15 },
    { name: 'at the end', at: '09:00', want: 10 },
  ])("a schedule in the policy's time zone, winter: $name", ({ at, want }) => {
    const policy = { timeZone: 'Europe/Berlin', schedules: [{ cron: '0 7 * * 1-5', durationMs: 3 * HOUR, min: 22 }] };
    expect(minAt(policy, (parseInstant(`2026-03-02T${at}:00Z`) - NOW) / MINUTE)).toBe(want);
  });

  test('a schedule follows the clock change', () => {
    const policy = { timeZone: 'Europe/Berlin', schedules: [{ cron: '0 7 * * 1-5', durationMs: 3 * HOUR, min: 22 }] };
    const minutes = (text: string) => (parseInstant(text) - NOW) / MINUTE;
    expect(minAt(policy, minutes('2026-03-30T05:00:00Z'))).toBe(15);
    expect(minAt(policy, minutes('2026-03-30T08:00:00Z'))).toBe(10);
  });

  test('nothing is changed in a maintenance window', () => {
    const plan = planReplicas(
      input({ demands: [reading(4000)] }, { maintenance: [{ cron: '0 10 * * 1', durationMs: HOUR }] }),
    );
    expect(plan).toMatchObject({ bounds: { min: 10, max: 50 }, changed: false, reasons: [{ code: 'Maintenance' }] });
  });

  test('nothing is changed at zero replicas', () => {
    const target = { min: 10, max: 50, original: { min: 2, max: 50 }, specReplicas: 0, statusReplicas: 0 };
    expect(planReplicas(input({ target, demands: [reading(4000)] }))).toMatchObject({
      bounds: { min: 10, max: 50 },
      reasons: [{ code: 'ScaledToZero' }],
    });
  });
});

describe('the way back', () => {
  test('a paused policy ramps back to the originals and stays there', () => {
    const first = planReplicas(input({ min: 20, demands: [reading(4000)] }, { paused: true }));
    expect(first).toMatchObject({
      bounds: { min: 18, max: 50 },
      reasons: [{ code: 'Paused' }, { code: 'ScaleDownLimit' }],
    });
    expect(planReplicas(input({ min: 2 }, { paused: true }))).toMatchObject({ bounds: { min: 2 }, changed: false });
  });

  test('planRelease() ramps, or writes at once', () => {
    const { target } = input({ min: 20 });
    const release = { now: NOW, target, memory: NO_MEMORY, ramp: DEFAULT_RAMP };
    expect(planRelease(release)).toMatchObject({ bounds: { min: 15, max: 50 }, changed: true });
    expect(planRelease({ ...release, immediately: true })).toMatchObject({ bounds: { min: 2, max: 50 } });
  });
});

describe('reasons in words', () => {
  test('planText()', () => {
    const given = input({ demands: [reading(4000)] });
    expect(planText(planReplicas(given), given)).toBe(
      [
        'shop/checkout: the floor moves from 10 to 15 (maximum 50)',
        '  - rps is forecast to reach at most 4000 within 5m (95 % sure, by ridge): that takes 40 replicas at 100 each, filled to 100 %',
        '  - 40 replicas would be too large a step up at once: 15 for now',
      ].join('\n'),
    );
  });

  test('a demotion', () => {
    const [reason] = planReplicas(input({ demands: [reading(1, { maeVsLast: 1.234 })] })).reasons;
    expect(reasonText(reason!)).toBe(
      'the forecast of rps was lately 1.23 times as wrong as a naive one, and 1 is the limit; the reactive autoscaler decides, over a floor of 10 that is held and then released slowly',
    );
  });
});
