import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { openSentReader } from '../testing/sent-series.ts';
import { sendHistory, sendLive } from './load.ts';
import { DEMO_WORKLOADS } from './workloads.ts';

const NOW = Date.UTC(2026, 10, 18, 12, 0, 40);
const WORKLOADS = DEMO_WORKLOADS.slice(0, 1);

/** A server that keeps what is written, refuses samples out of order, and answers a matrix selector. */
async function startStore() {
  const readSent = await openSentReader();
  const stored = new Map<string, [t: number, v: number][]>();
  let refused = 0;
  let busy = 0;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/api/v1/query') {
      const from = Number(url.searchParams.get('time')) * SECOND - rangeOf(url.searchParams.get('query') ?? '');
      const result = [...stored.values()].flatMap((samples) => {
        const values = samples.filter(([t]) => t > from).map(([t, v]) => [t / SECOND, String(v)]);
        return values.length === 0 ? [] : [{ metric: {}, values }];
      });
      response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } }));
      return;
    }
    if (busy-- > 0) {
      response.writeHead(503, { 'retry-after': '1' }).end();
      return;
    }
    for (const { labels, times, values } of readSent(await buffer(request))) {
      const key = JSON.stringify(labels);
      const samples = stored.get(key) ?? [];
      stored.set(key, samples);
      for (let i = 0; i < times.length; i++) {
        const t = times[i]!;
        if (t <= (samples.at(-1)?.[0] ?? 0)) refused++;
        samples.push([t, values[i]!]);
      }
    }
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    times: () => [...stored.values()].map((samples) => samples.map(([t]) => t)),
    counters: () => [...stored.values()].map((samples) => samples.map(([, v]) => v)),
    refused: () => refused,
    refuse: (count: number) => {
      busy = count;
    },
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

function rangeOf(query: string): number {
  const [, count, unit] = /\[(\d+)([md])\]/.exec(query) ?? [];
  return Number(count) * (unit === 'm' ? MINUTE : DAY);
}

let store: Awaited<ReturnType<typeof startStore>>;
afterEach(() => store.stop());

function optionsAt(now: number, sleep: (ms: number) => Promise<void> = async () => {}) {
  const signal = new AbortController().signal;
  return { url: store.url, clock: { now: () => now, sleep }, signal, workloads: WORKLOADS, firstStart: NOW };
}

describe('sendHistory()', () => {
  test('sends four weeks, a sample every half minute, with progress up to the total', async () => {
    store = await startStore();
    const progress: number[][] = [];
    const loaded = await sendHistory(optionsAt(NOW), (samples, total) => progress.push([samples, total]));
    expect(loaded).toEqual({ samples: 4 * 28 * 24 * 60, continuedFrom: null, newest: NOW - 10 * SECOND });
    expect(progress.at(-1)).toEqual([loaded.samples, loaded.samples]);
    for (const times of store.times()) {
      expect(times).toHaveLength(2 * 28 * 24 * 60);
      expect(new Set(times.map((t, i) => t - (times[i - 1] ?? t - 30 * SECOND)))).toEqual(new Set([30 * SECOND]));
    }
  });

  test.each([
    { name: 'an hour', off: HOUR },
    { name: 'two days', off: 2 * DAY + 7 * SECOND },
  ])('a second start after $name sends the missing time alone, and the same series', async ({ off }) => {
    store = await startStore();
    await sendHistory(optionsAt(NOW), () => {});
    const second = await sendHistory(optionsAt(NOW + off), () => {});
    expect(second.continuedFrom).toBe(NOW - 10 * SECOND);
    const [times] = store.times();
    const [counters] = store.counters();
    expect(times).toHaveLength(2 * 28 * 24 * 60 + Math.floor(off / (30 * SECOND)));
    expect(store.refused()).toBe(0);
    await store.stop();
    store = await startStore();
    await sendHistory(optionsAt(NOW + off), () => {});
    const inOneGo = store.counters()[0]!;
    expect(counters!.slice(-1000)).toEqual(inOneGo.slice(-1000));
  });

  test('tries again when the server is busy', async () => {
    store = await startStore();
    store.refuse(2);
    const slept: number[] = [];
    await sendHistory(
      optionsAt(NOW, async (ms) => void slept.push(ms)),
      () => {},
    );
    expect(slept).toEqual([1000, 1000]);
  });
});

test('sendLive() sends every 30 seconds, and what a sleeping machine missed', async () => {
  store = await startStore();
  const stop = new AbortController();
  let now = NOW;
  const naps = [SECOND, 5 * MINUTE, SECOND];
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += Math.max(ms, naps.shift() ?? 0);
      if (naps.length === 0) stop.abort();
    },
  };
  const options = { ...optionsAt(NOW), clock, signal: stop.signal, after: NOW - 70 * SECOND };
  await sendLive({ ...options, gauges: () => [] });
  const [times] = store.times();
  expect(times!.slice(0, 2)).toEqual([NOW - 40 * SECOND, NOW - 10 * SECOND]);
  expect(new Set(times!.slice(1).map((t, i) => t - times![i]!))).toEqual(new Set([30 * SECOND]));
  expect(times!.length).toBeGreaterThan(10);
});
