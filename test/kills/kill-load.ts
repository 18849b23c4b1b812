import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { restoreSnapshot } from '../../src/tsdb/restore-snapshot.ts';
import { killWhileStarting, type ServeProcess, startServe } from '../serve-process.ts';
import { check, type Expected } from './check.ts';
import { matcherOf, openStreams, requestOf, type Stream } from './streams.ts';

/** What was found after the kills of one store. */
export interface KillOutcome {
  /** Acknowledged samples that were there, each with its value. */
  readonly read: number;
  /** Requests that were sent again after a restart. */
  readonly retries: number;
  /** Deletions by matcher that were acknowledged. */
  readonly deletions: number;
  /** Snapshots of the whole store that were acknowledged; the newest was restored and read back too. */
  readonly snapshots: number;
}

/** A life goes on for at most so long after its first answer. */
const MAX_LIFE_MS = 1_000;
const SNAPSHOT_IN_A_LIFE = 0.5;
/** Deletions and snapshots take longer than a life: of the lives so many go on until one of them is answered. */
const WAITS_FOR_SLOW = 0.4;
const MAX_WAIT_MS = 5_000;
/** Of the lives so many end before they answer: while the store is opened. */
const KILLED_AT_START = 0.1;
const MAX_START_MS = 3_000;

/**
 * Kills the program at random moments while it takes every protocol, imports and deletions, and moves what is old to
 * disk, and while it takes snapshots of itself, then reads back all.
 * @param random From 0 to 1: the moments, as far as the machine lets them be the same.
 * @throws {Error} If an acknowledged sample is lost or another one is there, or a start fails.
 */
export async function killAgainAndAgain(kills: number, random: () => number): Promise<KillOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-kills-'));
  const streams = openStreams(Date.now());
  const taken = { snapshots: 0, newest: undefined as Taken | undefined };
  const answers = () => streams.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  try {
    for (let life = 0; life < kills; life++) {
      if (life > 0 && random() < KILLED_AT_START) {
        await killWhileStarting(folder, random() * MAX_START_MS);
        continue;
      }
      const server = await startServe(folder);
      const before = answers();
      const sending = streams.map((stream) => sendUntilKilled(stream, server, random));
      if (random() < SNAPSHOT_IN_A_LIFE)
        sending.push(takeSnapshot(streams, server, random() * 0.4 * MAX_LIFE_MS, taken));
      // On a busy machine a life may end before it has answered anything, and says nothing then.
      while (answers() === before && server.process.exitCode === null) await pause(1);
      await pause(random() * MAX_LIFE_MS);
      if (random() < WAITS_FOR_SLOW) await waitForSlow(streams, taken);
      await server.kill();
      await Promise.all(sending);
      checkClean(server);
    }
    const read = await checkAll(folder, streams);
    if (taken.newest !== undefined) {
      const { name, expected } = taken.newest;
      const restored = join(folder, 'restored');
      await restoreSnapshot(restored, { snapshot: join(folder, 'snapshots', name) });
      await checkAll(restored, streams, expected);
    }
    return {
      read,
      snapshots: taken.snapshots,
      retries: streams.reduce((sum, { retries }) => sum + retries, 0),
      deletions: streams.reduce((sum, { deleted }) => sum + deleted.size, 0),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function waitForSlow(streams: readonly Stream[], taken: { readonly snapshots: number }): Promise<void> {
  const answered = () => taken.snapshots + streams.reduce((sum, { deleted }) => sum + deleted.size, 0);
  const before = answered();
  const end = Date.now() + MAX_WAIT_MS;
  while (answered() === before && Date.now() < end) await pause(5);
}

async function checkAll(folder: string, streams: readonly Stream[], expected?: readonly Expected[]): Promise<number> {
  await using server = await startServe(folder);
  checkClean(server);
  let read = 0;
  for (const [i, stream] of streams.entries()) read += await check(stream, server, expected?.[i]);
  return read;
}

/** A snapshot that was acknowledged, and what it has of each stream. */
interface Taken {
  readonly name: string;
  readonly expected: readonly Expected[];
}

async function takeSnapshot(
  streams: readonly Stream[],
  { url }: ServeProcess,
  afterMs: number,
  taken: { snapshots: number; newest: Taken | undefined },
): Promise<void> {
  await pause(afterMs);
  const before = streams.map(({ acknowledged, deleted }) => ({
    acknowledged: new Set(acknowledged),
    deleted: new Set(deleted),
  }));
  const answer = await call(`${url}/api/v1/admin/tsdb/snapshot`, { method: 'POST' });
  if (answer === undefined) return;
  if (answer.status !== 200) throw new Error(`snapshot: ${answer.status} ${answer.text}`);
  const { name } = (JSON.parse(answer.text) as { readonly data: { readonly name: string } }).data;
  taken.snapshots++;
  // What was deleted meanwhile may be in it or not.
  taken.newest = { name, expected: before.map((each, i) => ({ ...each, doomed: new Set(streams[i]!.doomed) })) };
}

/** A kill may leave a torn tail: nothing else may be wrong with the store. */
function checkClean(server: ServeProcess): void {
  if (/damaged bytes|is not whole/.test(server.output())) throw new Error(`the store was damaged: ${server.output()}`);
}

async function sendUntilKilled(stream: Stream, server: ServeProcess, random: () => number): Promise<void> {
  const { process: child } = server;
  // Some senders try again what was not answered, as Prometheus does; others were killed as well.
  if (stream.unanswered !== undefined && random() < 0.7) {
    stream.retries++;
    if (!(await send(stream, stream.unanswered, server))) return;
  }
  stream.unanswered = undefined;
  while (child.exitCode === null && child.signalCode === null) {
    const block = stream.next++;
    stream.unanswered = block;
    if (!(await send(stream, block, server))) return;
    stream.unanswered = undefined;
    if (stream.kind === 'deleted' && random() < 0.5 && !(await deleteOne(stream, server))) return;
  }
}

/** False where no answer came. */
async function send(stream: Stream, block: number, { url }: ServeProcess): Promise<boolean> {
  const { path, headers, body, want } = requestOf(stream, block);
  const answer = await call(`${url}${path}`, { method: 'POST', headers, body });
  if (answer === undefined) return false;
  if (answer.status !== want) throw new Error(`${stream.kind}: ${answer.status} ${answer.text}`);
  stream.acknowledged.add(block);
  return true;
}

/** Deletes the oldest block that is there: again, where the answer to the first attempt never came. */
async function deleteOne(stream: Stream, { url }: ServeProcess): Promise<boolean> {
  const block = [...stream.acknowledged].find((each) => !stream.deleted.has(each));
  if (block === undefined) return true;
  stream.doomed.add(block);
  const query = new URLSearchParams({ 'match[]': matcherOf(stream, block) });
  const answer = await call(`${url}/api/v1/admin/tsdb/delete_series?${query}`, { method: 'POST' });
  if (answer === undefined) return false;
  if (answer.status !== 204) throw new Error(`delete: ${answer.status} ${answer.text}`);
  stream.deleted.add(block);
  return true;
}

/** Undefined where the connection ended before the answer. */
async function call(url: string, init: RequestInit): Promise<{ status: number; text: string } | undefined> {
  try {
    const response = await fetch(url, init);
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

/** mulberry32. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
