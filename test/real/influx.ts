import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as requestByHttp } from 'node:http';
import { request as requestByTls } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';

/** A real InfluxDB 1.x, on loopback, with its data in a temporary folder. */
export interface Influx extends AsyncDisposable {
  readonly url: string;
  /** Ends it as a crash does; `start` brings it back on the same port and data. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export const NO_INFLUX = 'there is no influxd: install the package influxdb of Debian';

const PLACES = ['/usr/bin/influxd', '/usr/local/bin/influxd'];

export function findInflux(): string | undefined {
  return PLACES.find((place) => existsSync(place));
}

export interface InfluxOptions {
  /** It asks who is there; until there is an administrator, whoever asks may make one. */
  readonly auth?: boolean;
  /** It speaks TLS, with these (PEM). */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** One command, in whatever way the server speaks. @returns The status. */
export function influxCommand(
  url: string,
  { command, ca, user }: { readonly command: string; readonly ca?: string; readonly user?: string },
): Promise<number> {
  const ask = url.startsWith('https:') ? requestByTls : requestByHttp;
  const path = `${url}/query?${new URLSearchParams({ q: command })}`;
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', ...(ca !== undefined && { ca }), ...(user !== undefined && { auth: user }) };
    const request = ask(path, options, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    request.once('error', reject).end();
  });
}

export async function startInflux(program: string, { auth = false, tls }: InfluxOptions = {}): Promise<Influx> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-influx-'));
  const [port, rpc] = (await freePorts(2)) as [number, number];
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const config = join(folder, 'influxdb.conf');
  const settings = [
    'reporting-disabled = true',
    `bind-address = "127.0.0.1:${rpc}"`,
    `[meta]\n  dir = "${folder}/meta"`,
    `[data]\n  dir = "${folder}/data"\n  wal-dir = "${folder}/wal"\n  query-log-enabled = false`,
    `[http]\n  bind-address = "127.0.0.1:${port}"\n  log-enabled = false\n  auth-enabled = ${auth}`,
    ...(tls === undefined
      ? []
      : [`  https-enabled = true\n  https-certificate = "${folder}/cert"\n  https-private-key = "${folder}/key"`]),
    '[monitor]\n  store-enabled = false',
  ];
  if (tls !== undefined) {
    await writeFile(join(folder, 'cert'), tls.cert);
    await writeFile(join(folder, 'key'), tls.key, { mode: 0o600 });
  }
  await writeFile(config, `${settings.join('\n')}\n`);
  const start = () => spawn(program, ['run', '-config', config], { stdio: 'ignore' });
  let child = start();
  const ready = () =>
    waitFor('InfluxDB', async () => {
      // Whatever it answers, it is there.
      const command = { command: 'SHOW DATABASES', ...(tls !== undefined && { ca: tls.cert }) };
      return (await influxCommand(url, command).catch(() => 0)) > 0;
    });
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  await ready();
  return {
    url,
    stop: () => end('SIGKILL'),
    async start() {
      child = start();
      await ready();
    },
    async [Symbol.asyncDispose]() {
      await end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
