/** How names of OpenTelemetry become names of series: Prometheus's four strategies, by its own words. */
export const TRANSLATION_STRATEGIES = [
  'UnderscoreEscapingWithSuffixes',
  'UnderscoreEscapingWithoutSuffixes',
  'NoUTF8EscapingWithSuffixes',
  'NoTranslation',
] as const;
export type TranslationStrategy = (typeof TRANSLATION_STRATEGIES)[number];

/** What a metric's name depends on. `counter` is a monotonic sum. */
export interface NamedMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'counter' | 'gauge' | 'other';
}

/** UCUM's units to Prometheus's words, as prometheus/otlptranslator has them (51da773). */
const UNITS: ReadonlyMap<string, string> = new Map([
  ['d', 'days'],
  ['h', 'hours'],
  ['min', 'minutes'],
  ['s', 'seconds'],
  ['ms', 'milliseconds'],
  ['us', 'microseconds'],
  ['ns', 'nanoseconds'],
  ['By', 'bytes'],
  ['KiBy', 'kibibytes'],
  ['MiBy', 'mebibytes'],
  ['GiBy', 'gibibytes'],
  ['TiBy', 'tibibytes'],
  ['KBy', 'kilobytes'],
  ['MBy', 'megabytes'],
  ['GBy', 'gigabytes'],
  ['TBy', 'terabytes'],
  ['m', 'meters'],
  ['V', 'volts'],
  ['A', 'amperes'],
  ['J', 'joules'],
  ['W', 'watts'],
  ['g', 'grams'],
  ['Cel', 'celsius'],
  ['Hz', 'hertz'],
  ['1', ''],
  ['%', 'percent'],
]);
/** What stands behind a slash: here `m` is a minute. */
const PER_UNITS: ReadonlyMap<string, string> = new Map([
  ['s', 'second'],
  ['m', 'minute'],
  ['h', 'hour'],
  ['d', 'day'],
  ['w', 'week'],
  ['mo', 'month'],
  ['y', 'year'],
]);

const escapes = (strategy: TranslationStrategy) => strategy.startsWith('UnderscoreEscaping');
const addsSuffixes = (strategy: TranslationStrategy) => strategy.endsWith('WithSuffixes');

/** The name of a metric's family. Undefined: nothing is left of it. */
export function metricNameOf(metric: NamedMetric, strategy: TranslationStrategy): string | undefined {
  const { name } = metric;
  if (name === '') return undefined;
  if (!escapes(strategy)) return addsSuffixes(strategy) ? withSuffixes(metric) : name;
  const tokens = addsSuffixes(strategy) ? tokensOf(metric) : name.split(/[^a-zA-Z0-9:_]+/u).filter(Boolean);
  const joined = tokens.join('_');
  const escaped = /^\d/.test(joined) ? `_${joined}` : joined;
  // A name of underscores alone is kept where it was sent so, and not made of something else.
  return escaped !== '' && (escaped === name || /[^_]/.test(escaped)) ? escaped : undefined;
}

function tokensOf({ name, unit, kind }: NamedMetric): readonly string[] {
  let tokens = name.split(/[^a-zA-Z0-9:]+/u).filter(Boolean);
  const [main, per] = unitWords(unit).map(cleanUnit) as [string, string];
  const perWord = per === 'per_' ? '' : per.replace(/_$/, '');
  const newPer = tokens.includes(perWord) ? '' : perWord;
  const mainWord = tokens.includes(main) ? '' : main;
  const newMain = newPer === '' ? mainWord : mainWord.replace(/_$/, '');
  tokens = [...tokens, newMain, newPer].filter(Boolean);
  const last = kind === 'counter' ? 'total' : kind === 'gauge' && unit === '1' ? 'ratio' : undefined;
  return last === undefined ? tokens : [...tokens.filter((token) => token !== last), last];
}

function withSuffixes({ name, unit, kind }: NamedMetric): string {
  const [main, per] = unitWords(unit);
  const suffixes: string[] = [];
  if (kind === 'gauge' && unit === '1') suffixes.unshift('ratio');
  if (kind === 'counter') suffixes.unshift('total');
  if (per !== '') suffixes.unshift(per);
  // From the outermost on, each is taken away where it is there already, and put back in its order.
  let base = name;
  for (const suffix of suffixes.toReversed()) {
    if (base.endsWith(suffix) && base.length > suffix.length + 1) base = base.slice(0, -suffix.length - 1);
  }
  if (main !== '' && !base.endsWith(main)) base += `_${main}`;
  return [base, ...suffixes].join('_');
}

/** `By/s` becomes `bytes` and `per_second`. What stands in braces is a remark, not a unit. */
function unitWords(unit: string): [main: string, per: string] {
  const slash = unit.indexOf('/');
  const main = (slash === -1 ? unit : unit.slice(0, slash)).trim();
  const per = slash === -1 ? '' : unit.slice(slash + 1).trim();
  const perWord = /[{}]/.test(per) ? '' : (PER_UNITS.get(per) ?? per);
  return [/[{}]/.test(main) ? '' : (UNITS.get(main) ?? main), perWord === '' ? '' : `per_${perWord}`];
}

function cleanUnit(word: string): string {
  return word
    .replace(/[^a-zA-Z0-9:]/gu, '_')
    .replace(/_+/g, '_')
    .replace(/^_/, '');
}

/** The unit as metadata has it: `bytes_per_second`. Empty where there is none. */
export function unitNameOf(unit: string): string {
  return unitWords(unit).map(cleanUnit).filter(Boolean).join('_').replace(/^_/, '').replace(/_$/, '');
}

/** The name of a label. Undefined: nothing is left of it. */
export function labelNameOf(key: string, strategy: TranslationStrategy): string | undefined {
  if (!/[^_]/.test(key)) return undefined;
  if (!escapes(strategy)) return key;
  const reserved = key.length >= 4 && key.startsWith('__') && key.endsWith('__');
  const escaped = (reserved ? key.slice(2, -2) : key).replace(/[^a-zA-Z0-9]+/gu, '_');
  const name = reserved ? `__${escaped}__` : /^\d/.test(escaped) ? `key_${escaped}` : escaped;
  return /[^_]/.test(name) ? name : undefined;
}
