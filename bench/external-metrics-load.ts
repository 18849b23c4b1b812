import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { labelsOf } from '../src/model/labels.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';

/*
 * What asks and what writes in bench/external-metrics.ts, each in a process of its own: one that waits for its own turn
 * would count that as the server's time. Told what to do by its arguments (JSON), it says one line of JSON at its end.
 */
export type LoadRole =
  | {
      readonly kind: 'hpas';
      readonly port: number;
      readonly cert: string;
      readonly key: string;
      readonly paths: readonly string[];
      readonly connections: number;
      readonly seconds: number;
      readonly syncSeconds: number;
      /** Within how many seconds of each sync all of them ask. */
      readonly withinSeconds: number;
    }
  | {
      readonly kind: 'writer';
      readonly port: number;
      readonly samplesPerSecond: number;
      readonly seconds: number;
      /** Queries a second. */
      readonly queries: number;
    };

export interface HpasResult {
  /** Milliseconds, ascending. */
  readonly took: readonly number[];
  readonly refused: number;
  /** Of its process from the word to go on; likewise below. */
  readonly cpuSeconds: number;
}

export interface WriterResult {
  readonly samples: number;
  readonly queries: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

const WRITES_PER_SECOND = 20;
const IN_FLIGHT = 4;

/** At the word to go. */
let cpuAtGo = process.cpuUsage();

// Whoever imports this has arguments of its own.
const [, , told = ''] = process.argv;
if (told.startsWith('{')) {
  const role = JSON.parse(told) as LoadRole;
  const result = role.kind === 'hpas' ? await askAsHpas(role) : await writeSamples(role);
  const { user, system } = process.cpuUsage(cpuAtGo);
  console.log(JSON.stringify({ ...result, cpuSeconds: (user + system) / 1e6 }));
}

/** Each HPA asks once a sync, at its own moment of it, whatever became of the questions before. */
async function askAsHpas(role: LoadRole & { kind: 'hpas' }): Promise<Omit<HpasResult, 'cpuSeconds'>> {
  const { paths, connections, cert, key, port, seconds, syncSeconds, withinSeconds } = role;
  const agent = new Agent({ keepAlive: true, maxSockets: connections, cert, key, rejectUnauthorized: false });
  const ask = (path: string) => statusOf(agent, port, path);
  // The connections stand before the first sync, and each permission was asked for, as after some minutes of service.
  for (let i = 0; i < paths.length; i += connections) await Promise.all(paths.slice(i, i + connections).map(ask));
  await toldToGo();
  const took: number[] = [];
  let refused = 0;
  const began = performance.now();
  const count = Math.floor((paths.length * seconds) / syncSeconds);
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const sync = Math.floor(i / paths.length) * syncSeconds;
      const due = began + 1000 * (sync + ((i % paths.length) * withinSeconds) / paths.length);
      await delay(Math.max(0, due - performance.now()));
      const asked = performance.now();
      if ((await ask(paths[i % paths.length]!)) !== 200) refused++;
      took.push(performance.now() - asked);
    }),
  );
  agent.destroy();
  return { took: took.sort((a, b) => a - b), refused };
}

/** As the aggregator asks for the HPA controller. */
export function statusOf(agent: Agent, port: number, path: string): Promise<number> {
  const headers = {
    'x-remote-user': 'system:serviceaccount:kube-system:horizontal-pod-autoscaler',
    'x-remote-group': 'system:serviceaccounts',
  };
  return new Promise((done, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume().on('end', () => done(response.statusCode!));
    });
    sent.on('error', reject).end();
  });
}

/** One sample of each of so many series a second, in twenty parts; as fast as they are taken where that is slower. */
async function writeSamples(role: LoadRole & { kind: 'writer' }): Promise<Omit<WriterResult, 'cpuSeconds'>> {
  const { port, samplesPerSecond, seconds, queries } = role;
  const perBody = Math.round(samplesPerSecond / WRITES_PER_SECOND);
  const rounds = roundsOf(perBody, Date.now());
  const bodies = Array.from({ length: seconds * WRITES_PER_SECOND }, (_, k) =>
    rounds(k % WRITES_PER_SECOND, Math.floor(k / WRITES_PER_SECOND)),
  );
  await toldToGo();
  const began = performance.now();
  const isOver = () => performance.now() > began + seconds * 1000;
  let samples = 0;
  let next = 0;
  let answered = 0;
  const sender = async () => {
    for (let k = next++; k < bodies.length && !isOver(); k = next++) {
      await delay(Math.max(0, began + (k * 1000) / WRITES_PER_SECOND - performance.now()));
      if ((await send(port, bodies[k]!)) < 300) samples += perBody;
    }
  };
  const asker = async () => {
    const query = encodeURIComponent('sum by (block) (rate(bench_total{block=~"1.*"}[1m]))');
    for (let k = 0; queries > 0 && !isOver(); k++) {
      await delay(Math.max(0, began + (k * 1000) / queries - performance.now()));
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`);
      await answer.arrayBuffer();
      if (answer.ok) answered++;
    }
  };
  await Promise.all([...Array.from({ length: IN_FLIGHT }, sender), asker()]);
  return { samples, queries: answered, wallSeconds: (performance.now() - began) / 1000 };
}

/** The parent says when: what comes before is not of what is measured. */
async function toldToGo(): Promise<void> {
  const told = new Promise<void>((go) => void process.once('message', () => go()));
  process.send?.('ready');
  await told;
  process.disconnect?.();
  cpuAtGo = process.cpuUsage();
}

/** The body of a block of series in a round. Encoded once; each round has its times and values written over the first's. */
function roundsOf(perBody: number, start: number): (block: number, round: number) => Uint8Array<ArrayBuffer> {
  const first = Array.from({ length: WRITES_PER_SECOND }, (_, block) => {
    const series = Array.from({ length: perBody }, (__, i) => ({
      labels: labelsOf({ __name__: 'bench_total', block: String(block), series: String(i), job: 'bench' }),
      times: Float64Array.of(start),
      values: Float64Array.of(i % 7),
    }));
    const bytes = Buffer.from(encodeWriteRequest(series));
    const time = varint(start);
    const at: number[] = [];
    for (let i = bytes.indexOf(time); i !== -1; i = bytes.indexOf(time, i + 1)) at.push(i);
    if (at.length !== perBody) throw new Error(`expected ${perBody} times in a body, found ${at.length}`);
    return { bytes, at };
  });
  return (block, round) => {
    const { bytes, at } = first[block]!;
    const time = varint(start + round * 1000);
    for (const [i, offset] of at.entries()) {
      time.copy(bytes, offset);
      // The value is a double, and the tag of the time is between them.
      bytes.writeDoubleLE(round * 10 + (i % 7), offset - 9);
    }
    return encodeSnappy(bytes) as Uint8Array<ArrayBuffer>;
  };
}

/** As protocol buffers have it: six bytes for any time of this century. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** Sends a body of remote write. @returns The status of the answer. */
export async function send(port: number, body: Uint8Array<ArrayBuffer>): Promise<number> {
  const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/write`, { method: 'POST', headers, body });
  await answer.arrayBuffer();
  return answer.status;
}
