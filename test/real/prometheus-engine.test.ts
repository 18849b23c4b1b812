import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type DurableOutbox, openDurableOutbox } from '../../src/backends/durable-outbox.ts';
import { openPrometheus } from '../../src/backends/prometheus/open-prometheus.ts';
import { encodeLabels, labelsOf } from '../../src/model/labels.ts';
import { DEFAULT_TENANT } from '../../src/model/tenant.ts';
import { SECOND } from '../../src/model/time.ts';
import { systemClock } from '../../src/system-clock.ts';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import { encodeHistogram, type SentHistogram } from '../../src/testing/encode-histogram.ts';
import { memoryKeyValue } from '../../src/testing/memory-key-value.ts';
import { readHistogram } from '../../src/wire/histogram.ts';

/** What the backend prometheus forwards beside samples, as a real Prometheus 3 has it then. */
describe('the backend prometheus over Prometheus itself', () => {
  const install = resolve('../shared/bin/install');
  let folder: string | undefined;
  let child: ChildProcess | undefined;
  let url = '';

  beforeEach(({ skip }) => {
    if (!existsSync(install))
      skip('there is no Prometheus 3: ../shared/bin/install unpacks one, and ../shared/bin is not here');
  });
  beforeAll(async () => {
    if (!existsSync(install)) return;
    const { stdout } = await promisify(execFile)(install);
    folder = await mkdtemp(join(tmpdir(), 'foresail-prometheus-engine-'));
    await writeFile(join(folder, 'prometheus.yml'), 'global: {}\nstorage: {exemplars: {max_exemplars: 1000}}\n');
    const [port] = (await freePorts(1)) as [number];
    url = `http://127.0.0.1:${port}`;
    const flags = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--enable-feature=native-histograms,exemplar-storage',
      '--log.level=error',
    ];
    child = spawn(join(stdout.trim(), 'prometheus'), flags, { stdio: 'ignore' });
    await waitFor('Prometheus', async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true);
  });
  afterAll(async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const now = Date.now() - 60 * SECOND;
  const get = async (path: string, parameters: Record<string, string>) => {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const body = (await response.json()) as { status: string; data: unknown };
    expect(body.status).toBe('success');
    return body.data;
  };
  const answerTo = async (query: string, at: number) => {
    const { result } = (await get('query', { query, time: String(at / SECOND) })) as {
      result: readonly { readonly value?: readonly [number, string] }[];
    };
    return result.map(({ value }) => Number(value?.[1]));
  };

  async function write(by: 'at once' | 'through the queue', name: string, sent: readonly SentHistogram[]) {
    let queue: DurableOutbox | undefined;
    const engine = openPrometheus({
      write: `${url}/api/v1/write`,
      query: url,
      tenantBy: { kind: 'none' },
      tenants: [DEFAULT_TENANT],
      clock: systemClock,
      timeoutMs: 10 * SECOND,
      credentials: async () => ({}),
      ...(by !== 'at once' && { queue: (tenant, letter) => queue!.put(tenant, letter) }),
    });
    const dropped: unknown[] = [];
    queue = await openDurableOutbox({
      keyValue: memoryKeyValue(),
      now: systemClock.now,
      mostBytes: 1e6,
      send: engine.deliver,
      onDropped: (...of) => dropped.push(of),
    });
    const writer = engine.receiver.tenant(DEFAULT_TENANT);
    const [total, native] = await writer.ref(
      [`${name}_total`, name].map((of) => encodeLabels(labelsOf({ __name__: of, app: 'a' }))),
    );
    if (total?.kind !== 'ref' || native?.kind !== 'ref') throw new Error('refused');
    await writer.write({ refs: Uint32Array.of(total.ref), times: Float64Array.of(now), values: Float64Array.of(5) });
    const exemplar = { ref: total.ref, time: now - 1, value: 4.5, labels: labelsOf({ trace_id: 'abc "1"' }) };
    const histograms = sent.map((each, i) => {
      const read = readHistogram(encodeHistogram(each));
      if (read.kind === 'refused') throw new Error(read.why);
      return { ref: native.ref, time: now + i * SECOND, start: 0, bytes: read.bytes };
    });
    const outcomes = await writer.attach({ exemplars: [exemplar], histograms });
    expect([...outcomes.exemplars, ...outcomes.histograms]).toEqual([0, ...sent.map(() => 0)]);
    await writer.commit();
    await waitFor('the queue to be empty', async () => {
      await queue.pass();
      return queue.waiting().items === 0;
    });
    expect(dropped).toEqual([]);
  }

  const integers = { schema: 0, zeroThreshold: 0.001, positiveSpans: [{ offset: 1, length: 2 }] };
  const kinds = [
    {
      kind: 'whole',
      // 1 in the zero bucket, 2 in (1, 2], then 3, in (2, 4] 1, then 4.
      sent: [
        { ...integers, count: 4, sum: 10, zeroCount: 1, positiveDeltas: [2, -1] },
        { ...integers, count: 8, sum: 30, zeroCount: 1, positiveDeltas: [3, 1] },
      ],
      counts: [4, 8],
      sums: [10, 30],
    },
    {
      kind: 'float',
      sent: [{ ...integers, floatCount: 4.5, sum: 9, floatZeroCount: 1, positiveCounts: [2, 1.5] }],
      counts: [4.5],
      sums: [9],
    },
    {
      kind: 'custom',
      sent: [
        {
          schema: -53,
          customValues: [1, 5],
          count: 3,
          sum: 7,
          positiveSpans: [{ offset: 0, length: 2 }],
          positiveDeltas: [1, 1],
        },
      ],
      counts: [3],
      sums: [7],
    },
  ] as const;

  test.each(
    kinds.flatMap((each) => (['at once', 'through the queue'] as const).map((by) => ({ ...each, by }))),
  )('has a sample, its exemplar and native histograms ($kind) that are sent $by', async ({
    kind,
    by,
    sent,
    counts,
    sums,
  }) => {
    const name = `forwarded_${kind}_${by === 'at once' ? 1 : 2}`;
    await write(by, name, sent);
    expect(await answerTo(`${name}_total`, now)).toEqual([5]);
    for (const [i, count] of counts.entries()) {
      const at = now + i * SECOND;
      expect(await answerTo(`histogram_count(${name})`, at)).toEqual([count]);
      expect(await answerTo(`histogram_sum(${name})`, at)).toEqual([sums[i]]);
    }
    const range = { start: String(now / SECOND - 60), end: String(now / SECOND + 60) };
    expect(await get('query_exemplars', { query: `${name}_total`, ...range })).toEqual([
      {
        seriesLabels: { __name__: `${name}_total`, app: 'a' },
        exemplars: [{ labels: { trace_id: 'abc "1"' }, value: '4.5', timestamp: (now - 1) / SECOND }],
      },
    ]);
  });

  test('has the buckets where they were', async () => {
    await write('at once', 'bucketed', [kinds[0].sent[0]]);
    const { result } = (await get('query', { query: 'bucketed', time: String(now / SECOND) })) as {
      result: readonly { readonly histogram: readonly [number, { readonly buckets: unknown }] }[];
    };
    expect(result[0]!.histogram[1].buckets).toEqual([
      [3, '-0.001', '0.001', '1'],
      [0, '1', '2', '2'],
      [0, '2', '4', '1'],
    ]);
  });

  test('is read with its native histograms, at an instant and over a range', async () => {
    await write('at once', 'read_back', kinds[0].sent);
    await write('at once', 'read_custom', kinds[2].sent);
    const engine = openPrometheus({
      write: `${url}/api/v1/write`,
      query: url,
      tenantBy: { kind: 'none' },
      tenants: [DEFAULT_TENANT],
      clock: systemClock,
      timeoutMs: 10 * SECOND,
      credentials: async () => ({}),
    }).tenant(DEFAULT_TENANT);

    const ofSchema = { schema: 0, zeroCount: 1, positive: { indices: [1, 2], counts: [2, 1] }, count: 4, sum: 10 };
    const custom = { schema: -53, bounds: [1, 5], positive: { counts: [1, 2] }, count: 3, sum: 7 };
    expect((await engine.instant('read_back', now)).value).toMatchObject({ samples: [{ histogram: ofSchema }] });
    expect((await engine.instant('read_custom', now)).value).toMatchObject({ samples: [{ histogram: custom }] });
    const range = await engine.range('read_back', { start: now, end: now + SECOND, stepMs: SECOND });
    expect(range.value).toMatchObject({
      series: [{ times: new Float64Array(), histograms: { times: Float64Array.of(now, now + SECOND) } }],
    });
  });
});
