import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { type RunningProgram, startProgram } from '../program.ts';

/** A shop whose demand is scraped and watched, and everybody who is told when it doubles: all real, all on loopback. */
export interface WatchedShop extends AsyncDisposable {
  readonly program: RunningProgram;
  readonly alertmanagerUrl: string;
  /** Doubles the demand; answers when that was. */
  double(): number;
  halve(): void;
  /** What each was told so far, oldest first. */
  readonly mails: readonly Told[];
  readonly hooks: readonly (Told & { readonly headers: IncomingHttpHeaders })[];
}

export interface Told {
  readonly at: number;
  readonly text: string;
}

export const SIGNING_KEY = 'a key for tests alone';
const ALERTMANAGER = 'prometheus-alertmanager';
const HISTORY_S = 86_400;
const STEP_S = 5;

/** @returns Undefined where there is no Alertmanager: the package prometheus-alertmanager of Debian. */
export async function openWatchedShop(): Promise<WatchedShop | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-shop-'));
  const stack = closingStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const alertmanagerUrl = await startAlertmanager(folder, stack);
    if (alertmanagerUrl === undefined) {
      await stack.close();
      return undefined;
    }
    const mails: Told[] = [];
    const mailPort = await startMailServer((text) => mails.push({ at: Date.now(), text }), stack);
    const hooks: (Told & { headers: IncomingHttpHeaders })[] = [];
    const hookPort = await startWebhook((text, headers) => hooks.push({ at: Date.now(), text, headers }), stack);
    let factor = 1;
    // Nothing is there to scrape before its past is.
    let isOpen = false;
    const shop = createServer((_request, response) => {
      response.writeHead(isOpen ? 200 : 503, { 'content-type': 'text/plain; version=0.0.4' });
      response.end(`# TYPE shop_rps gauge\nshop_rps{app="checkout"} ${factor * demandAt(Date.now() / 1000)}\n`);
    });
    const shopPort = await listening(shop, stack);
    const settings = join(folder, 'foresail.yaml');
    writeFileSync(settings, settingsOf({ shopPort, mailPort, hookPort, alertmanagerUrl }));
    const program = await startProgram(['--config', settings], [], { SIGNING_KEY });
    stack.defer(() => program[Symbol.asyncDispose]());
    await importPast(program, shopPort);
    isOpen = true;
    return {
      ...{ program, alertmanagerUrl, mails, hooks },
      double() {
        factor = 2;
        return Date.now();
      },
      halve() {
        factor = 1;
      },
      [Symbol.asyncDispose]: () => stack.close(),
    };
  } catch (error) {
    await stack.close();
    throw error;
  }
}

/** What was opened last is closed first. */
interface ClosingStack {
  defer(close: () => unknown): void;
  close(): Promise<void>;
}

function closingStack(): ClosingStack {
  const closers: (() => unknown)[] = [];
  return {
    defer: (close) => closers.push(close),
    async close() {
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
    },
  };
}

/** Requests a second, with a day's rhythm and some noise. */
function demandAt(seconds: number): number {
  const day = 100 + 30 * Math.sin((seconds / 86_400) * 2 * Math.PI);
  return day + 4 * Math.sin(seconds * 12.9898) * Math.cos(seconds * 78.233);
}

function settingsOf(of: { shopPort: number; mailPort: number; hookPort: number; alertmanagerUrl: string }): string {
  return `
kubernetes: off
scrape:
  scrape_configs:
    - job_name: shop
      scrape_interval: 2s
      static_configs: [{targets: ['127.0.0.1:${of.shopPort}']}]
anomalies:
  watches:
    - {name: shop, query: 'sum by (app) (shop_rps)', step: ${STEP_S}s, history: 1d, group: [app]}
alerting:
  route: {receiver: everybody, groupBy: [alertname], groupWait: 1s, groupInterval: 5s}
  receivers:
    - name: everybody
      alertmanagerConfigs: [{urls: ['${of.alertmanagerUrl}']}]
      webhookConfigs: [{url: 'http://127.0.0.1:${of.hookPort}/hook', signingKey: {env: SIGNING_KEY}}]
      emailConfigs:
        - {to: [ops@example.com], from: foresail@example.com, smarthost: '127.0.0.1:${of.mailPort}', security: none}
`;
}

async function importPast({ url }: RunningProgram, shopPort: number): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const seconds = Array.from({ length: HISTORY_S / STEP_S }, (_, i) => now - HISTORY_S + i * STEP_S);
  const metric = { __name__: 'shop_rps', app: 'checkout', job: 'shop', instance: `127.0.0.1:${shopPort}` };
  const body = JSON.stringify({ metric, values: seconds.map(demandAt), timestamps: seconds.map((s) => s * 1000) });
  const answer = await fetch(`${url}/api/v1/import`, { method: 'POST', body });
  if (!answer.ok) throw new Error(`the past was not taken: ${await answer.text()}`);
}

async function startAlertmanager(folder: string, stack: ClosingStack): Promise<string | undefined> {
  const file = join(folder, 'alertmanager.yml');
  writeFileSync(file, 'route: {receiver: nobody}\nreceivers: [{name: nobody}]\n');
  const address = `127.0.0.1:${await freePort()}`;
  const words = [
    `--config.file=${file}`,
    `--storage.path=${join(folder, 'alertmanager')}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ];
  const child = spawn(ALERTMANAGER, words, { stdio: 'ignore' });
  const failed = await Promise.race([
    once(child, 'spawn').then(() => undefined),
    once(child, 'error').then(([error]) => error as NodeJS.ErrnoException),
  ]);
  if (failed !== undefined) return undefined;
  stack.defer(() => ended(child));
  const url = `http://${address}`;
  while (child.exitCode === null) {
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (answer?.ok) return url;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${ALERTMANAGER} ended with ${child.exitCode}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function startMailServer(onMail: (text: string) => void, stack: ClosingStack): Promise<number> {
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, _session, done) {
      let text = '';
      stream.on('data', (piece: Buffer) => {
        text += piece.toString('utf8');
      });
      stream.on('end', () => {
        onMail(text);
        done();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => new Promise<void>((resolve) => server.close(resolve)));
  return (server.server.address() as AddressInfo).port;
}

async function startWebhook(
  onCall: (text: string, headers: IncomingHttpHeaders) => void,
  stack: ClosingStack,
): Promise<number> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    request.on('end', () => {
      onCall(text, request.headers);
      response.end();
    });
  });
  return await listening(server, stack);
}

async function listening(server: Server, stack: ClosingStack): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createSocketServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
