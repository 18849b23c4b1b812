import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startServe } from '../serve-process.ts';

/** What was found after the kills. */
export interface TellingOutcome {
  /** Alerts that fired and, all but the last, ended. */
  readonly alerts: number;
  /** Different messages that came. */
  readonly messages: number;
  /** Messages that came again, each under the key that it had. */
  readonly repeats: number;
  /** Attempts that the webhook did not take, or cut off after it had. */
  readonly refused: number;
}

interface Fired {
  readonly name: string;
  readonly startsAt: number;
  endsAt: number | undefined;
}

const MAX_LIFE_MS = 1_500;
const AT_ONCE = 12;
/** All must have come so long after the last kill. */
const DEADLINE_MS = 180_000;

/**
 * Kills the program at random moments while alerts fire and resolve, and while a webhook takes messages, refuses them or
 * cuts the connection after it read them. Whoever tells the alerts tells them until that was acknowledged, as rules do.
 *
 * @param random From 0 to 1: the moments, as far as the machine lets them be the same.
 * @throws {Error} If a message is lost, or one comes under a second key.
 */
export async function killWhileTelling(
  kills: number,
  random: () => number,
  onKill: (done: number) => void = () => {},
): Promise<TellingOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-telling-'));
  /** By alert and status, the keys under which it came. */
  const came = new Map<string, Set<string>>();
  const keys = new Map<string, number>();
  let refused = 0;
  const sink = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      const chance = random();
      if (chance < 0.15) {
        refused++;
        response.writeHead(503).end();
        return;
      }
      const key = String(request.headers['idempotency-key']);
      keys.set(key, (keys.get(key) ?? 0) + 1);
      const { alerts } = JSON.parse(body) as { alerts: { status: string; labels: { n: string } }[] };
      for (const { status, labels } of alerts) {
        const what = `${labels.n} ${status}`;
        came.set(what, (came.get(what) ?? new Set()).add(key));
      }
      if (chance < 0.3) {
        refused++;
        response.destroy();
        return;
      }
      response.end();
    });
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const { port } = sink.address() as AddressInfo;
  const settings = join(folder, 'foresail.yaml');
  await writeFile(settings, settingsText(port));

  const fired: Fired[] = [];
  let serial = 0;
  const has = (name: string, status: string) => came.has(`${name} ${status}`);

  /** Something new fires, or what was heard of ends. */
  function change(): void {
    const going = fired.filter(({ endsAt }) => endsAt === undefined);
    const heard = going.filter(({ name }) => has(name, 'firing'));
    if (heard.length > 0 && (going.length >= AT_ONCE || random() < 0.5)) {
      heard[Math.floor(random() * heard.length)]!.endsAt = Date.now();
    } else if (going.length < AT_ONCE) {
      fired.push({ name: String(serial++), startsAt: Date.now(), endsAt: undefined });
    }
  }

  async function tellAll(url: string): Promise<boolean> {
    const open = fired.filter(({ name, endsAt }) => endsAt === undefined || !has(name, 'resolved'));
    const body = JSON.stringify(
      open.map(({ name, startsAt, endsAt }) => ({
        labels: { alertname: 'Torture', n: name },
        startsAt: new Date(startsAt).toISOString(),
        endsAt: new Date(endsAt ?? Date.now() + 600_000).toISOString(),
      })),
    );
    try {
      const headers = { 'content-type': 'application/json' };
      const { status } = await fetch(`${url}/api/v2/alerts`, { method: 'POST', headers, body });
      if (status !== 200) throw new Error(`telling alerts answered ${status}`);
      return true;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  const start = () => startServe(join(folder, 'data'), [], undefined, ['--config', settings]);
  try {
    for (let life = 0; life < kills; life++) {
      const server = await start();
      const end = Date.now() + random() * MAX_LIFE_MS;
      const telling = (async () => {
        while (server.process.exitCode === null && server.process.signalCode === null) {
          if (random() < 0.7) change();
          if (!(await tellAll(server.url))) return;
          await pause(random() * 100);
        }
      })();
      await pause(Math.max(0, end - Date.now()));
      await server.kill();
      await telling;
      onKill(life + 1);
    }
    await using server = await start();
    for (const alert of fired) alert.endsAt ??= has(alert.name, 'firing') ? Date.now() : undefined;
    const deadline = Date.now() + DEADLINE_MS;
    const missing = () =>
      fired.flatMap(({ name, endsAt }) => {
        const wanted = endsAt === undefined ? ['firing'] : ['firing', 'resolved'];
        return wanted.filter((status) => !has(name, status)).map((status) => `${name} ${status}`);
      });
    while (missing().length > 0 && Date.now() < deadline) {
      if (!(await tellAll(server.url))) throw new Error(`the program ended by itself: ${server.output()}`);
      await pause(250);
    }
    if (missing().length > 0) throw new Error(`lost: ${missing().join(', ')}\n${server.output()}`);
    // Time for what would come too much.
    await pause(3_000);
    const doubled = [...came].filter(([, those]) => those.size > 1);
    if (doubled.length > 0) {
      const shown = doubled.map(([what, those]) => `${what}: ${[...those].join(', ')}`);
      throw new Error(`came under more than one key:\n${shown.join('\n')}`);
    }
    const repeats = [...keys.values()].reduce((sum, times) => sum + times - 1, 0);
    return { alerts: fired.length, messages: keys.size, repeats, refused };
  } finally {
    sink.closeAllConnections();
    await new Promise((resolve) => sink.close(resolve));
    await rm(folder, { recursive: true, force: true });
  }
}

function settingsText(port: number): string {
  return `kubernetes: off
alerting:
  receivers:
    - name: sink
      webhookConfigs: [{url: 'http://127.0.0.1:${port}/', maxPerMinute: 100000}]
  route:
    {receiver: sink, groupBy: ['...'], groupWait: 0s, groupInterval: 500ms, repeatInterval: 1d}
  flapping: {starts: off}
`;
}
