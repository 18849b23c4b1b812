import { expect, test } from 'vitest';
import { awaitSnapshot, type SnapshotState } from './await-snapshot.ts';
import { ServerError } from './client.ts';

const lost = new ServerError('cannot reach a server: UND_ERR_HEADERS_TIMEOUT', 0);
const running = (summedBytes: number): SnapshotState => ({
  running: { name: 'mine', bytes: 9_000, summedBytes },
  last: { name: 'old' },
});
const OLD: SnapshotState = { last: { name: 'old' } };

interface Script {
  /** After so many looks at the state: its name, or what went wrong. Left out: never. */
  readonly answer?: { readonly after: number; readonly with: string | Error };
  /** One for each look, the last of them for ever. */
  readonly states: readonly (SnapshotState | Error | undefined)[];
}

async function waited({ answer, states }: Script): Promise<{ readonly told: readonly number[]; readonly end: string }> {
  let looks = 0;
  const told: number[] = [];
  const answered: (() => void)[] = [];
  const end = await awaitSnapshot({
    take: () =>
      new Promise((resolve, reject) => {
        answered.push(() => {
          if (answer === undefined || looks < answer.after) return;
          if (answer.with instanceof Error) reject(answer.with);
          else resolve(answer.with);
        });
      }),
    async state() {
      const state = states[Math.min(looks++, states.length - 1)];
      if (state instanceof Error) throw state;
      return state;
    },
    async sleep() {
      for (const each of answered) each();
      await new Promise((resolve) => setImmediate(resolve));
    },
    onProgress: ({ summedBytes }) => told.push(summedBytes),
  }).catch((error: Error) => error.message);
  return { told, end };
}

test.each<Script & { readonly name: string; readonly told: readonly number[]; readonly end: string }>([
  {
    name: 'the answer, with how far it is meanwhile',
    answer: { after: 3, with: 'mine' },
    states: [OLD, running(1), running(2), running(3)],
    told: [1, 2],
    end: 'mine',
  },
  {
    name: 'one that ends after the connection has',
    answer: { after: 2, with: lost },
    states: [OLD, running(1), running(2), running(3), { last: { name: 'mine' } }],
    told: [1, 2, 3],
    end: 'mine',
  },
  {
    name: 'one that fails after the connection has ended',
    answer: { after: 2, with: lost },
    states: [OLD, running(1), { last: { name: 'mine', error: 'cannot take a snapshot: no room' } }],
    told: [1],
    end: 'cannot take a snapshot: no room',
  },
  {
    name: 'one whose server is away for a while',
    answer: { after: 2, with: lost },
    states: [OLD, running(1), lost, lost, running(2), { last: { name: 'mine' } }],
    told: [1, 2],
    end: 'mine',
  },
  {
    name: 'no longer where it never began',
    answer: { after: 1, with: lost },
    states: [OLD, OLD],
    told: [],
    end: lost.message,
  },
  {
    name: 'no longer where it is refused',
    answer: { after: 1, with: new ServerError('another one is being taken', 409) },
    states: [running(1)],
    told: [],
    end: 'another one is being taken',
  },
  {
    name: 'no longer where a server of before cannot tell',
    answer: { after: 1, with: lost },
    states: [undefined],
    told: [],
    end: lost.message,
  },
])('awaitSnapshot() waits for $name', async ({ told, end, ...script }) => {
  expect(await waited(script)).toEqual({ told, end });
});

test('awaitSnapshot() gives up once nothing moved for ten minutes', async () => {
  const { told, end } = await waited({ states: [OLD, running(1)] });
  expect(end).toMatch(/^cannot wait for the snapshot: nothing moved for 10 minutes/);
  expect(told).toHaveLength(301);
});
