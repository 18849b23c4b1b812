import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { remoteWriteTo } from './victoria-metrics.ts';

const STEP = 15_000;
const NOW = Math.floor(Date.now() / STEP) * STEP;

/** `promtool query` against the real program: what a person types who knows Prometheus. */
describe('promtool query', () => {
  let promtool: string | undefined;
  let program: RunningProgram;

  beforeAll(async () => {
    if (!existsSync('../shared/bin/install') || !existsSync('dist/main.js')) return;
    const { stdout } = await promisify(execFile)(resolve('../shared/bin/install'));
    promtool = join(stdout.trim(), 'promtool');
    program = await startProgram();
    const times = Array.from({ length: 40 }, (_, k) => NOW - (39 - k) * STEP);
    const classic = ['0.1', '1', '+Inf'].map((le, i) => ({
      labels: labelsOf({ __name__: 'latency_seconds_bucket', le, instance: 'a', job: 'api' }),
      times,
      values: Float64Array.from(times, (_, k) => k * (i + 1) * 10),
    }));
    const up = { labels: labelsOf({ __name__: 'up', job: 'api' }), times, values: new Float64Array(40).fill(1) };
    expect(await remoteWriteTo(`${program.url}/api/v1/write`, [up, ...classic])).toBe(204);
  }, 240_000);
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
  });
  beforeEach(({ skip }) => {
    if (promtool === undefined) skip('there is no promtool of today: ../shared/bin is not here, or dist is not built');
  });

  const run = async (...words: readonly string[]) =>
    (await promisify(execFile)(promtool!, ['query', ...words], { encoding: 'utf8' })).stdout.trim();
  const at = (ms: number) => String(ms / 1000);

  test('instant', async () => {
    expect(await run('instant', '--time', at(NOW), program.url, 'up')).toBe(`up{job="api"} => 1 @[${at(NOW)}]`);
  });

  test('range', async () => {
    const words = ['--start', at(NOW - 60_000), '--end', at(NOW), '--step', '30s'];
    expect((await run('range', ...words, program.url, 'sum(up)')).split('\n')).toEqual([
      '{} =>',
      ...[60, 30, 0].map((ago) => `1 @[${at(NOW - ago * 1000)}]`),
    ]);
  });

  test('series and labels', async () => {
    const words = ['--start', at(NOW - 600_000), '--end', at(NOW)];
    expect(await run('series', ...words, '--match', 'up', program.url)).toBe('{__name__="up", job="api"}');
    expect(await run('labels', ...words, program.url, 'le')).toBe('+Inf\n0.1\n1');
  });

  test('analyze', async () => {
    const words = ['--server', program.url, '--type', 'histogram', '--time', at(NOW), '--duration', '5m'];
    const out = await run('analyze', ...words, '--match', 'latency_seconds_bucket');
    expect(out).toMatch(/minBuckets|bucket/i);
  });
});
