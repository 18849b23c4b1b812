import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { type Body, NUMBER, openBodies } from './noisy-body.ts';

/* One tenant that floods, for bench/noisy-neighbour.ts: npx tsx bench/noisy-sender.ts KIND URL TENANT. Ends when it is told to. */

const [kind, url, tenant] = process.argv.slice(2) as [string, string, string];
const { hostname, port } = new URL(url);
const agent = new Agent({ keepAlive: true, maxSockets: 10_000 });
const HEADERS = { 'x-scope-orgid': tenant, 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' };
/** Twelve labels, as what comes from a cluster has. */
function labelsOf(name: string, i: number, pod: string) {
  const labels: [string, string][] = [['__name__', name]];
  for (let l = 0; l < 10; l++) labels.push([`label_${l}`, `a value of usual length ${l * 7 + (i % 50)}`]);
  labels.push(['pod', `${name}-6d4cf56db6-${pod}`]);
  return labels;
}

const SERIES: Readonly<Record<string, number>> = { rate: 2_000, series: 500, size: 60_000 };
/** Each process has series of its own where they are to be new. */
const series = Array.from({ length: SERIES[kind] ?? 0 }, (_, i) => {
  return kind === 'series' ? labelsOf(`new_${process.pid}`, i, NUMBER) : labelsOf('flood', i, i.toString(36));
});
let numbered = 0;
let lastTime = 0;

/** Later than any before it, and as new as a living sender's. */
function renew(body: Body): Buffer {
  lastTime = Math.max(lastTime + 1, Date.now());
  body.change(lastTime, numbered);
  numbered += series.length;
  return body.bytes;
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
async function flood(connections: number): Promise<void> {
  const bodies = openBodies(connections, series);
  const codes = new Map<number, number>();
  process.on('SIGTERM', () => {
    process.stdout.write(`${[...codes].map(([code, count]) => `${count} of ${code}`).join(', ')}\n`, () =>
      process.exit(),
    );
  });
  await Promise.all(
    bodies.map(async (body) => {
      for (;;) {
        const code = await post(renew(body)).catch(() => 0);
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
else await flood(kind === 'size' ? 8 : 50);
