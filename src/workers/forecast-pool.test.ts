import { describe, expect, test } from 'vitest';
import { createForecastDesk, type FitRequest, type ForecastRequest } from '../forecast/desk.ts';
import { parseTenant } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { countingMaker } from '../testing/counting-forecaster.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openForecastPool, type PoolAnswer, type ThreadEnd, threadsFor } from './forecast-pool.ts';
import { type OpenSeat, ownSeat } from './forecast-seat.ts';

const [SHOP, BANK] = [parseTenant('shop'), parseTenant('bank')];

test.each([
  { cores: 1, want: 1 },
  { cores: 2, want: 1 },
  { cores: 4, want: 3 },
  { cores: 64, want: 8 },
])('threadsFor($cores) is $want', ({ cores, want }) => {
  expect(threadsFor(cores)).toBe(want);
});

describe('openForecastPool()', () => {
  test('learns, takes values in, and forecasts from all of them', async () => {
    const { pool } = openWorld();
    expect(sumIn(await pool.learn(SHOP, 'a', async () => fitOf('a', [1, 2])))).toBe(3);
    expect(sumIn(await pool.advance('a', Float64Array.of(10)))).toBe(13);
    expect(sumIn(await pool.refit(SHOP, 'a'))).toBe(13);
  });

  test('what it saves is restored with what came since', async () => {
    const { pool } = openWorld();
    await pool.learn(SHOP, 'a', async () => fitOf('a', [1, 2]));
    const state = (await pool.save('a'))!;
    const restored = await pool.learn(SHOP, 'b', async () => {
      return { ...fitOf('b', [0, 0, 5]), kind: 'restore', state };
    });
    expect(sumIn(restored)).toBe(8);
    expect(restored).not.toHaveProperty('discarded');
  });

  test('a state of another version costs a fit, and the answer says so', async () => {
    const { pool } = openWorld();
    const state = new Uint8Array(Float64Array.of(9, 1, 1).buffer);
    const answer = await pool.learn(SHOP, 'a', async () => ({ ...fitOf('a', [4]), kind: 'restore', state }));
    expect(answer).toMatchObject({ kind: 'forecast', discarded: 'version' });
    expect(sumIn(answer)).toBe(4);
  });

  test('values go before a fit of their key that waits, and after one that has begun to load', async () => {
    const { pool } = openWorld();
    await pool.learn(SHOP, 'a', async () => fitOf('a', [1]));
    const before = pool.advance('a', Float64Array.of(10));
    let later: Promise<PoolAnswer> | undefined;
    const fit = pool.learn(SHOP, 'a', async () => {
      later = pool.advance('a', Float64Array.of(1000));
      return fitOf('a', [100]);
    });
    const overtaking = pool.advance('a', Float64Array.of(20));
    expect([await before, await overtaking, await fit, await later!].map(sumIn)).toEqual([11, 31, 100, 1100]);
  });

  test('predictions go before fits, and fits take turns between tenants', async () => {
    const { pool, batches } = openWorld();
    await Promise.all(['x', 'y'].map((key) => pool.learn(BANK, key, async () => fitOf(key, [1]))));
    batches.length = 0;
    const fits = ['a', 'b', 'c', 'd'].map((key) => pool.learn(SHOP, key, async () => fitOf(key, [1])));
    const other = pool.learn(BANK, 'e', async () => fitOf('e', [1]));
    const predictions = ['x', 'y'].map((key) => pool.advance(key, Float64Array.of(1)));
    await Promise.all([...fits, other, ...predictions]);
    expect(batches).toEqual([['x', 'y'], ['a'], ['e'], ['b'], ['c'], ['d']]);
  });

  test('a load that fails is its own failure', async () => {
    const { pool } = openWorld();
    const failed = pool.learn(SHOP, 'a', async () => {
      throw new RangeError('no such query');
    });
    const other = pool.learn(SHOP, 'b', async () => fitOf('b', [2]));
    await expect(failed).rejects.toThrow('no such query');
    expect(sumIn(await other)).toBe(2);
  });

  test('an exception is answered, and the forecaster is gone', async () => {
    const { pool } = openWorld();
    const broken = { ...fitOf('a', [1]), history: undefined as never };
    expect(await pool.learn(SHOP, 'a', async () => broken)).toMatchObject({ kind: 'failed', name: 'TypeError' });
    expect(await pool.advance('a', Float64Array.of(1))).toEqual({ kind: 'unknown' });
  });

  test('a thread that ends loses the batch it was at and its forecasters, and nothing else', async () => {
    const { pool, ends, clock } = openWorld();
    await pool.learn(SHOP, 'a', async () => fitOf('a', [1]));
    const batch = ['a', 'dies', 'b'].map((key) => pool.advance(key, Float64Array.of(1)));
    expect(await Promise.all(batch)).toEqual(Array(3).fill({ kind: 'lost', reason: 'exit' }));
    expect(ends).toEqual([{ reason: 'exit', key: 'dies' }]);
    const next = pool.advance('a', Float64Array.of(1));
    await clock.advance(SECOND);
    expect(await next).toEqual({ kind: 'unknown' });
    expect(sumIn(await pool.learn(SHOP, 'a', async () => fitOf('a', [1, 1])))).toBe(2);
  });

  test('a series that ends its thread twice is set aside for an hour', async () => {
    const { pool, setAside, clock } = openWorld();
    for (let i = 0; i < 2; i++) {
      const answer = pool.advance('dies', Float64Array.of(1));
      await clock.advance(SECOND);
      expect(await answer).toEqual({ kind: 'lost', reason: 'exit' });
    }
    expect(setAside).toEqual(['dies']);
    expect(await pool.advance('dies', Float64Array.of(1))).toEqual({ kind: 'lost', reason: 'set-aside' });
    await clock.advance(HOUR);
    const again = pool.advance('dies', Float64Array.of(1));
    await clock.advance(SECOND);
    expect(await again).toEqual({ kind: 'lost', reason: 'exit' });
    // Dropped with its policy, the next of its name begins anew.
    pool.drop('dies');
    const anew = pool.advance('dies', Float64Array.of(1));
    await clock.advance(MINUTE);
    expect(await anew).toEqual({ kind: 'lost', reason: 'exit' });
  });

  test('a thread that never starts is replaced by the calling one, and that is said once', async () => {
    const neverStarts: OpenSeat = ({ onEnd }) => {
      setImmediate(() => onEnd({ reason: 'exception' }));
      return { post: () => {}, close: async () => {} };
    };
    const { pool, clock, fallbacks } = openWorld(neverStarts);
    const learned = pool.learn(SHOP, 'a', async () => fitOf('a', [7]));
    await clock.advance(MINUTE);
    expect(sumIn(await learned)).toBe(7);
    expect(fallbacks()).toBe(1);
  });

  test('what is asked of a closed pool, or waits when it closes, is lost', async () => {
    const { pool } = openWorld();
    const waiting = pool.learn(SHOP, 'a', async () => fitOf('a', [1]));
    await pool[Symbol.asyncDispose]();
    expect(await waiting).toEqual({ kind: 'lost', reason: 'closed' });
    expect(await pool.advance('a', Float64Array.of(1))).toEqual({ kind: 'lost', reason: 'closed' });
  });
});

