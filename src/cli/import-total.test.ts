import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { importLines } from '../ingest/import.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openImport } from './import-total.ts';

test('lines behind too many that cannot be used are sent again', async () => {
  const stored: string[] = [];
  const server = createServer(async (request, response) => {
    const data = await importLines(createInterface(request), {
      async backfill(runs) {
        stored.push(...runs.map(({ labels }) => labels[0]![1]));
        return { appended: runs.length, duplicates: 0, conflicts: 0, outOfBounds: 0 };
      },
    });
    response.writeHead(400).end(JSON.stringify({ data, error: 'cannot use line 1' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
  const exitCode = process.exitCode;
  try {
    const pace = { clock: simClock(0), signal: new AbortController().signal, random: () => 0, rate: undefined };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const total = openImport({ url, json: true }, pace);
    const good = (name: string) => `{"metric":{"__name__":"${name}"},"values":[1],"timestamps":[1700000000000]}`;
    const bad = Array.from({ length: 2_500 }, () => '{"metric":{}}');
    await total.send([good('a'), ...bad, good('b')], 2);
    total.finish();
    expect(stored).toEqual(['a', 'b']);
    expect(JSON.parse(printed.mock.calls[0]![0] as string)).toMatchObject({ appended: 2, badLines: 2_500 });
  } finally {
    process.exitCode = exitCode;
    printed.mockRestore();
    server.closeAllConnections();
    server.close();
  }
});
