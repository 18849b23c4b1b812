import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningProgram, startProgram } from '../program.ts';

/** What a stranger may send to the real program: each gets a clear 4xx, memory stays bounded, and the server lives. */

const MIB = 1024 * 1024;
/** Room for what Node holds on to after large bodies; a body that was kept, or unpacked unchecked, is far more. */
const MEMORY_ROOM = 200 * MIB;

let program: RunningProgram;
let before: number;
beforeAll(async () => {
  program = await startProgram();
  await send('GET', '/api/v1/query?query=1%2B1');
  before = program.memory().now;
});
afterAll(() => program?.[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly text: string;
}

function send(
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { hostname, port } = new URL(program.url);
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: true });
    const sent = httpRequest({ hostname, port, path, method, headers, agent }, (response) => {
      let text = '';
      const done = () => {
        resolve({ status: response.statusCode!, text });
        agent.destroy();
      };
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', done).on('error', done);
    });
    sent.on('error', reject).end(body);
  });
}

/** Bytes as they are; everything that came back until the server closed. */
function sendRaw(...parts: readonly (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(program.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      for (const part of parts) socket.write(part);
    });
    let text = '';
    socket.on('data', (part) => (text += part.toString()));
    socket.on('close', () => resolve(text));
    // A server that has answered may close before it has read everything.
    socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)));
  });
}