/** A pool of one seat in this thread, which a key `dies` ends. */
function openWorld(openSeat?: OpenSeat) {
  const clock = simClock(20_000 * DAY);
  const batches: string[][] = [];
  const ends: ThreadEnd[] = [];
  const setAside: string[] = [];
  let fallbacks = 0;
  const inner = ownSeat(() => createForecastDesk(countingMaker));
  const mortal: OpenSeat = (events) => {
    const seat = inner(events);
    return {
      ...seat,
      post(batch: readonly ForecastRequest[]) {
        batches.push(batch.map(({ key }) => key));
        const index = batch.findIndex(({ key }) => key === 'dies');
        if (index === -1) return seat.post(batch);
        void seat.close();
        setImmediate(() => events.onEnd({ reason: 'exit', index }));
      },
    };
  };
  const pool = openForecastPool({
    seats: [openSeat ?? mortal],
    fallback: inner,
    clock,
    onEnd: (end) => ends.push(end),
    onSetAside: (key) => setAside.push(key),
    onFallback: () => fallbacks++,
  });
  return { pool, clock, batches, ends, setAside, fallbacks: () => fallbacks };
}

function fitOf(key: string, values: readonly number[]): FitRequest {
  return {
    kind: 'fit',
    key,
    history: { start: 0, stepMs: MINUTE, values: Float64Array.from(values) },
    options: { horizonSteps: 1, peakWindowMs: MINUTE },
  };
}

function sumIn(answer: PoolAnswer): number | undefined {
  return answer.kind === 'forecast' ? answer.forecast.point[0] : undefined;
}
