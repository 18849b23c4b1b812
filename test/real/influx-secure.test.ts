import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDurableOutbox } from '../../src/backends/durable-outbox.ts';
import type { EngineStorage } from '../../src/backends/engine-storage.ts';
import { openInflux } from '../../src/backends/influx/open-influx.ts';
import { letterOf } from '../../src/backends/letter.ts';
import { labelsOf } from '../../src/model/labels.ts';
import { decodeSamples } from '../../src/model/series.ts';
import { DEFAULT_TENANT } from '../../src/model/tenant.ts';
import { MINUTE, SECOND } from '../../src/model/time.ts';
import { evaluatorOver } from '../../src/promql/run.ts';
import { appendSeries } from '../../src/storage/append-series.ts';
import { systemClock } from '../../src/system-clock.ts';
import { waitFor } from '../../src/testing/control-plane.ts';
import { memoryKeyValue } from '../../src/testing/memory-key-value.ts';
import { startProgram } from '../program.ts';
import { findInflux, type Influx, influxCommand, NO_INFLUX, startInflux } from './influx.ts';

const program = findInflux();
const PASSWORD = `it's "secret" : ä`;

/** Debian's InfluxDB where it asks who is there, and where it speaks TLS. */
describe('the backend influx, guarded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-influx-secure-'));
  let engine: Influx | undefined;
  beforeEach(({ skip }) => {
    if (program === undefined) skip(NO_INFLUX);
  });
  afterEach(async () => {
    await engine?.[Symbol.asyncDispose]();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const now = Math.floor(Date.now() / MINUTE) * MINUTE;
  const range = { start: now - MINUTE, end: now };
  const sample = (name: string, value: number) => {
    return { labels: labelsOf({ __name__: name }), times: Float64Array.of(now), values: Float64Array.of(value) };
  };

  function open(url: string, username: string | undefined, password: () => string): Promise<EngineStorage> {
    return openInflux({
      ...{ url, username, database: 'foresail', retentionPolicy: undefined },
      password: async () => password(),
      tenantBy: { kind: 'none' },
      tenants: [DEFAULT_TENANT],
      clock: systemClock,
      timeoutMs: 5 * SECOND,
      evaluator: evaluatorOver,
    });
  }

  async function valuesOf(storage: EngineStorage): Promise<Record<string, number>> {
    const found = await storage.tenant(DEFAULT_TENANT).select([], range);
    return Object.fromEntries(
      found.map(({ labels, chunks }) => [labels[0]![1], decodeSamples(chunks, range).values.at(-1)!]),
    );
  }

  /** With an administrator, and a user who may use one database. */
  async function withUsers(url: string, ca?: string): Promise<void> {
    const quoted = `'${PASSWORD.replaceAll("'", "\\'")}'`;
    const as = (command: string, user?: string) => {
      return influxCommand(url, { command, ...(ca !== undefined && { ca }), ...(user !== undefined && { user }) });
    };
    const admin = `admin:${PASSWORD}`;
    expect(await as(`CREATE USER admin WITH PASSWORD ${quoted} WITH ALL PRIVILEGES`)).toBe(200);
    expect(await as('SHOW DATABASES')).toBe(401);
    expect(await as('CREATE DATABASE foresail', admin)).toBe(200);
    expect(await as(`CREATE USER foresail WITH PASSWORD ${quoted}`, admin)).toBe(200);
    expect(await as('GRANT ALL ON foresail TO foresail', admin)).toBe(200);
  }

  test('is written to and read with a user and a password, and says what is wrong with them', async () => {
    engine = await startInflux(program!, { auth: true });
    const { url } = engine;
    await withUsers(url);
    const right = await open(url, 'foresail', () => PASSWORD);
    await appendSeries(right.tenant(DEFAULT_TENANT), [sample('m', 1)]);
    expect(await valuesOf(right)).toEqual({ m: 1 });
    for (const wrong of [await open(url, 'foresail', () => 'wrong'), await open(url, undefined, () => '')]) {
      const why = expect.stringMatching(/authorization failed|unable to parse authentication/);
      const refused = { code: 'engine_answer', message: why };
      await expect(appendSeries(wrong.tenant(DEFAULT_TENANT), [sample('m', 2)])).rejects.toMatchObject(refused);
      await expect(valuesOf(wrong)).rejects.toMatchObject(refused);
      expect(wrong.problems()[0]).toContain('check storage.username and storage.passwordFile');
    }
    expect(await valuesOf(right)).toEqual({ m: 1 });
  });

  test('keeps in the queue what a wrong password holds up, and sends it once the password is right', async () => {
    engine = await startInflux(program!, { auth: true });
    await withUsers(engine.url);
    let password = 'of yesterday';
    const storage = await open(engine.url, 'foresail', () => password);
    const dropped: unknown[] = [];
    let clock = 0;
    const queue = await openDurableOutbox({
      keyValue: memoryKeyValue(),
      now: () => clock,
      mostBytes: 1e6,
      send: storage.deliver,
      onDropped: (...of) => dropped.push(of),
    });
    for (const [name, value] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      await queue.put(DEFAULT_TENANT, letterOf([sample(name, value)]));
    }
    await queue.pass().catch(() => undefined);
    expect([queue.waiting().items, dropped]).toEqual([2, []]);
    password = PASSWORD;
    await waitFor('the queue to be empty', async () => {
      clock += 60 * SECOND;
      await queue.pass().catch(() => undefined);
      return queue.waiting().items === 0;
    });
    expect(dropped).toEqual([]);
    expect(await valuesOf(storage)).toEqual({ a: 1, b: 2 });
  });

  test('is spoken to by TLS, with a certificate of its own that Node is told of, and by nobody who was not', async () => {
    const made = await generate([{ name: 'commonName', value: 'influxdb' }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    engine = await startInflux(program!, { auth: true, tls: { cert: made.cert, key: made.private } });
    const { url } = engine;
    await withUsers(url, made.cert);
    const untold = await open(url, 'foresail', () => PASSWORD);
    await expect(appendSeries(untold.tenant(DEFAULT_TENANT), [sample('m', 1)])).rejects.toThrow(/certificate/);

    const [settings, password, ca] = ['foresail.yaml', 'password', 'ca.pem'].map((name) => join(folder, name));
    await writeFile(ca!, made.cert);
    await writeFile(password!, `${PASSWORD}\n`);
    const storage = `{kind: influx, url: '${url}', database: foresail, username: foresail, passwordFile: ${password}}`;
    await writeFile(settings!, `storage: ${storage}\n`);
    await using foresail = await startProgram(['--config', settings!], [], { NODE_EXTRA_CA_CERTS: ca! });
    const body = `m,app=a value=7 ${now}000000\n`;
    expect((await fetch(`${foresail.url}/write`, { method: 'POST', body })).status).toBe(204);
    await waitFor('the sample to be there', async () => {
      const query = new URLSearchParams({ query: 'm_value', time: String(now / SECOND) });
      const response = await fetch(`${foresail.url}/api/v1/query?${query}`);
      return (await response.text()).includes('"7"');
    });
  });
});
