import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/model/time.ts';
import { fakeCluster } from '../../src/testing/fake-cluster.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { createLogger, startApp } from '../built-app.ts';
import { jumpClock, PROGRAM_LOOPS } from '../jump-clock.ts';

/** The built program as `serve` starts it, with its threads and its store, on a clock that jumps from step to step. */
const DIST = new URL('../../dist/', import.meta.url);

const T0 = 20_000 * DAY;
const STEP = 30 * MINUTE;
const HISTORY = 21 * DAY;

const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  mode: enforce
  target: {name: web}
  demand: {name: rps, query: load, step: 30m, capacity: {perReplica: 10}}
  replicas: {min: 2, max: 90}
  forecast: {horizon: 4h}
  ramp: {maxUpPerMinute: 300%, maxDownPerMinute: 10%, holdDown: 10m}
  safety: {maxForecastAge: 2h}
`;

/** A day and a half in which the load comes in pulses at random hours, after and before days that are all alike. */
const PULSES = { start: T0 + DAY, end: T0 + 2.5 * DAY };
/** The return is looked at for so long; it is due about two days after the pulses. */
const AFTER = 6 * HOUR;
const LATEST = T0 + 7 * DAY;

function loadAt(t: number): number {
  const noise = 6 * (random(t / MINUTE) + random(t / MINUTE + 1e6) - 1);
  if (t >= PULSES.start && t < PULSES.end) return 60 + (random(Math.floor(t / HOUR)) < 0.3 ? 400 : 0) + noise;
  return 200 + 150 * Math.sin((2 * Math.PI * t) / DAY) + (t % (6 * HOUR) < HOUR ? 120 : 0) + noise;
}

/** mulberry32 of a whole number. */
function random(seed: number): number {
  let t = (seed + 0x6d2b79f5) >>> 0;
  t = Math.imul(t ^ (t >>> 15), 1 | t);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

interface Decision {
  readonly id: string;
  readonly at: number;
  readonly bounds: { readonly min: number };
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
}

interface ToldAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly startsAt: string;
}

describe('a demand whose regime changes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-demotion-'));
  const stop = new AbortController();
  const clock = jumpClock(T0 + 20 * SECOND, { count: PROGRAM_LOOPS, signal: stop.signal });
  const cluster = fakeCluster('shop', ['web'], { min: 2, max: 90 });
  let app: Awaited<ReturnType<typeof startApp>>;
  let running: Promise<void>;

  beforeAll(async () => {
    const loaded = loadSettings({ flags: { data: join(folder, 'data'), listen: '127.0.0.1:0' }, env: {} });
    // A training takes real seconds, in which this clock would stand still.
    const settings = { ...loaded, training: { ...loaded.training, everyMs: undefined } };
    const target = { name: 'fake', cluster, close: async () => {} };
    app = await startApp({ settings, clock, log: createLogger('silent'), cluster: target });
    running = app.run(stop.signal);
    await clock.settled();
  });

  afterAll(async () => {
    stop.abort();
    await running;
    await app[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = async (path: string) => {
    const response = await fetch(`${app.url}${path}`);
    expect(response.status, path).toBe(200);
    return ((await response.json()) as { data: unknown }).data;
  };
  const policyPath = '/api/v1/policies/shop/web';
  const row = async () => ((await ask('/api/v1/accuracy')) as { state: string; issuedAt: number | null }[])[0];
  const isTrusted = async () => (await row())?.state === 'trusted';

  /** One step: its sample arrives, all loops do what is due, and its forecast is there before the next one. */
  async function step(time: number): Promise<void> {
    await clock.jump(time + 20 * SECOND - clock.now(), async () => {
      const series = { labels: [['__name__', 'load']] as const, times: [time], values: Float64Array.of(loadAt(time)) };
      const body = new Uint8Array(encodeSnappy(encodeWriteRequest([series])));
      const { status } = await fetch(`${app.url}/api/v1/write`, { method: 'POST', body });
      expect(status).toBe(204);
    });
    // A fit takes real time in a thread, which no loop waits for: half an hour must not pass in it.
    await expect
      .poll(
        async () => {
          const { issuedAt } = (await row()) ?? {};
          if ((issuedAt ?? 0) * 1000 >= time) return true;
          await clock.jump(15 * SECOND);
          return false;
        },
        { timeout: 60_000, interval: 20 },
      )
      .toBe(true);
  }

  const alerts = async () => {
    const response = await fetch(`${app.url}/api/v2/alerts?filter=alertname%3DForesailForecastDemoted`);
    return (await response.json()) as readonly ToldAlert[];
  };

  /** `foresail accuracy` as people run it. */
  async function accuracy(...words: string[]) {
    const call = [new URL('main.js', DIST).pathname, 'accuracy', '--url', app.url, ...words];
    const { stdout, code } = await promisify(execFile)(process.execPath, call).then(
      ({ stdout: text }) => ({ stdout: text, code: 0 }),
      (error: { stdout: string; code: number }) => error,
    );
    return { stdout, code };
  }

  test('its policy is demoted, its floor is released slowly, and it is trusted again, all of it in the decisions', async () => {
    const times = Array.from({ length: HISTORY / STEP }, (_, i) => T0 - HISTORY + i * STEP);
    const line = JSON.stringify({ metric: { __name__: 'load' }, values: times.map(loadAt), timestamps: times });
    const imported = await fetch(`${app.url}/api/v1/import`, { method: 'POST', body: `${line}\n` });
    expect(imported.status).toBe(200);
    expect((await fetch(`${app.url}${policyPath}`, { method: 'PUT', body: POLICY })).status).toBe(201);
    await expect
      .poll(
        async () => {
          await clock.jump(15 * SECOND);
          return await isTrusted();
        },
        { timeout: 240_000, interval: 100 },
      )
      .toBe(true);

    await clock.jump(T0 + 20 * SECOND - clock.now());
    const states: boolean[] = [];
    let whileDemoted: Awaited<ReturnType<typeof accuracy>> | undefined;
    let metrics = '';
    let alertsThen: readonly ToldAlert[] = [];
    const isBack = () => states.includes(false) && states.length - states.lastIndexOf(false) > AFTER / STEP;
    for (let t = T0 + STEP; t <= LATEST && !isBack(); t += STEP) {
      await step(t);
      states.push(await isTrusted());
      if (whileDemoted !== undefined || states.at(-1) !== false || t < PULSES.end) continue;
      whileDemoted = await accuracy('--check');
      metrics = await (await fetch(`${app.url}/metrics`)).text();
      alertsThen = await alerts();
    }

    // Trusted on days that are all alike, then not, then again, and each once: nothing flaps.
    const changes = states.filter((state, i) => i > 0 && state !== states[i - 1]).length;
    expect([states[0], changes, states.at(-1)]).toEqual([true, 2, true]);
    const demotedAt = T0 + (states.indexOf(false) + 1) * STEP;
    const returnedAt = T0 + (states.lastIndexOf(false) + 2) * STEP;
    expect(demotedAt).toBeGreaterThan(PULSES.start);
    expect(demotedAt).toBeLessThan(PULSES.start + 18 * HOUR);
    expect(returnedAt).toBeGreaterThan(PULSES.end);

    const newest = (await ask(`${policyPath}/decisions?limit=1000`)) as Decision[];
    const live = newest.filter(({ at }) => at * 1000 > T0 + HOUR).reverse();
    const codes = (decision: Decision) => decision.reasons.map(({ code }) => code);
    const demoted = live.find((decision) => codes(decision).includes('Demoted'))!;
    const returned = live.find((decision) => codes(decision).includes('ForecastTrusted'))!;
    expect(Math.abs(demoted.at * 1000 - demotedAt)).toBeLessThan(STEP);
    expect(demoted.reasons[0]?.text).toMatch(
      /of rps .*lately [\d.]+ times as wrong as a naive one|the 95 % bound of rps/,
    );
    expect(Math.abs(returned.at * 1000 - returnedAt)).toBeLessThan(STEP);
    expect(returned.reasons[0]?.text).toMatch(
      /^the forecast of rps is trusted from now on, after \d+d.* of \w+; its error/,
    );
    const record = (await ask(`/api/v1/decisions/${demoted.id}`)) as { plan: { demotion: { code: string } } };
    expect(['WorseThanNaive', 'CoverageBroken']).toContain(record.plan.demotion.code);

    // No step down is larger than the ramp's, and the owner's minimum is reached.
    const between = live.filter(({ at }) => at >= demoted.at && at < returned.at).map(({ bounds }) => bounds.min);
    between.forEach((min, i) => {
      if (i > 0) expect(min).toBeGreaterThanOrEqual(Math.min(between[i - 1]! - 1, Math.floor(0.9 * between[i - 1]!)));
    });
    expect(between.at(-1)).toBe(2);
    expect(Math.max(...live.filter(({ at }) => at > returned.at).map(({ bounds }) => bounds.min))).toBeGreaterThan(20);

    const events = cluster.announcements.map(({ reason }) => reason).filter((reason) => reason.startsWith('Forecast'));
    expect(events).toEqual(['ForecastDemoted', 'ForecastTrusted']);
    expect(whileDemoted).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/demoted since 2024-.*\n.*window 1h/),
    });
    expect(metrics).toMatch(/^foresail_policies_demoted\{reason="(WorseThanNaive|CoverageBroken)"\} 1$/m);
    expect(metrics).toMatch(
      /^foresail_forecast_error_ratio\{namespace="shop",policy="web",demand="rps",horizon="peak",against="naive"\} 1\.\d+$/m,
    );
    expect(alertsThen).toMatchObject([
      {
        labels: { namespace: 'shop', policy: 'web', workload: 'web', severity: 'warning' },
        annotations: { summary: expect.stringContaining('shop/web does not trust its forecast') },
        status: { state: 'active' },
      },
    ]);
    // It began with the demotion, a jump of the clock later at most, and ended with it.
    expect(Math.abs(Date.parse(alertsThen[0]!.startsAt) - demotedAt)).toBeLessThan(2 * STEP);
    expect(await alerts()).toEqual([]);
    expect(await accuracy('--check', '--policy', 'shop/web')).toMatchObject({ code: 0 });
    const [byDay] = (await ask(`${policyPath}/accuracy`)) as { days: { horizons: { horizon: string }[] }[] }[];
    expect(byDay?.days.length).toBeGreaterThanOrEqual(4);
    expect(byDay?.days[3]?.horizons.map(({ horizon }) => horizon)).toEqual([
      'first',
      'window',
      'half',
      'whole',
      'peak',
    ]);
  });
});
