import { expect, test } from 'vitest';
import { labelsOf, labelValue } from '../model/labels.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../model/tenant.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { type DurableOutboxOptions, openDurableOutbox } from './durable-outbox.ts';
import { encodeLetter, type Letter, letterOf } from './letter.ts';

const acme = parseTenant('acme');
const letter = (name: string, samples = 1) =>
  letterOf([
    {
      labels: labelsOf({ __name__: name }),
      times: new Float64Array(samples),
      values: new Float64Array(samples),
    },
  ]);
const namesIn = ({ series }: Letter) => series.map(({ labels }) => labelValue(labels, '__name__')).join();

async function open(options: Partial<DurableOutboxOptions> = {}) {
  const state = { now: 0, sent: [] as string[], dropped: [] as string[], failure: undefined as object | undefined };
  const keyValue = options.keyValue ?? memoryKeyValue();
  const opened = await openDurableOutbox({
    keyValue,
    now: () => state.now,
    mostBytes: 10_000,
    async send(tenant: TenantId, sent) {
      if (state.failure !== undefined) throw Object.assign(new Error('no'), state.failure);
      state.sent.push(`${tenant} ${namesIn(sent)}`);
    },
    onDropped: (reason, items) => void state.dropped.push(`${reason} ${items}`),
    ...options,
  });
  return { outbox: opened, state, keyValue };
}

test('what was put is sent, each tenant’s in order, and nothing of it is left', async () => {
  const { outbox, state, keyValue } = await open();
  await Promise.all([
    outbox.put(DEFAULT_TENANT, letter('a', 3)),
    outbox.put(acme, letter('b')),
    outbox.put(DEFAULT_TENANT, letter('c')),
  ]);
  await outbox.pass();
  expect(state.sent.sort()).toEqual(['acme b', 'default a', 'default c']);
  expect(outbox.waiting()).toEqual({ items: 0, bytes: 0 });
  const left = [];
  for await (const entry of keyValue.list({ gte: '', lt: '~' })) left.push(entry);
  expect(left).toEqual([]);
});

test('while the engine takes none all of it waits, over a crash too, and goes in order once it takes some', async () => {
  const { outbox, state, keyValue } = await open();
  state.failure = { code: 'engine_unavailable', retryAfterMs: 5000 };
  for (const name of ['a', 'b', 'c']) await outbox.put(DEFAULT_TENANT, letter(name, 2));
  await expect(outbox.pass().then(() => outbox.pass())).resolves.toBeUndefined();
  expect([state.sent, outbox.waiting().items]).toEqual([[], 6]);
  state.now = 4999;
  state.failure = undefined;
  await outbox.pass();
  expect(state.sent).toEqual([]);

  const again = await open({ keyValue });
  expect(again.outbox.waiting()).toEqual(outbox.waiting());
  await again.outbox.put(DEFAULT_TENANT, letter('d'));
  await again.outbox.pass();
  expect(again.state.sent).toEqual(['default a', 'default b', 'default c', 'default d']);
});

test('the engine is asked again after a pause that grows, and pass tells why nothing goes', async () => {
  const { outbox, state } = await open();
  state.failure = { code: 'engine_unavailable' };
  await outbox.put(DEFAULT_TENANT, letter('a'));
  await outbox.pass().catch(() => {});
  for (const [now, isTried] of [
    [999, false],
    [1000, true],
    [2999, false],
    [3000, true],
  ] as const) {
    state.now = now;
    const tried = outbox.pass().then(
      () => false,
      () => true,
    );
    expect(await tried).toBe(isTried);
  }
});

test('one tenant that the engine takes nothing of does not hold the others up', async () => {
  const sent: string[] = [];
  const { outbox } = await open({
    async send(tenant, { series }) {
      if (tenant === acme) throw new Error('too many of this tenant');
      sent.push(labelValue(series[0]!.labels, '__name__'));
    },
  });
  await outbox.put(acme, letter('a'));
  await outbox.put(DEFAULT_TENANT, letter('b'));
  await outbox.pass().catch(() => {});
  expect([sent, outbox.waiting().items]).toEqual([['b'], 1]);
});

