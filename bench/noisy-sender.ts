import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { encodeSeriesLabels, encodeWriteRequest } from '../src/wire/encode-write-request.ts';

/* One tenant that floods, for bench/noisy-neighbour.ts: npx tsx bench/noisy-sender.ts KIND URL TENANT. Ends when it is told to. */

const [kind, url, tenant] = process.argv.slice(2) as [string, string, string];
const { hostname, port } = new URL(url);
const agent = new Agent({ keepAlive: true, maxSockets: 10_000 });
const HEADERS = { 'x-scope-orgid': tenant, 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' };
const START = Date.now() - 6 * 3_600_000;
let sent = 0;

/** Twelve labels, as what comes from a cluster has. */
function labelsOf(name: string, i: number) {
  const labels: [string, string][] = [['__name__', name]];
  for (let l = 0; l < 10; l++) labels.push([`label_${l}`, `a value of usual length ${l * 7 + (i % 50)}`]);
  labels.push(['pod', `${name}-6d4cf56db6-${i.toString(36)}`]);
  return labels;
}

const known = Array.from({ length: 60_000 }, (_, i) =>
  i < (kind === 'size' ? 60_000 : 2_000) ? encodeSeriesLabels(labelsOf('flood', i)) : undefined,
);

function bodyOf(kind: string): Buffer {
  const turn = sent++;
  const times = [START + (turn % 20_000) * 1_000];
  const series = (count: number, fresh: boolean) =>
    Array.from({ length: count }, (_, i) => {
      const labels = fresh ? labelsOf(`new_${process.pid}`, turn * count + i) : [];
      return { labels, times, values: Float64Array.of(turn), ...(fresh ? {} : { labelBytes: known[i]! }) };
    });
  if (kind === 'series') return packed(encodeWriteRequest(series(500, true)));
  if (kind === 'size') return packed(encodeWriteRequest(series(60_000, false)));
  return packed(encodeWriteRequest(series(2_000, false)));
}

/** Snappy without compressing, in literals of up to 64 KiB: the sender must not be what is measured. */
function packed(bytes: Uint8Array): Buffer {
  const head: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    head.push(rest > 127 ? (rest % 128) + 128 : rest);
    if (rest <= 127) break;
  }
  const parts = [Buffer.from(head)];
  for (let at = 0; at < bytes.length; at += 65_536) {
    const part = bytes.subarray(at, at + 65_536);
    parts.push(Buffer.from([0xf4, (part.length - 1) & 0xff, (part.length - 1) >> 8]), Buffer.from(part));
  }
  return Buffer.concat(parts);
}

function post(body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { ...HEADERS, 'content-length': body.length };
    const sending = request({ hostname, port, path: '/api/v1/push', method: 'POST', agent, headers }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode!));
    });
    sending.on('error', reject).end(body);
  });
}

/** Sends the next as soon as the last is answered, whatever the answer. */
async function flood(connections: number, body: () => Buffer): Promise<void> {
  const codes = new Map<number, number>();
  process.on('SIGTERM', () => {
    process.stdout.write(`${[...codes].map(([code, count]) => `${count} of ${code}`).join(', ')}\n`, () =>
      process.exit(),
    );
  });
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (;;) {
        const code = await post(body()).catch(() => 0);
        if (codes.size === 0) process.stdout.write('begun\n');
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    }),
  );
}

/** Bodies of 30 MB that come a byte at a time, after as much at once as one may have. */
function dribble(connections: number): void {
  const first = Buffer.alloc(4 << 20);
  let connected = 0;
  let ended = 0;
  for (let i = 0; i < connections; i++) {
    const socket = connect(Number(port), hostname);
    const head = Object.entries({ ...HEADERS, 'content-length': 30_000_000 }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.write(`POST /api/v1/push HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${head.join('')}\r\n`);
    socket.write(first);
    const timer = setInterval(() => socket.write('x'), 100);
    socket
      .on('error', () => {})
      .on('close', () => {
        clearInterval(timer);
        ended++;
      });
    socket.once('connect', () => ++connected === connections && process.stdout.write('begun\n'));
    socket.resume();
  }
  process.on('SIGTERM', () => {
    process.stdout.write(`${ended} of ${connections} ended\n`, () => process.exit());
  });
}

if (kind === 'slow') dribble(300);
else if (kind === 'size') {
  const bodies = Array.from({ length: 2 }, () => bodyOf('size'));
  await flood(8, () => bodies[sent++ % bodies.length]!);
} else await flood(50, () => bodyOf(kind));
