import { expect, test } from 'vitest';
import { labelsOf, labelValue } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../model/tenant.ts';
import { openOutbox } from './outbox.ts';

function open(mostSamples = 100) {
  const state = { now: 0, sent: [] as string[], dropped: [] as string[], failure: undefined as object | undefined };
  const outbox = openOutbox({
    now: () => state.now,
    mostSamples,
    async send(tenant: TenantId, series: readonly SampledSeries[]) {
      if (state.failure !== undefined) throw Object.assign(new Error('no'), state.failure);
      state.sent.push(`${tenant} ${series.map(({ labels }) => labelValue(labels, '__name__')).join()}`);
    },
    onDropped: (reason, samples) => void state.dropped.push(`${reason} ${samples}`),
  });
  return { outbox, state };
}

const series = (name: string, samples = 1): SampledSeries => ({
  labels: labelsOf({ __name__: name }),
  times: new Float64Array(samples),
  values: new Float64Array(samples),
});
const acme = parseTenant('acme');

test('sends in order, each tenant on its own', async () => {
  const { outbox, state } = open();
  outbox.put(DEFAULT_TENANT, [series('a'), series('b')]);
  outbox.put(acme, [series('c')]);
  outbox.put(DEFAULT_TENANT, [series('d'), series('none', 0)]);
  expect(outbox.waiting()).toBe(4);
  await outbox.pass();
  expect(state.sent).toEqual(['default a,b', 'acme c', 'default d']);
  expect(outbox.waiting()).toBe(0);
});

test('keeps what was not taken, waits longer each time or as long as it is asked to, and drops the oldest beyond its bound', async () => {
  const { outbox, state } = open(3);
  state.failure = { code: 'engine_unavailable' };
  outbox.put(DEFAULT_TENANT, [series('a'), series('b')]);
  await expect(outbox.pass()).rejects.toThrow('no');
  await outbox.pass();
  state.now = 1000;
  await expect(outbox.pass()).rejects.toThrow('no');
  state.now = 2999;
  await outbox.pass();
  state.failure = { code: 'engine_unavailable', retryAfterMs: 50_000 };
  state.now = 3000;
  await expect(outbox.pass()).rejects.toThrow('no');
  outbox.put(DEFAULT_TENANT, [series('c'), series('d')]);
  expect(state.dropped).toEqual(['outbox_full 1']);
  state.failure = undefined;
  state.now = 52_999;
  await outbox.pass();
  expect(state.sent).toEqual([]);
  state.now = 53_000;
  await outbox.pass();
  expect(state.sent).toEqual(['default b,c,d']);
});

test('what is refused is dropped, counted, and stands in nobody else’s way', async () => {
  const { outbox, state } = open();
  state.failure = { code: 'engine_refused' };
  outbox.put(DEFAULT_TENANT, [series('a', 7)]);
  await outbox.pass();
  expect([state.dropped, outbox.waiting()]).toEqual([['engine_refused 7'], 0]);
  state.failure = undefined;
  outbox.put(DEFAULT_TENANT, [series('b')]);
  await outbox.pass();
  expect(state.sent).toEqual(['default b']);
});

test('a clock that was set back makes nothing wait', async () => {
  const { outbox, state } = open();
  state.now = 1e9;
  state.failure = {};
  outbox.put(DEFAULT_TENANT, [series('a')]);
  await expect(outbox.pass()).rejects.toThrow();
  state.failure = undefined;
  state.now = 0;
  await outbox.pass();
  expect(state.sent).toEqual(['default a']);
});
