import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FieldType, InfluxDB } from 'influx';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServeProcess, startServe } from './serve-process.ts';

const data = mkdtempSync(join(tmpdir(), 'foresail-influx-'));
let server: ServeProcess;
let influx: InfluxDB;

beforeAll(async () => {
  server = await startServe(data);
  influx = clientOf(server);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(data, { recursive: true });
});

function clientOf({ url }: ServeProcess): InfluxDB {
  const { hostname, port } = new URL(url);
  const fields = { p50: FieldType.FLOAT, count: FieldType.INTEGER, ok: FieldType.BOOLEAN, note: FieldType.STRING };
  const schema = [{ measurement: 'response.time', fields, tags: ['host'] }];
  return new InfluxDB({
    host: hostname,
    port: Number(port),
    database: 'shop',
    username: 'any',
    password: 'thing',
    schema,
  });
}

async function values(query: string): Promise<readonly { readonly metric: object; readonly value: number }[]> {
  const response = await fetch(`${server.url}/api/v1/query?query=${encodeURIComponent(query)}`);
  const { data: answer } = (await response.json()) as {
    data: { result: { metric: object; value: [number, string] }[] };
  };
  return answer.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

test('the influx client finds its server, and makes its database', async () => {
  expect(await influx.ping(240_000)).toMatchObject([{ online: true, version: '1.8-foresail' }]);
  await influx.createDatabase('shop');
  expect(await influx.getDatabaseNames()).toEqual([]);
});

test('what the influx client writes is there to be queried, after kill -9 too', async () => {
  const timestamp = new Date();
  await influx.writePoints([
    {
      measurement: 'response.time',
      tags: { host: 'a b,c=d' },
      fields: { p50: 0.25, count: 7, ok: true, note: 'a "text"' },
      timestamp,
    },
  ]);
  const labels = { db: 'shop', host: 'a b,c=d' };
  for (let life = 0; life < 2; life++) {
    for (const [field, value] of [
      ['p50', 0.25],
      ['count', 7],
      ['ok', 1],
    ] as const) {
      const name = `response.time_${field}`;
      expect(await values(`{"${name}"}`)).toEqual([{ metric: { __name__: name, ...labels }, value }]);
    }
    await server.kill();
    server = await startServe(data);
  }
});

test('the influx client is told of what is wrong', async () => {
  influx = clientOf(server);
  const fields = { p50: 1 };
  const late = new Date(Date.now() + 3_600_000);
  await expect(influx.writePoints([{ measurement: 'response.time', fields, timestamp: late }])).rejects.toThrow(
    /too far in the future/,
  );
  await expect(influx.query('select * from "response.time"')).rejects.toThrow(/ask in PromQL/);
});
