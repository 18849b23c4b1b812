import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { simClock } from '../testing/sim-clock.ts';
import { crc32c } from '../wire/crc32c.ts';
import { ProtoWriter } from '../wire/proto-writer.ts';
import { readRemoteSlices } from './import-remote-read.ts';

const COUNT = 60_000;

/** A frame with one series of 60,000 ones, a second apart from the epoch on: what does not change takes two bits. */
function frame(name: string): Uint8Array {
  const chunk = new Uint8Array(20_000);
  // The count, time 0, the value 1, then 1,000 ms to the next.
  chunk.set([COUNT >>> 8, COUNT & 0xff, 0, 0x3f, 0xf0]);
  // One bit for each value stands between: a varint of 1,000 (0xe8 0x07) begins on a byte, behind the first value.
  chunk.set([0xe8, 0x07], 11);
  const out = new ProtoWriter(32_768);
  out.message(0x0a, () => {
    out.message(0x0a, () => {
      out.text(0x0a, '__name__');
      out.text(0x12, name);
    });
    out.message(0x12, () => {
      out.int64(0x18, 1);
      out.message(0x22, () => out.bytes(chunk));
    });
  });
  const bytes = out.finish();
  const head = [(bytes.length & 0x7f) | 0x80, ((bytes.length >>> 7) & 0x7f) | 0x80, bytes.length >>> 14];
  const crc = crc32c(bytes);
  return Uint8Array.from([...head, crc >>> 24, (crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255, ...bytes]);
}

test('an answer is read for as long as its samples take to be sent, and one that stops coming is not', async () => {
  const clock = simClock(0);
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    request.resume();
    response.writeHead(200, {
      'content-type': 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse',
    });
    for (const name of ['a', 'b', 'c', 'd']) response.write(frame(name));
    // The first answer ends, the others never do.
    if (asked === 1) response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const source = { url, headers: {}, clock, signal: new AbortController().signal, random: () => 0 };
    const request = { selector: 'a', matchers: [], start: 0, end: COUNT * 1_000 };
    let samples = 0;
    for await (const part of readRemoteSlices({ ...request, end: 3_600_000 }, source)) {
      samples += part.samples;
      await clock.advance(600_000);
    }
    expect([asked, samples]).toEqual([1, 4 * 3_601]);

    const hung = (async () => {
      for await (const _ of readRemoteSlices({ ...request, end: 3_600_000 }, source));
    })();
    hung.catch(() => {});
    let isOver = false;
    void hung.finally(() => (isOver = true)).catch(() => {});
    while (!isOver) await clock.advance(60_000);
    await expect(hung).rejects.toThrow('nothing came for 120 s');
    expect(asked).toBe(7);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
