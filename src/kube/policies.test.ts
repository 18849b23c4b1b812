import { expect, test } from 'vitest';
import { simClock } from '../testing/sim-clock.ts';
import type { KubeAnswer, KubeApi, KubeStream } from './api.ts';
import { KubernetesApiError } from './errors.ts';
import { openPolicyWatch } from './policies.ts';

const raw = (name: string, version: number, change: object = {}) => ({
  metadata: { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion: String(version), generation: 1, ...change },
  spec: { name },
});
const list = (version: number, ...names: string[]): KubeAnswer => ({
  status: 200,
  body: { metadata: { resourceVersion: String(version) }, items: names.map((name) => raw(name, version)) },
});
const refusal = (status: number, message: string): KubeAnswer => ({ status, body: { message } });
const event = (type: string, object: object) => ({ type, object });

/** Answers in turn: lists and watches by their scripts, then nothing more until the end. */
function scripted(
  lists: readonly (KubeAnswer | Error)[],
  watches: readonly (readonly object[] | KubeAnswer | Error)[],
) {
  const asked: string[] = [];
  let listed = 0;
  let watched = 0;
  const clock = simClock(0);
  const ends: string[] = [];
  const api: Pick<KubeApi, 'request' | 'stream'> = {
    async request() {
      asked.push('list');
      const answer = lists[Math.min(listed++, lists.length - 1)]!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    async stream({ query }, signal): Promise<KubeStream> {
      asked.push(`watch ${query?.['resourceVersion']}`);
      const script = watches[watched++];
      if (script instanceof Error) throw script;
      if (script !== undefined && 'status' in script) {
        return { status: script.status, parts: partsOf([script.body as object]) };
      }
      if (script !== undefined) return { status: 200, parts: partsOf(script) };
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      throw new Error('ended');
    },
  };
  const watch = openPolicyWatch({ api, clock, random: () => 0.5, onEnd: (reason) => ends.push(reason) });
  return { watch, clock, asked, ends, names: () => watch.current().resources.map(({ name }) => name) };
}

/** Cut at odd places, as a network does. */
async function* partsOf(lines: readonly object[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  for (let at = 0; at < bytes.length; at += 37) yield bytes.subarray(at, at + 37);
}

async function ran(world: ReturnType<typeof scripted>, ms = 600_000) {
  const stop = new AbortController();
  const running = world.watch.run(stop.signal);
  await world.clock.advance(ms);
  stop.abort(new Error('over'));
  await running;
}

test('lists, follows what is added, changed and deleted, and goes on from the last version', async () => {
  const world = scripted(
    [list(5, 'a', 'b')],
    [
      [
        event('ADDED', raw('ç', 6)),
        event('MODIFIED', raw('a', 7, { generation: 2 })),
        event('DELETED', raw('b', 8)),
        event('BOOKMARK', { metadata: { resourceVersion: '9' } }),
      ],
    ],
  );
  expect(world.watch.current().unread).toContain('not been listed');
  await ran(world);
  expect(world.asked).toEqual(['list', 'watch 5', 'watch 9']);
  expect(world.watch.current()).toMatchObject({
    unread: undefined,
    resources: [{ name: 'a', generation: 2 }, { name: 'ç' }],
  });
  expect(world.ends).toEqual(['timeout']);
});

test('lists anew where events were missed, told by an answer or by an event', async () => {
  const expired = event('ERROR', { code: 410, message: 'too old resource version' });
  const world = scripted([list(5, 'a'), list(7, 'b'), list(9, 'c')], [[expired], refusal(410, 'gone')]);
  await ran(world);
  expect(world.asked).toEqual(['list', 'watch 5', 'list', 'watch 7', 'list', 'watch 9']);
  expect(world.names()).toEqual(['c']);
  expect(world.ends).toEqual(['gone', 'gone']);
});

test('a connection that breaks keeps what is known and goes on from there', async () => {
  const world = scripted([list(5, 'a')], [new KubernetesApiError('connection reset', 0)]);
  await ran(world);
  expect(world.asked).toEqual(['list', 'watch 5', 'watch 5']);
  expect(world.watch.current()).toMatchObject({ unread: undefined, resources: [{ name: 'a' }] });
  expect(world.ends).toEqual(['closed']);
});

test('what cannot be listed is unread, with the reason, and asked for less and less often', async () => {
  const world = scripted([refusal(403, 'forbidden: cannot list')], []);
  await ran(world, 120_000);
  expect(world.watch.current()).toMatchObject({ unread: expect.stringContaining('cannot list'), resources: [] });
  expect(world.asked.length).toBeGreaterThan(5);
  expect(world.asked.length).toBeLessThan(15);
});

test('a refusal after a good list changes nothing that is known', async () => {
  const world = scripted([list(5, 'a'), refusal(403, 'forbidden')], [refusal(403, 'forbidden')]);
  await ran(world, 60_000);
  expect(world.watch.current()).toMatchObject({ unread: undefined, resources: [{ name: 'a' }] });
});

test('without a definition there are none; where there were some, it is believed after two minutes', async () => {
  const none = scripted([refusal(404, 'not found')], []);
  await ran(none, 1_000);
  expect(none.watch.current()).toEqual({ unread: undefined, resources: [] });

  const world = scripted([list(5, 'a'), refusal(404, 'not found')], [refusal(404, 'not found')]);
  await ran(world, 60_000);
  expect(world.watch.current()).toMatchObject({ unread: expect.any(String), resources: [{ name: 'a' }] });
  await ran(world, 180_000);
  expect(world.watch.current()).toEqual({ unread: undefined, resources: [] });
});

test('one that is being deleted is gone already', async () => {
  const world = scripted(
    [list(5, 'a')],
    [[event('MODIFIED', raw('a', 6, { deletionTimestamp: '2026-01-01T00:00:00Z' }))]],
  );
  await ran(world);
  expect(world.names()).toEqual([]);
});
