import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Label, labelsOf } from '../model/labels.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { loadCore } from '../tsdb/core.ts';
import { CoreMemory } from './core-memory.ts';
import { ExpositionError } from './errors.ts';
import type { ExpositionSink, FamilyFact } from './exposition.ts';
import { type Dialect, readExpositionText } from './exposition-text.ts';
import { formatOpenMetricsFloat, parseFloatText } from './float-text.ts';
import { OPEN_METRICS } from './open-metrics.ts';
import { SeenLines } from './seen-lines.ts';
import { TEXT_FORMAT } from './text-format.ts';

const memory = new CoreMemory(await loadCore());
let nextSeries = 1;
const labelsBySeries = new Map<number, readonly Label[]>();

interface Read {
  /** `name{a="b"} value time`, labels sorted. */
  readonly samples: readonly string[];
  readonly facts: readonly FamilyFact[];
  readonly exemplars: readonly string[];
  readonly unseen: number;
}

function read(format: Dialect, body: string, seen = new SeenLines(memory)): Read {
  const samples: string[] = [];
  const facts: FamilyFact[] = [];
  const exemplars: string[] = [];
  let unseen = 0;
  const sink: ExpositionSink = {
    unseen(labels) {
      unseen++;
      const series = nextSeries++;
      labelsBySeries.set(series, labels);
      return series;
    },
    sample: (series, value, time) => {
      samples.push(`${show(labelsBySeries.get(series)!)} ${value}${Number.isNaN(time) ? '' : ` @${time}`}`);
    },
    exemplar: (series, { labels: own, value, time }) => {
      exemplars.push(
        `${show(labelsBySeries.get(series)!)} # ${show(own)} ${value}${Number.isNaN(time) ? '' : ` @${time}`}`,
      );
    },
    describe: (fact) => facts.push(fact),
    histogram: () => {},
    badHistogram: () => {},
  };
  readExpositionText(new TextEncoder().encode(body), format, seen, sink);
  return { samples, facts, exemplars, unseen };
}

