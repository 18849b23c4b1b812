import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DAY, HOUR } from '../model/time.ts';
import { simulateCommand } from './simulate.ts';
import { UsageError } from './usage-error.ts';

const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  demand: {query: 'sum(rate(x[2m]))', capacity: {perReplica: 10}}
  replicas: {min: 1, max: 60}
`;
const START = 1_772_323_200;
const STEP = 300;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-simulate-'));
  const rows = Array.from({ length: (6 * 86_400) / STEP }, (_, i) => {
    const wave = Math.sin((2 * Math.PI * i * STEP * 1000) / DAY);
    return `${START + i * STEP},${(100 + 80 * wave + 5 * Math.sin(i)).toFixed(3)}`;
  });
  writeFileSync(join(folder, 'trace.csv.gz'), gzipSync(['timestamp,value', ...rows].join('\n')));
  writeFileSync(join(folder, 'policy.yaml'), POLICY);
  writeFileSync(join(folder, 'broken.yaml'), POLICY.replace('replicas', 'replica'));
  writeFileSync(join(folder, 'two.csv'), 'series,timestamp,value\na,1,1\nb,2,2\n');
  writeFileSync(join(folder, 'negative.csv'), 'timestamp,value\n1,1\n2,-2\n3,1\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the command and gives what it printed. */
async function run(...flags: readonly string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  simulateCommand(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await program.parseAsync(['node', 'foresail', 'simulate', ...flags]);
    return log.mock.calls.map((call) => call.join(' ')).join('\n');
  } finally {
    log.mockRestore();
  }
}

const file = (name: string) => join(folder, name);
const usual = () => ['--trace', file('trace.csv.gz'), '--policy', file('policy.yaml')];

describe('foresail simulate', () => {
  test('prints a table, and writes decisions and pictures', async () => {
    const out = await run(
      ...usual(),
      ...['--against', 'yesterday,oracle', '--from', String(START + 5 * 86_400)],
      ...['--decisions', file('d.jsonl'), '--svg', file('p.svg'), '--report', file('r.html'), '--seed', '1'],
    );
    const strategies = out
      .split('\n')
      .slice(3)
      .map((line) => line.split(' ')[0]);
    expect(strategies).toEqual(['reactive', 'yesterday', 'foresail', 'oracle']);
    const rows = readFileSync(file('d.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows[0]).toMatchObject({ t: START + 5 * 86_400, max: 60, reason: expect.any(String) });
    expect(readFileSync(file('p.svg'), 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(readFileSync(file('r.html'), 'utf8')).toContain('over capacity');
  });

  test('--json, and the last three days where --from is not given', async () => {
    const report = JSON.parse(await run(...usual(), '--json', '--against', 'reactive'));
    expect(report).toMatchObject({ startUpMs: 180_000, metricLagMs: 60_000, hpaTarget: 0.7, perReplica: 10 });
    expect(Date.parse(report.to) - Date.parse(report.from)).toBe(72 * HOUR);
    expect(report.results.map(({ strategy }: { strategy: string }) => strategy)).toEqual(['reactive', 'foresail']);
  });

  test.each([
    { name: 'a broken policy', flags: ['--policy', 'broken.yaml'], says: 'broken.yaml:5:1: spec.replicas' },
    { name: 'a policy that is not there', flags: ['--policy', 'none.yaml'], says: 'cannot read' },
    { name: 'two series', flags: ['--trace', 'two.csv'], says: 'expected one series, got 2' },
    { name: 'a negative demand', flags: ['--trace', 'negative.csv'], says: 'zero or more' },
  ])('$name is wrong usage', async ({ flags: [flag, name], says }) => {
    const wrong = run(...usual(), flag!, file(name!));
    await expect(wrong).rejects.toThrow(UsageError);
    await expect(run(...usual(), flag!, file(name!))).rejects.toThrow(says);
  });

  test.each([
    { flags: ['--from', '2001-01-01'], says: 'expected a time within the trace' },
    { flags: ['--hpa-target', '70'], says: 'expected a ratio' },
    { flags: ['--start-up', 'soon'], says: 'not a duration' },
    { flags: ['--against', 'luck'], says: 'expected some of reactive' },
  ])('$flags is wrong usage', async ({ flags, says }) => {
    await expect(run(...usual(), ...flags)).rejects.toThrow(says);
  });
});
