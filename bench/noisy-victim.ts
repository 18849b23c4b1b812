import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeSeriesLabels, encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';

/*
 * The tenant that is watched, for bench/noisy-neighbour.ts: npx tsx bench/noisy-victim.ts URL. For each line on standard
 * input, a number of seconds, writes 500 samples and asks one query every 20 ms for so long, and prints what it waited.
 */
const { hostname, port } = new URL(process.argv[2]!);
const agent = new Agent({ keepAlive: true });
const EVERY_MS = 20;
/** Each series has a sample every four seconds: at 50 a second, a query that looks back five minutes would read millions. */
const GROUPS = Array.from({ length: 200 }, (_, group) => {
  return Array.from({ length: 500 }, (_, i) => {
    return encodeSeriesLabels([
      ['__name__', 'victim'],
      ['group', `${group}`],
      ['i', `${i}`],
    ]);
  });
});
let turn = 0;

/** By the clock: a slow answer delays no later request. `lag`: how late this process itself was, which is not the server. */
async function watch(seconds: number): Promise<Record<'writes' | 'queries' | 'lag', number>> {
  const writes: Promise<number>[] = [];
  const queries: Promise<number>[] = [];
  const lag: number[] = [];
  let due = performance.now();
  const end = due + seconds * 1_000;
  const next = async () => {
    due += EVERY_MS / 2;
    await sleep(Math.max(0, due - performance.now()));
    lag.push(performance.now() - due);
  };
  while (due < end) {
    const group = turn++ % GROUPS.length;
    const times = [Date.now()];
    const series = GROUPS[group]!.map((labelBytes) => ({ labels: [], labelBytes, times, values: Float64Array.of(1) }));
    writes.push(ask('/api/v1/push', encodeSnappy(encodeWriteRequest(series))));
    await next();
    queries.push(ask(`/api/v1/query?query=sum(victim%7Bgroup=%22${group}%22%7D)`));
    await next();
  }
  return { writes: p99(await Promise.all(writes)), queries: p99(await Promise.all(queries)), lag: p99(lag) };
}

/** Milliseconds to the end of a right answer; infinite where there is none. */
function ask(path: string, body?: Uint8Array): Promise<number> {
  const method = body === undefined ? 'GET' : 'POST';
  const headers = { 'x-scope-orgid': 'victim', ...(body !== undefined && { 'content-length': body.length }) };
  const began = performance.now();
  return new Promise((resolve) => {
    const sent = request({ hostname, port, path, method, agent, headers }, (answer) => {
      const done = () => resolve(answer.statusCode! < 300 ? performance.now() - began : Number.POSITIVE_INFINITY);
      answer.resume().on('end', done);
    });
    sent.on('error', () => resolve(Number.POSITIVE_INFINITY)).end(body);
  });
}

function p99(all: number[]): number {
  return all.sort((a, b) => a - b)[Math.ceil(all.length * 0.99) - 1]!;
}

for await (const line of process.stdin.setEncoding('utf8')) {
  const { writes, queries, lag } = await watch(Number(line));
  process.stdout.write(`${writes} ${queries} ${lag}\n`);
}
