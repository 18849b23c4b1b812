import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { evaluatorOver } from '../promql/run.ts';
import { openSeriesBook } from './series-book.ts';
import { parseHistogram } from './series-notation.ts';

const A = labelsOf({ __name__: 'a', b: 'c' });

test('append() takes what is newer, and says what became of the rest', () => {
  const book = openSeriesBook();
  const { histogram } = parseHistogram('{{count:1 buckets:[1]}}');
  expect(book.append(A, 10, 1)).toBe('appended');
  expect(book.append(A, 10, 1)).toBe('duplicate');
  expect(book.append(A, 10, 2)).toBe('conflict');
  expect(book.append(A, 9, 1)).toBe('out of order');
  expect(book.append(A, 11, histogram)).toBe('appended');
  expect(book.append(A, 11, histogram)).toBe('duplicate');
  expect(book.append(A, 11, 'stale')).toBe('conflict');
});

test('queries see floats, histograms and the ends of series', async () => {
  const book = openSeriesBook();
  const { histogram } = parseHistogram('{{schema:1 count:6 sum:9 buckets:[1 2 3] n_buckets:[1] n_offset:2}}');
  book.append(A, 0, 1);
  book.append(A, 60_000, histogram);
  book.append(A, 120_000, 'stale');
  const { instant } = evaluatorOver(book);
  const at = async (query: string, time: number) => (await instant(query, time)).value;
  expect(await at('a', 30_000)).toMatchObject({ samples: [{ labels: A, value: 1 }] });
  expect(await at('{b="c"}', 60_000)).toMatchObject({ samples: [{ histogram: { count: 6, sum: 9, schema: 1 } }] });
  expect(await at('a', 120_000)).toMatchObject({ samples: [] });
});