function expectClear({ status, text }: Answer, allowed: readonly number[]): void {
  expect(allowed, text.slice(0, 300)).toContain(status);
  expect(text.length).toBeGreaterThan(10);
  expect(text.length).toBeLessThan(10_000);
  expect(text).not.toMatch(/node_modules|\.js:\d+|at \w+ \(/);
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const WRITE = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
};

/** Bytes as one snappy block of a single literal. */
function snappyOf(bytes: readonly number[]): Buffer {
  return Buffer.from([bytes.length, (bytes.length - 1) << 2, ...bytes]);
}

describe('remote write', () => {
  test.each([
    { name: 'no snappy', body: Buffer.from('this is not snappy at all') },
    { name: 'a length of 4 GiB in 20 bytes', body: Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, ...Array(15).fill(0)]) },
    { name: 'a length without end', body: Buffer.alloc(20, 0xff) },
    { name: 'a copy from before the start', body: Buffer.from([0x0a, 0x01, 0xff, 0x00, 0x00]) },
    { name: 'a literal that is cut short', body: Buffer.from([0x40, 0xf0, 0x3f, 1, 2, 3]) },
    { name: 'protobuf that is cut short', body: snappyOf([0x0a, 0x7f, 0x0a, 0x05]) },
    {
      name: 'protobuf with a length of 2^63',
      body: snappyOf([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    },
    { name: 'protobuf that is text', body: snappyOf([...Buffer.from('{"series": []}')]) },
    { name: 'a series without a name', body: snappyOf([0x0a, 0x0c, 0x12, 0x0a, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]) },
  ])('$name: 400', async ({ body }) => {
    expectClear(await send('POST', '/api/v1/write', body, WRITE), [400]);
  });

  test('50 MB: 413', async () => {
    expectClear(await send('POST', '/api/v1/write', Buffer.alloc(50_000_000, 0x55), WRITE), [400, 413]);
  });

  test('another encoding or type: 4xx', async () => {
    expectClear(await send('POST', '/api/v1/write', 'x', { ...WRITE, 'content-encoding': 'gzip' }), [400, 415]);
    expectClear(await send('POST', '/api/v1/write', '{}', { 'content-type': 'application/json' }), [400, 415]);
  });
});

const DEPTH = 10_000;
const DEEP_QUERIES = {
  parentheses: `${'('.repeat(DEPTH)}1${')'.repeat(DEPTH)}`,
  minus: `${'-'.repeat(DEPTH)}1`,
  sums: `${'sum('.repeat(DEPTH)}x${')'.repeat(DEPTH)}`,
  powers: `1${'^1'.repeat(DEPTH)}`,
  subqueries: `x${'[1m:1s]'.repeat(DEPTH)}`,
  braces: '{'.repeat(DEPTH),
};

describe('queries', () => {
  describe.each(Object.entries(DEEP_QUERIES))('10,000 %s', (_name, query) => {
    const form = new URLSearchParams({ query, start: '1', end: '2', step: '1', 'match[]': query }).toString();
    test.each(['/api/v1/query', '/api/v1/query_range', '/api/v1/series', '/api/v1/labels'])('POST %s', async (path) => {
      expectClear(await send('POST', path, form, FORM), [400, 422]);
    });
    test('in the address', async () => {
      expectClear(await send('GET', `/api/v1/query?${form}`), [400, 422, 431]);
    });
  });

  test('a regular expression that explodes elsewhere is answered', async () => {
    const query = `{__name__=~"${'(a+)+'.repeat(10)}b"}`;
    const { status } = await send('POST', '/api/v1/query', new URLSearchParams({ query }).toString(), FORM);
    expect([200, 400, 422]).toContain(status);
  });

  test('a list of 20,000 terms is answered, or refused', async () => {
    const query = Array(20_000).fill('1').join('+');
    const { status } = await send('POST', '/api/v1/query', `query=${encodeURIComponent(query)}`, FORM);
    expect([200, 400, 422]).toContain(status);
  });

  test.each([
    '/api/v1/query',
    '/api/v1/query?query=%zz',
    '/api/v1/query?query=%ff%fe',
    '/api/v1/query?query=1&time=NaN',
    '/api/v1/query?query=1&time[]=1&time=x',
    '/api/v1/query?query=1&timeout=-1',
    '/api/v1/query_range?query=1&start=0&end=1e18&step=1',
    '/api/v1/query_range?query=1&start=0&end=100000000&step=0.001',
    '/api/v1/query_range?query=1&start=a&end=b&step=c',
    '/api/v1/label/%00%ff/values',
    '/api/v1/series?match[]=',
    '/api/v1/series?match[]={}&start=zz',
    '/api/v1/metadata?limit=many',
  ])('GET %s', async (path) => {
    expectClear(await send('GET', path), [400]);
  });

  test.each([
    'query=1&start=0&end=11001&step=1',
    'query=1&start=0&end=100&step=0',
    'query=1&start=0&end=100&step=-5',
    'query=1&start=0&end=100&step=NaN',
    'query=1&start=0&end=100&step=Inf',
    'query=1&start=100&end=0&step=1',
    'query=1&start=-1e300&end=1e300&step=1e299',
    'query=1&start=0&end=1e308&step=1',
  ])('a range that is none: %s', async (form) => {
    expectClear(await send('GET', `/api/v1/query_range?${form}`), [400]);
  });

  test('11,001 points, as Prometheus counts, are not too many', async () => {
    expect((await send('GET', '/api/v1/query_range?query=1&start=0&end=11000&step=1')).status).toBe(200);
  });

  test.each([
    '1e300',
    '-1e300',
    '9e15',
    'Infinity',
    '0x10',
    '1_000',
  ])('a time of %s is refused, or answered', async (time) => {
    for (const query of ['1', 'up', 'up[5m]', 'rate(up[5m] offset 1y)', 'up @ 1e300', 'timestamp(vector(1))']) {
      const form = new URLSearchParams({ query, time }).toString();
      const { status, text } = await send('POST', '/api/v1/query', form, FORM);
      expect([200, 400, 422], text).toContain(status);
    }
  });

  test.each([
    `{__name__=~"${'(a|b|c)*'.repeat(3_000)}"}`,
    `{__name__=~"${'('.repeat(2_000)}a${')'.repeat(2_000)}"}`,
    '{__name__=~"(a{1000}){1000}"}',
    '{__name__=~"x{999999}"}',
    'label_replace(vector(1), "a", "$1", "b", "((((.*)*)*)*)*x")',
    `{__name__=~"${'\\\\p{Han}'.repeat(500)}"}`,
  ])('a regular expression without end', async (query) => {
    const { status, text } = await send('POST', '/api/v1/query', new URLSearchParams({ query }).toString(), FORM);
    expect([200, 400, 422], text.slice(0, 200)).toContain(status);
  });

  test.each([
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
  ])('the name %s is a name like any other', async (name) => {
    const line = JSON.stringify({ metric: { __name__: name, [name]: name }, values: [1], timestamps: [Date.now()] });
    const written = line.replace('"__name__"', '"__name__"');
    expect((await send('POST', '/api/v1/import', `${written}\n`)).status).toBe(200);
    const { text } = await send(
      'GET',
      `/api/v1/query?query=${encodeURIComponent(`sum by (${name}) ({__name__="${name}"})`)}`,
    );
    expect(text).toContain(`"metric":{"${name}":"${name}"}`);
    expect((await send('GET', `/api/v1/label/${name}/values`)).text).toContain(`["${name}"]`);
    expect((await send('GET', `/api/v1/series?match[]=${name}&limit=1`)).text).toContain(`"__name__":"${name}"`);
    expect((await send('GET', `/api/v1/query?${name}=1&query=1`)).status).toBe(200);
    expectClear(await send('GET', `/api/v1/policies/${name}/${name}`), [404]);
    expectClear(await send('GET', `/api/v1/decisions/${name}`), [404]);
    expectClear(await send('GET', `/${name}`), [404]);
  });

  test.each([
    'limit=0',
    'limit=1e9',
    'limit=-1',
    'limit=1.5',
    'limit=NaN',
    'limit=',
  ])('series with %s', async (limit) => {
    const { status } = await send('GET', `/api/v1/series?match[]=up&${limit}`);
    expect([200, 400]).toContain(status);
  });

  test('3,000 parameters', async () => {
    expectClear(await send('GET', `/api/v1/query?${'a=b&'.repeat(3000)}`), [400]);
  });
});

const POLICY = '/api/v1/policies/shop/checkout';

describe('policies', () => {
  test.each([
    { name: 'nothing', body: '' },
    { name: 'a number', body: '42' },
    { name: 'null', body: 'null' },
    { name: 'broken JSON', body: '{"a":' },
    { name: 'unknown keys', body: '{"apiVersion":"foresail.dev/v1alpha1","kind":"ScalingPolicy","specs":{}}' },
    {
      name: 'wrong types',
      body: '{"apiVersion":1,"kind":[],"metadata":"x","spec":{"mode":{},"replicas":{"min":"x"}}}',
    },
    { name: 'prototype keys', body: '{"__proto__":{"a":1},"constructor":{"prototype":{}},"toString":1}' },
    { name: 'deep lists', body: '['.repeat(DEPTH) },
    { name: 'deep mappings', body: '{"a":'.repeat(DEPTH) },
    { name: 'deep blocks', body: `${'- '.repeat(DEPTH)}x` },
    {
      name: 'an alias bomb',
      body: `a: &a [x,x]\n${[...'bcdefghijklmnopqrst'].map((key, i) => `${key}: &${key} [*${'abcdefghijklmnopqrs'[i]}, *${'abcdefghijklmnopqrs'[i]}]`).join('\n')}`,
    },
    {
      name: 'merge keys without end',
      body: `a: &a {x: 1}\n${Array.from(
        { length: 60 },
        (_, i) =>
          `a${i}: &a${i} {<<: [${Array(30)
            .fill(i === 0 ? '*a' : `*a${i - 1}`)
            .join(',')}]}`,
      ).join('\n')}`,
    },
    { name: 'an alias of itself', body: 'a: &a [*a]' },
    { name: 'a tag', body: '!!js/function "function () {}"' },
    { name: 'a number without end', body: `spec: {replicas: {min: ${'9'.repeat(100_000)}}}` },
    { name: 'a key of 100 kB', body: JSON.stringify({ ['k'.repeat(100_000)]: 1 }) },
  ])('$name: 400', async ({ body }) => {
    expectClear(await send('PUT', POLICY, body), [400]);
    expectClear(await send('PUT', POLICY, body, { 'content-type': 'application/json' }), [400]);
  });

  test('names that are none', async () => {
    expectClear(await send('PUT', '/api/v1/policies/..%2f..%2f/x', '{}'), [400, 404]);
    expectClear(await send('GET', `/api/v1/policies/shop/${'x'.repeat(8000)}`), [404]);
    expectClear(await send('GET', `${POLICY}/decisions?limit=x`), [400]);
    expectClear(await send('GET', `${POLICY}/decisions?before=x`), [400]);
    expectClear(await send('GET', '/api/v1/decisions/%ff'), [400, 404]);
    expectClear(await send('GET', `/api/v1/decisions/${'z'.repeat(8000)}`), [400, 404]);
    expectClear(await send('GET', '/api/v1/status?no=such'), [400]);
  });
});

describe('import', () => {
  test.each([
    { name: 'no JSON', body: 'hello\nworld\n' },
    { name: 'deep JSON', body: '['.repeat(DEPTH) },
    { name: 'wrong types', body: '{"metric":1,"values":{},"timestamps":"x"}\n' },
    { name: 'columns of unequal length', body: '{"metric":{"__name__":"x"},"values":[1,2],"timestamps":[1]}\n' },
  ])('$name: 400', async ({ body }) => {
    expectClear(await send('POST', '/api/v1/import', body), [400]);
  });

  test('a gzip bomb is unpacked no further than its limit', async () => {
    const bomb = gzipSync(Buffer.alloc(400_000_000, 0x20), { level: 1 });
    expectClear(await send('POST', '/api/v1/import', bomb, { 'content-encoding': 'gzip' }), [413]);
    const lines = gzipSync(Buffer.alloc(200_000_000, '{}\n'), { level: 1 });
    expectClear(await send('POST', '/api/v1/import', lines, { 'content-encoding': 'gzip' }), [400]);
  });

  test('gzip that is none: 4xx', async () => {
    expectClear(await send('POST', '/api/v1/import', 'not gzip', { 'content-encoding': 'gzip' }), [400]);
  });
});

describe('a body that is too long', () => {
  const MB = 1_000_000;
  // What is left of a refused body is read at 32 MiB a second and tenant.
  test.concurrent.each([
    ['POST', '/api/v1/query', 413, 5],
    ['POST', '/api/v1/query_range', 413, 5],
    ['POST', '/api/v1/series', 413, 5],
    ['POST', '/api/v1/labels', 413, 5],
    ['PUT', POLICY, 413, 5],
    ['POST', '/api/v1/import', 413, 50],
    ['POST', '/nothing/here', 404, 50],
    ['POST', '/', 405, 5],
    ['POST', '/metrics', 405, 5],
  ] as const)('%s %s: %i for %i MB', async (method, path, status, length) => {
    expectClear(await send(method, path, Buffer.alloc(length * MB, 0x61), FORM), [status]);
  });

  test('many of 50 MB at once stay within bounds', async () => {
    const body = Buffer.alloc(50 * MB, 0x61);
    const answers = await Promise.all(Array.from({ length: 5 }, () => send('POST', '/api/v1/query', body, FORM)));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(413));
  });
});

