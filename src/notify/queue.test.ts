import { expect, test } from 'vitest';
import type { Message } from '../alerting/message.ts';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import { keysUnder } from '../storage/key-value.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { simClock } from '../testing/sim-clock.ts';
import type { Outcome } from './outcome.ts';
import { openQueue, type QueueItem } from './queue.ts';

const SENT: Outcome = { kind: 'sent' };
const failed = (reason: 'server-error' | 'refused', more: { retryAfterMs?: number } = {}): Outcome => {
  return { kind: 'failed', reason, message: 'no', retry: reason === 'server-error', ...more };
};

function message(groupKey: string): Message {
  return {
    ...{ id: groupKey, tenant: 'acme', receiver: 'team', groupKey, status: 'firing', at: 0 },
    ...{ groupLabels: {}, commonLabels: {}, commonAnnotations: {}, alerts: [], truncatedAlerts: 0 },
  };
}

async function world(
  answer: (item: QueueItem, nth: number) => Outcome | Promise<Outcome>,
  {
    keyValue = memoryKeyValue(),
    maxPerMinute = 6000,
    length = 100,
    bytes = 1024 * 1024,
    fault = (error: unknown): unknown => expect(error).toBeUndefined(),
  } = {},
) {
  const clock = simClock(0);
  const sent: { id: string; at: number }[] = [];
  const gone: string[] = [];
  const stop = new AbortController();
  const queue = await openQueue({
    ...{ keyValue, clock, random: () => 1, retryForMs: HOUR, length, bytes, pause: () => undefined },
    laneOf: () => ({
      maxPerMinute,
      async send(item) {
        sent.push({ id: item.id, at: clock.now() });
        return answer(item, sent.length - 1);
      },
    }),
    on: {
      ...{ sent() {}, length() {}, bytes() {}, dead() {}, fault },
      failed: (item, { reason }, willRetry) => void (willRetry || gone.push(`${item.id} ${reason}`)),
      forgotten: (reason, letters) => gone.push(`${letters} ${reason}`),
    },
  });
  const running = queue.run(stop.signal);
  return {
    ...{ clock, keyValue, queue, sent, gone },
    async add(id: string, groupKey = id, { tenant = 'acme', of = {} as Record<string, string> } = {}) {
      const own = { id, tenant, receiver: 'team', integration: 'webhook[0]', queuedAt: clock.now() };
      const told = { ...message(groupKey), tenant, commonLabels: of };
      const { changes, added } = await queue.prepare([{ ...own, message: told }]);
      await keyValue.write(changes);
      added();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

test('a message is tried again with growing pauses, and not after it was taken', async () => {
  const { add, clock, sent, stop } = await world((_item, nth) => (nth < 3 ? failed('server-error') : SENT));
  await add('a');
  await clock.advance(HOUR);
  expect(sent.map(({ at }) => at / SECOND)).toEqual([0, 1, 3, 7]);
  await stop();
});

test('a receiver that asks to be left alone is, with all that waits for it', async () => {
  const { add, clock, sent, stop } = await world((_item, nth) =>
    nth === 0 ? failed('server-error', { retryAfterMs: MINUTE }) : SENT,
  );
  await add('a');
  await clock.advance(SECOND);
  await add('b');
  await clock.advance(30 * SECOND);
  expect(sent).toHaveLength(1);
  await clock.advance(MINUTE);
  expect(sent.map(({ id }) => id).sort()).toEqual(['a', 'a', 'b']);
  await stop();
});

test('messages of one group go in order, others do not wait for them', async () => {
  const { add, clock, sent, stop } = await world(({ id }) => (id === 'a1' ? failed('server-error') : SENT));
  await add('a1', 'a');
  await add('a2', 'a');
  await add('b');
  await clock.advance(10 * MINUTE);
  expect(new Set(sent.map(({ id }) => id))).toEqual(new Set(['a1', 'b']));
  await clock.advance(HOUR);
  expect(sent.at(-1)?.id).toBe('a2');
  await stop();
});

test('what is refused, and what took too long, is a dead letter that can be sent again or forgotten', async () => {
  let isBroken = true;
  const { add, clock, sent, queue, stop } = await world(({ id }) =>
    isBroken ? failed(id === 'a' ? 'refused' : 'server-error') : SENT,
  );
  await add('a');
  await add('b');
  await clock.advance(2 * HOUR);
  expect(sent.filter(({ id }) => id === 'a')).toHaveLength(1);
  expect(queue.deadLetters('acme')).toMatchObject([
    { id: 'b', reason: 'server-error' },
    { id: 'a', reason: 'refused', error: 'no', attempts: 1 },
  ]);
  expect(queue.deadLetters('other')).toEqual([]);
  isBroken = false;
  expect(await queue.retry('acme', 'a')).toBe(1);
  expect(await queue.drop('acme')).toBe(1);
  await clock.advance(MINUTE);
  expect(sent.at(-1)?.id).toBe('a');
  expect(queue.deadLetters('acme')).toEqual([]);
  await stop();
});

test('a lane that is too long lets go of its oldest, into the dead letters', async () => {
  const { add, clock, queue, stop } = await world(() => failed('server-error', { retryAfterMs: HOUR }), { length: 2 });
  for (const id of ['a', 'b', 'c', 'd']) {
    await add(id);
    await clock.advance(SECOND);
  }
  await clock.advance(MINUTE);
  expect(
    queue
      .deadLetters('acme')
      .map(({ id, reason }) => `${id} ${reason}`)
      .sort(),
  ).toEqual(['a overflow', 'b overflow']);
  await stop();
});

test('no more goes out than the receiver may be sent', async () => {
  const { add, clock, sent, stop } = await world(() => SENT, { maxPerMinute: 6 });
  for (let i = 0; i < 20; i++) await add(String(i));
  await clock.advance(MINUTE);
  expect(sent.length).toBeLessThanOrEqual(7);
  await clock.advance(5 * MINUTE);
  expect(sent).toHaveLength(20);
  await stop();
});

test('what was written and not yet taken is sent by the next process, under the same id', async () => {
  const first = await world(() => failed('server-error'));
  await first.add('a');
  await first.clock.advance(SECOND);
  await first.stop();
  const second = await world(() => SENT, { keyValue: first.keyValue });
  await second.clock.advance(SECOND);
  expect(second.sent.map(({ id }) => id)).toEqual(['a']);
  await second.stop();
  const third = await world(() => SENT, { keyValue: first.keyValue });
  await third.clock.advance(SECOND);
  expect(third.sent).toEqual([]);
  await third.stop();
});

test('what cannot be made into a message is given up in the end, and what waits behind it is told', async () => {
  const faults: unknown[] = [];
  const { add, clock, queue, sent, stop } = await world(
    ({ id }) => {
      if (id === 'a1') throw new RangeError('cannot be written');
      return SENT;
    },
    { fault: (error) => faults.push(error) },
  );
  await add('a1', 'a');
  await add('a2', 'a');
  await clock.advance(2 * HOUR);
  expect(queue.deadLetters('acme').map(({ id, reason }) => [id, reason])).toEqual([['a1', 'unsendable']]);
  expect(sent.at(-1)!.id).toBe('a2');
  expect(faults).not.toHaveLength(0);
  await stop();
});

test('a lane that is much too long is cut at once: others wait for one write', async () => {
  const keyValue = memoryKeyValue();
  let writes = 0;
  const counting = {
    ...keyValue,
    write: (changes: Parameters<typeof keyValue.write>[0]) => {
      writes++;
      return keyValue.write(changes);
    },
  };
  const { clock, queue } = await world(() => new Promise<Outcome>(() => {}), { keyValue: counting, length: 10 });
  const items = Array.from({ length: 1_200 }, (_, i) => {
    const id = String(i).padStart(4, '0');
    const own = { id, tenant: 'acme', receiver: 'team', integration: 'webhook[0]', queuedAt: 0 };
    return { ...own, message: message(id) };
  });
  const { changes, added } = await queue.prepare(items);
  await keyValue.write(changes);
  added();
  await clock.advance(SECOND);
  expect(writes).toBe(1);
  expect(queue.deadLetters('acme')).toHaveLength(1_000);
  const kept: string[] = [];
  for await (const [key] of keyValue.list(keysUnder('alert-dead/'))) kept.push(key);
  expect(kept).toHaveLength(1_000);
  // The newest are kept, and the newest wait.
  expect(kept.at(-1)).toBe('alert-dead/acme/1189');
});

test("a storm of one tenant's messages delays another tenant's by one at most", async () => {
  const { add, clock, sent, stop } = await world(() => SENT, { maxPerMinute: 6 });
  for (let i = 0; i < 50; i++) await add(`storm-${i}`);
  await clock.advance(MINUTE);
  const before = sent.length;
  await add('b', 'b', { tenant: 'other' });
  await clock.advance(30 * SECOND);
  expect(sent.slice(before).findIndex(({ id }) => id === 'b')).toBeLessThanOrEqual(1);
  expect(sent.slice(before).map(({ id }) => id)).toContain('b');
  await stop();
});

test("messages of one tenant that hang take no other tenant's places", async () => {
  const { add, clock, sent, stop } = await world(({ id }) =>
    id.startsWith('hangs') ? new Promise<Outcome>(() => {}) : SENT,
  );
  for (let i = 0; i < 20; i++) await add(`hangs-${i}`);
  await clock.advance(SECOND);
  await add('b', 'b', { tenant: 'other' });
  await clock.advance(SECOND);
  expect(sent.map(({ id }) => id)).toContain('b');
  void stop();
});

test("what is too much of a tenant goes, the oldest first, and is seen: others' stays", async () => {
  const refuse = failed('server-error', { retryAfterMs: HOUR });
  const of = { text: 'x'.repeat(4_000) };
  const { add, clock, queue, gone, stop } = await world(() => refuse, { bytes: 10_000, length: 3 });
  await add('first', 'first', { tenant: 'other' });
  for (const id of ['a', 'b', 'c', 'd']) await add(id, id, { of });
  for (const id of ['e', 'f', 'g']) await add(id, id, { tenant: 'other' });
  await clock.advance(MINUTE);
  expect(gone).toEqual(expect.arrayContaining(['a overflow-bytes', 'b overflow-bytes', 'first overflow']));
  expect(gone).toHaveLength(3);
  expect(queue.deadLetters('acme').map(({ id, reason }) => `${id} ${reason}`)).toEqual([
    'a overflow-bytes',
    'b overflow-bytes',
  ]);
  for (const id of ['h', 'i', 'j']) await add(id, id, { of });
  await clock.advance(MINUTE);
  // Of dead letters as much is kept.
  expect(queue.deadLetters('acme').map(({ id }) => id)).toEqual(['d', 'h']);
  expect(gone.filter((one) => one.endsWith(' bytes'))).toHaveLength(3);
  await stop();
});
