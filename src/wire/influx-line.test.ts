import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { type InfluxPrecision, readInfluxLines } from './influx-line.ts';

const read = (text: string, precision: InfluxPrecision = 'ms') => [...readInfluxLines(text, precision)];

describe('readInfluxLines()', () => {
  test.each<[text: string, want: object]>([
    ['m f=1', { measurement: 'm', tags: [], fields: [['f', 1]], time: undefined }],
    [
      'm,a=b,c=d f=1,g=2 5',
      {
        tags: [
          ['a', 'b'],
          ['c', 'd'],
        ],
        fields: [
          ['f', 1],
          ['g', 2],
        ],
        time: 5,
      },
    ],
    [
      'm f=1i,g=2u,h=-3i',
      {
        fields: [
          ['f', 1],
          ['g', 2],
          ['h', -3],
        ],
      },
    ],
    [
      'm f=1.5,g=-2e3,h=.5,i=1.',
      {
        fields: [
          ['f', 1.5],
          ['g', -2000],
          ['h', 0.5],
          ['i', 1],
        ],
      },
    ],
    [
      'm a=t,b=TRUE,c=false,d=F',
      {
        fields: [
          ['a', 1],
          ['b', 1],
          ['c', 0],
          ['d', 0],
        ],
      },
    ],
    ['m f="x, y=\\"z\\" \\\\",g=1 7', { fields: [['g', 1]], texts: 1, time: 7 }],
    ['m f="two\nlines",g=1 7', { fields: [['g', 1]], time: 7 }],
    ['my\\ m\\,x,t\\=a=b\\ c f\\ g=1', { measurement: 'my m,x', tags: [['t=a', 'b c']], fields: [['f g', 1]] }],
    ['m,t=C:\\x f=1', { tags: [['t', 'C:\\x']] }],
    ['m  f=1  9 \r', { fields: [['f', 1]], time: 9 }],
    ['cpu_µ f=1', { measurement: 'cpu_µ' }],
  ])('reads %s', (text, want) => {
    expect(read(text)).toEqual([expect.objectContaining(want)]);
  });

  test.each<[precision: InfluxPrecision, time: string, want: number]>([
    ['ns', '1785751200123999999', 1_785_751_200_123],
    ['n', '-1', -1],
    ['us', '1785751200123999', 1_785_751_200_123],
    ['u', '999', 0],
    ['ms', '1785751200123', 1_785_751_200_123],
    ['s', '1785751200', 1_785_751_200_000],
    ['m', '2', 120_000],
    ['h', '2', 7_200_000],
  ])('takes times in %s', (precision, time, want) => {
    expect(read(`m f=1 ${time}`, precision)).toMatchObject([{ time: want }]);
  });

  test('goes on behind a line that it cannot use, and counts lines', () => {
    const text = ['# remark', 'a f=1', '', 'b', 'c f=x', 'd f="a', 'b",g=1', 'e f=1 now', 'f f=1', 'g f="open'].join(
      '\n',
    );
    expect(
      read(text).map((each) => ('why' in each ? `${each.line}: ${each.why}` : `${each.line} ${each.measurement}`)),
    ).toEqual([
      '2 a',
      '4: it has no fields',
      '5: the field "f" is no number, but "x"',
      '6 d',
      '8: "now" is no time',
      '9 f',
      '10: the text of "f" has no end',
    ]);
  });

  test.each([
    [',a=b f=1', 'no measurement'],
    ['m,a f=1', 'a tag has no name or no value'],
    ['m,=b f=1', 'a tag has no name or no value'],
    ['m,a= f=1', 'the tag "a" has no value'],
    ['m,a=b', 'it has no fields'],
    ['m f', 'a field has no name or no value'],
    ['m =1', 'a field has no name or no value'],
    ['m f=', 'the field "f" is no number, but ""'],
    ['m f=1x', 'but "1x"'],
    ['m f=NaN', 'but "NaN"'],
    ['m f=1,', 'a field has no name or no value'],
    ['m f=1 12345678901234567890', 'is no time'],
  ])('finds fault with %s', (text, why) => {
    expect(read(text)).toEqual([{ line: 1, column: expect.any(Number), why: expect.stringContaining(why) }]);
  });

  test('comes to an end, whatever the text', () => {
    const word = fc.constantFrom('m', ',', ' ', '=', '"', '\\', '\n', '\r', '#', '1', 'i', 't', 'ü');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => {
        const lines = words.join('').split('\n').length;
        expect(read(words.join('')).length).toBeLessThanOrEqual(lines);
      }),
      { numRuns: 5 * PROPERTY_RUNS },
    );
  });
});
