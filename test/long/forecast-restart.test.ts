import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startDailyPolicy } from '../daily-policy.ts';
import { type ServeProcess, startServe } from '../serve-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'foresail-restart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('forecasters are taken up after a restart, without a fit, and a termination waits for no thread', async () => {
  await using first = await startServe(folder);
  await startDailyPolicy(first, 3);
  await expect.poll(() => learnt(first), { timeout: 240_000, interval: 250 }).toEqual({ 'cold start': 1 });
  first.process.kill('SIGTERM');
  expect(await once(first.process, 'exit')).toEqual([0, null]);

  await using second = await startServe(folder);
  await expect.poll(() => learnt(second), { timeout: 240_000, interval: 250 }).toEqual({ 'restored start': 1 });
  await second.kill();
});

/** How often forecasters learnt, by how and why. */
async function learnt(server: ServeProcess): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const lines = metrics.matchAll(/^foresail_forecast_refits_total\{how="([\w-]+)",reason="([\w-]+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, how, reason, count]) => [`${how} ${reason}`, Number(count)]));
}
