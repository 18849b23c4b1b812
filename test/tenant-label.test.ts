import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from './program.ts';

/** Series that go to the tenant that their label names, by the real program, with credentials. */

const SETTINGS = `
tenancy: {mode: on, from: {label: team, keep: false}}
tenantLimits: {tenants: {full: {max_global_series_per_user: 1}, slow: {ingestion_rate: 0.1, ingestion_burst_size: 1}}}
authentication:
  tokens:
    - {name: collector, file: any, tenant: infra, role: writer, writes: any}
    - {name: acme, file: acme, tenant: acme, role: writer}
    - {name: other, file: other, tenant: other, role: writer}
`;

let folder: string;
let program: RunningProgram;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-label-'));
  for (const token of ['any', 'acme', 'other']) writeFileSync(join(folder, token), `token-${token}`);
  writeFileSync(join(folder, 'foresail.yaml'), SETTINGS);
  program = await startProgram(['--config', join(folder, 'foresail.yaml')]);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function write(token: string, series: readonly Record<string, string>[]) {
  const sent = series.map((labels) => {
    return { labels: Object.entries(labels).sort(), times: [Date.now()], values: Float64Array.of(1) };
  });
  const answer = await fetch(`${program.url}/api/v1/write`, {
    method: 'POST',
    body: new Uint8Array(encodeSnappy(encodeWriteRequest(sent))),
    headers: { authorization: `Bearer token-${token}`, 'content-encoding': 'snappy' },
  });
  return { status: answer.status, text: await answer.text(), retryAfter: answer.headers.get('retry-after') };
}

async function seriesOf(token: string): Promise<Record<string, string>[]> {
  const address = `${program.url}/api/v1/series?match[]=${encodeURIComponent('{__name__=~".+"}')}`;
  const answer = await fetch(address, { headers: { authorization: `Bearer token-${token}` } });
  return ((await answer.json()) as { data: Record<string, string>[] }).data;
}

test('a collector reaches every tenant, by the label alone', async () => {
  const sent = [{ __name__: 'm', team: 'acme' }, { __name__: 'm', team: 'other' }, { __name__: 'm' }];
  expect((await write('any', sent)).status).toBe(204);
  expect(await seriesOf('acme')).toEqual([{ __name__: 'm' }]);
  expect(await seriesOf('other')).toEqual([{ __name__: 'm' }]);
  expect(await seriesOf('any')).toEqual([{ __name__: 'm' }]);
});

test('a credential of one tenant reaches no other, and its own series are kept', async () => {
  const refused = await write('acme', [
    { __name__: 'mine', team: 'acme' },
    { __name__: 'theirs', team: 'other' },
  ]);
  expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('err-foresail-other-tenant') });
  expect(refused.text).toContain('1 samples were not stored, 1 were');
  expect((await seriesOf('acme')).map((labels) => labels['__name__'])).toContain('mine');
  expect((await seriesOf('other')).map((labels) => labels['__name__'])).not.toContain('theirs');
  expect((await write('nobody', [{ __name__: 'm', team: 'acme' }])).status).toBe(401);
});

test('limits are those of the tenant that the label names', async () => {
  const full = await write(
    'any',
    ['a', 'b'].map((__name__) => ({ __name__, team: 'full' })),
  );
  expect(full).toMatchObject({ status: 400, text: expect.stringContaining('err-mimir-max-series-per-user') });
  const slow = await write('any', [
    ...['a', 'b'].map((__name__) => ({ __name__, team: 'slow' })),
    { __name__: 'beside', team: 'acme' },
  ]);
  expect(slow).toMatchObject({ status: 429, text: expect.stringContaining('err-mimir-tenant-max-ingestion-rate') });
  expect(Number(slow.retryAfter)).toBeGreaterThan(1);
  expect((await seriesOf('acme')).map((labels) => labels['__name__'])).toContain('beside');
});
