import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import { encodeWriteRequest, type OutgoingSeries } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';

/** The real engine, on loopback, with its data in a temporary folder. */
export interface VictoriaMetrics extends AsyncDisposable {
  readonly url: string;
  /** Ends it as a crash does; `start` brings it back on the same port and data. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export const NO_VICTORIA_METRICS =
  'there is no VictoriaMetrics: ../shared/bin/install unpacks one, and ../shared/bin is not here';

/** Undefined where `../shared/bin` is not there. */
export async function findVictoriaMetrics(): Promise<string | undefined> {
  const install = resolve('../shared/bin/install');
  if (!existsSync(install)) return undefined;
  const { stdout } = await promisify(execFile)(install);
  return join(stdout.trim(), 'victoria-metrics');
}

export async function startVictoriaMetrics(program: string): Promise<VictoriaMetrics> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-victoria-metrics-'));
  const [port] = (await freePorts(1)) as [number];
  const url = `http://127.0.0.1:${port}`;
  const start = () => {
    const flags = [`-storageDataPath=${folder}`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=3'];
    const more = ['-dedup.minScrapeInterval=1ms', '-loggerLevel=ERROR'];
    return spawn(program, [...flags, ...more], { stdio: 'ignore' });
  };
  let child = start();
  const ready = () =>
    waitFor('VictoriaMetrics', async () => {
      const answer = await fetch(`${url}/health`).catch(() => undefined);
      return answer?.ok === true;
    });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  await ready();
  return {
    url,
    stop,
    async start() {
      child = start();
      await ready();
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Remote write 1.0, as Prometheus sends it. @param url With its path. @returns The status. */
export async function remoteWriteTo(
  url: string,
  series: readonly OutgoingSeries[],
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', ...headers },
    body: encodeSnappy(encodeWriteRequest(series)) as Uint8Array<ArrayBuffer>,
  });
  await response.arrayBuffer();
  return response.status;
}
