import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALARM_DEFAULTS } from '../anomaly/alarm.ts';
import type { Anomaly } from '../anomaly/anomaly.ts';
import { openAnomalyStore } from '../ledger/anomaly-store.ts';
import type { Alert } from '../model/alert.ts';
import type { Deploy } from '../model/deploy.ts';
import { formatLabels, labelsOf, labelValue } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { simClock } from '../testing/sim-clock.ts';
import type { Watch } from './watch.ts';
import { openWatchLoop } from './watch-loop.ts';

const START = Date.UTC(2026, 5, 1);

type Of = (time: Millis) => number | undefined;

/** Noise that is the same each time. */
const noise = (time: Millis, seed = 1) => {
  const far = Math.sin((time / MINUTE) * 12.9898 * seed) * 43_758.5453;
  return far - Math.floor(far) - 0.5;
};
const usual = (time: Millis) => 100 + 10 * noise(time);
const rush =
  (from: Millis, to: Millis, factor = 8): Of =>
  (time) =>
    usual(time) * (time >= from && time < to ? factor : 1);

interface World {
  readonly series?: Readonly<Record<string, Of>>;
  readonly watch?: Partial<Watch>;
  readonly keyValue?: ReturnType<typeof memoryKeyValue>;
  readonly muted?: (time: Millis) => boolean;
  readonly now?: Millis;
  /** What was deployed, as far as it can be seen by then. */
  readonly deploys?: (now: Millis) => readonly Deploy[];
  /** Of the workload that all series are of. */
  readonly replicas?: (time: Millis) => number | undefined;
  /** Each evaluation waits for it. */
  readonly ready?: (watch: Watch) => Promise<void>;
}

/** A watch over series that are functions of time, on a clock of its own. */
function world({
  series = { a: usual },
  watch: some = {},
  keyValue = memoryKeyValue(),
  muted,
  now = START,
  deploys,
  replicas,
  ready,
}: World = {}) {
  const clock = simClock(now);
  const telemetry = recordedTelemetry();
  const written = new Map<string, number>();
  const repeated: string[] = [];
  const told = new Map<string, Alert>();
  const store = openAnomalyStore(keyValue);
  const watch: Watch = {
    ...{ tenant: DEFAULT_TENANT, key: 'query/orders', name: 'orders', query: 'orders', stepMs: MINUTE },
    ...{ historyMs: DAY, labels: [], group: [], peers: false, timeZone: 'UTC', maxSeries: 100 },
    ...{ alarm: ALARM_DEFAULTS, demand: undefined, ...some },
  };
  const watches = [watch];
  const asked: Millis[] = [];
  const askedOfReplicas: Millis[] = [];
  const loop = openWatchLoop({
    ...{ clock, telemetry, externalUrl: 'http://here', workloadOf: () => undefined, onConfirmed: () => {} },
    watches: async () => watches,
    ...(deploys !== undefined && {
      deploysOf: async (_tenant: TenantId, { start, end }: TimeRange) =>
        deploys(clock.now()).filter(({ at: when }) => when >= start && when <= end),
    }),
    async evaluate(watch, { start, end, stepMs }) {
      await ready?.(watch);
      return Object.entries(series).map(([name, of]): SampledSeries => {
        const times: number[] = [];
        for (let time = start; time <= end; time += stepMs) {
          asked.push(time);
          if (of(time) !== undefined) times.push(time);
        }
        const labels = labelsOf({ __name__: 'orders', app: name, kind: name[0]! });
        return { labels, times: Float64Array.from(times), values: Float64Array.from(times, (time) => of(time)!) };
      });
    },
    contextOf: async () => ({
      localOffsetMs: () => 0,
      forecastAt: () => undefined,
      isMuted: (_labels, time) => muted?.(time) ?? false,
      ...(replicas !== undefined && {
        async replicas(range) {
          askedOfReplicas.push(clock.now());
          const isKnown = (time: Millis) => time >= range.start - 20 * MINUTE && time <= range.end;
          return {
            workloadOf: () => 'shop/web',
            at: (_of: string, time: Millis) => (isKnown(time) ? replicas(time) : undefined),
          };
        },
      }),
    }),
    anomaliesOf: store.tenant,
    tenants: store.tenants,
    async append(_tenant, all) {
      for (const { labels, times, values } of all) {
        for (const [i, time] of times.entries()) {
          const key = `${formatLabels(labels)} ${time}`;
          if (written.has(key) && written.get(key) !== values[i]) repeated.push(key);
          written.set(key, values[i]!);
        }
      }
    },
    async tell(_tenant, alerts) {
      for (const alert of alerts) told.set(JSON.stringify([alert.labels, alert.startsAt]), alert);
    },
  });
  const { signal } = new AbortController();
  return {
    ...{ clock, telemetry, loop, store, keyValue, written, repeated, told, watches, watch, asked, askedOfReplicas },
    /** Passes as the loop makes them, a step each. */
    async run(lengthMs: number, everyMs = MINUTE) {
      for (const end = clock.now() + lengthMs; clock.now() < end; ) {
        await clock.advance(everyMs);
        await loop.pass(signal);
      }
    },
    anomalies: async (): Promise<readonly Anomaly[]> =>
      await store.tenant(DEFAULT_TENANT).list({ range: { start: 0, end: clock.now() }, limit: 100 }),
    verdicts: (suffix: string) =>
      [...written].filter(([key]) => key.startsWith(`orders:${suffix}{`)).map(([, value]) => value),
  };
}

