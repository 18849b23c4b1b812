import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import { importLines, parseImportLine } from './import.ts';

const UP = labelsOf({ __name__: 'up', job: 'a' });

test('parseImportLine() sorts, reads null and infinity, and keeps the first of two samples at one time', () => {
  const text =
    '{"metric":{"__name__":"up","job":"a","empty":""},"values":[3,1,null,"-Infinity",1,9],"timestamps":[30,10,20,40,10,30]}';
  const { run, duplicates, conflicts } = parseImportLine(text);
  expect(run.labels).toEqual(UP);
  expect([...run.times]).toEqual([10, 20, 30, 40]);
  expect([...run.values]).toEqual([1, Number.NaN, 3, -Infinity]);
  expect({ duplicates, conflicts }).toEqual({ duplicates: 1, conflicts: 1 });
});

test.each([
  { name: 'no JSON', text: '{"metric"', message: /JSON/ },
  { name: 'a list', text: '[]', message: /expected an object/ },
  { name: 'no metric', text: '{"values":[],"timestamps":[]}', message: /metric: expected/ },
  { name: 'no name', text: '{"metric":{"job":"a"},"values":[],"timestamps":[]}', message: /no metric name/ },
  {
    name: 'an empty label name',
    text: '{"metric":{"__name__":"a","":"x"},"values":[1],"timestamps":[1]}',
    message: /empty name/,
  },
  {
    name: 'a value that is too long',
    text: `{"metric":{"__name__":"a","b":"${'x'.repeat(2_049)}"},"values":[1],"timestamps":[1]}`,
    message: /err-mimir-label-value-too-long/,
  },
  {
    name: 'half of a character',
    text: '{"metric":{"__name__":"a","b\\ud800":"x"},"values":[1],"timestamps":[1]}',
    message: /not valid Unicode/,
  },
  { name: 'a label that is a number', text: '{"metric":{"a":1},"values":[],"timestamps":[]}', message: /metric\.a/ },
  { name: 'unequal lengths', text: '{"metric":{"__name__":"a"},"values":[1],"timestamps":[]}', message: /got 1 and 0/ },
  {
    name: 'a text as value',
    text: '{"metric":{"__name__":"a"},"values":["x"],"timestamps":[1]}',
    message: /values\[0\]/,
  },
  {
    name: 'a fraction of a millisecond',
    text: '{"metric":{"__name__":"a"},"values":[1],"timestamps":[1.5]}',
    message: /timestamps\[0\]/,
  },
  {
    name: 'a label value of a megabyte',
    text: JSON.stringify({ metric: { __name__: 'a', job: 'x'.repeat(1_000_000) }, values: [], timestamps: [] }),
    message: /^.{0,400}longer than 2048 bytes/,
  },
  {
    name: 'a deep list as value, without repeating it',
    text: `{"metric":{"__name__":"a"},"values":[${'['.repeat(1000)}${']'.repeat(1000)}],"timestamps":[1]}`,
    message: /^.{0,200}$/,
  },
])('parseImportLine() refuses $name', ({ text, message }) => {
  expect(() => parseImportLine(text)).toThrow(message);
});

test('importLines() goes on after a bad line and reports its number', async () => {
  const written: SampledSeries[] = [];
  async function* lines() {
    yield '{"metric":{"__name__":"a"},"values":[1],"timestamps":[1000]}';
    yield '';
    yield 'nonsense';
    yield '{"metric":{"__name__":"b"},"values":[1,2],"timestamps":[1000,2000]}';
  }
  const report = await importLines(lines(), {
    backfill: async (runs) => {
      written.push(...runs);
      return {
        appended: runs.reduce((sum, run) => sum + run.times.length, 0),
        duplicates: 0,
        conflicts: 0,
        outOfBounds: 0,
      };
    },
  });
  expect(written).toHaveLength(2);
  expect(report).toMatchObject({ lines: 4, series: 2, appended: 3, badLines: 1, errors: [{ line: 3 }] });
});

test('importLines() holds no more series than it writes at once, and ends where nothing can be used', async () => {
  let most = 0;
  async function* lines() {
    for (let i = 0; i < 250_000; i++) yield `{"metric":{"__name__":"a${i}"},"values":[],"timestamps":[]}`;
    for (let i = 0; i < 5_000; i++) yield '{}';
  }
  const report = await importLines(lines(), {
    backfill: async (runs) => {
      most = Math.max(most, runs.length);
      return { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 };
    },
  });
  expect(most).toBeLessThanOrEqual(200_000);
  expect(report).toMatchObject({ lines: 251_000, badLines: 1000 });
});
