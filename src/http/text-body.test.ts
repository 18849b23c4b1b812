import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { TenantId } from '../model/tenant.ts';
import { serve } from '../testing/http-deps.ts';

const MIB = 1 << 20;

/** Sends a body, and tells what was answered and whose turns were waited for before more of it was thrown away. */
async function send(path: string, body: Buffer, headers: Record<string, string | number>) {
  const turns: (TenantId | undefined)[] = [];
  const server = await serve({
    beforeDiscard: async (tenant) => void turns.push(tenant),
    callers: { tenancyOn: true, tokens: [] },
  });
  try {
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request(`${server.url}${path}`, { method: 'POST', headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      sent.on('error', reject).end(body);
    });
    return { status, code: JSON.parse(text).code, turns: turns.length, whose: [...new Set(turns)] };
  } finally {
    await server.close();
  }
}

const OWN = { 'x-scope-orgid': 'acme' };

test.each([
  {
    name: 'a length says that it is',
    headers: { ...OWN, 'content-length': 4 * MIB },
    body: Buffer.alloc(4 * MIB, 'a'),
  },
  { name: 'it has no length', headers: { ...OWN, 'transfer-encoding': 'chunked' }, body: Buffer.alloc(4 * MIB, 'a') },
])('a body that is too long is thrown away in turns of its tenant where $name', async ({ headers, body }) => {
  const { turns, ...rest } = await send('/api/v1/query', body, headers);
  expect(rest).toEqual({ status: 413, code: 'request_too_large', whose: ['acme'] });
  expect(turns).toBeGreaterThan(20);
  expect(turns).toBeLessThanOrEqual(32);
});

test('so is one that nobody reads, and where nobody knows whose it is', async () => {
  const body = Buffer.alloc(2 * MIB, 'a');
  const { turns, ...rest } = await send('/nothing/here', body, {});
  expect(rest).toEqual({ status: 404, code: 'not_found', whose: [undefined] });
  expect(turns).toBeGreaterThan(8);
});

test('a packed body may be a little longer than the most that it may hold, and no more than that comes out', async () => {
  const query = (length: number) => Buffer.from(`query=${encodeURIComponent(`1 # ${'ab'.repeat(length / 2)}`)}`);
  const headers = { ...OWN, 'content-type': 'application/x-www-form-urlencoded', 'content-encoding': 'gzip' };
  const stored = gzipSync(query(65_520), { level: 0 });
  expect(stored.length).toBeGreaterThan(64 * 1024);
  expect(await send('/api/v1/format_query', stored, headers)).toMatchObject({ status: 200, turns: 0 });
  expect(await send('/api/v1/format_query', gzipSync(query(70_000)), headers)).toMatchObject({ status: 413 });
});