const at = START + 2 * HOUR;
type Lives = { born: number; lives: number; silent: [number, number]; rush: [number, number] }[];
/** One that is missing gets graver while the program does not run. */
const GRAVER_MEANWHILE: [Lives, number, number, boolean, number, readonly [1, 1]] = [
  [
    { born: 204, lives: 8, silent: [95, 0], rush: [95, 0] },
    { born: 182, lives: 11, silent: [95, 0], rush: [95, 0] },
  ],
  ...([206, 6, false, 600_000, [1, 1]] as const),
];
/** Each is three runs of four hours. */
const RUNS = Math.ceil(PROPERTY_RUNS / 20);

/** A pod that has samples in [from, to). */
const pod =
  (from: Millis, to: Millis, seed = 1): Of =>
  (time) =>
    time >= from && time < to ? 100 + 10 * noise(time, seed) : undefined;
const ALWAYS = [0, Number.POSITIVE_INFINITY] as const;
const missingOf = (all: readonly Anomaly[]) =>
  all
    .filter(({ peak }) => peak.part === 'missing')
    .map(({ labels, since, endedAt, end }) => ({ app: labelValue(labels, 'app'), since, endedAt, end }));

describe('openWatchLoop()', () => {
  test('learns from a past that is imported once it runs, while it knows no better', async () => {
    let from = START;
    const { run, loop } = world({ series: { a: (time) => (time < from ? undefined : usual(time)) } });
    await run(10 * MINUTE);
    expect(loop.status(DEFAULT_TENANT)).toMatchObject([{ series: 1, learning: 1 }]);
    from = START - DAY;
    loop.historyChanged(DEFAULT_TENANT);
    await run(2 * MINUTE);
    expect(loop.status(DEFAULT_TENANT)).toMatchObject([{ series: 1, learning: 0 }]);
  });

  test('keeps what it has learnt when a past is imported', async () => {
    const { run, loop, asked } = world();
    await run(HOUR);
    const before = asked.length;
    loop.historyChanged(DEFAULT_TENANT);
    await run(2 * MINUTE);
    expect(asked.length - before).toBe(2);
  });

  test('learns from the past, and tells of a rush while it lasts and of its end', async () => {
    const { run, anomalies, told, verdicts, loop } = world({ series: { a: rush(at, at + 10 * MINUTE) } });
    await run(HOUR);
    expect(loop.status(DEFAULT_TENANT)).toMatchObject([{ series: 1, learning: 0, anomalous: 0, error: undefined }]);
    expect(await anomalies()).toEqual([]);
    await run(HOUR + 5 * MINUTE);
    expect(await anomalies()).toMatchObject([
      {
        since: at,
        severity: 'incident',
        peak: { direction: 'up' },
        labels: [
          ['app', 'a'],
          ['kind', 'a'],
        ],
      },
    ]);
    expect((await anomalies())[0]!.endedAt).toBeUndefined();
    expect([...told.values()]).toMatchObject([{ startsAt: at, annotations: { part: expect.any(String) } }]);
    await run(HOUR);
    expect(await anomalies()).toMatchObject([{ since: at, end: 'quiet' }]);
    expect([...told.values()]).toMatchObject([{ endsAt: expect.any(Number) }]);
    expect(verdicts('anomalous').filter((value) => value === 1).length).toBeGreaterThan(3);
    expect(verdicts('anomaly_score').length).toBe(verdicts('anomalous').length);
    expect(verdicts('expected').every(Number.isFinite)).toBe(true);
  });

  test('says nothing of what was unusual before it began', async () => {
    const { run, anomalies, written } = world({ series: { a: rush(START - HOUR, START + 2 * MINUTE) } });
    await run(HOUR);
    expect(await anomalies()).toEqual([]);
    expect([...written.keys()].every((key) => Number(key.slice(key.lastIndexOf(' '))) > START - MINUTE)).toBe(true);
  });

  test('after an end at any moment it goes on from what was kept, and comes to the same verdicts', async () => {
    const series = { a: rush(at, at + 10 * MINUTE), b: usual };
    const whole = world({ series });
    await whole.run(3 * HOUR);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 100, max: 150 }), fc.integer({ min: 1, max: 30 }), async (before, pause) => {
        const first = world({ series });
        await first.run(before * MINUTE);
        const now = first.clock.now() + pause * MINUTE;
        const second = world({ series, keyValue: first.keyValue, now });
        await second.run(START + 3 * HOUR - now);
        const both = new Map([...first.written, ...second.written]);
        for (const [key, value] of second.written) expect(first.written.get(key) ?? value).toBe(value);
        expect(both).toEqual(whole.written);
        const known = (all: readonly Anomaly[]) =>
          all.map(({ id, since, endedAt, end }) => ({ id, since, endedAt, end }));
        expect(known(await second.anomalies())).toEqual(known(await whole.anomalies()));
      }),
      { numRuns: 3 },
    );
  });

  test('members that come, go, fall silent and are rolled out: the same after an end at any moment', async () => {
    const moment = fc.integer({ min: 95, max: 220 });
    const life = fc.record({
      born: fc.option(moment, { nil: -1 }),
      lives: fc.integer({ min: 5, max: 400 }),
      silent: fc.tuple(moment, fc.integer({ min: 0, max: 25 })),
      rush: fc.tuple(moment, fc.integer({ min: 0, max: 15 })),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(life, { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 100, max: 215 }),
        fc.integer({ min: 1, max: 12 }),
        fc.boolean(),
        fc.constantFrom(...[ALARM_DEFAULTS.holdOffMs, 0, HOUR]),
        fc.constantFrom(
          ...([
            [1, 1],
            [2, 3],
            [3, 5],
          ] as const),
        ),
        async (lives, killed, pause, missingMembers, holdOffMs, [strikes, of]) => {
          const series = Object.fromEntries(
            lives.map(({ born, lives: length, silent, rush: rushes }, i): [string, Of] => {
              const within = (time: Millis, [from, minutes]: readonly [number, number]) =>
                time >= START + from * MINUTE && time < START + (from + minutes) * MINUTE;
              const [from, to] =
                born === -1
                  ? [START - DAY, START + length * MINUTE]
                  : [START + born * MINUTE, START + (born + length) * MINUTE];
              return [
                `p${i}`,
                (time) =>
                  time < from || time >= to || within(time, silent)
                    ? undefined
                    : (100 + 10 * noise(time, i + 1)) * (within(time, rushes) ? 8 : 1),
              ];
            }),
          );
          const replicas = (time: Millis) => Object.values(series).filter((each) => each(time) !== undefined).length;
          const watch = { missingMembers, historyMs: 2 * HOUR, alarm: { ...ALARM_DEFAULTS, holdOffMs, strikes, of } };
          const whole = world({ series, replicas, watch });
          await whole.run(4 * HOUR);
          const first = world({ series, replicas, watch });
          await first.run(killed * MINUTE);
          const now = first.clock.now() + pause * MINUTE;
          const second = world({ series, replicas, watch, keyValue: first.keyValue, now });
          await second.run(START + 4 * HOUR - now);
          for (const [key, value] of second.written) expect(first.written.get(key) ?? value).toBe(value);
          expect(new Map([...first.written, ...second.written])).toEqual(whole.written);
          const known = (all: readonly Anomaly[]) =>
            all
              .map(({ id, since, endedAt, end, severity, confirmed }) => ({
                id,
                since,
                endedAt,
                end,
                severity,
                confirmed,
              }))
              .sort((a, b) => (a.id < b.id ? -1 : 1));
          expect(known(await second.anomalies())).toEqual(known(await whole.anomalies()));
          const told = ({ told: alerts }: typeof whole) =>
            new Set([...alerts.values()].map(({ labels, startsAt }) => `${formatLabels(labels)} ${startsAt}`));
          const both = new Set([...told(first), ...told(second)]);
          // An alert that began and ended while nobody ran may be told by its end alone; none is told that was not.
          for (const alert of both) expect(told(whole)).toContain(alert);
        },
      ),
      { numRuns: RUNS, examples: [GRAVER_MEANWHILE] },
    );
  });

  test('the series that are written are those that the settings say', async () => {
    const names = async (writes: Watch['writes']) => {
      const { run, written, anomalies } = world({
        series: { a: rush(at, at + 10 * MINUTE) },
        watch: writes === undefined ? {} : { writes },
      });
      await run(3 * HOUR);
      expect(await anomalies()).toHaveLength(1);
      return [...new Set([...written.keys()].map((key) => key.slice(0, key.indexOf('{'))))].sort();
    };
    const verdicts = ['orders:anomalous', 'orders:anomaly_score'];
    expect(await names(undefined)).toEqual([...verdicts, 'orders:expected', 'orders:lower', 'orders:upper']);
    expect(await names('verdicts')).toEqual(verdicts);
    expect(await names('none')).toEqual([]);
  });

  test('rows after a time never change a verdict at it', async () => {
    const whole = world({ series: { a: rush(at, at + 10 * MINUTE) } });
    await whole.run(3 * HOUR);
    const cut = at + 3 * MINUTE;
    const other = world({ series: { a: (time) => (time <= cut ? rush(at, at + 10 * MINUTE)(time) : 5) } });
    await other.run(3 * HOUR);
    for (const [key, value] of whole.written) {
      if (Number(key.slice(key.lastIndexOf(' '))) <= cut) expect(other.written.get(key)).toBe(value);
    }
  });

  test('a muted rush is none, and does not teach', async () => {
    const series = { a: rush(at, at + 10 * MINUTE) };
    const { run, anomalies, verdicts } = world({ series, muted: (time) => time >= at && time < at + 10 * MINUTE });
    await run(3 * HOUR);
    expect(await anomalies()).toEqual([]);
    expect(verdicts('anomalous')).not.toContain(1);
  });

  test('a series whose samples stop is missing until they come back; one of many that ends has ended', async () => {
    const stops: Of = (time) => (time >= at && time < at + 20 * MINUTE ? undefined : usual(time));
    const alone = world({ series: { a: stops } });
    await alone.run(3 * HOUR);
    const missing = (await alone.anomalies()).filter(({ peak }) => peak.part === 'missing');
    expect(missing).toMatchObject([{ since: at - MINUTE, peak: { value: Number.NaN }, end: 'quiet' }]);
    const ends: Of = (time) => (time >= at ? undefined : usual(time));
    const many = world({ series: { a: ends, b: usual, c: usual } });
    await many.run(4 * HOUR);
    expect((await many.anomalies()).filter(({ peak }) => peak.part === 'missing')).toEqual([]);
    expect(many.loop.status(DEFAULT_TENANT)[0]!.series).toBe(2);
  });

  test('what is scaled away, and what another one takes the place of, is not missing, however few there are', async () => {
    const scaled = world({
      series: { a: pod(0, at), b: pod(...ALWAYS) },
      replicas: (time) => (time < at - MINUTE ? 2 : 1),
    });
    await scaled.run(4 * HOUR);
    expect(missingOf(await scaled.anomalies())).toEqual([]);
    const replaced = world({ series: { a: pod(0, at), b: pod(at + 3 * MINUTE, ALWAYS[1]) } });
    await replaced.run(4 * HOUR);
    expect(missingOf(await replaced.anomalies())).toEqual([]);
    // The next one is not there for it any more.
    const both = world({ series: { a: pod(0, at), b: pod(at, at + 30 * MINUTE) } });
    await both.run(5 * HOUR);
    expect(missingOf(await both.anomalies()).map(({ app }) => app)).toEqual(['b']);
  });

  test('replicas are asked for once a step, however many are gone, and for an hour', async () => {
    const series = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`p${i}`, pod(0, at, i + 1)]));
    for (const direction of ['both', 'up'] as const) {
      const { run, askedOfReplicas } = world({
        ...{ series, replicas: () => 20 },
        watch: { alarm: { ...ALARM_DEFAULTS, direction } },
      });
      await run(5 * HOUR);
      expect(askedOfReplicas).toEqual([...new Set(askedOfReplicas)]);
      expect(askedOfReplicas.length).toBeGreaterThan(50);
      expect(askedOfReplicas.at(-1)).toBeLessThanOrEqual(at + HOUR + 10 * MINUTE);
    }
  });

  test.each([
    MINUTE,
    15 * MINUTE,
  ])('what is replaced while it is muted is not missing after (%d ms a step)', async (stepMs) => {
    const { run, anomalies } = world({
      series: {
        a: pod(0, at),
        b: pod(0, at, 2),
        c: pod(at + 3 * MINUTE, ALWAYS[1], 3),
        d: pod(at + 3 * MINUTE, ALWAYS[1], 4),
      },
      watch: { stepMs, missingMembers: true },
      muted: (time) => time >= at && time < at + 3 * HOUR,
    });
    await run(8 * HOUR);
    expect(missingOf(await anomalies())).toEqual([]);
  });

  test('a step is left where the signal aborts, and judged on from there', async () => {
    const series = { a: rush(at, at + 10 * MINUTE) };
    const whole = world({ series });
    await whole.run(3 * HOUR);
    const controller = new AbortController();
    let seen: Millis = 0;
    const cut = START - 5 * HOUR;
    const first = world({
      series,
      muted(time) {
        seen = time;
        if (time === cut) controller.abort();
        return false;
      },
    });
    await first.clock.advance(MINUTE);
    await first.loop.pass(controller.signal);
    expect(seen).toBe(cut);
    await first.run(3 * HOUR - MINUTE);
    expect(first.written).toEqual(whole.written);
  });

  describe('with missingMembers', () => {
    const watch = { missingMembers: true };
    const others = { b: pod(...ALWAYS, 2), c: pod(...ALWAYS, 3), d: pod(...ALWAYS, 4) };
    const missingIn = async (some: World, ms = 5 * HOUR) => {
      const one = world({ watch, ...some });
      await one.run(ms);
      return missingOf(await one.anomalies());
    };

    test('a member that falls silent while the others go on is missing, until it is back', async () => {
      const silent: Of = (time) => (time >= at && time < at + 30 * MINUTE ? undefined : usual(time));
      const since = at - MINUTE;
      expect(await missingIn({ series: { a: silent, ...others }, replicas: () => 4 })).toEqual([
        { app: 'a', since, endedAt: at + 30 * MINUTE, end: 'quiet' },
      ]);
      // Nothing is known of replicas: it is told as well.
      expect(await missingIn({ series: { a: silent, ...others } })).toHaveLength(1);
      expect(await missingIn({ series: { a: silent, ...others }, watch: {} })).toEqual([]);
    });

    test('one that is scaled away, replaced before or after, or rolled out with all others, is not', async () => {
      const ends = pod(0, at);
      const replicas = (time: Millis) => (time < at - 2 * MINUTE ? 4 : 3);
      expect(await missingIn({ series: { a: ends, ...others }, replicas })).toEqual([]);
      for (const from of [at - 10 * MINUTE, at - MINUTE, at + 4 * MINUTE]) {
        const series = { a: ends, ...others, e: pod(from, ALWAYS[1], 5) };
        expect(await missingIn({ series, replicas: () => 4 })).toEqual([]);
      }
      const rollout = Object.fromEntries(
        [0, 1, 2, 3].flatMap((i) => [
          [`old${i}`, pod(0, at + i * MINUTE, i + 1)],
          [`new${i}`, pod(at + (i - 1) * MINUTE, ALWAYS[1], i + 7)],
        ]),
      );
      expect(await missingIn({ series: rollout, replicas: () => 4 })).toEqual([]);
    });

    test.each([2, 5, 15])('one that is scaled away is not, at a step of %d minutes', async (minutes) => {
      const found = await missingIn({
        ...{ series: { a: pod(0, at), ...others }, replicas: (time) => (time < at - MINUTE ? 4 : 3) },
        watch: { ...watch, stepMs: minutes * MINUTE },
      });
      expect(found).toEqual([]);
    });

    test('one that is silent although replicas rose, or fell by another one, is', async () => {
      const more = { e: pod(at - 5 * MINUTE, ALWAYS[1], 5), f: pod(at - 5 * MINUTE, ALWAYS[1], 6) };
      const rising = (time: Millis) => (time < at - 6 * MINUTE ? 4 : 6);
      expect(await missingIn({ series: { a: pod(0, at), ...others, ...more }, replicas: rising })).toMatchObject([
        { app: 'a', since: at - MINUTE },
      ]);
      const falling = (time: Millis) => (time < at ? 4 : 3);
      const two = { ...others, a: pod(0, at), b: pod(0, at + 2 * MINUTE, 2) };
      expect(await missingIn({ series: two, replicas: falling })).toMatchObject([{ app: 'b' }]);
    });

    test('one whose place is taken late has ended then', async () => {
      const series = { a: pod(0, at), ...others, e: pod(at + 20 * MINUTE, ALWAYS[1], 5) };
      // It is replaced within what is looked at beside its last sample.
      const found = await missingIn({ series, replicas: () => 4 });
      expect(found).toMatchObject([{ app: 'a', since: at - MINUTE, end: 'gone' }]);
      expect(found[0]!.endedAt).toBe(at + 20 * MINUTE);
    });
  });

  test('members of one group are one incident, who moved first stands first, and what moved alike is named', async () => {
    const series = {
      ax: rush(at + 2 * MINUTE, at + 10 * MINUTE),
      ay: rush(at, at + 10 * MINUTE),
      b: rush(at, at + 10 * MINUTE, 1.25),
    };
    const { run, told, loop, anomalies } = world({ series, watch: { group: ['kind'] } });
    await run(2 * HOUR + 8 * MINUTE);
    const found = (await anomalies()).filter(({ labels }) => labelValue(labels, 'kind') === 'a');
    expect(new Set(found.map(({ incident }) => incident)).size).toBe(1);
    const incident = await loop.incident(DEFAULT_TENANT, found[0]!.incident);
    expect(incident!.members.map(({ labels }) => labelValue(labels, 'app'))).toEqual(['ay', 'ax']);
    expect([...told.values()].filter(({ labels }) => labelValue(labels, 'kind') === 'a')).toHaveLength(1);
  });

  test('a deploy of before the first move is told with it, also one that is seen later', async () => {
    const deploy = (workload: string, when: Millis): Deploy => ({
      ...{ namespace: 'shop', workload, revision: '6d5f', images: ['web:1.5'], at: when },
    });
    const { run, told, loop, anomalies } = world({
      // It is over before the second one is seen.
      series: { a: rush(at, at + 4 * MINUTE) },
      watch: { labels: labelsOf({ namespace: 'shop', workload: 'web' }), alarm: { ...ALARM_DEFAULTS, endAfter: 2 } },
      deploys: (now) => [
        deploy('web', at - 40 * SECOND),
        ...(now > at + 9 * MINUTE ? [deploy('pay', at - 20 * SECOND)] : []),
      ],
    });
    await run(2 * HOUR + 3 * MINUTE);
    const [found] = await anomalies();
    const deploysNow = async () => (await loop.incident(DEFAULT_TENANT, found!.incident))!.deploys ?? [];
    expect((await deploysNow()).map(({ workload }) => workload)).toEqual(['web']);
    const texts = () => [...told.values()].map(({ annotations }) => annotations['deploys']);
    expect(texts()).toEqual([expect.stringContaining('shop/web was deployed at 2026-06-01T01:59:20Z, 40s before')]);
    await run(8 * MINUTE);
    expect((await anomalies())[0]!.end).toBe('quiet');
    expect((await deploysNow()).map(({ workload }) => workload)).toEqual(['web', 'pay']);
    expect(texts()).toEqual([expect.stringContaining('shop/pay was deployed')]);
  });

  test('slow queries of one tenant hold up no other', async () => {
    const slow = 'slow' as TenantId;
    const { watches, watch, loop, clock } = world({
      ready: ({ tenant }) => (tenant === slow ? new Promise<void>(() => {}) : Promise.resolve()),
    });
    for (let i = 0; i < 50; i++) watches.unshift({ ...watch, tenant: slow, key: `query/slow${i}`, name: `slow${i}` });
    const signal = AbortSignal.timeout(60_000);
    for (let minutes = 1; minutes <= 3; minutes++) {
      await clock.advance(MINUTE);
      const before = clock.now();
      const passed = loop.pass(signal);
      for (let i = 0; i < 200 && loop.status(DEFAULT_TENANT)[0]?.lastPassAt !== before; i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(loop.status(DEFAULT_TENANT)).toMatchObject([{ lastPassAt: before, through: before - MINUTE }]);
      // The loop has its next turn, whatever still runs.
      await clock.advance(5 * SECOND);
      await passed;
      await clock.advance(55 * SECOND);
    }
  });

  test('beside its peers, a member that goes with them is not unusual, and one that goes alone is', async () => {
    const all = rush(at, at + 10 * MINUTE);
    const together = world({ series: { a: all, b: all, c: all, d: all }, watch: { peers: true } });
    await together.run(3 * HOUR);
    expect(await together.anomalies()).toEqual([]);
    const noisy =
      (of: number): Of =>
      (time) =>
        100 + 10 * noise(time, 1 + of / 7);
    const one: Of = (time) => noisy(1)(time)! * (time >= at && time < at + 10 * MINUTE ? 1.5 : 1);
    const alone = world({ series: { a: one, b: noisy(2), c: noisy(3), d: noisy(4) }, watch: { peers: true } });
    await alone.run(3 * HOUR);
    expect((await alone.anomalies()).map(({ labels }) => labelValue(labels, 'app'))).toContain('a');
  });

  test('series beyond the bound are counted, and not watched', async () => {
    const { run, loop, telemetry } = world({ series: { a: usual, b: usual, c: usual }, watch: { maxSeries: 2 } });
    await run(5 * MINUTE);
    expect(loop.status(DEFAULT_TENANT)).toMatchObject([{ series: 2, refused: 1 }]);
    expect(telemetry.counts.get('watchSkips{reason=too-many-series}')).toBeGreaterThan(0);
  });

  test('what cannot be kept is kept later: nothing is judged twice, and no anomaly is lost', async () => {
    const series = { a: rush(at, at + 10 * MINUTE) };
    const whole = world({ series });
    await whole.run(3 * HOUR);
    const keyValue = memoryKeyValue();
    let [isBroken, refused] = [false, 0];
    const { run, clock, ...other } = world({
      series,
      keyValue: {
        ...keyValue,
        async write(changes) {
          if (isBroken && refused++ >= 0) throw new Error('the disk is full');
          await keyValue.write(changes);
        },
      },
    });
    await run(2 * HOUR - 2 * MINUTE);
    isBroken = true;
    await run(4 * MINUTE);
    isBroken = false;
    await run(START + 3 * HOUR - clock.now());
    expect(refused).toBeGreaterThan(0);
    expect(other.written).toEqual(whole.written);
    expect((await other.anomalies()).map(({ id, end }) => ({ id, end }))).toEqual(
      (await whole.anomalies()).map(({ id, end }) => ({ id, end })),
    );
  });

  test('series of the query that a watch had before are forgotten for good', async () => {
    const first = world({ series: { a: usual, b: usual, c: usual } });
    await first.run(10 * MINUTE);
    const keyValue = first.keyValue;
    const watch = { query: 'orders_total' };
    const second = world({ series: { d: usual }, watch, keyValue, now: first.clock.now() });
    await second.run(10 * MINUTE);
    const third = world({ series: { d: usual }, watch, keyValue, now: second.clock.now() });
    await third.run(HOUR);
    expect(third.loop.status(DEFAULT_TENANT)).toMatchObject([{ series: 1 }]);
    expect(await third.anomalies()).toEqual([]);
  });

  test('a watch that is taken away ends what goes on', async () => {
    const { run, watches, anomalies } = world({ series: { a: rush(at, at + 30 * MINUTE) } });
    await run(2 * HOUR + 3 * MINUTE);
    watches.pop();
    await run(MINUTE);
    expect(await anomalies()).toMatchObject([{ end: 'gone' }]);
  });

  test('what somebody calls normal ends, and stays so over a restart', async () => {
    const series = { a: rush(at, at + 30 * MINUTE) };
    const first = world({ series });
    await first.run(2 * HOUR + 3 * MINUTE);
    const [anomaly] = await first.anomalies();
    const feedback = { verdict: 'normal', who: 'ada', at: first.clock.now(), note: '' } as const;
    await first.store.tenant(DEFAULT_TENANT).say(anomaly!.id, feedback);
    await first.loop.learnNormal(DEFAULT_TENANT, anomaly!);
    const second = world({ series, keyValue: first.keyValue, now: first.clock.now() });
    await second.run(HOUR);
    expect(await second.anomalies()).toMatchObject([{ id: anomaly!.id, end: 'normal', feedback }]);
  });

  test('confirmed anomalies of a demand are known from when they begin, until somebody calls them normal', async () => {
    const { store } = world();
    const tenant = store.tenant(DEFAULT_TENANT);
    const demand = { namespace: 'shop', policy: 'web', workload: 'web', demand: 'rps' };
    const peak = {
      ...{ at: at, value: 9, expected: 1, lower: 0, upper: 2, score: 0.9 },
      direction: 'up',
      part: 'jump',
    } as const;
    const anomaly: Anomaly = {
      ...{
        id: `${at.toString(36)}-abc`,
        watch: 'rps',
        labels: [],
        demand,
        stepMs: MINUTE,
        since: at,
        lastAt: at + HOUR,
      },
      ...{
        severity: 'incident',
        confirmed: true,
        peak,
        endedAt: undefined,
        end: undefined,
        incident: '',
        feedback: undefined,
      },
    };
    const range = { start: START, end: START + DAY };
    await tenant.put([anomaly]);
    expect(await tenant.confirmed(demand, range)).toEqual([{ since: at, ended: undefined }]);
    await tenant.put([{ ...anomaly, endedAt: at + 2 * HOUR, end: 'quiet' }]);
    const ended = [{ since: at, ended: { lastAt: at + HOUR, why: 'quiet' } }];
    expect(await tenant.confirmed(demand, range)).toEqual(ended);
    expect(await tenant.confirmed({ ...demand, policy: 'other' }, range)).toEqual([]);
    await tenant.say(anomaly.id, { verdict: 'normal', who: 'ada', at, note: '' });
    expect(await tenant.confirmed(demand, range)).toEqual([]);
    await tenant.say(anomaly.id, { verdict: 'anomaly', who: 'ada', at, note: '' });
    expect(await tenant.confirmed(demand, range)).toEqual(ended);
  });
});
