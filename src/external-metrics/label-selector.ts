/** One requirement of a label selector. All of a selector's requirements must hold. */
export interface Requirement {
  readonly key: string;
  readonly operator: 'exists' | 'absent' | 'in' | 'notIn' | 'above' | 'below';
  /** As written. One for `above` and `below`, none for `exists` and `absent`. */
  readonly values: readonly string[];
}

export type LabelSelector = readonly Requirement[];

/** A label selector is not one. The message says where and what was expected; it is meant for the client. */
export class LabelSelectorError extends Error {
  override readonly name = 'LabelSelectorError';
}

/** Kubernetes' rules for the values of labels, and for the two parts of their keys. */
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const INTEGER = /^[+-]?\d{1,18}$/;
const TOKEN = /\s*(==|!=|[=!()<>,]|[^\s=!()<>,]+)/y;

/**
 * Parses `labels.Selector` as `kubectl -l` and the HPA controller write it: `k=v`, `k==v`, `k!=v`, `k in (a,b)`,
 * `k notin (a,b)`, `k`, `!k`, `k>1`, `k<1`, joined by commas. Nothing selects everything.
 *
 * @throws {LabelSelectorError} If it is none.
 */
export function parseLabelSelector(text: string): LabelSelector {
  const tokens = tokensOf(text);
  const requirements: Requirement[] = [];
  let at = 0;
  const peek = () => tokens[at] ?? '';
  const fail = (expected: string): never => {
    const found = at < tokens.length ? JSON.stringify(peek()) : 'the end';
    throw new LabelSelectorError(
      `cannot parse the label selector ${JSON.stringify(text)}: expected ${expected}, found ${found}`,
    );
  };
  const checked = (value: string, rule: RegExp, what: string) => (rule.test(value) ? value : fail(what));
  const word = () => (isWord(peek()) ? tokens[at++]! : '');

  function requirement(): Requirement {
    const absent = peek() === '!';
    if (absent) at++;
    if (!isWord(peek()) || !isKey(peek())) fail('a label key');
    const key = tokens[at++]!;
    if (absent) return { key, operator: 'absent', values: [] };
    const operator = peek();
    if (operator === '' || operator === ',') return { key, operator: 'exists', values: [] };
    at++;
    switch (operator) {
      case '=':
      case '==':
      case '!=':
        return { key, operator: operator === '!=' ? 'notIn' : 'in', values: [value()] };
      case '>':
      case '<': {
        checked(peek(), INTEGER, 'an integer');
        return { key, operator: operator === '>' ? 'above' : 'below', values: [tokens[at++]!] };
      }
      case 'in':
      case 'notin':
        return { key, operator: operator === 'in' ? 'in' : 'notIn', values: list() };
      default:
        at--;
        return fail('one of = == != in notin < > ,');
    }
  }

  function value(): string {
    checked(isWord(peek()) ? peek() : '', VALUE, 'a label value');
    return word();
  }

  /** `(a,b)`; an empty place is the empty value. */
  function list(): readonly string[] {
    if (peek() !== '(') fail('(');
    const values: string[] = [];
    do {
      at++;
      values.push(value());
    } while (peek() === ',');
    if (peek() !== ')') fail(', or )');
    at++;
    return values;
  }

  if (tokens.length === 0) return [];
  for (;;) {
    requirements.push(requirement());
    if (at === tokens.length) return requirements;
    if (peek() !== ',') fail('a comma or the end');
    at++;
  }
}

/** Whether labels meet all requirements. As in Kubernetes, `!=` and `notin` hold where the label is missing. */
export function selects(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every((requirement) => meets(requirement, labels));
}

function meets({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key]! : undefined;
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notIn':
      return value === undefined || !values.includes(value);
    case 'above':
    case 'below': {
      if (value === undefined || !INTEGER.test(value)) return false;
      const [bound, given] = [BigInt(values[0]!.replace('+', '')), BigInt(value.replace('+', ''))];
      return operator === 'above' ? given > bound : given < bound;
    }
  }
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) tokens.push(found[1]!);
  return tokens;
}

function isWord(token: string): boolean {
  return token !== '' && !/^[=!()<>,]/.test(token);
}

function isKey(token: string): boolean {
  const slash = token.indexOf('/');
  if (slash === -1) return NAME.test(token);
  return slash <= 253 && PREFIX.test(token.slice(0, slash)) && NAME.test(token.slice(slash + 1));
}
