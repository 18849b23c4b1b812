import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { FitRequest } from '../../src/forecast/desk.ts';
import type { Clock } from '../../src/model/clock.ts';
import { DEFAULT_TENANT } from '../../src/model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../../src/model/time.ts';
import type { PoolAnswer, ThreadEnd } from '../../src/workers/forecast-pool.ts';
import type { ThreadSeatOptions } from '../../src/workers/forecast-seat.ts';

/** The pool with real threads, which Node starts from compiled code alone. */
const dist = (path: string) => new URL(`../../dist/${path}`, import.meta.url).href;
const { openForecastPool } = (await import(
  dist('workers/forecast-pool.js')
)) as typeof import('../../src/workers/forecast-pool.ts');
const { ownSeat, threadSeat } = (await import(
  dist('workers/forecast-seat.js')
)) as typeof import('../../src/workers/forecast-seat.ts');
const { createForecastDesk } = (await import(dist('forecast/desk.js'))) as typeof import('../../src/forecast/desk.ts');
const { systemClock } = (await import(dist('system-clock.js'))) as typeof import('../../src/system-clock.ts');

const folder = mkdtempSync(join(tmpdir(), 'foresail-pool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The program's thread, but for keys that say what becomes of it. */
const mortal = join(folder, 'mortal-thread.mjs');
/** There from the moment at which such a thread hangs. */
const hanging = join(folder, 'hanging');
writeFileSync(
  mortal,
  `import { writeFileSync } from 'node:fs';
import { createForecastDesk } from ${JSON.stringify(dist('forecast/desk.js'))};
import { serveRequests } from ${JSON.stringify(dist('workers/serve-requests.js'))};
const desk = createForecastDesk();
const ends = {
  exit: () => process.exit(3),
  throw: () => setImmediate(() => { throw new Error('outside of any request'); }),
  hang: () => {
    writeFileSync(${JSON.stringify(hanging)}, '');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  fill: () => { const all = []; for (;;) all.push(new Array(1e5).fill(all.length / 3)); },
};
serveRequests({ answer(request) { ends[request.key]?.(); return desk.answer(request); } });
`,
);

describe('the pool in threads', () => {
  test.each([
    { key: 'exit', reason: 'exit' },
    { key: 'fill', reason: 'out-of-memory' },
    { key: 'hang', reason: 'unresponsive' },
  ])('a thread that ends in the middle of a batch, by $reason, costs that batch and no other', async ({
    key,
    reason,
  }) => {
    await using world = openWorld({ file: pathToFileURL(mortal), clock: untilItHangs });
    const { pool, ends } = world;
    await pool.learn(DEFAULT_TENANT, 'a', async () => fitOf('a', DAY));
    await pool.learn(DEFAULT_TENANT, 'b', async () => fitOf('b', DAY));
    const batch = await Promise.all(['a', key, 'b'].map((each) => pool.advance(each, Float64Array.of(1))));
    expect(batch).toEqual(Array(3).fill({ kind: 'lost', reason }));
    expect(ends).toMatchObject([{ reason, key }]);
    expect(await pool.advance('a', Float64Array.of(1))).toEqual({ kind: 'unknown' });
    expect(await pool.learn(DEFAULT_TENANT, 'a', async () => fitOf('a', DAY))).toMatchObject({ kind: 'forecast' });
  });

  test('an exception outside of any request is a thread that ended', async () => {
    await using world = openWorld({ file: pathToFileURL(mortal) });
    await world.pool.advance('throw', Float64Array.of(1));
    await expect.poll(() => world.ends, { timeout: 240_000 }).toMatchObject([{ reason: 'exception' }]);
  });

  test('forecasts the same as this thread would', async () => {
    const { fitForecaster } = (await import(
      dist('forecast/forecaster.js')
    )) as typeof import('../../src/forecast/forecaster.ts');
    const { loadRegressorFrom, readModelBytes, SHIPPED_MODEL } = (await import(
      dist('workers/load-regressor.js')
    )) as typeof import('../../src/workers/load-regressor.ts');
    const network = await loadRegressorFrom(SHIPPED_MODEL);
    await using world = openWorld({ models: { shipped: await readModelBytes(SHIPPED_MODEL), own: new Map() } });
    const { history, options } = fitOf('a', 3 * DAY);
    const learned = await world.pool.learn(DEFAULT_TENANT, 'a', async () => fitOf('a', 3 * DAY));
    const here = fitForecaster(history, {
      ...options,
      ...(network.kind === 'loaded' && { regressor: network.regressor }),
    });
    expect(here.kind === 'fitted' && here.forecaster.models).toContain('network');
    expect(here.kind === 'fitted' && here.forecaster.predict()).toEqual(forecastIn(learned));
    const values = Float64Array.from({ length: 6 }, (_, i) => demandAt(3 * DAY + i * MINUTE));
    const advanced = await world.pool.advance('a', values);
    if (here.kind === 'fitted') here.forecaster.update(values);
    expect(here.kind === 'fitted' && here.forecaster.predict()).toEqual(forecastIn(advanced));
  });

  test('closing waits for nothing that a thread is at', async () => {
    const world = openWorld({ file: pathToFileURL(mortal) });
    await world.pool.learn(DEFAULT_TENANT, 'a', async () => fitOf('a', DAY));
    const endless = world.pool.advance('hang', Float64Array.of(1));
    await world[Symbol.asyncDispose]();
    expect(await endless).toEqual({ kind: 'lost', reason: 'closed' });
  });

  test('a thread whose file is missing leaves the work to this one', async () => {
    await using world = openWorld({ file: pathToFileURL(join(folder, 'none.mjs')) });
    expect(await world.pool.learn(DEFAULT_TENANT, 'a', async () => fitOf('a', DAY))).toMatchObject({
      kind: 'forecast',
    });
    expect(world.fallbacks()).toBe(1);
  });
});

/** A batch's time is up once its thread hangs, and no sooner: a busy machine is not taken for a thread that hangs. */
const untilItHangs: Clock = {
  now: systemClock.now,
  async sleep(_ms, signal) {
    while (!existsSync(hanging)) await systemClock.sleep(50, signal);
    rmSync(hanging);
  },
};

function openWorld(thread: Partial<ThreadSeatOptions> = {}) {
  const ends: ThreadEnd[] = [];
  let fallbacks = 0;
  const pool = openForecastPool({
    seats: [threadSeat({ clock: systemClock, ...thread })],
    fallback: ownSeat(createForecastDesk),
    clock: systemClock,
    onEnd: (end) => ends.push(end),
    onSetAside: () => {},
    onFallback: () => fallbacks++,
  });
  return { pool, ends, fallbacks: () => fallbacks, [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose]() };
}

function fitOf(key: string, lengthMs: number): FitRequest {
  const stepMs = 5 * MINUTE;
  const values = Float64Array.from({ length: lengthMs / stepMs }, (_, i) => demandAt(i * stepMs));
  return {
    kind: 'fit',
    key,
    history: { start: 0, stepMs, values },
    options: { horizonSteps: 12, peakWindowMs: HOUR / 4, quantiles: [0.5, 0.95] },
  };
}

function demandAt(t: number): number {
  return 100 + 50 * Math.sin((2 * Math.PI * t) / DAY) + 5 * Math.sin(t / 7);
}

function forecastIn(answer: PoolAnswer) {
  return answer.kind === 'forecast' ? answer.forecast : undefined;
}
