import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseHistogram } from '../series-notation.ts';
import { expandTemplate, type TemplateAnswers, type TemplateInput, templateFault } from './expand.ts';
import { type GoSamples, textMap } from './values.ts';

/** Templates of which each calls the one before it twice. */
function doubling(count: number): string {
  const calls = Array.from({ length: count }, (_, i) => `{{ template "x${i}" }}`);
  return `{{ define "x0" }}{{ end }}${calls.map((call, i) => `{{ define "x${i + 1}" }}${call}${call}{{ end }}`).join('')}`;
}

/** What promtool itself makes of templates; test/real/promtool-rules.test.ts asks it again. */
const { expanded, refused } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/rules/templates.json', import.meta.url), 'utf8'),
) as { readonly expanded: readonly [string, string][]; readonly refused: readonly [string, string][] };

const INPUT: TemplateInput = {
  labels: [
    ['instance', 'a.b:1'],
    ['job', 'api'],
  ],
  value: 1234.5678,
  externalLabels: [['region', 'eu']],
  externalUrl: 'http://x/y',
  now: 300,
};

function vector(
  ...samples: readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]
): GoSamples {
  return {
    kind: 'samples',
    samples: samples.map(([labels, value]) => ({ kind: 'sample', labels: textMap(Object.entries(labels)), value })),
  };
}

const UP = vector(
  [{ __name__: 'up', instance: 'a.b:1', job: 'api' }, 1],
  [{ __name__: 'up', instance: 'b:2', job: 'api' }, 0],
);
const ANSWERS: TemplateAnswers = new Map<string, GoSamples | { readonly error: string }>([
  ['up', UP],
  ['none', vector()],
  ['sum(', { error: '1:5: parse error: unclosed left parenthesis' }],
  ['1 + 1', vector([{}, 2])],
  ["up{instance='a.b:1'}", vector([{ __name__: 'up', instance: 'a.b:1', job: 'api' }, 1])],
  ["up{instance='b:2'} > bool 5", vector([{ instance: 'b:2', job: 'api' }, 0])],
  ["label_replace(up, '__value__', 'zz', '', '')", vector([{ __value__: 'zz' }, 1])],
]);

function expand(text: string, input = INPUT): string {
  const expansion = expandTemplate('T', text, input, ANSWERS);
  if (expansion.kind === 'needs') return `needs ${expansion.query}`;
  return expansion.kind === 'text' ? expansion.text : `<error expanding template: ${expansion.message}>`;
}

describe("expandTemplate() is what Prometheus's is", () => {
  test.each(expanded)('%j', (text, want) => {
    expect(expand(text)).toBe(want);
  });
});

describe("templateFault() says what Prometheus's parser says", () => {
  test.each(refused)('%j', (text, message) => {
    expect(templateFault('T', text)?.message).toBe(message);
  });
});

test('a query is asked for until its answer is there', () => {
  const text = '{{ with query "a" }}{{ query (. | first | label "next") | first | value }}{{ end }}';
  const answers = new Map<string, GoSamples>();
  const next = () => expandTemplate('T', text, INPUT, answers);
  expect(next()).toEqual({ kind: 'needs', query: 'a' });
  answers.set('a', vector([{ next: 'b' }, 1]));
  expect(next()).toEqual({ kind: 'needs', query: 'b' });
  answers.set('b', vector([{}, 7]));
  expect(next()).toEqual({ kind: 'text', text: '7' });
});

test('a histogram is a value', () => {
  const { histogram } = parseHistogram('{{count:3 sum:4 buckets:[1 2]}}');
  const input: TemplateInput = { ...INPUT, value: { kind: 'histogram', value: histogram } };
  expect(expand('{{ $value }} {{ $value.Count }} {{ $value.Sum }}', input)).toBe(
    '{count:3, sum:4, (0.5,1]:1, (1,2]:2} 3 4',
  );
});

test('where alerts point to is known to templates', () => {
  expect(expand('{{ externalURL }} {{ pathPrefix }}')).toBe('http://x/y /y');
});

test.each([
  ['a text without end', '{{ range 1000000000 }}aaaaaaaaaaaaaaaaaaaa{{ end }}'],
  ['a long text of few parts', '{{ range 600 }}{{ printf "%1000000d" 1 }}{{ end }}'],
  ['a text that doubles', '{{ $x := "aaaaaaaa" }}{{ range 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}{{ len $x }}'],
  ['a replacement for each letter', `{{ $x := printf "%100000d" 1 }}{{ reReplaceAll "" $x $x | len }}`],
  ['a range in ranges', '{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}'],
  ['templates that call others twice', `${doubling(40)}{{ template "x40" }}`],
  ['templates that call themselves', '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}'],
])('%s ends', (_, text) => {
  expect(expand(text)).toMatch(/too (?:long|many)|exceeded maximum template depth/);
});

test.each([
  ['branches', '{{ if 1 }}'.repeat(20_000) + '{{ end }}'.repeat(20_000)],
  ['branches without end', '{{ with 1 }}'.repeat(20_000)],
  ['else if', `{{ if 1 }}${'{{ else if 1 }}'.repeat(20_000)}{{ end }}`],
])('%s that are nested too deeply are a fault of the template', (_, text) => {
  expect(templateFault('A', text)?.message).toMatch(/nested too deeply/);
});
