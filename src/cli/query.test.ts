import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { ServerError } from './client.ts';
import { answerQuery, queryCommand } from './query.ts';
import { renderChart } from './query-chart.ts';
import { renderExplanation } from './query-explain.ts';
import { renderCaret, renderCsv, renderTable } from './query-render.ts';
import { UsageError } from './usage-error.ts';

const VECTOR = {
  resultType: 'vector',
  result: [
    { metric: { __name__: 'up', job: 'api' }, value: [1.5, '1'] },
    { metric: { a: 'x,"y"' }, value: [1.5, '12.25'] },
  ],
} as const;
const MATRIX = {
  resultType: 'matrix',
  result: [
    {
      metric: { __name__: 'up' },
      values: [
        [0, '1'],
        [60, '22'],
      ],
    },
  ],
} as const;

const HISTOGRAMS = {
  resultType: 'matrix',
  result: [
    {
      metric: { __name__: 'h' },
      values: [[0, '1']],
      histograms: [
        [
          60,
          {
            ...{ count: '3', sum: '4' },
            buckets: [
              [3, '-1', '1', '1'],
              [0, '1', '2', '2'],
            ],
          },
        ],
      ],
    },
  ],
} as const;

const WRITTEN = '{count:3, sum:4, [-1,1]:1, (1,2]:2}';

describe('rendering', () => {
  test.each([
    ['a scalar', { resultType: 'scalar', result: [0, '42'] } as const, '42\n'],
    ['nothing', { resultType: 'vector', result: [] } as const, 'no series\n'],
    ['a vector', VECTOR, 'SERIES         VALUE\nup{job="api"}      1\n{a="x,\\"y\\""}  12.25\n'],
    [
      'a matrix',
      MATRIX,
      'SERIES  TIME                  VALUE\nup      1970-01-01T00:00:00Z      1\n        1970-01-01T00:01:00Z     22\n',
    ],
    [
      'native histograms beside floats',
      HISTOGRAMS,
      [
        `SERIES  TIME                  ${'VALUE'.padStart(WRITTEN.length)}`,
        `h       1970-01-01T00:00:00Z  ${'1'.padStart(WRITTEN.length)}`,
        `        1970-01-01T00:01:00Z  ${WRITTEN}\n`,
      ].join('\n'),
    ],
  ])('renderTable() of %s', (_, data, want) => {
    expect(renderTable(data)).toBe(want);
  });

  test('renderCsv() quotes', () => {
    const lines = renderCsv(VECTOR).split('\n');
    expect(lines).toEqual([
      'series,timestamp,value',
      '"up{job=""api""}",1970-01-01T00:00:01.500Z,1',
      '"{a=""x,\\""y\\""""}",1970-01-01T00:00:01.500Z,12.25',
      '',
    ]);
  });

  test.each([
    ['foo bar', 'invalid parameter "query": 1:5: parse error: unexpected identifier "bar"', '  foo bar\n      ^\n'],
    ['sum(\n\trate(x))', '2:7: parse error: expected type range vector', '  \trate(x))\n  \t     ^\n'],
    ['1 + a(b)', 'not implemented yet: a (1:5)', '  1 + a(b)\n      ^\n'],
    ['up', 'something else', ''],
  ])('renderCaret() under %j', (query, message, want) => {
    expect(renderCaret(query, message)).toBe(want);
  });
});