describe('the protocol', () => {
  test('unknown addresses and methods', async () => {
    expectClear(await send('GET', '/wp-login.php'), [404]);
    expectClear(await send('DELETE', '/api/v1/query'), [405]);
    expectClear(await send('PROPFIND', '/api/v1/policies'), [405]);
  });

  test('what is no HTTP is answered 400 and closed', async () => {
    expect(await sendRaw('\x16\x03\x01 hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('bodies in chunks, without a length, are refused as those with one', async () => {
    const piece = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 0x61), Buffer.from('\r\n')]);
    const bodyOf = (pieces: number) => [...Array(pieces).fill(piece), '0\r\n\r\n'];
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${FORM['content-type']}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const paths = { '/api/v1/query': 763, '/api/v1/import': 300, '/api/v1/rules': 50, '/nothing': 50 };
    for (const [path, pieces] of Object.entries(paths)) {
      const answer = await sendRaw(head(path), ...bodyOf(pieces)).catch(
        (error: NodeJS.ErrnoException) => `HTTP/1.1 413 ${error.code}`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 4(04|05|13) /);
    }
  });

  test('requests one behind another are answered in their order', async () => {
    const ask = (query: string, close = '') =>
      `GET /api/v1/query?query=${query} HTTP/1.1\r\nHost: localhost\r\n${close}\r\n`;
    const answer = await sendRaw(
      Array.from({ length: 50 }, (_, i) => ask(`${i}`)).join('') + ask('50', 'Connection: close\r\n'),
    );
    expect([...answer.matchAll(/"(\d+)"\]/g)].map(([, value]) => Number(value))).toEqual(
      Array.from({ length: 51 }, (_, i) => i),
    );
  });

  test.each([
    { name: 'two lengths', headers: 'Content-Length: 5\r\nContent-Length: 6' },
    { name: 'a length and chunks', headers: 'Content-Length: 5\r\nTransfer-Encoding: chunked' },
    { name: 'a header without a name', headers: ': x' },
    { name: 'a folded header', headers: 'X-A: b\r\n c' },
    { name: '40 KiB of headers', headers: `X-A: ${'b'.repeat(40_000)}` },
    { name: '5,000 headers', headers: Array.from({ length: 5_000 }, (_, i) => `X-${i}: 1`).join('\r\n') },
  ])('$name: 4xx, and the connection is closed', async ({ headers }) => {
    const answer = await sendRaw(`POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\nhello`);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test.each([
    '/../../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..%5c..%5cx',
    '/%00',
    '//evil.example/',
    '/.%2e/-/ready/..',
  ])('%s leads nowhere', async (path) => {
    expectClear(await send('GET', path), [400, 404]);
  });

  test('another name in Host, or a page of another site that posts: 403', async () => {
    expectClear(await send('GET', '/', undefined, { host: 'evil.example' }), [403]);
    expectClear(await send('GET', '/api/v1/query?query=1', undefined, { host: 'evil.example:7070' }), [403]);
    expectClear(await send('GET', '/metrics', undefined, { host: 'evil.example' }), [403]);
    expectClear(await send('POST', '/api/v1/write', 'x', { ...WRITE, host: 'evil.example' }), [403]);
    expectClear(await send('POST', '/api/v1/import', '', { origin: 'https://evil.example' }), [403]);
    expect((await send('GET', '/', undefined, { host: 'localhost' })).status).toBe(200);
    expect((await send('GET', '/', undefined, { host: '[::1]:7070' })).status).toBe(200);
  });

  test('200 clients that send slowly keep nobody waiting', async () => {
    const { hostname, port } = new URL(program.url);
    const head = `POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${FORM['content-type']}\r\nContent-Length: 60000\r\n\r\nquery=`;
    const sockets = await Promise.all(
      Array.from(
        { length: 200 },
        () =>
          new Promise<Socket>((resolve, reject) => {
            const socket = connect(Number(port), hostname, () => socket.write(head, () => resolve(socket)));
            socket.once('error', reject);
          }),
      ),
    );
    expect((await send('GET', '/api/v1/query?query=1%2B1')).status).toBe(200);
    for (const socket of sockets) socket.on('error', () => {}).destroy();
  });
});

test('after all that the server lives, answers, and its memory was bounded', async () => {
  expect(program.alive()).toBe(true);
  expect((await send('GET', '/-/ready')).status).toBe(200);
  expect((await send('GET', '/')).status).toBe(200);
  const { most } = program.memory();
  expect(most - before).toBeLessThan(MEMORY_ROOM);
  expect(program.output()).not.toContain('unexpected error');
});
