import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { startProgram } from '../program.ts';
import { openSink } from '../receivers.ts';

const run = promisify(execFile);
const path = (process.env['PATH'] ?? '').split(':').concat('/usr/bin');
const found = (name: string) => path.map((folder) => join(folder, name)).find((file) => existsSync(file));
const [alertmanager, amtool] = [found('prometheus-alertmanager'), found('amtool')];
const NONE = 'there is no Alertmanager: install the package prometheus-alertmanager of Debian';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Debian's, as it comes, on a port of its own. */
async function startAlertmanager(port: number) {
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'));
  writeFileSync(join(folder, 'config.yml'), 'route: {receiver: none}\nreceivers: [{name: none}]\n');
  const child: ChildProcess = spawn(
    alertmanager!,
    [
      `--config.file=${join(folder, 'config.yml')}`,
      `--storage.path=${folder}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${port}`;
  await until(async () => expect((await fetch(`${url}/-/ready`)).status).toBe(200));
  return {
    url,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Held {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly fingerprint: string;
}

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 120_000, interval: 200 });
const heldBy = async (url: string) => (await (await fetch(`${url}/api/v2/alerts`)).json()) as Held[];
const post = async (url: string, body: object) => {
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${url}/api/v2/alerts`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(status).toBe(200);
};
const ALERT = {
  labels: { alertname: 'Demand', severity: 'warning', namespace: 'shop' },
  annotations: { summary: 'Demand doubled', description: '20 a second, 10 expected', remedy: 'look' },
};

test('Alertmanager holds an alert with its labels and annotations, and lets go of it at its end; one instance is down at first', async ({
  skip,
}) => {
  if (alertmanager === undefined) return skip(NONE);
  const late = await freePort();
  await using first = await startAlertmanager(await freePort());
  const file = join(mkdtempSync(join(tmpdir(), 'foresail-am-')), 'foresail.yaml');
  const urls = [`http://127.0.0.1:${late}`, first.url];
  const receivers = [{ name: 'am', alertmanagerConfigs: [{ urls }] }];
  writeFileSync(file, JSON.stringify({ kubernetes: 'off', alerting: { receivers, route: { receiver: 'am' } } }));
  await using server = await startProgram(['--config', file]);
  await post(server.url, [ALERT]);
  await until(async () => expect(await heldBy(first.url)).toMatchObject([ALERT]));
  const [held] = await heldBy(first.url);
  // Both give it the same name.
  expect((await heldBy(server.url))[0]?.fingerprint).toBe(held!.fingerprint);

  await using second = await startAlertmanager(late);
  await until(async () => expect(await heldBy(second.url)).toMatchObject([ALERT]));
  await post(server.url, [{ ...ALERT, endsAt: new Date().toISOString() }]);
  for (const { url } of [first, second]) await until(async () => expect(await heldBy(url)).toEqual([]));
});

test('amtool asks and changes Foresail as it does an Alertmanager', async ({ skip }) => {
  if (amtool === undefined) return skip(NONE);
  await using sink = await openSink();
  const file = join(mkdtempSync(join(tmpdir(), 'foresail-am-')), 'foresail.yaml');
  const webhookConfigs = [{ url: `http://127.0.0.1:${sink.port}/` }];
  const routes = [{ receiver: 'team', matchers: ['severity="warning"'] }];
  const alerting = {
    receivers: [{ name: 'team', webhookConfigs }],
    route: { receiver: 'team', groupWait: '0s', routes },
  };
  writeFileSync(file, JSON.stringify({ kubernetes: 'off', alerting }));
  await using server = await startProgram(['--config', file]);
  const tool = async (...words: string[]) => (await run(amtool, [`--alertmanager.url=${server.url}`, ...words])).stdout;
  await tool('alert', 'add', 'alertname=Demand', 'severity=warning', '--annotation=summary=Demand doubled');
  await until(() => expect(sink.taken).toHaveLength(1));
  expect(await tool('alert', 'query', 'severity=warning')).toMatch(/Demand .*Demand doubled +active/);
  expect(await tool('alert', 'query', 'severity=critical')).not.toContain('Demand');
  expect(await tool('config', 'routes')).toContain('receiver: team');
  expect(await tool('config', 'routes', 'test', 'severity=warning')).toContain('team');
  const id = (await tool('silence', 'add', 'alertname=Demand', '-c', 'why', '-a', 'me', '-d', '1h')).trim();
  expect(await tool('silence', 'query')).toContain(id);
  expect(await tool('alert', 'query')).not.toContain('Demand');
  expect(await tool('alert', 'query', '--silenced')).toMatch(/Demand .*suppressed/);
  await tool('silence', 'update', id, '-d', '2h', '-c', 'longer');
  expect(await tool('silence', 'query')).toContain('longer');
  await tool('silence', 'expire', id);
  expect(await tool('alert', 'query')).toContain('Demand');
});
