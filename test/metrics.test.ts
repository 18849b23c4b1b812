import { expect, test } from 'vitest';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { startProgram } from './program.ts';

test('/metrics counts what the store and the receiver did', async () => {
  await using program = await startProgram();
  const series = { labels: [['__name__', 'm']] as const, times: [Date.now()], values: Float64Array.of(1) };
  const body = new Uint8Array(encodeSnappy(encodeWriteRequest([series])));
  const send = async (bytes: Uint8Array<ArrayBuffer>) =>
    (await fetch(`${program.url}/api/v1/write`, { method: 'POST', body: bytes })).status;
  expect(await send(body)).toBe(204);
  expect(await send(body)).toBe(204);
  expect(await send(new Uint8Array(3))).toBe(400);

  const metrics = await (await fetch(`${program.url}/metrics`)).text();
  const sampleOf = (name: string) => {
    const line = metrics.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  };
  expect(sampleOf('foresail_ingest_requests_total{protocol="remote-write-1",code="204"}')).toBe(2);
  expect(sampleOf('foresail_ingest_requests_total{protocol="remote-write-1",code="400"}')).toBe(1);
  expect(sampleOf('foresail_ingest_received_bytes_total')).toBe(2 * body.length + 3);
  expect(sampleOf('foresail_ingest_samples_total')).toBe(2);
  expect(sampleOf('foresail_ingest_request_duration_seconds_count{protocol="remote-write-1"}')).toBe(3);
  // The second write had nothing new to sync.
  expect(sampleOf('foresail_store_commits_total')).toBe(1);
  expect(sampleOf('foresail_store_sync_duration_seconds_count')).toBe(1);
  expect(sampleOf('foresail_store_recovery_duration_seconds')).toBeGreaterThan(0);
  expect(sampleOf('foresail_store_recovery_lost_bytes{kind="damaged"}')).toBe(0);
  expect(sampleOf('foresail_store_size_bytes')).toBeGreaterThan(0);
});
