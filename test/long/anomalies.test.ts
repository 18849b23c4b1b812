import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../program.ts';

/** The watch for anomalies, by the real program: a past, a rush, `kill -9` in the middle of it, and what people say of it. */

const SETTINGS = `
anomalies:
  watches:
    - {name: shop, query: 'orders{app=~".+"}', step: 1s, history: 10m, group: [region], holdOff: 1s, endAfter: 3}
`;
const APPS = ['pay', 'search'];
const HISTORY_S = 600;

let folder: string;
let flags: readonly string[];
const running: RunningProgram[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-anomalies-'));
  writeFileSync(join(folder, 'foresail.yaml'), SETTINGS);
  flags = ['--data', join(folder, 'data'), '--config', join(folder, 'foresail.yaml')];
});
afterAll(async () => {
  for (const program of running) await program[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function start(...of: readonly string[]): Promise<RunningProgram> {
  const program = await startProgram(of);
  running.push(program);
  return program;
}

/** @param times Of the sample of each second; `rushing` apps have fifty times their value. */
async function write({ url }: RunningProgram, seconds: readonly number[], rushing: readonly string[] = []) {
  const series = APPS.map((app) => ({
    labels: [
      ['__name__', 'orders'],
      ['app', app],
      ['region', 'eu'],
    ] as const,
    times: seconds.map((second) => second * 1000),
    values: Float64Array.from(seconds, (second) => {
      const usual = 100 + 10 * Math.sin(second / 7) + 3 * Math.sin(second * 12.9898);
      return rushing.includes(app) ? 50 * usual : usual;
    }),
  }));
  const answer = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    body: new Uint8Array(encodeSnappy(encodeWriteRequest(series))),
    headers: { 'content-encoding': 'snappy' },
  });
  expect(answer.status).toBe(204);
}

async function ask<T>({ url }: RunningProgram, path: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(`${url}${path}`, init);
  expect(answer.status, path).toBe(200);
  return ((await answer.json()) as { data: T }).data;
}

interface Row {
  readonly id: string;
  readonly labels: Record<string, string>;
  readonly state: string;
  readonly startedAt: number;
  readonly incident: string;
  readonly peak: { readonly at: number; readonly value: number; readonly direction: string };
  readonly feedback: { readonly verdict: string; readonly who: string } | null;
}

const now = () => Math.floor(Date.now() / 1000);

/** Sends a sample a second until what is asked for is there. */
async function until<T>(
  program: RunningProgram,
  rushing: readonly string[],
  look: () => Promise<T | undefined>,
): Promise<T> {
  let last = now();
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
    const second = now();
    if (second > last) await write(program, [second], rushing);
    last = second;
  }
  const known = await Promise.all(['/api/v1/anomalies', '/api/v1/watches'].map((path) => ask<unknown>(program, path)));
  throw new Error(`what was waited for did not come:\n${program.output()}\n${JSON.stringify(known, null, 1)}`);
}

