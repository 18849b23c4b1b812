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
    fault = (error: unknown): unknown => expect(error).toBeUndefined(),
  } = {},
) {
  const clock = simClock(0);
  const sent: { id: string; at: number }[] = [];
  const stop = new AbortController();
  const queue = await openQueue({
    ...{ keyValue, clock, random: () => 1, retryForMs: HOUR, length },
    laneOf: () => ({
      maxPerMinute,
      async send(item) {
        sent.push({ id: item.id, at: clock.now() });
        return answer(item, sent.length - 1);
      },
    }),
    on: { sent() {}, failed() {}, length() {}, dead() {}, fault },
  });
  const running = queue.run(stop.signal);
  return {
    ...{ clock, keyValue, queue, sent },
    async add(id: string, groupKey = id) {
      const own = { id, tenant: 'acme', receiver: 'team', integration: 'webhook[0]', queuedAt: clock.now() };
      const { changes, added } = queue.prepare([{ ...own, message: message(groupKey) }]);
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
  const { changes, added } = queue.prepare(items);
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
