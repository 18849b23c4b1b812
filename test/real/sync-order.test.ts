import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { startServe } from '../serve-process.ts';

const CONNECTIONS = 8;
const REQUESTS_PER_CONNECTION = 40;
const CALLS = 'read,recvfrom,write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync';
const MARK = /sync_order_\d{4}/g;
const hasStrace = spawnSync('strace', ['-V']).status === 0;

/**
 * A kill keeps the page cache, so it cannot tell a synced byte from an unsynced one. The system calls can: the log's
 * bytes of a request, then an fdatasync of that file that began after they were written and has returned, then the 204.
 */
test.skipIf(!hasStrace)('no 204 leaves before the fdatasync that covers it (needs strace)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-sync-'));
  const trace = join(folder, 'trace');
  try {
    const tracer = ['strace', '-f', '-qq', '-s', '1000000', '-e', `trace=${CALLS}`, '-o', trace];
    const server = await startServe(join(folder, 'data'), tracer);
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, connection) => sendAll(server.url, connection)));
    // The tracer ends when what it traces does: the thread of the trace's first line.
    const ended = new Promise((resolve) => server.process.once('exit', resolve));
    process.kill(Number.parseInt(await readFile(trace, 'latin1'), 10), 'SIGTERM');
    await ended;
    const { answered, early } = readTrace(await readFile(trace, 'latin1'));
    expect(early).toEqual([]);
    expect(answered).toBe(CONNECTIONS * REQUESTS_PER_CONNECTION);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Each request has a series of its own, so that its name stands in the log's bytes, and in a header. */
async function sendAll(url: string, connection: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < REQUESTS_PER_CONNECTION; i++) {
    const mark = `sync_order_${String(connection * REQUESTS_PER_CONNECTION + i).padStart(4, '0')}`;
    const series = { labels: [['__name__', mark]] as const, times: [Date.now()], values: Float64Array.of(i) };
    const body = encodeSnappy(encodeWriteRequest([series]));
    const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy', 'x-request-id': mark };
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${url}/api/v1/write`, { method: 'POST', agent, headers }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode));
      });
      request.once('error', reject).end(body);
    });
    expect(status).toBe(204);
  }
  agent.destroy();
}

/** What strace wrote, in the order in which calls began and returned. */
function readTrace(trace: string): { readonly answered: number; readonly early: readonly string[] } {
  /** By thread: a call that has not returned yet. */
  const begun = new Map<string, string>();
  const written = new Map<string, Set<string>>();
  const covers = new Map<string, ReadonlySet<string>>();
  const synced = new Set<string>();
  const asked = new Map<string, string>();
  const early: string[] = [];
  let answered = 0;

  const begin = (thread: string, call: string) => {
    const [, name, fd] = /^(\w+)\((\d+)/.exec(call) ?? [];
    if (name === undefined || fd === undefined) return;
    if (name === 'fdatasync' || name === 'fsync') covers.set(thread, new Set(written.get(fd)));
    if (!/HTTP\/1\.1 204/.test(call)) return;
    const mark = asked.get(fd);
    answered++;
    if (mark === undefined || !synced.has(mark)) early.push(mark ?? 'a 204 without a request');
  };
  const end = (thread: string, call: string) => {
    const [, name, fd] = /^(\w+)\((\d+)/.exec(call) ?? [];
    if (name === undefined || fd === undefined || /= -1 /.test(call)) return;
    const marks = call.match(MARK) ?? [];
    if (name === 'fdatasync' || name === 'fsync') for (const mark of covers.get(thread) ?? []) synced.add(mark);
    else if (name === 'read' || name === 'recvfrom') for (const mark of marks) asked.set(fd, mark);
    else for (const mark of marks) written.set(fd, (written.get(fd) ?? new Set()).add(mark));
  };

  for (const line of trace.split('\n')) {
    const [, thread, text] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    if (thread === undefined || text === undefined) continue;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text);
    if (resumed !== null) {
      end(thread, (begun.get(thread) ?? '') + resumed[1]);
      begun.delete(thread);
      continue;
    }
    const unfinished = / <unfinished \.\.\.>$/.exec(text);
    const call = unfinished === null ? text : text.slice(0, unfinished.index);
    begin(thread, call);
    if (unfinished === null) end(thread, call);
    else begun.set(thread, call);
  }
  return { answered, early };
}
