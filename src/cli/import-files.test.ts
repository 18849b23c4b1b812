import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { readInfluxFile } from './import-influx.ts';
import { openResume } from './import-resume.ts';
import { readTextLines, type TextFormat } from './import-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'foresail-import-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function fileOf(content: string | Uint8Array, name = `f${files++}`): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function all<P extends { readonly lines: readonly string[] }>(parts: AsyncIterable<P>) {
  const lines: string[] = [];
  const sums = { samples: 0, others: 0 };
  for await (const part of parts) {
    lines.push(...part.lines);
    const { samples = 0, exemplars = 0, texts = 0 } = part as { samples?: number; exemplars?: number; texts?: number };
    sums.samples += samples;
    sums.others += exemplars + texts;
  }
  return { lines: lines.map((line) => JSON.parse(line) as unknown), ...sums };
}

const text = (content: string | Uint8Array, format: TextFormat = 'openmetrics', labels = {}) =>
  all(readTextLines(fileOf(content), format, labels));

const OPEN_METRICS = `# HELP rpc Calls.
# TYPE rpc histogram
rpc_bucket{le="1"} 3 1700000000.5 # {trace_id="x"} 0.3
rpc_bucket{le="1"} 4 1700000015.5
rpc_bucket{le="+Inf"} NaN 1700000000.5
# TYPE up gauge
up{job="a\\"b"} -0 1700000000
up{job="c"} +Inf 1700000000.123
# EOF
`;

test('OpenMetrics: times in seconds, series in lines, numbers that JSON has no word for', async () => {
  const read = await text(OPEN_METRICS, 'openmetrics', { site: 'x', job: 'none' });
  expect(read).toMatchObject({ samples: 5, others: 1 });
  const bucket = (le: string) => ({ __name__: 'rpc_bucket', job: 'none', le, site: 'x' });
  expect(read.lines).toEqual([
    { metric: bucket('1.0'), values: [3, 4], timestamps: [1700000000500, 1700000015500] },
    { metric: bucket('+Inf'), values: [null], timestamps: [1700000000500] },
    { metric: { __name__: 'up', job: 'a"b', site: 'x' }, values: [-0], timestamps: [1700000000000] },
    { metric: { __name__: 'up', job: 'c', site: 'x' }, values: ['Infinity'], timestamps: [1700000000123] },
  ]);
});

test('the text format: times in milliseconds', async () => {
  const read = await text('# a comment\n\nup{job="a"}  1.5 1700000000123\n', 'text');
  expect(read.lines).toEqual([{ metric: { __name__: 'up', job: 'a' }, values: [1.5], timestamps: [1700000000123] }]);
});

test('gzip is known by its first bytes, whatever the name', async () => {
  expect(await text(gzipSync(OPEN_METRICS))).toEqual(await text(OPEN_METRICS));
});

