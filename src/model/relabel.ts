import { RE2JS, RE2JSSyntaxException } from 're2js';

export const RELABEL_ACTIONS = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
] as const;
export type RelabelAction = (typeof RELABEL_ACTIONS)[number];

/** One entry of Prometheus's `relabel_configs`, defaults filled in. */
export interface RelabelRule {
  readonly action: RelabelAction;
  readonly sourceLabels: readonly string[];
  readonly separator: string;
  /** RE2; matches the whole of a text. */
  readonly regex: string;
  readonly targetLabel: string;
  readonly replacement: string;
  /** For `hashmod`: 1 or more. */
  readonly modulus: number;
}

export const RELABEL_DEFAULTS: RelabelRule = {
  action: 'replace',
  sourceLabels: [],
  separator: ';',
  regex: '(.*)',
  targetLabel: '',
  replacement: '$1',
  modulus: 0,
};

/** The 16 bytes of the MD5 sum of a text's UTF-8, for `hashmod`. */
export type Md5 = (text: string) => Uint8Array;

/** Labels by name while rules change them. An empty value is an absent label. */
export type MutableLabels = Map<string, string>;

/** Changes the labels. False: the series or the target is dropped, and the labels are of no use. */
export type Relabel = (labels: MutableLabels) => boolean;

/**
 * Compiles rules into one function, which applies them in their order as Prometheus does.
 * @throws {RangeError} If a regular expression is not valid RE2.
 */
export function compileRelabel(rules: readonly RelabelRule[], md5: Md5): Relabel {
  const steps = rules.map((rule) => compileRule(rule, md5));
  return (labels) => steps.every((step) => step(labels));
}

function compileRule(rule: RelabelRule, md5: Md5): Relabel {
  const { action, targetLabel: target, replacement } = rule;
  const pattern = compilePattern(rule.regex);
  const textOf = sourceValue(rule);
  switch (action) {
    case 'replace':
      return replaceStep(rule, pattern, textOf);
    case 'keep':
      return (labels) => pattern.matches(textOf(labels));
    case 'drop':
      return (labels) => !pattern.matches(textOf(labels));
    case 'keepequal':
      return (labels) => (labels.get(target) ?? '') === textOf(labels);
    case 'dropequal':
      return (labels) => (labels.get(target) ?? '') !== textOf(labels);
    case 'hashmod':
      return (labels) => set(labels, target, hashMod(md5(textOf(labels)), rule.modulus));
    case 'lowercase':
      return (labels) => set(labels, target, textOf(labels).toLowerCase());
    case 'uppercase':
      return (labels) => set(labels, target, textOf(labels).toUpperCase());
    case 'labelmap': {
      const expand = compileTemplate(replacement);
      return (labels) => {
        for (const [name, value] of [...labels]) {
          const groups = pattern.groups(name);
          if (groups !== undefined) set(labels, expand(groups), value);
        }
        return true;
      };
    }
    case 'labeldrop':
    case 'labelkeep':
      return (labels) => {
        for (const name of [...labels.keys()]) {
          if (pattern.matches(name) === (action === 'labeldrop')) labels.delete(name);
        }
        return true;
      };
  }
}

function replaceStep(
  { targetLabel, replacement }: RelabelRule,
  pattern: Pattern,
  textOf: (labels: MutableLabels) => string,
): Relabel {
  const expandTarget = compileTemplate(targetLabel);
  const expand = compileTemplate(replacement);
  return (labels) => {
    const groups = pattern.groups(textOf(labels));
    if (groups === undefined) return true;
    const target = expandTarget(groups);
    return target === '' ? true : set(labels, target, expand(groups));
  };
}

function sourceValue({ sourceLabels, separator }: RelabelRule): (labels: MutableLabels) => string {
  const [only] = sourceLabels;
  if (sourceLabels.length === 1) return (labels) => labels.get(only!) ?? '';
  return (labels) => sourceLabels.map((name) => labels.get(name) ?? '').join(separator);
}

function set(labels: MutableLabels, name: string, value: string): true {
  if (value === '') labels.delete(name);
  else labels.set(name, value);
  return true;
}

/** The last eight bytes, big-endian, modulo. */
function hashMod(sum: Uint8Array, modulus: number): string {
  let number = 0n;
  for (const byte of sum.subarray(8, 16)) number = number * 256n + BigInt(byte);
  return String(number % BigInt(modulus));
}

/** What a pattern's groups matched: by number and by name; a group that took no part is empty. */
interface Groups {
  of(name: string): string;
}

interface Pattern {
  matches(text: string): boolean;
  /** Undefined where the whole text does not match. */
  groups(text: string): Groups | undefined;
}

const LITERALS = /^[a-zA-Z0-9_:\-/ ]+(?:\|[a-zA-Z0-9_:\-/ ]+)*$/;

/** The dot matches line breaks, as in Prometheus 3. Runs in linear time, whatever the pattern. */
function compilePattern(regex: string): Pattern {
  if (regex === '(.*)' || regex === '.*') {
    const group = regex === '(.*)' ? '1' : '0';
    return {
      matches: () => true,
      groups: (text) => ({ of: (name) => (name === '0' || name === group ? text : '') }),
    };
  }
  if (LITERALS.test(regex)) {
    const texts = new Set(regex.split('|'));
    return {
      matches: (text) => texts.has(text),
      groups: (text) => (texts.has(text) ? { of: (name) => (name === '0' ? text : '') } : undefined),
    };
  }
  const compiled = compileRe2(regex);
  const named = compiled.namedGroups() as Readonly<Record<string, number>>;
  return {
    matches: (text) => compiled.matches(text),
    groups(text) {
      const matcher = compiled.matcher(text);
      if (!matcher.matches()) return undefined;
      return {
        of(name) {
          const number = /^\d+$/.test(name) ? Number(name) : named[name];
          return number === undefined || number > matcher.groupCount() ? '' : (matcher.group(number) ?? '');
        },
      };
    },
  };
}

function compileRe2(regex: string): RE2JS {
  try {
    return RE2JS.compile(regex, RE2JS.DOTALL);
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    throw new RangeError(`not a regular expression: "${regex}" (${error.message})`, { cause: error });
  }
}

/** `$1`, `${1}`, `$name`, `${name}`; `$$` is a dollar sign. A name is as long as letters, digits and `_` go on. */
function compileTemplate(template: string): (groups: Groups) => string {
  if (!template.includes('$')) return () => template;
  const parts: (string | { readonly name: string })[] = [];
  let end = 0;
  for (const found of template.matchAll(/\$(?:\$|\{(\w+)\}|(\w+))/g)) {
    parts.push(template.slice(end, found.index));
    const name = found[1] ?? found[2];
    parts.push(name === undefined ? '$' : { name });
    end = found.index + found[0].length;
  }
  parts.push(template.slice(end));
  return (groups) => parts.map((part) => (typeof part === 'string' ? part : groups.of(part.name))).join('');
}