function show(labels: readonly Label[]): string {
  return JSON.stringify(Object.fromEntries([...labels].sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** The label set of a name and `a=b` pairs. */
function of(name: string, labels: Record<string, string> = {}): string {
  return show([['__name__', name], ...Object.entries(labels)]);
}

/*
 * Cases follow what the exposition format's specification says and what the parsers of Prometheus 3 are tested to take
 * (prometheus/prometheus model/textparse, promparse_test.go and openmetricsparse_test.go, read 2026-11).
 */
describe('text format 0.0.4', () => {
  test.each([
    { name: 'a bare name', body: 'up 1\n', want: [`${of('up')} 1`] },
    { name: 'no last line break', body: 'up 1', want: [`${of('up')} 1`] },
    { name: 'labels', body: 'up{job="a",zone="b"} 1\n', want: [`${of('up', { job: 'a', zone: 'b' })} 1`] },
    { name: 'a trailing comma', body: 'a{b="0.25",} 2\n', want: [`${of('a', { b: '0.25' })} 2`] },
    { name: 'no labels in braces', body: 'a{} 2\n', want: [`${of('a')} 2`] },
    { name: 'blanks in braces', body: 'a { b = "1" , c= "2" } 3\n', want: [`${of('a', { b: '1', c: '2' })} 3`] },
    { name: 'no comma between labels', body: 'a{b="1" c="2"} 3\n', want: [`${of('a', { b: '1', c: '2' })} 3`] },
    { name: 'tabs', body: '\ta:b\t1\t5\n', want: [`${of('a:b')} 1 @5`] },
    { name: 'empty lines', body: '\n\n  \na 1\n\n', want: [`${of('a')} 1`] },
    { name: 'a time', body: 'a 33  \t123123\n', want: [`${of('a')} 33 @123123`] },
    { name: 'a time before 1970', body: 'a 1 -5\n', want: [`${of('a')} 1 @-5`] },
    { name: 'escapes', body: 'a{b="\\"x\\"\\n\\\\ \\d"} 1\n', want: [`${of('a', { b: '"x"\n\\ \\d' })} 1`] },
    { name: 'braces in a value', body: 'a{b="{x} y"} 1\n', want: [`${of('a', { b: '{x} y' })} 1`] },
    { name: 'a NUL in a value', body: 'a{b="abc\0"} 1', want: [`${of('a', { b: 'abc\0' })} 1`] },
    { name: 'a quoted name', body: '{"my.metric",q="0"} 1\n', want: [`${of('my.metric', { q: '0' })} 1`] },
    { name: 'a quoted name last', body: '{q="0", "my.metric" } 1\n', want: [`${of('my.metric', { q: '0' })} 1`] },
    { name: 'a quoted label', body: 'a{"my.label"="x"} 1\n', want: [`${of('a', { 'my.label': 'x' })} 1`] },
    { name: 'other scripts', body: '{"Öl €","ß\\n"="6"} 10\n', want: [`${of('Öl €', { 'ß\n': '6' })} 10`] },
    {
      name: 'number forms',
      body: 'a 1e5\na -0.5\na +2\na .5\na 5.\na 1E-3',
      want: [1e5, -0.5, 2, 0.5, 5, 1e-3].map((v) => `${of('a')} ${v}`),
    },
    {
      name: 'words',
      body: 'a NaN\na nan\na +Inf\na -inf\na Infinity',
      want: ['NaN', 'NaN', 'Infinity', '-Infinity', 'Infinity'].map((v) => `${of('a')} ${v}`),
    },
    {
      name: 'long numbers',
      body: 'a 7.424100000000001e-05\na 123456789012345678901',
      want: [`${of('a')} 0.00007424100000000001`, `${of('a')} 123456789012345680000`],
    },
    {
      name: 'a name that begins another',
      body: 'a 1\na{b="1"} 2\na {b="1"} 3\nab 4\n',
      want: [`${of('a')} 1`, `${of('a', { b: '1' })} 2`, `${of('a', { b: '1' })} 3`, `${of('ab')} 4`],
    },
    {
      name: 'le in one form',
      body: '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="0.5",x="1"} 1\nh_bucket{le="+Inf"} 3\n',
      want: [
        `${of('h_bucket', { le: '1.0' })} 2`,
        `${of('h_bucket', { le: '0.5', x: '1' })} 1`,
        `${of('h_bucket', { le: '+Inf' })} 3`,
      ],
    },
    { name: 'le of no histogram', body: 'h_bucket{le="1"} 2\n', want: [`${of('h_bucket', { le: '1' })} 2`] },
    {
      name: 'quantile in one form',
      body: '# TYPE s summary\ns{quantile="1"} 2\n',
      want: [`${of('s', { quantile: '1.0' })} 2`],
    },
    { name: 'a comment after a blank', body: ' # nothing\n#\n#x\na 1', want: [`${of('a')} 1`] },
  ])('reads $name', ({ body, want }) => {
    expect(read(TEXT_FORMAT, body).samples).toEqual(want);
  });

  test.each([
    { name: 'no value', body: 'a', line: 1 },
    { name: 'no value but a line break', body: 'b 1\na \nc 2', line: 2 },
    { name: 'a word', body: 'a true\n', line: 1 },
    { name: 'a hexadecimal number', body: 'a 0x1p-3\n', line: 1 },
    { name: 'a hexadecimal whole number', body: 'a 0x10\n', line: 1 },
    { name: 'underscores', body: 'a 1_2\n', line: 1 },
    { name: 'a signed NaN', body: 'a +NaN\n', line: 1 },
    { name: 'a number that is too large', body: 'a 1e999\n', line: 1 },
    { name: 'an exponent without digits', body: 'a 1e\n', line: 1 },
    { name: 'underscores in a time', body: 'a 0 1_2\n', line: 1 },
    { name: 'a time in seconds', body: 'a 0 1.5\n', line: 1 },
    { name: 'something after the time', body: '\n\na 0 1 2\n', line: 3 },
    { name: 'single quotes', body: "a{b='c'} 1\n", line: 1 },
    { name: 'no label value', body: 'a{b=\n', line: 1 },
    { name: 'quotes that do not close', body: 'a{b="\n', line: 1 },
    { name: 'braces that do not close', body: 'a{b="c" 1\n', line: 1 },
    { name: 'no label name', body: 'a{=""} 0\n', line: 1 },
    { name: 'a quoted label without a value', body: '{"a", "b = "c"}', line: 1 },
    { name: 'two names', body: 'a{"b"} 1\n', line: 1 },
    { name: 'two quoted names', body: '{"a","b"} 1\n', line: 1 },
    { name: 'no metric name', body: '{a="ok"} 1', line: 1 },
    { name: 'a metric name as a label alone', body: '{__name__="a"} 1', line: 1 },
    { name: 'TYPE without a name', body: '# TYPE #\n', line: 1 },
    { name: 'HELP without a name', body: '# HELP #\n', line: 1 },
    { name: 'an unknown type', body: 'a 1\n# TYPE a thing\n', line: 2 },
    { name: 'a name that begins with a digit', body: '9a 1\n', line: 1 },
    { name: 'a NUL behind the name', body: 'a\0{b="c"} 1', line: 1 },
    { name: 'a NUL behind the time', body: 'a 0 1\0', line: 1 },
  ])('refuses $name', ({ body, line }) => {
    expect(() => read(TEXT_FORMAT, body)).toThrow(ExpositionError);
    expect(() => read(TEXT_FORMAT, body)).toThrow(`line ${line}: `);
  });

  test('reads metadata', () => {
    const body =
      '# HELP a What \\\\ it\\nsays.\n#\tTYPE a counter\n# HELP b\n# HELP c \n# TYPE "my.d" untyped\n# UNIT a s\n';
    expect(read(TEXT_FORMAT, body).facts).toEqual([
      { kind: 'help', metric: 'a', text: 'What \\ it\nsays.' },
      { kind: 'type', metric: 'a', text: 'counter' },
      { kind: 'help', metric: 'b', text: '' },
      { kind: 'help', metric: 'c', text: '' },
      { kind: 'type', metric: 'my.d', text: 'unknown' },
    ]);
  });
});

describe('OpenMetrics 1.0', () => {
  test.each([
    { name: 'nothing', body: '', want: [] },
    { name: 'samples', body: 'a 1\nb{c="d"} 2\n', want: [`${of('a')} 1`, `${of('b', { c: 'd' })} 2`] },
    { name: 'a time in seconds', body: 'a 1 1520879607.789\n', want: [`${of('a')} 1 @1520879607789`] },
    { name: 'a trailing comma', body: 'a{b="c",} 1\n', want: [`${of('a', { b: 'c' })} 1`] },
    {
      name: 'quoted names',
      body: '{q="0.9","http.status",a="b"} 8\n',
      want: [`${of('http.status', { q: '0.9', a: 'b' })} 8`],
    },
    {
      name: '_created lines',
      body: '# TYPE a counter\na_total 1\na_created 15.5\n',
      want: [`${of('a_total')} 1`, `${of('a_created')} 15.5`],
    },
    {
      name: 'le in one form',
      body: '# TYPE h histogram\nh_bucket{le="1"} 2\n',
      want: [`${of('h_bucket', { le: '1.0' })} 2`],
    },
  ])('reads $name', ({ body, want }) => {
    expect(read(OPEN_METRICS, `${body}# EOF\n`).samples).toEqual(want);
    expect(read(OPEN_METRICS, `${body}# EOF`).samples).toEqual(want);
  });

  test('reads exemplars', () => {
    const body =
      'a_bucket{le="1"} 5 # {id="x"} 0.5\nb_total 1 9 # {id="y",z="1"} 2 1520879607.1\nc_total 1 # {} 3\n# EOF\n';
    expect(read(OPEN_METRICS, body).exemplars).toEqual([
      `${of('a_bucket', { le: '1' })} # {"id":"x"} 0.5`,
      `${of('b_total')} # {"id":"y","z":"1"} 2 @1520879607100`,
      `${of('c_total')} # {} 3`,
    ]);
  });

  test('reads metadata', () => {
    const body = '# HELP a_s What it \\"says\\".\n# TYPE a_s gauge\n# UNIT a_s s\n# HELP b \n# EOF\n';
    expect(read(OPEN_METRICS, body).facts).toEqual([
      { kind: 'help', metric: 'a_s', text: 'What it "says".' },
      { kind: 'type', metric: 'a_s', text: 'gauge' },
      { kind: 'unit', metric: 'a_s', text: 's' },
      { kind: 'help', metric: 'b', text: '' },
    ]);
  });

  test.each([
    '',
    '\n',
    'metric',
    'metric 1',
    'metric 1\n',
    'metric_total 1 # {aa="bb"} 4',
    'a\n# EOF\n',
    '\n\n# EOF\n',
    ' a 1\n# EOF\n',
    '9\n# EOF\n',
    '# TYPE u untyped\n# EOF\n',
    '# TYPE c counter \n# EOF\n',
    '#  TYPE c counter\n# EOF\n',
    '#\tTYPE c counter\n# EOF\n',
    '# TYPE c  counter\n# EOF\n',
    '# TYPE \n# EOF\n',
    '# TYPE m\n# EOF\n',
    '# UNIT metric suffix\n# EOF\n',
    '# UNIT metricsuffix suffix\n# EOF\n',
    '# UNIT m suffix\n# EOF\n',
    '# UNIT \n# EOF\n',
    '# UNIT m\n# EOF\n',
    '# HELP \n# EOF\n',
    '# HELP m\n# EOF\n',
    '# other\n# EOF\n',
    '#',
    '# H',
    'a\t1\n# EOF\n',
    'a 1\t2\n# EOF\n',
    'a 1 2 \n# EOF\n',
    'a 1 2 #\n# EOF\n',
    'a 1 1z\n# EOF\n',
    'a 1 1 1\n# EOF\n',
    ' # EOF\n',
    '# EOF\na 1',
    '# EOF\n\n',
    '# EOFa 1',
    "a{b='c'} 1\n# EOF\n",
    'a{,b="c"} 1\n# EOF\n',
    'a{b="c"d="e"} 1\n# EOF\n',
    'a{b="c",,d="e"} 1\n# EOF\n',
    'a{b="c", d="e"} 1\n# EOF\n',
    'a {b="c"} 1\n# EOF\n',
    'a{b=\n# EOF\n',
    '{"a","b = "c"}\n# EOF\n',
    '{"a",b\\nc="d"} 1\n# EOF\n',
    'a true\n# EOF\n',
    'a{b="\n# EOF\n',
    'a{=""} 0\n# EOF\n',
    'a 1_2\n# EOF\n',
    'a 0x1p-3\n# EOF\n',
    'a 0 1_2\n# EOF\n',
    'a_total 1 # {aa=bb}\n# EOF\n',
    'a_total 1 # {aa="bb"}\n# EOF\n',
    'a_total 1 # {bb} 1\n# EOF\n',
    'a_total 1 # {"bb"} 1\n# EOF\n',
    'a_total 1 # {bb, a="dd"}\n# EOF\n',
    'a_total 1 # {aa="bb",,cc="dd"} 1\n# EOF\n',
    'a_total 1 # {aa="bb"} 1_2\n# EOF\n',
    'a_total 1 # {aa="bb"} true\n# EOF\n',
    '{b="c",} 1\n# EOF\n',
    'a 1 NaN\n# EOF\n',
    'a 1 -Inf\n# EOF\n',
    'h_bucket{le="+Inf"} 1 # {aa="bb"} 4 NaN\n# EOF\n',
    'a{b=\0"s"} 1\n# EOF\n',
    'a\0{b="ddd"} 1\n# EOF\n',
  ])('refuses %j', (body) => {
    expect(() => read(OPEN_METRICS, body)).toThrow(ExpositionError);
  });
});

describe('series that were seen before', () => {
  const body = '# TYPE a gauge\na{x="1"} 1\na{x="2"} 2\nb 3\n';

  test('are found by their order, and by their text where they moved', () => {
    const seen = new SeenLines(memory);
    expect(read(TEXT_FORMAT, body, seen).unseen).toBe(3);
    for (const again of [body, 'b 3\na{x="2"} 2\na{x="1"} 1\n', 'a{x="2"} 2\n', body]) {
      const { samples, unseen, facts } = read(TEXT_FORMAT, again, seen);
      expect(unseen).toBe(0);
      expect(facts).toEqual([]);
      expect(samples).toEqual(read(TEXT_FORMAT, again).samples);
    }
  });

  test('are not mistaken for one whose text begins with theirs', () => {
    const seen = new SeenLines(memory);
    read(TEXT_FORMAT, 'a 1\nb{x="1"} 1\n', seen);
    const other = 'a_total 1\nb{x="1"}2\na{y="1"} 1\na  {y="2"} 1\n';
    expect(read(TEXT_FORMAT, other, seen).samples).toEqual(read(TEXT_FORMAT, other).samples);
  });

  test('reading with and without a past gives the same', () => {
    const name = fc.constantFrom('a', 'ab', 'a_b', 'abc');
    const labels = fc.constantFrom('', '{}', '{x="1"}', ' {x="1"}', '{x="1",y="}"}', '{x="\\""}');
    const line = fc.tuple(name, labels, fc.double({ noNaN: true }), fc.constantFrom('', ' 12'));
    const text = fc
      .array(line, { maxLength: 8 })
      .map((lines) =>
        lines
          .map(([n, l, v, t]) => `${n}${l} ${v === Infinity ? '+Inf' : v === -Infinity ? '-Inf' : v}${t}\n`)
          .join(''),
      );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (bodies) => {
        const seen = new SeenLines(memory);
        for (const each of bodies) {
          expect(read(TEXT_FORMAT, each, seen).samples).toEqual(read(TEXT_FORMAT, each).samples);
        }
      }),
    );
  });
});

test('any text is read or refused with an ExpositionError', () => {
  const piece = fc.constantFrom(
    'a',
    '{',
    '}',
    '"',
    '\\',
    '=',
    ',',
    ' ',
    '\n',
    '\t',
    '1',
    '-',
    '.',
    'e',
    '#',
    ' # {',
    '# EOF',
    '# TYPE ',
    '# HELP ',
    'counter',
    'é',
    '\0',
  );
  const text = fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 30 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.constantFrom(TEXT_FORMAT, OPEN_METRICS), (body, format) => {
      const seen = new SeenLines(memory);
      const attempt = () => {
        try {
          return read(format, body, seen).samples;
        } catch (error) {
          expect(error).toBeInstanceOf(ExpositionError);
          return (error as Error).message;
        }
      };
      // What was seen is read in the other place, which says the same.
      expect(attempt()).toEqual(attempt());
      seen.clear();
    }),
    { numRuns: 5 * PROPERTY_RUNS },
  );
});

