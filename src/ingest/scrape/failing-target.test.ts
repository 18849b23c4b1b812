import { expect, test } from 'vitest';
import { formatLabels } from '../../model/labels.ts';
import { decodeSamples, isStaleMarker } from '../../model/series.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { OUTCOME } from '../../storage/write.ts';
import { memoryStorage } from '../../testing/memory-storage.ts';
import { PLAIN_TARGET } from '../../testing/plain-target.ts';
import { loadCore } from '../../tsdb/core.ts';
import { CoreMemory } from '../../wire/core-memory.ts';
import { TargetSeries } from './target-series.ts';

const START = 1_700_000_000_000;

test('a target whose every scrape is refused, each with series of its own, takes no more and more memory', async () => {
  const core = await loadCore();
  const target = new TargetSeries({
    ...PLAIN_TARGET,
    writer: memoryStorage({ now: () => START }).tenant(DEFAULT_TENANT),
    memory: new CoreMemory(core),
    sampleLimit: 100,
  });
  const pad = 'x'.repeat(1_000);
  const counts = { scraped: 0, kept: 0, added: 0, stored: 0 };
  const scrape = async (at: number, series: readonly string[]) => {
    const body = Buffer.from(series.map((of) => `m{of="${of}",pad="${pad}"} 1\n`).join(''));
    return await target.append(body, 'text', START + at, counts);
  };
  await scrape(0, ['a', 'b']);
  for (let round = 1; round <= 40; round++) {
    const many = Array.from({ length: 1_500 }, (_, i) => `${round}-${i}`);
    await expect(scrape(round, many)).rejects.toThrow('1500 samples where 100 are allowed');
    await target.end(START + round);
  }
  // 60 MB of lines went by.
  expect(core.memory.buffer.byteLength).toBeLessThanOrEqual(16 << 20);
  await scrape(41, ['a', 'b']);
  expect(counts).toMatchObject({ kept: 2 });
});

test('series that ended while the store took nothing are marked once it takes something', async () => {
  const storage = memoryStorage({ now: () => START + 90 }).tenant(DEFAULT_TENANT);
  let failure: 'throws' | 'full' | undefined;
  const target = new TargetSeries({
    ...PLAIN_TARGET,
    writer: {
      ...storage,
      async write(batch) {
        if (failure === 'throws') throw new Error('no room');
        if (failure === 'full') return new Uint8Array(batch.refs.length).fill(OUTCOME.full);
        return await storage.write(batch);
      },
    },
    memory: new CoreMemory(await loadCore()),
  });
  const counts = { scraped: 0, kept: 0, added: 0, stored: 0 };
  const scrape = (at: number, body: string) => target.append(Buffer.from(body), 'text', START + at, counts);
  const seen = async () => {
    await storage.commit();
    const found = await storage.select([], { start: START, end: START + 100 });
    return found.map(({ labels, chunks }) => {
      const { times, values } = decodeSamples(chunks, { start: START, end: START + 100 });
      const shown = [...times].map((time, i) => `${isStaleMarker(values, i) ? 'stale' : values[i]}@${time - START}`);
      return `${formatLabels(labels.slice(0, 1))}: ${shown.join(' ')}`;
    });
  };
  await scrape(0, 'a 1\nb 1\nc 1\n');
  failure = 'throws';
  await expect(scrape(10, 'a 2\nc 2\n')).rejects.toThrow('no room');
  await expect(target.end(START + 10)).rejects.toThrow('no room');
  failure = 'full';
  await scrape(20, 'a 3\nc 3\n');
  failure = undefined;
  await scrape(30, 'a 4\nc 4\n');
  expect(await seen()).toEqual(['a: 1@0 4@30', 'b: 1@0 stale@30', 'c: 1@0 4@30']);
  failure = 'full';
  await target.end(START + 40);
  failure = 'throws';
  await expect(target.end(START + 50)).rejects.toThrow('no room');
  failure = undefined;
  await target.end(START + 60);
  await target.end(START + 70);
  expect(await seen()).toEqual(['a: 1@0 4@30 stale@60', 'b: 1@0 stale@30', 'c: 1@0 4@30 stale@60']);
});