test('a rush is one incident, over a kill -9, in series that can be asked for, until somebody calls it normal', async () => {
  const first = await start(...flags.slice(0, 2));
  const began = now();
  await write(
    first,
    Array.from({ length: HISTORY_S }, (_, i) => began - HISTORY_S + i),
  );
  process.kill(first.pid, 'SIGKILL');

  const second = await start(...flags);
  const list = async (program: RunningProgram, more = '') =>
    await ask<readonly Row[]>(program, `/api/v1/anomalies?watch=shop${more}`);
  const ready = async () => {
    const [watch] = await ask<readonly { state: string; series: number; lastPassAt: number | null }[]>(
      second,
      '/api/v1/watches',
    );
    return watch?.lastPassAt != null ? watch : undefined;
  };
  expect(await until(second, [], ready)).toMatchObject({ state: 'ready', series: 2 });

  const opened = await until(second, APPS, async () => {
    const found = await list(second, '&state=open');
    return found.length === 2 ? found : undefined;
  });
  expect(opened.map(({ labels }) => labels['app']).sort()).toEqual(APPS);
  expect(new Set(opened.map(({ incident }) => incident)).size).toBe(1);
  expect(opened[0]!.peak.direction).toBe('up');
  expect(opened[0]!.peak.value).toBeGreaterThan(3000);
  // Both are of one group: one alert.
  const alerts = await until(second, APPS, async () => {
    const answer = await fetch(`${second.url}/api/v2/alerts`);
    const all = (await answer.json()) as { labels: Record<string, string>; annotations: Record<string, string> }[];
    const found = all.filter(({ labels }) => labels['alertname'] === 'ForesailAnomaly');
    return found.length > 0 ? found : undefined;
  });
  expect(alerts).toHaveLength(1);
  expect(alerts[0]).toMatchObject({
    labels: { severity: 'critical', watch: 'shop', region: 'eu' },
    annotations: {
      picture: expect.stringContaining('/picture.svg'),
      runbook_url: expect.stringContaining('foresailanomaly'),
    },
  });
  process.kill(second.pid, 'SIGKILL');

  const third = await start(...flags);
  const ended = await until(third, [], async () => {
    const found = await list(third);
    return found.length > 0 && found.every(({ state }) => state === 'ended') ? found : undefined;
  });
  expect(ended.map(({ id }) => id).sort()).toEqual(opened.map(({ id }) => id).sort());

  const id = ended.find(({ labels }) => labels['app'] === 'pay')!.id;
  const record = await ask<{ group: { members: readonly unknown[] } | null }>(third, `/api/v1/anomalies/${id}`);
  expect(record.group?.members).toHaveLength(2);
  const query = encodeURIComponent('max_over_time({__name__="shop:anomalous",app="pay"}[5m])');
  const anomalous = await ask<{ result: readonly { value: [number, string] }[] }>(
    third,
    `/api/v1/query?query=${query}`,
  );
  expect(anomalous.result[0]?.value[1]).toBe('1');
  // One verdict a second, none left out while it did not run.
  const counted = encodeURIComponent(`{__name__=~"shop:(anomaly_score|expected|lower|upper)",app="pay"}[5m]`);
  const scores = await ask<{ result: readonly { values: readonly [number, string][] }[] }>(
    third,
    `/api/v1/query?query=${counted}`,
  );
  expect(scores.result).toHaveLength(4);
  for (const { values } of scores.result) {
    expect(values.length).toBe(values.at(-1)![0] - values[0]![0] + 1);
  }

  const picture = await fetch(`${third.url}/api/v1/anomalies/${id}/picture.svg`);
  expect(picture.headers.get('content-type')).toContain('image/svg+xml');
  expect(await picture.text()).toContain('<path class="line past');

  const said = await ask<Row>(third, `/api/v1/anomalies/${id}/feedback`, {
    method: 'POST',
    body: JSON.stringify({ verdict: 'normal', note: 'sale', who: 'ada' }),
    headers: { 'content-type': 'application/json' },
  });
  expect(said.feedback).toMatchObject({ verdict: 'normal', who: 'ada' });
  // What was learnt is kept at once.
  process.kill(third.pid, 'SIGKILL');
  const fourth = await start(...flags);
  expect((await ask<Row>(fourth, `/api/v1/anomalies/${id}`)).feedback?.verdict).toBe('normal');
}, 300_000);

test('POST /api/v1/detect scores rows by those before them alone, as CSV and as JSON, and as the command does', async () => {
  const program = await start();
  const rows = Array.from({ length: 300 }, (_, i) => {
    const value = 100 + 10 * Math.sin(i / 7) + (i === 250 ? 500 : 0);
    return { timestamp: 1_785_751_200 + 60 * i, value };
  });
  const post = async (body: string, type: string) =>
    await ask<readonly { score: number; anomaly: boolean; learning: boolean }[]>(program, '/api/v1/detect', {
      method: 'POST',
      body,
      headers: { 'content-type': type },
    });
  const csv = ['timestamp,value', ...rows.map(({ timestamp, value }) => `${timestamp},${value}`)].join('\n');
  const whole = await post(csv, 'text/csv');
  expect(whole.flatMap(({ anomaly }, i) => (anomaly ? [i] : []))).toEqual([250]);
  expect(whole[10]!.learning).toBe(true);
  expect(await post(JSON.stringify({ rows }), 'application/json')).toEqual(whole);
  expect(await post(JSON.stringify({ rows: rows.slice(0, 260) }), 'application/json')).toEqual(whole.slice(0, 260));

  const refused = await fetch(`${program.url}/api/v1/detect`, { method: 'POST', body: 'timestamp,value\n1,x\n' });
  expect(refused.status).toBe(400);
  expect(await refused.text()).toContain('line 2');

  writeFileSync(join(folder, 'rows.csv'), csv);
  const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
  const picture = join(folder, 'scores.svg');
  const words = [main, 'detect', '--json', '--input', join(folder, 'rows.csv'), '--picture', picture];
  const lines = execFileSync(process.execPath, words, { encoding: 'utf8' }).trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { score: number }).score)).toEqual(whole.map(({ score }) => score));
  expect(readFileSync(picture, 'utf8')).toContain('1 anomaly');
});
