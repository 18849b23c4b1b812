import { RE2JS, RE2JSSyntaxException } from 're2js';
import { parseDuration } from '../../model/time.ts';
import { BUILTINS } from './builtins.ts';
import { type Parameter, sampleIn, samplesIn, type TemplateFunction, text } from './definition.ts';
import { queryEscape } from './escape.ts';
import { nanosOf } from './go-time.ts';
import { isAddress, joinHostPort, splitHostPort } from './host-port.ts';
import {
  floatOf,
  humanize,
  humanize1024,
  humanizeDuration,
  humanizePercentage,
  humanizeTimestamp,
  timeOf,
} from './humanize.ts';
import { type GoValue, MOST_CHARS, TemplateRunError } from './values.ts';

function of(parameters: readonly Parameter[], call: TemplateFunction['call']): TemplateFunction {
  return { parameters, call };
}

function onText(call: (value: string) => GoValue): TemplateFunction {
  return of(['string'], ([value]) => call(text(value)));
}

function onAny(call: (value: GoValue) => GoValue): TemplateFunction {
  return of(['any'], ([value]) => call(value));
}

/** What Prometheus adds to Go's own functions in templates of rules. */
const PROMETHEUS: Readonly<Record<string, TemplateFunction>> = {
  query: of(['string'], ([expression], world) => world.query(text(expression))),
  first: of(['samples'], ([vector]) => {
    const [first] = samplesIn(vector);
    if (first === undefined) throw new TemplateRunError('first() called on vector with no elements');
    return first;
  }),
  label: of(['string', 'sample'], ([name, sample]) => sampleIn(sample).labels.entries.get(text(name)) ?? ''),
  value: of(['sample'], ([sample]) => sampleIn(sample).value),
  strvalue: of(['sample'], ([sample]) => sampleIn(sample).labels.entries.get('__value__') ?? ''),
  sortByLabel: of(['string', 'samples'], ([name, vector]) => {
    const by = (sample: { readonly labels: { readonly entries: ReadonlyMap<string, GoValue> } }) =>
      String(sample.labels.entries.get(text(name)) ?? '');
    const samples = [...samplesIn(vector)].sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0));
    return { kind: 'samples', samples };
  }),
  args: {
    ...{ parameters: [], rest: 'any' },
    call: (values) => ({ kind: 'map', ofTexts: false, entries: new Map(values.map((value, i) => [`arg${i}`, value])) }),
  },
  reReplaceAll: of(['string', 'string', 'string'], ([pattern, replacement, value]) =>
    replaceAll(text(pattern), text(replacement), text(value)),
  ),
  match: of(['string', 'string'], ([pattern, value]) =>
    compile(text(pattern), 'error parsing regexp: ').test(text(value)),
  ),
  safeHtml: onText((value) => ({ kind: 'html', text: value })),
  title: onText(titled),
  toUpper: onText((value) => eachLetter(value, (letter) => letter.toUpperCase())),
  toLower: onText((value) => eachLetter(value, (letter) => letter.toLowerCase())),
  graphLink: onText((expression) => `/graph?g0.expr=${queryEscape(expression)}&g0.tab=0`),
  tableLink: onText((expression) => `/graph?g0.expr=${queryEscape(expression)}&g0.tab=1`),
  urlQueryEscape: onText(queryEscape),
  stripPort: onText((value) => splitHostPort(value)?.host ?? value),
  stripDomain: onText((value) => {
    const { host, port } = splitHostPort(value) ?? { host: value, port: '' };
    if (isAddress(host)) return value;
    const [first] = host.split('.') as [string];
    return port === '' ? first : joinHostPort(first, port);
  }),
  humanize: onAny(humanize),
  humanize1024: onAny(humanize1024),
  humanizeDuration: onAny(humanizeDuration),
  humanizePercentage: onAny(humanizePercentage),
  humanizeTimestamp: onAny(humanizeTimestamp),
  toTime: onAny((value) => timeOf(floatOf(value))),
  toDuration: onAny((value) => ({ kind: 'duration', ns: nanosOf(floatOf(value)) ?? -(2n ** 63n) })),
  parseDuration: onText((value) => {
    const size = value.replace(/^-/, '');
    try {
      return ((size === value ? 1 : -1) * parseDuration(size)) / 1000;
    } catch {
      throw new TemplateRunError(`not a valid duration string: ${JSON.stringify(value)}`);
    }
  }),
  now: of([], (_, { now }) => now),
  externalURL: of([], (_, { externalUrl }) => externalUrl),
  pathPrefix: of([], (_, { externalUrl }) => /^[a-z][a-z0-9+.-]*:\/\/[^/]*(\/[^?#]*)?/i.exec(externalUrl)?.[1] ?? ''),
};

/** All functions by name. */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(Object.entries({ ...BUILTINS, ...PROMETHEUS }));

export const FUNCTION_NAMES: ReadonlySet<string> = new Set(FUNCTIONS.keys());

function compile(pattern: string, prefix: string): { test(text: string): boolean; all: RE2JS } {
  try {
    const all = RE2JS.compile(pattern);
    return { all, test: (value) => all.matcher(value).find() };
  } catch (error) {
    if (error instanceof RE2JSSyntaxException)
      throw new TemplateRunError(prefix + error.message.replace(/^error parsing regexp: /, ''));
    throw error;
  }
}

const REFERENCE = /\$(?:\$|\{([^{}]*)\}|([\p{L}\p{Nd}_]+))/gu;

/** Go's replacement: `$1`, `${1}`, `$name` up to the last letter or digit, `$$`. */
function replaceAll(pattern: string, replacement: string, value: string): string {
  const { all } = compile(
    pattern,
    `regexp: Compile(${pattern.includes('`') ? JSON.stringify(pattern) : `\`${pattern}\``}): error parsing regexp: `,
  );
  const matcher = all.matcher(value);
  const names: Readonly<Record<string, number>> = all.namedGroups();
  let out = '';
  let from = 0;
  while (matcher.find()) {
    // As in Go: of nothing behind a match none is made, or `(.*)` would be replaced twice.
    if (matcher.end() === from && matcher.start() > 0) continue;
    out += value.slice(from, matcher.start());
    out += replacement.replace(REFERENCE, (whole, braced?: string, plain?: string) => {
      if (whole === '$$') return '$';
      const name = braced ?? plain ?? '';
      const index = /^\d+$/.test(name) ? Number(name) : (names[name] ?? -1);
      return index >= 0 && index <= matcher.groupCount() ? (matcher.group(index) ?? '') : '';
    });
    if (out.length > MOST_CHARS) throw new TemplateRunError('the text is too long');
    from = matcher.end();
  }
  return out + value.slice(from);
}

/** Letter by letter: `ß` stays, since its capital is two. */
function eachLetter(value: string, change: (letter: string) => string): string {
  return [...value]
    .map((letter) => {
      const [first, ...more] = [...change(letter)] as [string, ...string[]];
      return more.length === 0 || more.every((one) => /\p{M}/u.test(one)) ? first : letter;
    })
    .join('');
}

const WORDS = new Intl.Segmenter('en-US', { granularity: 'word' });

function titled(value: string): string {
  return [...WORDS.segment(value)]
    .map(({ segment, isWordLike }) =>
      isWordLike ? segment.replace(/\p{L}/u, (letter) => letter.toUpperCase()) : segment,
    )
    .join('');
}
