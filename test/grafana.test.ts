import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from './program.ts';

/*
 * The requests that Grafana's Prometheus data source makes (pkg/promlib and packages/grafana-prometheus of Grafana 12), in
 * the order in which a person causes them, to the real program.
 */
const STEP = 15_000;
const POINTS = 40;
const NOW = Math.floor(Date.now() / STEP) * STEP;
const seconds = (ms: number) => String(ms / 1000);
/** As a dashboard over the last ten minutes has it. */
const RANGE = { start: seconds(NOW - POINTS * STEP), end: seconds(NOW) };

let program: RunningProgram;
beforeAll(async () => {
  program = await startProgram();
  const times = Array.from({ length: POINTS }, (_, k) => NOW - (POINTS - 1 - k) * STEP);
  const series = (name: string, more: readonly (readonly [string, string])[], of: (k: number) => number) => {
    const labels = [['__name__', name], ...more].sort() as [string, string][];
    return { labels, times, values: Float64Array.from(times, (_, k) => of(k)) };
  };
  const body = encodeWriteRequest([
    series(
      'http_requests_total',
      [
        ['pod', 'b'],
        ['job', 'api'],
      ],
      (k) => k * 30,
    ),
    series(
      'http_requests_total',
      [
        ['pod', 'a'],
        ['job', 'api'],
      ],
      (k) => k * 15,
    ),
    series('tiny', [['my.label', 'x']], () => 1e-7),
    series('odd', [], (k) => [Number.NaN, Infinity, -Infinity, 1e21][k % 4]!),
  ]);
  const sent = await fetch(`${program.url}/api/v1/write`, {
    method: 'POST',
    body: encodeSnappy(body) as Uint8Array<ArrayBuffer>,
  });
  expect(sent.status).toBe(204);
});
afterAll(() => program?.[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly body: {
    readonly status: string;
    // biome-ignore lint/suspicious/noExplicitAny: every address has another form, and a test says which.
    readonly data?: any;
    readonly errorType?: string;
    readonly error?: string;
    readonly warnings?: readonly string[];
  };
}

async function get(path: string, parameters: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${program.url}${path}?${new URLSearchParams(parameters)}`, {
    headers: { 'X-Dashboard-UID': 'abc', 'X-Panel-Id': '2' },
  });
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

async function post(path: string, parameters: Record<string, string>): Promise<Answer> {
  const response = await fetch(`${program.url}${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

/** As a data source with the method POST, and as one with GET. */
async function both(path: string, parameters: Record<string, string>): Promise<Answer> {
  const [got, posted] = [await get(path, parameters), await post(path, parameters)];
  expect(posted).toEqual(got);
  return got;
}

test('save and test', async () => {
  const { body } = await both('/api/v1/query', { query: '1+1', time: '4' });
  expect(body).toEqual({ status: 'success', data: { resultType: 'scalar', result: [4, '2'] } });
  const { body: info } = await get('/api/v1/status/buildinfo');
  expect(info.data.version).toBeTypeOf('string');
  // With features Grafana would take it for Mimir and ask for its ruler.
  expect(info.data).not.toHaveProperty('features');
  expect((await get('/api/v1/rules')).body.data.groups).toBeInstanceOf(Array);
  expect((await get('/api/v1/alerts')).body.data.alerts).toBeInstanceOf(Array);
});

test('what it asks once it is loaded: exemplars with times in milliseconds, metadata', async () => {
  const times = { start: String(NOW - 3_600_000), end: String(NOW) };
  expect((await both('/api/v1/query_exemplars', { query: 'test', ...times })).body).toEqual({
    status: 'success',
    data: [],
  });
  expect((await get('/api/v1/metadata', { limit: '40000' })).status).toBe(200);
});

describe('Explore', () => {
  test('names of metrics, of labels, and their values', async () => {
    const names = await get('/api/v1/label/__name__/values', { ...RANGE, limit: '40000' });
    expect(names.body.data).toEqual(expect.arrayContaining(['http_requests_total', 'odd', 'tiny']));
    const labels = await both('/api/v1/labels', { ...RANGE, 'match[]': '{__name__="http_requests_total"}' });
    expect(labels.body.data).toEqual(['__name__', 'job', 'pod']);
    expect((await get('/api/v1/label/pod/values', { ...RANGE, 'match[]': 'http_requests_total' })).body.data).toEqual([
      'a',
      'b',
    ]);
    expect((await get('/api/v1/label/U__my_2e_label/values', RANGE)).body.data).toEqual(['x']);
    expect((await get('/api/v1/label/pod/values', { ...RANGE, limit: '1' })).body).toMatchObject({
      data: ['a'],
      warnings: ['results truncated due to limit'],
    });
  });

  test('an instant and a range of one expression; a matrix is sorted by its labels', async () => {
    const query = 'round(rate(http_requests_total{job="api"}[1m0s]))';
    const instant = await both('/api/v1/query', { query, time: RANGE.end });
    expect(instant.body.data.result.map(({ value }: { value: unknown[] }) => value[1]).sort()).toEqual(['1', '2']);
    const range = await both('/api/v1/query_range', { query, ...RANGE, step: '15' });
    expect(range.body.data.resultType).toBe('matrix');
    expect(range.body.data.result.map(({ metric }: { metric: { pod: string } }) => metric.pod)).toEqual(['a', 'b']);
  });

  test('a mistake is 400 to POST, and the same to the GET that Grafana repeats', async () => {
    const { status, body } = await both('/api/v1/query_range', { query: 'sum(', ...RANGE, step: '15' });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      status: 'error',
      errorType: 'bad_data',
      error: expect.stringContaining('parse error'),
    });
  });
});

describe('a dashboard', () => {
  test('its variables: label_values, query_result, metrics, by series', async () => {
    expect(
      (await get('/api/v1/label/job/values', { ...RANGE, 'match[]': 'http_requests_total{pod=~"a|b"}' })).body.data,
    ).toEqual(['api']);
    expect((await both('/api/v1/query', { query: 'topk(1, http_requests_total)', time: RANGE.end })).status).toBe(200);
    const series = await both('/api/v1/series', { ...RANGE, 'match[]': 'tiny' });
    expect(series.body.data).toEqual([{ __name__: 'tiny', 'my.label': 'x' }]);
  });

  test('panels: a step with a fraction, a time with a fraction, a limit', async () => {
    const parameters = { query: 'http_requests_total', start: `${RANGE.start}.123`, end: RANGE.end, step: '7.5' };
    const { body } = await both('/api/v1/query_range', parameters);
    // The first sample is fifteen seconds after the start.
    expect(body.data.result[0].values[0][0]).toBe(Number(RANGE.start) + 15.123);
    const limited = await both('/api/v1/query', { query: 'http_requests_total', time: RANGE.end, limit: '1' });
    expect(limited.body).toMatchObject({ warnings: ['results truncated due to limit'] });
  });

  test('the text of floats', async () => {
    expect((await both('/api/v1/query', { query: 'tiny', time: RANGE.end })).body.data.result[0].value[1]).toBe(
      '1e-07',
    );
    const { body } = await both('/api/v1/query_range', { query: 'odd', ...RANGE, step: '15' });
    const texts = new Set(body.data.result[0].values.map(([, text]: [number, string]) => text));
    expect(texts).toEqual(new Set(['NaN', '+Inf', '-Inf', '1e+21']));
  });

  test('annotations, and the alerts that Grafana draws', async () => {
    const { body } = await both('/api/v1/query_range', { query: 'ALERTS{alertstate="firing"}', ...RANGE, step: '60' });
    expect(body).toEqual({ status: 'success', data: { resultType: 'matrix', result: [] } });
  });

  test('a range that ends ahead of now has no value past the lookback', async () => {
    const end = seconds(NOW + 6 * 3_600_000);
    const { body } = await both('/api/v1/query_range', { query: 'tiny', start: RANGE.start, end, step: '60' });
    expect(body.data.result[0].values.at(-1)[0]).toBeLessThanOrEqual(NOW / 1000 + 300);
    expect((await both('/api/v1/query', { query: 'tiny', time: end })).body.data.result).toEqual([]);
  });

  test('the editor: an expression laid out, and its tree', async () => {
    expect((await both('/api/v1/format_query', { query: 'sum(tiny)by(x)' })).body.data).toBe('sum by (x) (tiny)');
    expect((await both('/api/v1/parse_query', { query: 'sum(tiny)' })).body.data).toMatchObject({
      type: 'aggregation',
    });
  });
});

test.each([
  'config',
  'flags',
  'runtimeinfo',
  'tsdb',
  'walreplay',
])('/api/v1/status/%s is answered, to GET alone', async (name) => {
  expect((await get(`/api/v1/status/${name}`)).body.status).toBe('success');
  expect((await post(`/api/v1/status/${name}`, {})).status).toBe(405);
});

describe('the files of docs/how-to/add-to-grafana.md', () => {
  const blocks = [...readFileSync('docs/how-to/add-to-grafana.md', 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)];
  const [sources, dashboards] = blocks.map(([, text]) => parse(text!));

  test('the data source is where the manifests put the program, and has what Grafana asks for', async () => {
    const [source] = sources.datasources;
    expect(source).toMatchObject({ type: 'prometheus', access: 'proxy', jsonData: { httpMethod: 'POST' } });
    const address = new URL(source.url);
    const manifest = readFileSync('deploy/manifests/20-foresail.yaml', 'utf8');
    expect(address.hostname).toBe('foresail.foresail');
    expect(manifest).toMatch(new RegExp(`port: ${address.port}\\b`));
    // Each header has its value.
    for (const key of Object.keys(source.jsonData)) {
      const found = /^httpHeaderName(\d+)$/.exec(key);
      if (found !== null) expect(source.secureJsonData).toHaveProperty(`httpHeaderValue${found[1]}`);
    }
  });

  test('the provider is one of files, for the dashboard that is here', () => {
    const [provider] = dashboards.providers;
    expect(provider).toMatchObject({ type: 'file', options: { path: expect.stringMatching(/^\//) } });
    expect(JSON.parse(readFileSync('dashboards/foresail.json', 'utf8'))).toMatchObject({ uid: 'foresail' });
  });
});
