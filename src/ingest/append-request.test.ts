import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { encodeWriteRequest2 } from '../testing/encode-write-request-2.ts';
import { openTsdb, type Tsdb } from '../tsdb/open-tsdb.ts';
import { encodeWriteRequest } from '../wire/encode-write-request.ts';
import type { WriteProtocol } from '../wire/part-lists.ts';
import { WriteBody } from '../wire/write-body.ts';
import { appendRequest } from './append-request.ts';
import { DEFAULT_LABEL_LIMITS } from './check-labels.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');

let folder: string;
let tsdb: Tsdb;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-append-'));
  tsdb = await openTsdb({ dir: folder, clock: { now: () => NOW } });
});

afterAll(async () => {
  await tsdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function append(tenant: TenantId, bytes: Uint8Array, protocol: WriteProtocol) {
  using body = WriteBody.of(tsdb.labels.memory, bytes, protocol);
  return await appendRequest(body, {
    writer: tsdb.storage.tenant(tenant),
    labels: tsdb.labels.of(tenant),
    limits: DEFAULT_LABEL_LIMITS,
    rules: { limits: { max_metadata_length: 1_024 }, turn: () => Promise.resolve() },
  });
}

/** Teaches references that the store does not have, as if retention had dropped those series since. */
function learnGone(tenant: TenantId, bytes: Uint8Array, protocol: WriteProtocol): void {
  using body = WriteBody.of(tsdb.labels.memory, bytes, protocol);
  const labels = tsdb.labels.of(tenant);
  let ref = 1_000_000;
  for (let next = 0; next < body.length; ) {
    const part = body.read(undefined, DEFAULT_LABEL_LIMITS, next);
    next = part.next;
    const learnt = part.unseen.map(({ key, note }) => ({ ...key!, ref: ref++, note }));
    if (protocol === '1.0') labels.learnBytes(body.address, learnt);
    else labels.learnSymbols(part.text, learnt);
  }
}

describe.each(['1.0', '2.0'] as const)('appendRequest() of %s', (protocol) => {
  test('keeps all samples where more series are gone than a part of unseen ones has', async () => {
    const tenant = parseTenant(`gone-${protocol}`);
    const count = 9_000;
    const seriesAt = (time: number, size = count) => {
      return Array.from({ length: size }, (_, i) => ({
        labels: [['__name__', `m${i}`]] as const,
        times: [NOW + time],
        values: Float64Array.of(i),
        ...(i === 0 && { metadata: { type: 1, help: 'first', unit: '' } }),
      }));
    };
    const encode = (series: ReturnType<typeof seriesAt>) =>
      protocol === '1.0' ? encodeWriteRequest(series) : encodeWriteRequest2(series);
    await append(tenant, encode(seriesAt(-9_000, 1)), protocol);
    learnGone(tenant, encode(seriesAt(-1)), protocol);

    const summary = await append(tenant, encode(seriesAt(-1)), protocol);
    expect(summary.totals).toEqual({
      items: count + (protocol === '2.0' ? 1 : 0),
      deferred: 0,
      messages: [],
      stored: count,
      refused: 0,
    });
    const all = await tsdb.storage
      .tenant(tenant)
      .select([{ name: '__name__', op: '=~', value: 'm.*' }], { start: NOW - 1, end: NOW });
    expect(all).toHaveLength(count);
  });
});
