import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DAY } from '../model/time.ts';
import type { StrategyResult } from '../scaling/simulate.ts';
import type { TuneReport } from '../scaling/tune.ts';
import { simulateCommand } from './simulate.ts';
import { tuneCommand } from './tune.ts';
import { changedLines, verdictOf } from './tune-report.ts';
import { UsageError } from './usage-error.ts';

const DOCUMENT = {
  apiVersion: 'foresail.dev/v1alpha1',
  kind: 'ScalingPolicy',
  metadata: { name: 'checkout', namespace: 'shop' },
  spec: {
    target: { name: 'checkout' },
    demand: { query: 'sum(rate(x[2m]))', step: '10m', history: '1d', capacity: { perReplica: 10 } },
    replicas: { min: 1, max: 60 },
    safety: { minHistory: '12h' },
  },
};
const START = 1_772_323_200;
const demandAt = (t: number) => 100 + 80 * Math.sin((2 * Math.PI * t * 1000) / DAY) + 5 * Math.sin(t);

let folder = '';
const file = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-tune-'));
  const rows = Array.from({ length: 230 }, (_, i) => `${START + i * 600},${demandAt(i * 600).toFixed(3)}`);
  writeFileSync(file('trace.csv'), ['timestamp,value', ...rows].join('\n'));
  writeFileSync(file('policy.yaml'), JSON.stringify(DOCUMENT));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...line: readonly string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  simulateCommand(program);
  tuneCommand(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await program.parseAsync(['node', 'foresail', ...line]);
    return log.mock.calls.map((call) => call.join(' ')).join('\n');
  } finally {
    log.mockRestore();
  }
}

test('foresail tune reports on the part after the one it chose on, and draws cost against risk', async () => {
  const usual = ['--trace', file('trace.csv'), '--policy', file('policy.yaml'), '--start-up', 'p50=60s,p95=3m'];
  const report = JSON.parse(await run('tune', ...usual, '--json', '--report', file('tune.html')));
  expect(report.fit.to).toBe(report.rest.from);
  expect(report.tried.length).toBeGreaterThan(20);
  expect(Object.keys(report.onRest)).toEqual(['reactive', 'present', 'chosen', 'oracle']);
  expect(report.present).toMatchObject({ quantile: 0.95, holdDownMs: 180_000 });
  const page = readFileSync(file('tune.html'), 'utf8');
  expect(page).toContain('Cost against risk');
  expect(page.match(/<svg/g)).toHaveLength(4);
});

describe('what a demand trace comes from', () => {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      // A connection that stays open would be closed while the simulation holds the thread.
      response.setHeader('connection', 'close');
      response.setHeader('content-type', 'application/json');
      if (request.url === '/api/v1/policies/shop/checkout') {
        response.end(JSON.stringify({ status: 'success', data: { source: 'api', policy: DOCUMENT } }));
        return;
      }
      const asked = new URLSearchParams(body);
      asks.push(asked);
      const [start, end, step] = ['start', 'end', 'step'].map((key) => Number(asked.get(key))) as [
        number,
        number,
        number,
      ];
      const values = Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, i): [number, string] => [
        start + i * step,
        `${demandAt(start + i * step) / 2}`,
      ]);
      const result = ['a', 'b'].map((pod) => ({ metric: { pod }, values }));
      response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } }));
    });
  });
  const asks: URLSearchParams[] = [];
  let url = '';
  beforeAll(async () => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test("a server's own policy, over its own demand and history: its series are summed", async () => {
    const line = ['--server', url, '--policy', 'shop/checkout', '--against', 'reactive', '--json'];
    const report = JSON.parse(await run('simulate', ...line));
    expect(asks.at(-1)!.get('query')).toBe('sum(rate(x[2m]))');
    expect(Number(asks.at(-1)!.get('end')) - Number(asks.at(-1)!.get('start'))).toBe(86_400);
    expect(report.results[0].podHours).toBeGreaterThan(50);
  });

  test('another query of a server, more of it than one answer holds', async () => {
    asks.length = 0;
    const from = `${Math.floor(Date.now() / 1000) - 7200}`;
    const line = [
      '--server',
      url,
      '--query',
      'up',
      '--history',
      '80d',
      '--policy',
      file('policy.yaml'),
      '--from',
      from,
    ];
    await run('simulate', ...line, '--against', 'reactive', '--json');
    expect(asks.map((asked) => asked.get('query'))).toEqual(['up', 'up']);
  });

  test.each([
    { name: 'neither', flags: [], says: 'expected one of --trace FILE and --server URL' },
    { name: 'both', flags: ['--trace', 'x.csv', '--server', 'http://x'], says: 'expected one of --trace' },
    { name: 'a query of a file', flags: ['--trace', 'x.csv', '--query', 'up'], says: '--query asks a server' },
    { name: 'a varying time that is none', flags: ['--start-up', '3m..1m'], says: 'its end is before its start' },
  ])('$name is wrong usage', async ({ flags, says }) => {
    await expect(run('simulate', '--policy', file('policy.yaml'), ...flags)).rejects.toThrow(says);
  });

  test('a trace that is too short to tune on is wrong usage', async () => {
    writeFileSync(file('short.csv'), `timestamp,value\n${START},1\n${START + 3600},2\n`);
    const wrong = run('tune', '--trace', file('short.csv'), '--policy', file('policy.yaml'));
    await expect(wrong).rejects.toThrow(UsageError);
  });
});

describe('what tune says of its choice', () => {
  const present = { quantile: 0.95, upRatioPerMinute: 0.5, downRatioPerMinute: 0.1, holdDownMs: 600_000 };
  const result = (overCapacity: number, podHours: number) => ({ overCapacity, podHours }) as StrategyResult;
  const reportOf = (change: object, rest: StrategyResult) =>
    ({
      present,
      chosen: { ...present, ...change },
      overCapacity: 0.001,
      onFit: { chosen: result(0, 90) },
      onRest: { present: result(0.001, 100), chosen: rest },
    }) as unknown as TuneReport;

  test('the lines of the policy that change', () => {
    const change = { quantile: 0.9, holdDownMs: 300_000, upRatioPerMinute: 1 };
    expect(changedLines(reportOf(change, result(0, 90)))).toEqual([
      'spec:',
      '  forecast:',
      '    quantile: 0.9  # was 0.95',
      '  ramp:',
      '    maxUpPerMinute: 100%  # was 50%',
      '    holdDown: 5m  # was 10m',
    ]);
    expect(changedLines(reportOf({}, result(0, 90)))).toEqual([]);
  });

  test.each([
    { name: 'nothing better', change: {}, rest: result(0.001, 100), says: 'as good as any that was tried' },
    {
      name: 'a gain',
      change: { quantile: 0.9 },
      rest: result(0.0005, 90),
      says: '-0.05 points of the time over capacity and -10.00 % of pod-hours',
    },
    { name: 'no gain', change: { quantile: 0.9 }, rest: result(0.002, 101), says: 'keep the policy as it is' },
  ])('$name', ({ change, rest, says }) => {
    expect(verdictOf(reportOf(change, rest))).toContain(says);
  });
});