test('a file of many pieces is read as one: types go on, lines are counted through', async () => {
  const line = (i: number) => `rpc_bucket{le="1",pod="p${i % 1000}"} ${i} ${1700000000 + Math.floor(i / 1000) * 15}`;
  const lines = Array.from({ length: 60_000 }, (_, i) => line(i));
  const body = `# TYPE rpc histogram\n${lines.join('\n')}\n`;
  const read = await text(`${body}# EOF\n`);
  expect(read.samples).toBe(60_000);
  expect(new Set(read.lines.map((each) => (each as { metric: { le: string } }).metric.le))).toEqual(new Set(['1.0']));
  await expect(text(`${body}oops{ 1 1\n# EOF\n`)).rejects.toThrow(/:60002:6: expected/);
  await expect(text(`${body}late 5\n# EOF\n`)).rejects.toThrow(/:60002: expected a time/);
  await expect(text(body)).rejects.toThrow(/:60001: expected # EOF at the end, got none; --format text/);
});

test.each([
  { name: 'no end', content: 'up 1 1700000000\n', message: /:1: expected # EOF/ },
  { name: 'no time', content: 'up 1 5\nup 1\n# EOF\n', message: /:2: expected a time behind the value/ },
  { name: 'a word for a value', content: 'up 1 5\nup{a="b"} one 5\n# EOF\n', message: /:2:11: expected a number/ },
  { name: 'more after the end', content: 'up 1 5\n# EOF\nup 1 6\n', message: /:3: expected nothing after # EOF/ },
  {
    name: 'times with a point, as text',
    format: 'text' as const,
    content: 'up 1 1700000000.5\n',
    message: /:1:6: expected a time in milliseconds.*--format openmetrics/,
  },
  { name: 'bytes that are no text', content: Uint8Array.of(0x75, 0x70, 0xff, 0x20), message: /not UTF-8/ },
])('says where: $name', async ({ content, format, message }) => {
  await expect(text(content, format)).rejects.toThrow(message);
  await expect(text(content, format)).rejects.toMatchObject({ code: 'usage' });
});

test('a file that is not there is named', async () => {
  await expect(all(readTextLines(join(folder, 'none'), 'text', {}))).rejects.toThrow(
    /cannot read .*none: there is no such/,
  );
});

const influx = (content: string | Uint8Array, precision: 'ns' | 's' = 'ns', database = '') =>
  all(readInfluxFile(fileOf(content), { precision, database, labels: { site: 'x' } }));

test('line protocol: a series for each field that is a number, as at /write', async () => {
  const content = [
    '# DDL',
    'CREATE DATABASE telegraf WITH NAME autogen',
    '# CONTEXT-DATABASE:telegraf',
    'cpu,host=a\\ b usage=1.5,idle=2i,on=t,note="two\nlines" 1700000000123456789',
    'cpu,host=a\\ b usage=2.5 1700000001123456789',
    '',
  ].join('\n');
  const read = await influx(content, 'ns', 'telegraf');
  expect(read).toMatchObject({ samples: 4, others: 1 });
  const of = (name: string) => ({ __name__: `cpu_${name}`, db: 'telegraf', host: 'a b', site: 'x' });
  expect(read.lines).toEqual([
    { metric: of('usage'), values: [1.5, 2.5], timestamps: [1700000000123, 1700000001123] },
    { metric: of('idle'), values: [2], timestamps: [1700000000123] },
    { metric: of('on'), values: [1], timestamps: [1700000000123] },
  ]);
  expect(await influx(gzipSync('m f=1 1700000000\n'), 's')).toMatchObject({ lines: [{ timestamps: [1700000000000] }] });
});

test('line protocol of many pieces, with texts that have line breaks at every place', async () => {
  const line = (i: number) => `m,i=${i % 50} f=${i},t="a\n${'x'.repeat(i % 97)}" ${1700000000 + i}`;
  const read = await influx(`${Array.from({ length: 30_000 }, (_, i) => line(i)).join('\n')}\n`, 's');
  expect(read).toMatchObject({ samples: 30_000, others: 30_000 });
});

test.each([
  { name: 'no field', content: 'm f=1 5\nm,a=b 5\n', message: /:2:\d+: / },
  { name: 'no time', content: 'm f=1\n', message: /:1: expected a time/ },
  { name: 'a word', content: 'm f=one 5\n', message: /:1:8: the field "f" is no number/ },
])('line protocol says where: $name', async ({ content, message }) => {
  await expect(influx(content)).rejects.toThrow(message);
});

test('an import goes on where the last one of the same places came to', () => {
  const path = join(folder, 'resume.json');
  const of = { from: 'http://a', to: 'http://b', tenant: '' };
  const first = openResume(path, of, Infinity);
  expect(first.doneUntil('up', 0)).toBeUndefined();
  first.done('up', 0, 1000);
  first.done('other', 0, 500);
  first.done('up', 0, 2000);
  const second = openResume(path, of, Infinity);
  expect(['up', 'other', 'toString'].map((of) => second.doneUntil(of, 0))).toEqual([2000, 500, undefined]);
  expect(() => openResume(path, { ...of, to: 'http://c' }, Infinity)).toThrow(/is of an import to "http:\/\/b"/);
  expect(() => openResume(fileOf('{}'), of, Infinity)).toThrow('not what an import wrote');
  const none = openResume(undefined, of, Infinity);
  none.done('up', 0, 5);
  expect(none.doneUntil('up', 0)).toBeUndefined();
});

test('an import goes on only where everything since its own start is stored', () => {
  const path = join(folder, 'resume-start.json');
  const of = { from: 'http://a', to: 'http://b', tenant: '' };
  openResume(path, of, Infinity).done('up', 1000, 2000);
  const later = openResume(path, of, Infinity);
  // Within, right behind, before, and behind a gap.
  expect([1500, 2001, 999, 2002].map((start) => later.doneUntil('up', start))).toEqual([
    2000,
    2000,
    undefined,
    undefined,
  ]);
  later.done('up', 1500, 3000);
  expect(openResume(path, of, Infinity).doneUntil('up', 1000)).toBe(3000);
  later.done('up', 5000, 6000);
  expect(openResume(path, of, Infinity).doneUntil('up', 1000)).toBeUndefined();
  later.done('up', 0, 500);
  expect([0, 5000].map((start) => openResume(path, of, Infinity).doneUntil('up', start))).toEqual([500, undefined]);
});

test('what may still come to the source is not done with', () => {
  const path = join(folder, 'resume-settled.json');
  const of = { from: 'http://a', to: 'http://b', tenant: '' };
  const resume = openResume(path, of, 3000);
  resume.done('up', 1000, 2000);
  expect(resume.doneUntil('up', 1000)).toBe(2000);
  resume.done('up', 1000, 4000);
  resume.done('late', 3500, 4000);
  const next = openResume(path, of, 9000);
  expect(['up', 'late'].map((what) => next.doneUntil(what, what === 'up' ? 1000 : 3500))).toEqual([3000, undefined]);
});
