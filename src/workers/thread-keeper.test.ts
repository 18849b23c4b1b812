import { afterEach, expect, test } from 'vitest';
import { DAY, MINUTE, SECOND } from '../model/time.ts';
import { simClock } from '../testing/sim-clock.ts';
import { type KeptThread, keepThread } from './thread-keeper.ts';

/** Answers each message; `throw`, `exit` and `spin` end it, or have it answer no more; `close` it obeys, unless it is deaf. */
const ECHO = `
import { parentPort, workerData } from 'node:worker_threads';
let deaf = false;
parentPort.on('message', (message) => {
  if (message === 'throw') throw new Error('planted');
  if (message === 'exit') process.exit(3);
  if (message === 'fill') { const all = []; for (;;) all.push({ all: [] }); }
  if (message === 'spin') for (;;);
  if (message === 'deaf') deaf = true;
  if (message === 'close' && !deaf) parentPort.close();
  parentPort.postMessage(workerData + ' ' + message);
});`;

const opened: KeptThread<string>[] = [];
afterEach(async () => {
  for (const thread of opened.splice(0)) await thread.close('close');
});

function open() {
  const clock = simClock(20_000 * DAY);
  const waiting: { text: string; resolve: () => void }[] = [];
  const heard: string[] = [];
  const hear = (text: string) => {
    heard.push(text);
    for (const each of waiting.filter(({ text: wanted }) => heard.includes(wanted))) each.resolve();
  };
  let starts = 0;
  const thread = keepThread<string, string>({
    file: new URL(`data:text/javascript,${encodeURIComponent(ECHO)}`),
    data: () => `start ${++starts}:`,
    greet: () => ['hello'],
    clock,
    onMessage: hear,
    onEnd: (reason, error) => hear(`ended: ${reason}${error === undefined ? '' : ` (${error.message})`}`),
    heapMib: 16,
  });
  opened.push(thread);
  const heardSoon = async (text: string) => {
    if (!heard.includes(text)) await new Promise<void>((resolve) => waiting.push({ text, resolve }));
  };
  return { clock, thread, heard, heardSoon };
}

test.each([
  { message: 'throw', want: 'ended: exception (planted)' },
  { message: 'exit', want: 'ended: exit' },
  {
    message: 'fill',
    want: 'ended: out-of-memory (Worker terminated due to reaching memory limit: JS heap out of memory)',
  },
])('a thread that ends at "$message" is started again and greeted', async ({ message, want }) => {
  const { clock, thread, heardSoon } = open();
  await heardSoon('start 1: hello');
  thread.post(message);
  await heardSoon(want);
  thread.post('lost');
  await clock.advance(SECOND);
  await heardSoon('start 2: hello');
});

test('rests longer from end to end, until a thread is well', async () => {
  const { clock, thread, heard, heardSoon } = open();
  thread.replace();
  thread.replace();
  expect(heard).toEqual(['ended: unresponsive']);
  await clock.advance(SECOND / 4);
  await heardSoon('start 2: hello');
  thread.replace();
  await clock.advance(SECOND / 4);
  await clock.advance(SECOND / 4);
  await heardSoon('start 3: hello');
  thread.well();
  thread.replace();
  await clock.advance(SECOND / 4);
  await heardSoon('start 4: hello');
});

test('a thread that answers nothing any more is replaced, and what it says late is not heard', async () => {
  const { clock, thread, heardSoon } = open();
  await heardSoon('start 1: hello');
  thread.post('spin');
  thread.replace();
  await clock.advance(SECOND);
  await heardSoon('start 2: hello');
});

test('ends at its last message; one that does not is ended', async () => {
  const obedient = open();
  await obedient.heardSoon('start 1: hello');
  await obedient.thread.close('close');
  const deaf = open();
  deaf.thread.post('deaf');
  await deaf.heardSoon('start 1: deaf');
  const closed = deaf.thread.close('close');
  await deaf.clock.advance(MINUTE);
  await closed;
  expect([...obedient.heard, ...deaf.heard].filter((line) => line.startsWith('ended'))).toEqual([]);
});