test('every finite number comes back as it was written', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(3), (value, form) => {
      const text = [String(value), value.toExponential(), value.toPrecision(17), value.toFixed(3)][form]!;
      const seen = new SeenLines(memory);
      const [sample, again] = read(TEXT_FORMAT, `a ${text}\na ${text}\n`, seen).samples;
      expect([sample, again]).toEqual([`${of('a')} ${Number(text)}`, sample]);
      expect(read(OPEN_METRICS, `a ${text}\n# EOF\n`, seen).samples).toEqual([sample]);
      seen.clear();
      expect(parseFloatText(text)).toBe(Number(text));
    }),
  );
});

test.each([
  [1, '1.0'],
  [0, '0.0'],
  [-0, '0.0'],
  [0.005, '0.005'],
  [10, '10.0'],
  [2.5, '2.5'],
  [123456, '123456.0'],
  [1e6, '1e+06'],
  [1234567.5, '1.2345675e+06'],
  [0.0001, '0.0001'],
  [0.00001, '1e-05'],
  [1e21, '1e+21'],
  [Infinity, '+Inf'],
  [-Infinity, '-Inf'],
  [NaN, 'NaN'],
])('formatOpenMetricsFloat(%d) is %s', (value, want) => {
  expect(formatOpenMetricsFloat(value)).toBe(want);
});

test('labels of a series need no order', () => {
  const seen = new SeenLines(memory);
  read(TEXT_FORMAT, 'a{z="1",b="2"} 1\n', seen);
  expect(labelsOf(labelsBySeries.get([...seen.series()][0]!)!)).toEqual([
    ['__name__', 'a'],
    ['b', '2'],
    ['z', '1'],
  ]);
});

test('lines that are gone give their memory back, and the others are still known', () => {
  const seen = new SeenLines(memory);
  const tail = 'x'.repeat(1_000);
  const bodyOf = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `a{n="${from + i}",t="${tail}"} 1\n`).join('');
  read(TEXT_FORMAT, bodyOf(0, 600), seen);
  const { tableBytes } = memory.core;
  const before = tableBytes(seen.table);
  for (const series of [...seen.series()].slice(10)) seen.forget(series);
  expect(read(TEXT_FORMAT, bodyOf(5, 12), seen)).toMatchObject({ unseen: 2, samples: { length: 7 } });
  expect([seen.size, tableBytes(seen.table) < before / 10]).toEqual([12, true]);
  seen.clear();
});
