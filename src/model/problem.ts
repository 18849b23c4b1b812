import { CodedError } from './errors.ts';
import { nearestWord } from './nearest-word.ts';

/** One thing that is wrong in a document that a person wrote. */
export interface Problem {
  /** Keys and indexes from the top of the document. */
  readonly path: readonly (string | number)[];
  /** What was expected and what stands there, without the path. */
  readonly message: string;
  /** The nearest right word. */
  readonly suggestion?: string;
}

/** A document that a client sent, or a file, is not what it has to be. All that is wrong with it, at once. */
export class InvalidDocumentError extends CodedError {
  override readonly name = 'InvalidDocumentError';
  readonly code = 'invalid_document';
  readonly problems: readonly Problem[];

  constructor(what: string, problems: readonly Problem[]) {
    super(`cannot use ${what}: ${problems.map(formatProblem).join('; ')}`);
    this.problems = problems;
  }
}

/** `tenancy.mode: expected "on" or "off", got "yes"; did you mean "on"?` */
export function formatProblem({ path, message, suggestion }: Problem): string {
  const hint = suggestion === undefined ? '' : `; did you mean ${JSON.stringify(suggestion)}?`;
  return `${path.length === 0 ? '' : `${formatPath(path)}: `}${message}${hint}`;
}

/** `spec.forecast.events[0].name` */
export function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((part, i) => {
      if (typeof part === 'number') return `[${part}]`;
      const plain = /^[\w-]{1,80}$/.test(part) ? part : JSON.stringify(part.slice(0, 80));
      return i === 0 ? plain : `.${plain}`;
    })
    .join('');
}

/** What a schema library says is wrong: the fields that Zod's issues have, without knowing Zod. */
export interface SchemaIssue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly expected?: string;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inclusive?: boolean | undefined;
  readonly origin?: string;
  readonly errors?: readonly (readonly SchemaIssue[])[];
}

/** The part of a JSON Schema that names the keys and words which are right at a path. */
export interface SchemaNode {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
  readonly additionalProperties?: unknown;
  readonly anyOf?: readonly unknown[];
  readonly not?: unknown;
}

/** Says each issue as a person would: what was expected, what stands there, and what was probably meant. */
export function problemsOf(issues: readonly SchemaIssue[], document: unknown, schema: unknown): readonly Problem[] {
  return issues.flatMap((issue) => problemsOfIssue(issue, [], document, schema));
}

function problemsOfIssue(
  issue: SchemaIssue,
  parent: readonly (string | number)[],
  document: unknown,
  schema: unknown,
): readonly Problem[] {
  const path = [...parent, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  const value = valueAt(document, path);
  const got = `got ${describe(value)}`;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path);
      return (issue.keys ?? []).map((key) => {
        const expected = known.length > 0 && known.length <= 12 ? ` (expected ${listOf(known)})` : '';
        return withSuggestion([...path, key], `unknown key${expected}`, key, known);
      });
    }
    case 'invalid_value': {
      const words = (issue.values ?? []).map(String);
      if (value === undefined) return [{ path, message: `missing: expected ${quotedList(words)}` }];
      const written = typeof value === 'string' || typeof value === 'boolean' ? String(value) : undefined;
      return [withSuggestion(path, `expected ${quotedList(words)}, ${got}`, written, words)];
    }
    case 'invalid_type': {
      const expected = withArticle(issue.expected ?? 'other type');
      return [
        { path, message: value === undefined ? `missing: expected ${expected}` : `expected ${expected}, ${got}` },
      ];
    }
    case 'invalid_union':
      return unionProblems(issue.errors ?? [], path, document, schema);
    case 'too_small':
      return [{ path, message: `expected ${bound(issue, 'at least', 'more than', issue.minimum)}, ${got}` }];
    case 'too_big':
      return [{ path, message: `expected ${bound(issue, 'at most', 'less than', issue.maximum)}, ${got}` }];
    default:
      return [{ path, message: value === undefined ? `missing: ${issue.message}` : issue.message }];
  }
}

/** Of a union's branches the one that was meant: whose problems lie deepest. None: all that would have been right. */
function unionProblems(
  branches: readonly (readonly SchemaIssue[])[],
  path: readonly (string | number)[],
  document: unknown,
  schema: unknown,
): readonly Problem[] {
  const meant = branches.filter((issues) => issues.every((issue) => issue.path.length > 0 || isAboutContent(issue)));
  if (meant.length > 0) {
    const best = meant.reduce((a, b) => (b.length < a.length ? b : a));
    return best.flatMap((issue) => problemsOfIssue(issue, path, document, schema));
  }
  const value = valueAt(document, path);
  const words = branches.flat().flatMap((issue) => (issue.code === 'invalid_value' ? (issue.values ?? []) : []));
  const wants = branches.flatMap((issues) => issues.slice(0, 1).map(wanted));
  const message = `expected ${listOf([...new Set(wants)])}, got ${describe(value)}`;
  return [withSuggestion(path, message, typeof value === 'string' ? value : undefined, words.map(String))];
}

/** The value has the right kind already, such as a list that is too long. */
function isAboutContent({ code }: SchemaIssue): boolean {
  return code === 'unrecognized_keys' || code === 'too_small' || code === 'too_big';
}

function wanted(issue: SchemaIssue): string {
  if (issue.code === 'invalid_value') return quotedList((issue.values ?? []).map(String));
  if (issue.code === 'invalid_type') return withArticle(issue.expected ?? 'other type');
  return issue.message.replace(/^expected /, '').replace(/, got .*$/s, '');
}

function withSuggestion(
  path: readonly (string | number)[],
  message: string,
  word: string | undefined,
  known: readonly string[],
): Problem {
  const suggestion = word === undefined ? undefined : nearestWord(word, known);
  return { path, message, ...(suggestion !== undefined && { suggestion }) };
}

function bound({ inclusive, origin }: SchemaIssue, atLeast: string, moreThan: string, limit: unknown): string {
  const words = inclusive === false ? moreThan : atLeast;
  if (origin === 'string') return `${words} ${limit} characters`;
  if (origin === 'array') return `${words} ${limit} entries`;
  return `${words} ${limit}`;
}

/** A value in a few words: never a whole document. */
function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  int: 'a whole number',
  string: 'a text',
  boolean: 'true or false',
};

function withArticle(type: string): string {
  return Object.hasOwn(TYPE_WORDS, type) ? TYPE_WORDS[type]! : `a ${type}`;
}

function quotedList(words: readonly string[]): string {
  return listOf(words.map((word) => JSON.stringify(word)));
}

function listOf(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function valueAt(document: unknown, path: readonly (string | number)[]): unknown {
  let value = document;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

function keysAt(schema: unknown, path: readonly (string | number)[]): readonly string[] {
  let nodes = alternatives(schema);
  for (const part of path) {
    nodes = nodes.flatMap((node) => {
      if (typeof part === 'number') return alternatives(node.items);
      const own = node.properties !== undefined && Object.hasOwn(node.properties, part);
      return alternatives(own ? node.properties?.[part] : node.additionalProperties);
    });
  }
  const keys = nodes.flatMap(({ properties }) => Object.entries(properties ?? {}));
  return [...new Set(keys.filter(([, node]) => !isNever(node)).map(([key]) => key))];
}

function alternatives(schema: unknown): readonly SchemaNode[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const node = schema as SchemaNode;
  return [node, ...(node.anyOf ?? []).flatMap(alternatives)];
}

function isNever(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && 'not' in schema;
}
