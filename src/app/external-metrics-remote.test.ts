import { afterEach, expect, test } from 'vitest';
import type { BoardChange } from '../external-metrics/board-values.ts';
import { ListenError } from '../http/errors.ts';
import { DAY, MINUTE, SECOND } from '../model/time.ts';
import { simClock } from '../testing/sim-clock.ts';
import { startInThread } from './external-metrics-remote.ts';
import type { RunningServer, ServerOptions } from './external-metrics-server.ts';

/**
 * Speaks as the thread of the server does, and tells what it was told as problems of its own; its port is the next one.
 * A change of the policy `dies` ends it, one of `sticks` has it answer no more, and an address `taken` is no start.
 */
const THREAD = `
import { parentPort, workerData } from 'node:worker_threads';
const { listen } = workerData.settings;
const say = (message) => parentPort.postMessage(message);
if (listen.host === 'broken') throw new Error('planted');
if (listen.host === 'taken') {
  say({ kind: 'cannot-start', failure: { code: 'cannot_listen', message: 'taken', errno: 'EADDRINUSE' } });
} else {
  const port = listen.port === 0 ? 4711 : listen.port;
  say({ kind: 'serving', url: 'https://' + listen.host + ':' + port, port });
  parentPort.on('message', (message) => {
    if (message.kind === 'close') return parentPort.close();
    if (message.kind === 'refresh') {
      say({ kind: 'alive' });
      say({ kind: 'answers', outcomes: ['served', 'stale'], seconds: [0.25, 0.5], cpuSeconds: 2, waitSeconds: 1 });
      say({ kind: 'refreshed' });
      return;
    }
    for (const { of } of message.changes) {
      if (of.policy === 'dies') process.exit(1);
      if (of.policy === 'sticks') for (;;);
    }
    say({ kind: 'problem', what: 'upstream', problem: message.changes.map(({ of }) => of.policy).join(' ') });
  });
}`;

const change = (policy: string): BoardChange => ({
  kind: 'drop',
  of: { tenant: 'default', namespace: 'shop', policy },
});

const opened: RunningServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function open(host = '127.0.0.1') {
  const clock = simClock(20_000 * DAY);
  const told: string[] = [];
  const waiting: { line: string; resolve: () => void }[] = [];
  const say = (line: string) => {
    told.push(line);
    for (const { line: wanted, resolve } of waiting) if (wanted === line) resolve();
  };
  const isTold = (line: string) =>
    told.includes(line) || new Promise<void>((resolve) => waiting.push({ line, resolve }));
  const options = { settings: { listen: { host, port: 0 } } } as unknown as ServerOptions;
  const known: BoardChange[] = [];
  const started = await startInThread(options, {
    clock,
    file: new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`),
    telemetry: {
      onAnswer: (outcome, seconds) => say(`${outcome} ${seconds}`),
      onError: (error) => say(String(error)),
      onProblem: (_, problem) => say(`board: ${problem}`),
      onFailure: (what) => say(`${what} failed`),
      onCertificate: () => {},
    },
    everything: () => known,
    onEnd: (reason) => say(`ended: ${reason}`),
    onRestart: () => say('restarted'),
    onCpu: (cpu, wait) => say(`${cpu} CPU s, ${wait} s waited`),
  });
  if ('kind' in started) return { clock, told, started, isTold, known, server: undefined };
  opened.push(started);
  return { clock, told, started, isTold, known, server: started };
}

test('what changes is told to the thread, and what it answered is counted here', async () => {
  const { server, told, isTold } = await open();
  server!.apply([change('a')]);
  server!.apply([change('b')]);
  await isTold('board: a b');
  await server!.refresh();
  await server!.refresh();
  expect(told.slice(1)).toEqual([
    'served 0.25',
    'stale 0.5',
    '2 CPU s, 1 s waited',
    'served 0.25',
    'stale 0.5',
    '0 CPU s, 0 s waited',
  ]);
});

test('many changes go in several messages: between them the thread can answer', async () => {
  const { server, told, isTold } = await open();
  server!.apply(Array.from({ length: 600 }, (_, i) => change(String(i))));
  await isTold(`board: ${Array.from({ length: 88 }, (_, i) => 512 + i).join(' ')}`);
  expect(told).toHaveLength(3);
});

test('a thread that dies is started again at the same port, and is told everything', async () => {
  const { clock, server, isTold, known, told } = await open();
  expect(server!.url).toBe('https://127.0.0.1:4711');
  known.push(change('x'), change('y'));
  server!.apply([change('dies')]);
  await isTold('ended: exit');
  // Nobody waits for a thread that is not there.
  await server!.refresh();
  await clock.advance(SECOND);
  await isTold('board: x y');
  await isTold('2 CPU s, 1 s waited');
  expect(told.filter((line) => line === 'restarted')).toHaveLength(1);
  expect(server!.url).toBe('https://127.0.0.1:4711');
});

test('a thread that is stuck is replaced', async () => {
  const { clock, server, isTold, known } = await open();
  known.push(change('x'));
  server!.apply([change('sticks')]);
  await new Promise((resolve) => setImmediate(resolve));
  const refreshed = server!.refresh();
  await clock.advance(59 * SECOND);
  await clock.advance(MINUTE);
  await refreshed;
  await isTold('ended: unresponsive');
  await clock.advance(SECOND);
  await isTold('board: x');
});

test('what keeps the server from starting is thrown here as it would be there', async () => {
  await expect(open('taken')).rejects.toThrow(ListenError);
  await expect(open('taken')).rejects.toThrow('cannot listen at taken:0: something else listens there');
});

test('where no thread can be started, that is said and nothing is thrown', async () => {
  const { started, told } = await open('broken');
  expect(started).toMatchObject({ kind: 'no-thread', reason: 'exception' });
  expect(told).toEqual([]);
});
