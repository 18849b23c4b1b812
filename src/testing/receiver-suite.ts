import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { writeHandler } from '../ingest/write-handler.ts';
import type { Label } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { openTsdb } from '../tsdb/open-tsdb.ts';
import { encodeSnappy } from '../wire/snappy.ts';
import { encodeHistogram, type SentHistogram } from './encode-histogram.ts';
import { encodeWriteRequest2, type OutgoingSeries2 } from './encode-write-request-2.ts';

export type Names = Readonly<Record<string, string>>;
export interface Data {
  readonly samples?: readonly { labels: Names; value: number; offset?: number; created?: number }[];
  readonly histograms?: readonly { labels: Names; histogram: SentHistogram; created?: number }[];
  readonly exemplars?: readonly { labels: Names; exemplar: Names; value: number; offset?: number }[];
  readonly metadata?: readonly { labels: Names; type: number; help: string; unit: string }[];
}

export const TYPE = {
  unspecified: 0,
  counter: 1,
  gauge: 2,
  histogram: 3,
  gaugeHistogram: 4,
  summary: 5,
  info: 6,
  stateset: 7,
};

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Samples, histograms and exemplars, as the headers have them. */
  readonly written: readonly (string | null)[];
}

export interface Expected {
  readonly samples?: number;
  readonly histograms?: number;
  readonly exemplars?: number;
  readonly status?: number;
}

export interface Receiver extends AsyncDisposable {
  now(): number;
  requestOf(data: Data, reversed: boolean): Uint8Array;
  send(body: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Sends twice, as the suite does for its two levels: the second time, all series are known. */
  check(data: Data, expected: Expected, times?: number): Promise<void>;
}

/** A receiver for the tests of a file: there is one from their beginning to their end. */
export function useReceiver(): Omit<Receiver, keyof AsyncDisposable> {
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await startReceiver();
  });
  afterAll(() => receiver[Symbol.asyncDispose]());
  return {
    now: () => receiver.now(),
    requestOf: (...of) => receiver.requestOf(...of),
    send: (...of) => receiver.send(...of),
    check: (...of) => receiver.check(...of),
  };
}

/** Our receiver over HTTP, with a clock of its own. */
async function startReceiver(): Promise<Receiver> {
  let now = Date.parse('2026-08-03T10:00:00Z');
  const folder = await mkdtemp(join(tmpdir(), 'foresail-compliance-'));
  const tsdb = await openTsdb({ dir: folder, clock: { now: () => now } });
  const callerOf = () => ({ tenant: DEFAULT_TENANT });
  const server = createServer(writeHandler({ storage: tsdb.storage, labels: tsdb.labels, callerOf }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`;

  async function send(body: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
    // The suite waits for a tick of 10 ms before each request.
    now += 10;
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-encoding': 'snappy',
        'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
        'x-prometheus-remote-write-version': '2.0.0',
        ...headers,
      },
      body: new Uint8Array(body),
    });
    const written = (item: string) => response.headers.get(`x-prometheus-remote-write-${item}-written`);
    const text = await response.text();
    return {
      status: response.status,
      text,
      written: [written('samples'), written('histograms'), written('exemplars')],
    };
  }

  async function check(data: Data, { samples = 0, histograms = 0, exemplars = 0, status = 204 }: Expected, times = 2) {
    for (let i = 0; i < times; i++) {
      const answer = await send(requestOf(data, i % 2 === 1, now));
      expect(answer, answer.text).toMatchObject({ status, written: [samples, histograms, exemplars].map(String) });
      if (status === 204) expect(answer.text).toBe('');
      else expect(answer.text).toMatch(/not stored|cannot decode/);
    }
  }

  return {
    now: () => now,
    requestOf: (data, reversed) => requestOf(data, reversed, now),
    send,
    check,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await tsdb[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** The suite's `generateRequest`: a series for each sample or histogram, what belongs to it, and what is left over. */
function requestOf(
  { samples = [], histograms = [], exemplars = [], metadata = [] }: Data,
  reversed: boolean,
  now: number,
): Uint8Array {
  const used = new Set<unknown>();
  const labelsOf = (names: Names): Label[] => {
    const all = Object.entries(names);
    // Go sends the entries of a map in any order.
    return reversed ? all.reverse() : all;
  };
  const isSame = (a: Names, b: Names) => JSON.stringify(a) === JSON.stringify(b);
  const belongings = (labels: Names, isLast: boolean): Partial<OutgoingSeries2> => {
    const own = exemplars.filter((each) => !used.has(each) && isSame(each.labels, labels)).slice(0, isLast ? 99 : 1);
    const about = metadata.find((each) => each.labels['__name__'] === labels['__name__']);
    for (const each of [...own, ...(about ? [about] : [])]) used.add(each);
    return {
      exemplars: own.map(({ exemplar, value, offset = 0 }) => ({
        labels: labelsOf(exemplar),
        value,
        time: now + offset,
      })),
      ...(about !== undefined && { metadata: about }),
    };
  };
  const isLastOf = (all: readonly { labels: Names }[], i: number) =>
    !all.slice(i + 1).some(({ labels }) => isSame(labels, all[i]!.labels));
  const series: OutgoingSeries2[] = [
    ...samples.map(({ labels, value, offset = 0, created }, i) => ({
      labels: labelsOf(labels),
      times: [now + offset],
      values: Float64Array.of(value),
      ...(created !== undefined && { created: now + created }),
      ...belongings(labels, isLastOf(samples, i)),
    })),
    ...histograms.map(({ labels, histogram, created }, i) => ({
      labels: labelsOf(labels),
      histograms: [{ bytes: encodeHistogram(histogram), time: now }],
      ...(created !== undefined && { created: now + created }),
      ...belongings(labels, isLastOf(histograms, i)),
    })),
  ];
  for (const { labels } of exemplars.filter((each) => !used.has(each))) {
    series.push({ labels: labelsOf(labels), ...belongings(labels, true) });
  }
  for (const each of metadata) if (!used.has(each)) series.push({ labels: labelsOf(each.labels), metadata: each });
  return encodeSnappy(encodeWriteRequest2(series));
}

export const up = (instance: string): Names => ({ __name__: 'up', job: 'testjob', instance });
export const UP = up('localhost:9090');
export const named = (name: string, more: Names = {}): Names => ({ __name__: name, ...more });
export const trace = (id: string, more: Names = {}): Names => ({ trace_id: id, ...more });

/** The suite's `histogram`. */
export function histogram(
  sum: number,
  { positive = false, negative = false, zero = false, custom = false, badCount = false },
): SentHistogram {
  const count = badCount ? 99 : custom ? 30 : (positive ? 23 : 0) + (negative ? 3 : 0) + (zero ? 1 : 0);
  return {
    count,
    sum,
    ...(positive && {
      positiveSpans: [
        { offset: 0, length: 3 },
        { offset: 2, length: 2 },
      ],
      positiveDeltas: [1, 2, 1, 3, 1],
    }),
    ...(negative && { negativeSpans: [{ offset: 0, length: 2 }], negativeDeltas: [1, 1] }),
    ...(zero && { zeroCount: 1 }),
    ...(custom && {
      schema: -53,
      positiveSpans: [{ offset: 0, length: 6 }],
      positiveDeltas: [2, 1, 2, 3, -1, -2],
      customValues: [0.1, 0.5, 1, 2.5, 5, 10],
    }),
  };
}
export const ALL = { positive: true, negative: true, zero: true };
export const PZ = { positive: true, zero: true };