test('what the engine refuses for good is dropped and counted; so is what cannot be read any more', async () => {
  const keyValue = memoryKeyValue();
  await keyValue.write([
    { key: 'outbox/0000000000000007/5/default', value: Uint8Array.of(9, 9) },
    { key: 'outbox/0000000000000008/2/default', value: encodeLetter(letter('b', 2)) },
    { key: 'outbox/0000000000000009/3/default', value: encodeLetter(letter('c', 3)).fill(0, 6, 8) },
  ]);
  const { outbox, state } = await open({ keyValue });
  state.failure = { code: 'engine_refused' };
  await outbox.pass();
  expect(state.dropped).toEqual(['outbox_unreadable 5', 'engine_refused 2', 'outbox_unreadable 3']);
  expect(outbox.waiting()).toEqual({ items: 0, bytes: 0 });
});

test('what cannot be sent for any other reason waits', async () => {
  const { outbox, state } = await open({ send: () => Promise.reject(new RangeError('invalid array length')) });
  await outbox.put(DEFAULT_TENANT, letter('a'));
  await outbox.pass().catch(() => {});
  expect([state.dropped, outbox.waiting().items]).toEqual([[], 1]);
});

test('beyond its bound nothing is accepted, and nothing that was is dropped', async () => {
  const { outbox, state } = await open({ mostBytes: 2500 });
  state.failure = {};
  await outbox.put(DEFAULT_TENANT, letter('a', 100));
  await expect(outbox.put(DEFAULT_TENANT, letter('b', 100))).rejects.toMatchObject({ code: 'storage_full' });
  expect(outbox.waiting().items).toBe(100);
  state.failure = undefined;
  state.now = 60_000;
  await outbox.pass();
  await outbox.put(DEFAULT_TENANT, letter('b', 100));
  await outbox.pass();
  expect([state.sent, state.dropped]).toEqual([['default a', 'default b'], []]);
});

test('what the disk does not take is not accepted', async () => {
  const { outbox } = await open({
    keyValue: { ...memoryKeyValue(), write: () => Promise.reject(new Error('no room')) },
  });
  await expect(outbox.put(DEFAULT_TENANT, letter('a'))).rejects.toThrow('no room');
  expect(outbox.waiting()).toEqual({ items: 0, bytes: 0 });
});

test('pass ends behind the letter under way once it is told to, and so does what put began', async () => {
  const stop = new AbortController();
  const sent: string[] = [];
  const { outbox } = await open({
    async send(_, { series }) {
      sent.push(labelValue(series[0]!.labels, '__name__'));
      if (sent.length === 2) stop.abort();
    },
  });
  const puts = ['a', 'b', 'c', 'd'].map((name) => outbox.put(DEFAULT_TENANT, letter(name)));
  await Promise.all(puts);
  await outbox.pass(stop.signal);
  await outbox.put(DEFAULT_TENANT, letter('e'));
  await new Promise((resolve) => setImmediate(resolve));
  expect([sent, outbox.waiting().items]).toEqual([['a', 'b'], 3]);
  await outbox.pass();
  expect(sent).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('pass ends also while as much comes as goes, and the next one goes on', async () => {
  let now = 0;
  let sent = 0;
  const { outbox } = await open({
    now: () => now,
    async send() {
      sent++;
      now += 1_000;
      if (sent < 100) await outbox.put(DEFAULT_TENANT, letter('more'));
    },
  });
  await outbox.put(DEFAULT_TENANT, letter('first'));
  await outbox.pass();
  expect(sent).toBeLessThan(20);
  while (sent < 100) await outbox.pass();
  await outbox.pass();
  expect(outbox.waiting()).toEqual({ items: 0, bytes: 0 });
});
