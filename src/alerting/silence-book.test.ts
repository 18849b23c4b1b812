import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import { compileMatchers, parseMatchers } from './matchers.ts';
import type { Silence } from './silence.ts';
import { openSilenceBook } from './silence-book.ts';

const common = { startsAt: 0, endsAt: HOUR, createdBy: 'me', comment: 'why', updatedAt: 0 };
const silence = (id: string, matchers: string, more: Partial<Silence> = {}): Silence => {
  return { id, ...common, matchers: parseMatchers(matchers), ...more };
};

/** A book that counts what it asks for. */
function counted() {
  const work = { compiled: 0, tested: 0 };
  const book = openSilenceBook((matchers) => {
    work.compiled++;
    const test = compileMatchers(matchers);
    return (labels) => {
      work.tested++;
      return test(labels);
    };
  });
  return { book, work };
}

test('each silence is compiled once and asked once about each alert, however often somebody looks', () => {
  const { book, work } = counted();
  const alerts = Array.from({ length: 200 }, (_, i) => labelsOf({ alertname: 'A', pod: `p${i}` }));
  for (let i = 0; i < 100; i++) book.set(String(i), silence(String(i), `pod=~"p${i}|q${i}"`));
  for (let look = 0; look < 5; look++) {
    for (const [i, labels] of alerts.entries()) {
      expect(book.by(labels, MINUTE)).toEqual(i < 100 ? [String(i)] : []);
    }
  }
  expect(work).toEqual({ compiled: 100, tested: 100 * 200 });
  // Another silence, and one for longer, are the only ones to be asked.
  book.set('new', silence('new', 'pod="p7"'));
  book.set('3', silence('3', 'pod=~"p3|q3"', { endsAt: 2 * HOUR }));
  for (const labels of alerts) book.by(labels, MINUTE);
  expect(work).toEqual({ compiled: 101, tested: 102 * 200 });
  expect(book.by(alerts[7]!, MINUTE)).toEqual(['7', 'new']);
});

test('a silence begins, ends, is changed and forgotten', () => {
  const { book } = counted();
  const labels = labelsOf({ a: 'b' });
  expect(book.by(labels, 0)).toEqual([]);
  book.set('1', silence('1', 'a=b', { startsAt: MINUTE, endsAt: 2 * MINUTE }));
  expect([0, MINUTE, 2 * MINUTE].map((now) => book.by(labels, now))).toEqual([[], ['1'], []]);
  // After its end it may be given another one.
  book.set('1', silence('1', 'a=b'));
  expect(book.by(labels, 2 * MINUTE)).toEqual(['1']);
  book.set('1', silence('1', 'a=c'));
  expect(book.by(labels, 2 * MINUTE)).toEqual([]);
  for (let i = 0; i < 100; i++) book.set(`n${i}`, silence(`n${i}`, 'a=b'));
  for (let i = 0; i < 99; i++) book.delete(`n${i}`);
  expect(book.by(labels, 2 * MINUTE)).toEqual(['n99']);
  expect([book.size, [...book.values()].length, book.get('n0')]).toEqual([2, 2, undefined]);
});

test('one that another version took, and that nothing here understands, holds nothing back and stops nobody', () => {
  const { book } = counted();
  book.set('1', { ...silence('1', 'a=b'), matchers: [{ name: 'a', op: '=~', value: '(' }] });
  expect(book.by(labelsOf({ a: 'b' }), 0)).toEqual([]);
});