/** A server that answers everything with one body and keeps what it was asked. */
async function serving(body: string) {
  const asked: { path: string; tenant: string | undefined; form: Record<string, string> }[] = [];
  const server = createServer(async (request, response) => {
    const form = Object.fromEntries(new URLSearchParams(await textOf(request)));
    const { 'x-scope-orgid': tenant } = request.headers;
    asked.push({ path: request.url ?? '', tenant: tenant?.toString(), form });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => new Promise((resolve) => server.close(resolve));
  return { url, asked, [Symbol.asyncDispose]: async () => void (await close()) };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

const NOW = 7_200_000;

describe('answerQuery()', () => {
  test('asks for one instant, for a tenant', async () => {
    await using server = await serving(JSON.stringify({ status: 'success', data: VECTOR, warnings: ['careful'] }));
    const options = { url: `${server.url}/prometheus/`, time: '90', tenant: 'blue', csv: true };
    expect(await answerQuery('up', options, NOW)).toEqual({ output: renderCsv(VECTOR), notes: ['careful'] });
    expect(server.asked).toEqual([
      { path: '/prometheus/api/v1/query', tenant: 'blue', form: { query: 'up', time: '90' } },
    ]);
  });

  test('asks for a range, with times before now', async () => {
    await using server = await serving(JSON.stringify({ status: 'success', data: MATRIX }));
    const { output } = await answerQuery('up', { url: server.url, start: '-1h', step: '5m', json: true }, NOW);
    expect(server.asked[0]).toMatchObject({
      path: '/api/v1/query_range',
      form: { start: '3600', end: '7200', step: '300' },
    });
    expect(JSON.parse(output)).toMatchObject({ data: MATRIX });
  });

  test.each([
    ['bad_data', '1:5: parse error: unexpected identifier "bar"', UsageError],
    ['execution', 'not implemented yet: bar (1:5)', ServerError],
  ])('points at the fault of %s', async (errorType, error, kind) => {
    await using server = await serving(JSON.stringify({ status: 'error', errorType, error }));
    const asked = answerQuery('foo bar', { url: server.url }, NOW);
    await expect(asked).rejects.toThrow(kind);
    await expect(asked).rejects.toThrow(`${error}\n  foo bar\n      ^`);
  });

  test.each([
    [{ end: '5' }, '--end and --step need --start'],
    [{ time: 'soon' }, '--time: not a time: "soon"'],
    [{ start: '0', step: 'x' }, '--step: not a duration: "x"'],
    [{ start: '0', time: '1' }, '--time is for one instant'],
  ])('refuses %j', async (options, message) => {
    const asked = answerQuery('up', { url: 'http://127.0.0.1:9', ...options }, NOW);
    await expect(asked).rejects.toThrow(UsageError);
    await expect(asked).rejects.toThrow(message);
  });

  test('says when nobody answers, or not as a server of queries does', async () => {
    const gone = await serving('');
    await gone[Symbol.asyncDispose]();
    await expect(answerQuery('up', { url: gone.url }, NOW)).rejects.toThrow(/cannot reach a server/);
    await using server = await serving('<html>');
    await expect(answerQuery('up', { url: server.url }, NOW)).rejects.toThrow(/it is not JSON/);
    await using other = await serving('{"hello": 1}');
    await expect(answerQuery('up', { url: other.url }, NOW)).rejects.toThrow(/cannot use the answer/);
  });
});

test('queryCommand() has an example in its help', () => {
  const program = new Command();
  queryCommand(program, { signal: new AbortController().signal });
  const written: string[] = [];
  program.commands[0]?.configureOutput({ writeOut: (text) => void written.push(text) }).outputHelp();
  expect(written.join('')).toContain("foresail query 'up' --time 2026-08-03T10:00:00Z --json");
});

describe('renderChart()', () => {
  const line = (of: (k: number) => string, name = 'up', count = 61) => ({
    metric: { __name__: name },
    values: Array.from({ length: count }, (_, k) => [k * 60, of(k)] as const),
  });

  test('draws each series from its least to its most', () => {
    const data = { resultType: 'matrix', result: [line((k) => String(k)), line(() => '5', 'flat')] } as const;
    const [first, second, axis] = renderChart(data).split('\n');
    expect(first).toMatch(/^up {4}▁{4,5}▂+▃+▄+▅+▆+▇+█{4,5} {2}0 to 60, last 60$/);
    expect(second).toMatch(/^flat {2}▄{60} {2}5 to 5, last 5$/);
    expect(axis).toContain('1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z');
  });

  test('leaves gaps blank, and says what has no chart', () => {
    const gap = line((k) => (k > 20 && k < 40 ? 'NaN' : String(k)));
    expect(renderChart({ resultType: 'matrix', result: [gap] })).toMatch(/[▁-█] {10,}[▁-█]/);
    expect(renderChart({ resultType: 'matrix', result: [] })).toBe('no series\n');
    expect(renderChart(VECTOR)).toBe('a chart needs a range: give --start\n');
  });

  test('a few points hold until the next one', () => {
    const few = { metric: {}, values: [0, 300, 600].map((time, i) => [time, String(i)] as const) };
    expect(renderChart({ resultType: 'matrix', result: [few] })).toMatch(/▁{10,}[▄▅]{10,}█/);
  });
});

test('renderExplanation() tells what was selected and where the time went', () => {
  const timings = { queryPreparationTime: 0.0123, innerEvalTime: 0.002, execQueueTime: 0, execTotalTime: 0.0143 };
  const selectors = [{ selector: '{__name__="up"}', series: 1200, samples: 24_000, seconds: 0.0123 }];
  expect(renderExplanation({ timings, samples: { totalQueryableSamples: 24_000 }, selectors })).toBe(
    [
      'SELECTED         SERIES  SAMPLES     TIME',
      '{__name__="up"}   1,200   24,000  12.3 ms',
      '',
      'waited for its turn  0.0 ms',
      'selected samples     12.3 ms',
      'evaluated            2.0 ms',
      'in all               14.3 ms, 24,000 samples',
      '',
    ].join('\n'),
  );
  expect(renderExplanation(undefined)).toBe('the server does not tell what the query did\n');
});
