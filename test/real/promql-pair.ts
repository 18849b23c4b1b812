import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Millis } from '../../src/model/time.ts';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import type { ApiAnswer, Question } from '../../src/testing/promql/compare-answers.ts';
import { encodeWriteRequest, type OutgoingSeries } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { startingAt, startProgram } from '../program.ts';

/** A real Prometheus and the real program, with the same bytes in both. */
export interface PromqlPair extends AsyncDisposable {
  /** `today`: 3.x of `../shared/bin`, with all that is experimental. */
  readonly today: boolean;
  /** Sends a request of remote write to both. */
  write(series: readonly OutgoingSeries[]): Promise<void>;
  /** What Prometheus answers, and what the program does. */
  ask(question: Question): Promise<readonly [reference: ApiAnswer, own: ApiAnswer]>;
  /** What Prometheus answers. */
  askReference(question: Question): Promise<ApiAnswer>;
}

export interface FoundPrometheus {
  readonly program: string;
  readonly today: boolean;
}

export const NO_PROMETHEUS =
  'there is no Prometheus: ../shared/bin/install unpacks one, and neither ../shared/bin nor the package prometheus of Debian is here';

const EXPERIMENTAL = [
  ...['promql-experimental-functions', 'promql-extended-range-selectors', 'promql-binop-fill-modifiers'],
  'promql-delayed-name-removal',
  'use-start-timestamps',
  'st-storage',
  'xor2-encoding',
];

/** `../shared/bin` has today's; else the one in the path. */
export async function findPrometheus(): Promise<FoundPrometheus | undefined> {
  const install = resolve('../shared/bin/install');
  if (existsSync(install)) {
    const { stdout } = await promisify(execFile)(install);
    return { program: join(stdout.trim(), 'prometheus'), today: true };
  }
  const folders = (process.env['PATH'] ?? '').split(':');
  const program = folders.map((path) => join(path, 'prometheus')).find((path) => existsSync(path));
  return program === undefined ? undefined : { program, today: false };
}

/** Starts both. @param now What time it is for the program: it takes nothing that is far ahead of it. */
export async function startPair({ program, today }: FoundPrometheus, now: Millis): Promise<PromqlPair> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-promql-pair-'));
  let child: ChildProcess | undefined;
  const end = async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await writeFile(join(folder, 'prometheus.yml'), 'global: {}\n');
    const [port] = (await freePorts(1)) as [number];
    const reference = `http://127.0.0.1:${port}`;
    const flags = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...['--web.enable-remote-write-receiver', '--log.level=error', '--storage.tsdb.retention.time=20y'],
      ...(today ? [`--enable-feature=${EXPERIMENTAL.join(',')}`] : ['--enable-feature=native-histograms']),
    ];
    child = spawn(program, flags, { stdio: 'ignore' });
    await waitFor('Prometheus', async () => (await fetch(`${reference}/-/ready`).catch(() => undefined))?.ok === true);
    const own = await startProgram([], startingAt(now, folder));
    return {
      today,
      async write(series) {
        const body = encodeSnappy(encodeWriteRequest(series));
        await Promise.all([reference, own.url].map((url) => send(`${url}/api/v1/write`, body)));
      },
      ask: (question) => Promise.all([answerOf(reference, question), answerOf(own.url, question)]),
      askReference: (question) => answerOf(reference, question),
      async [Symbol.asyncDispose]() {
        await own[Symbol.asyncDispose]();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function send(url: string, body: Uint8Array): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' },
    body: body as Uint8Array<ArrayBuffer>,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
}

async function answerOf(url: string, question: Question): Promise<ApiAnswer> {
  const { path, parameters } = requestOf(question);
  const response = await fetch(`${url}${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
  return { ...((await response.json()) as Omit<ApiAnswer, 'httpStatus'>), httpStatus: response.status };
}

function requestOf({ query, start, end, stepMs }: Question): {
  readonly path: string;
  readonly parameters: Record<string, string>;
} {
  const seconds = (ms: number) => String(ms / 1000);
  if (stepMs === undefined) return { path: '/api/v1/query', parameters: { query, time: seconds(start) } };
  const range = { start: seconds(start), end: seconds(end), step: seconds(stepMs) };
  return { path: '/api/v1/query_range', parameters: { query, ...range } };
}
