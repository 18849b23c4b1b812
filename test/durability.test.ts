import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type ServeProcess, startServe } from './serve-process.ts';

/** More of them for a longer look: `DURABILITY_KILLS=500 npx vitest run --project acceptance test/durability`. */
const KILLS = Number(process.env['DURABILITY_KILLS'] ?? 12);
const SEED = Number(process.env['DURABILITY_SEED'] ?? 1);
/** Stores of their own side by side, each with its share of the kills: most of a life is waiting for a start. */
const CHAINS = 2;
const SENDERS = 4;
const SERIES_PER_SENDER = 3;
const SAMPLES_PER_REQUEST = 40;
/** Samples are a millisecond apart, from here on. */
const FIRST_TIME = Date.now() - 6 * 3_600_000;

/** What one connection has sent: sample `k` is at `FIRST_TIME + k` in each of its series. */
interface Sender {
  readonly id: number;
  next: number;
  /** Answered with 204: first samples of requests. */
  readonly acknowledged: number[];
  /** Sent, and the process was killed before it answered. */
  unanswered: number | undefined;
  retries: number;
}

test(
  `${KILLS} kills at random moments lose no acknowledged sample`,
  async () => {
    const chains = Array.from({ length: CHAINS }, (_, chain) =>
      killAgainAndAgain(Math.ceil((KILLS - chain) / CHAINS), generator(SEED + chain)),
    );
    const outcomes = await Promise.all(chains);
    const read = outcomes.reduce((sum, outcome) => sum + outcome.read, 0);
    const retries = outcomes.reduce((sum, outcome) => sum + outcome.retries, 0);
    // Every life has acknowledged a request, or it said nothing.
    expect(read).toBeGreaterThanOrEqual(KILLS * SERIES_PER_SENDER * SAMPLES_PER_REQUEST);
    process.stdout.write(`${KILLS} kills: ${read} acknowledged samples read back, ${retries} requests sent again\n`);
  },
  // A life is the program's start and a fraction of a second; a busy machine takes many times as long.
  60_000 + KILLS * 30_000,
);

/** One store's lives, and at the end all that it ever acknowledged. */
async function killAgainAndAgain(kills: number, random: () => number): Promise<{ read: number; retries: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-durability-'));
  const senders = Array.from({ length: SENDERS }, (_, id): Sender => {
    return { id, next: 0, acknowledged: [], unanswered: undefined, retries: 0 };
  });
  try {
    for (let life = 0; life < kills; life++) {
      const server = await startServe(folder);
      const before = acknowledgedBy(senders);
      const sending = senders.map((sender) => sendUntilKilled(sender, server, random));
      // On a busy machine a life may end before it has answered anything, and says nothing then.
      while (acknowledgedBy(senders) === before && server.process.exitCode === null) await pause(1);
      await pause(random() * 250);
      await server.kill();
      await Promise.all(sending);
    }
    await using server = await startServe(folder);
    let read = 0;
    for (const sender of senders) {
      for (let series = 0; series < SERIES_PER_SENDER; series++) {
        const stored = await samplesOf(server, nameOf(sender.id, series));
        const lost: number[] = [];
        for (const first of sender.acknowledged) {
          for (let k = first; k < first + SAMPLES_PER_REQUEST; k++) {
            if (stored.get(FIRST_TIME + k) !== sentValue(sender.id, series, k)) lost.push(k);
          }
        }
        expect({ series: nameOf(sender.id, series), lost }).toEqual({ series: nameOf(sender.id, series), lost: [] });
        read += sender.acknowledged.length * SAMPLES_PER_REQUEST;
      }
    }
    return { read, retries: senders.reduce((sum, sender) => sum + sender.retries, 0) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function acknowledgedBy(senders: readonly Sender[]): number {
  return senders.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
}

async function sendUntilKilled(
  sender: Sender,
  { url, process: child }: ServeProcess,
  random: () => number,
): Promise<void> {
  // Some senders try again what was not answered, as Prometheus does; others were killed as well.
  if (sender.unanswered !== undefined && random() < 0.7) {
    sender.retries++;
    if ((await send(sender, sender.unanswered, url)) === 'no answer') return;
  }
  sender.unanswered = undefined;
  while (child.exitCode === null && child.signalCode === null) {
    const first = sender.next;
    sender.next += SAMPLES_PER_REQUEST;
    sender.unanswered = first;
    if ((await send(sender, first, url)) === 'no answer') return;
    sender.unanswered = undefined;
  }
}

async function send(sender: Sender, first: number, url: string): Promise<'answered' | 'no answer'> {
  const ks = Array.from({ length: SAMPLES_PER_REQUEST }, (_, i) => first + i);
  const request = encodeWriteRequest(
    Array.from({ length: SERIES_PER_SENDER }, (_, series) => ({
      labels: [['__name__', nameOf(sender.id, series)]],
      times: ks.map((k) => FIRST_TIME + k),
      values: Float64Array.from(ks, (k) => sentValue(sender.id, series, k)),
    })),
  );
  let response: Response;
  try {
    response = await fetch(`${url}/api/v1/write`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' },
      body: new Uint8Array(encodeSnappy(request)),
    });
  } catch {
    return 'no answer';
  }
  expect(`${response.status} ${await response.text()}`).toBe('204 ');
  sender.acknowledged.push(first);
  return 'answered';
}

/** Reads a series whole, through PromQL. */
async function samplesOf({ url }: ServeProcess, name: string): Promise<Map<number, number>> {
  const parameters = new URLSearchParams({ query: `${name}[7h]`, time: String(Date.now() / 1000) });
  const response = await fetch(`${url}/api/v1/query?${parameters}`);
  const answer = (await response.json()) as QueryAnswer;
  const values = answer.data?.result[0]?.values ?? [];
  return new Map(values.map(([seconds, value]) => [Math.round(seconds * 1000), Number(value)]));
}

interface QueryAnswer {
  readonly data?: { readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[] };
}

function nameOf(sender: number, series: number): string {
  return `durability_s${sender}_m${series}`;
}

function sentValue(sender: number, series: number, k: number): number {
  return k * 1.5 + sender * 10 + series;
}

/** mulberry32: the same moments for the same seed, as far as the machine lets them be. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
