import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningProgram, startProgram } from './program.ts';

const MAIN = join(import.meta.dirname, '..', 'dist', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'foresail-import-'));
const START = Math.floor(Date.now() / 60_000) * 60 - 6 * 3600;

/** Runs the command line, whatever its exit code. */
function foresail(...words: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...words], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), out: stdout + stderr });
    });
  });
}

async function ask(server: RunningProgram, query: string): Promise<unknown> {
  const response = await fetch(
    `${server.url}/api/v1/query?${new URLSearchParams({ query, time: `${START + 5 * 3600}` })}`,
  );
  return ((await response.json()) as { data: { result: unknown } }).data.result;
}

let from: RunningProgram;
let to: RunningProgram;
beforeAll(async () => {
  [from, to] = await Promise.all([startProgram(), startProgram()]);
});
afterAll(async () => {
  await Promise.all([from[Symbol.asyncDispose](), to[Symbol.asyncDispose]()]);
  rmSync(folder, { recursive: true, force: true });
});

describe('foresail import', () => {
  const csv = join(folder, 'demand.csv');
  const importCsv = () =>
    foresail('import', 'csv', '--input', csv, '--metric', 'demand', '--label', 'app=shop', '--url', from.url, '--json');

  test('csv stores every row that has a value, and doing it again changes nothing', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => `a,${START + i * 60},${i === 7 ? '' : Math.sin(i)}`);
    writeFileSync(csv, ['series,timestamp,value', ...rows, `b,${START},-0`, `b,${START + 60},+Inf`].join('\n'));
    expect(JSON.parse((await importCsv()).out)).toMatchObject({ appended: 300, duplicates: 0, gaps: 2, error: null });
    expect(JSON.parse((await importCsv()).out)).toMatchObject({ appended: 0, duplicates: 300, error: null });
    expect(await ask(from, 'count_over_time(demand{app="shop"}[6h])')).toMatchObject([
      { metric: { app: 'shop', series: 'a' }, value: [expect.anything(), '299'] },
      { metric: { app: 'shop', series: 'b' } },
    ]);
  });

  test('prometheus copies samples bit by bit from a server with its HTTP API', async () => {
    const words = ['--from', from.url, '--match', 'demand', '--start', '1d', '--url', to.url, '--json'];
    const first = await foresail('import', 'prometheus', ...words);
    expect({ code: first.code, ...JSON.parse(first.out) }).toMatchObject({ code: 0, appended: 300 });
    expect(JSON.parse((await foresail('import', 'prometheus', ...words)).out)).toMatchObject({ duplicates: 300 });
    expect(await ask(to, 'demand[6h]')).toEqual(await ask(from, 'demand[6h]'));
  });

  test.each([
    {
      name: 'no server',
      words: ['csv', '--input', csv, '--metric', 'm', '--url', 'http://127.0.0.1:1'],
      code: 1,
      out: /nothing listens there|bad port/,
    },
    {
      name: 'a file that is not there',
      words: ['csv', '--input', 'none.csv', '--metric', 'm'],
      code: 2,
      out: /none\.csv/,
    },
    {
      name: 'a label without a value',
      words: ['csv', '--input', csv, '--metric', 'm', '--label', 'app'],
      code: 2,
      out: /NAME=VALUE/,
    },
    {
      name: 'a time that is none',
      words: ['prometheus', '--from', 'http://127.0.0.1:1', '--match', 'up', '--start', 'noon'],
      code: 2,
      out: /--start/,
    },
  ])('says what to change: $name', async ({ words, code, out }) => {
    const answer = await foresail('import', ...words);
    expect(answer).toMatchObject({ code });
    expect(answer.out).toMatch(out);
    expect(answer.out.trim().split('\n')).toHaveLength(1);
  });

  test('the route stores good lines and answers 400 with the number of a bad one', async () => {
    const body = `{"metric":{"__name__":"ok"},"values":[1],"timestamps":[${START * 1000}]}\nnonsense\n`;
    const response = await fetch(`${from.url}/api/v1/import`, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      status: 'error',
      data: { appended: 1, badLines: 1, errors: [{ line: 2 }] },
    });
  });
});
