import type { CelRule } from '../src/scaling/cel-rules.ts';

/** A JSON Schema as Zod writes it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** What Zod says of a schema that both languages have, word for word. */
const KEPT = new Set(
  'type description default enum minLength maxLength pattern minimum maximum minItems maxItems format'.split(' '),
);
/** What goes without saying in the other language, or is said by a rule. */
const LEFT_OUT = new Set(['additionalProperties', 'propertyNames', '$schema', 'title', 'examples', '$id']);
/** CEL's reserved words: a field of such a name is asked for between underscores. */
const RESERVED = new Set(
  'as break const continue else false for function if import in let loop namespace null package return true var void while'.split(
    ' ',
  ),
);
const RULES = 'x-kubernetes-validations';
const ANYTHING = { 'x-kubernetes-preserve-unknown-fields': true } as const;

/**
 * The same as a structural schema of Kubernetes (OpenAPI 3.0 with each type said outright): what a CustomResourceDefinition
 * takes. A union of things of different shape, such as one or a list, has no structural form: there anything is let
 * through, and Foresail checks it. A union of objects becomes one object with a rule that says which fields go together.
 *
 * @throws {RangeError} If the schema has a keyword that this does not know: nothing is left out in silence.
 */
export function structuralSchema(schema: JsonSchema): JsonSchema {
  const branches = (schema['anyOf'] ?? schema['oneOf']) as readonly JsonSchema[] | undefined;
  if (branches !== undefined) return { ...kept(schema, ['anyOf', 'oneOf']), ...union(branches, schema) };
  // An object, since a rule can only ask for a field that has a type.
  if (schema['not'] !== undefined) return { ...kept(schema, ['not']), type: 'object', ...ANYTHING };
  if (schema['type'] === undefined && schema['enum'] === undefined && schema['const'] === undefined) {
    return { ...kept(schema, []), ...ANYTHING };
  }
  const { const: only, exclusiveMinimum, exclusiveMaximum } = schema;
  const translated: Record<string, unknown> = {
    ...kept(schema, ['const', 'exclusiveMinimum', 'exclusiveMaximum', 'properties', 'required', 'items', RULES]),
    ...(only !== undefined && { type: typeof only, enum: [only] }),
    ...(exclusiveMinimum !== undefined && { minimum: exclusiveMinimum, exclusiveMinimum: true }),
    ...(exclusiveMaximum !== undefined && { maximum: exclusiveMaximum, exclusiveMaximum: true }),
    ...(schema['items'] !== undefined && { items: structuralSchema(schema['items'] as JsonSchema) }),
  };
  const rules = [...rulesOf(schema)];
  const properties = propertiesOf(schema);
  const values = schema['additionalProperties'];
  if (Object.keys(properties).length > 0) {
    translated['properties'] = mapValues(properties, structuralSchema);
    rules.push(...Object.entries(properties).flatMap(refusal));
  } else if (typeof values === 'object' && values !== null) {
    translated['additionalProperties'] = structuralSchema(values as JsonSchema);
  }
  if (requiredOf(schema).length > 0) translated['required'] = requiredOf(schema);
  if (rules.length > 0) translated[RULES] = rules;
  return translated;
}

/** A field that is reserved: it would be dropped without a word if the schema did not name it. */
function refusal([name, { not, description }]: [string, JsonSchema]): readonly CelRule[] {
  if (not === undefined) return [];
  const message = `remove ${name}: ${String(description ?? 'it is not supported by this version')}`;
  return [{ rule: `!has(${fieldOf(name)})`, message }];
}

function union(branches: readonly JsonSchema[], { default: fallback }: JsonSchema): JsonSchema {
  const all = (type: string) => branches.every((branch) => typeOf(branch) === type);
  if (all('string')) return stringUnion(branches);
  if (all('integer') || all('number') || all('boolean')) return { type: typeOf(branches[0]!) };
  if (all('object')) return objectUnion(branches);
  const types = [...new Set(branches.map(typeOf))].sort().join();
  if (types === 'integer,string') return { 'x-kubernetes-int-or-string': true };
  return { ...ANYTHING, ...(fallback !== undefined && { default: fallback }) };
}

function stringUnion(branches: readonly JsonSchema[]): JsonSchema {
  const words = branches.flatMap(wordsOf);
  if (branches.every(({ const: only, enum: some }) => only !== undefined || some !== undefined)) {
    return { type: 'string', enum: words };
  }
  const others = branches.filter(({ const: only, enum: some }) => only === undefined && some === undefined);
  const lengths = others.map(({ maxLength }) => maxLength as number | undefined);
  const asked = others.map(rulesOf);
  const base = {
    type: 'string',
    ...(!lengths.includes(undefined) && { maxLength: Math.max(...(lengths as number[])) }),
  };
  // A branch that takes any text makes the others needless.
  if (asked.some((rules) => rules.length === 0)) return base;
  const either = [
    ...words.map((word: unknown) => `self == '${word}'`),
    ...asked.map((rules) => rules.map(({ rule }) => `(${rule})`).join(' && ')),
  ];
  const messages = asked.flat().map(({ message }) => message.replace(/^expected /, ''));
  return {
    ...base,
    [RULES]: [{ rule: either.join(' || '), message: `expected ${[...words, ...messages].join(' or ')}` }],
  };
}

function objectUnion(branches: readonly JsonSchema[]): JsonSchema {
  const names = [...new Set(branches.flatMap((branch) => Object.keys(propertiesOf(branch))))];
  const properties = Object.fromEntries(
    names.map((name) => {
      const found = branches.map((branch) => propertiesOf(branch)[name]).filter((each) => each !== undefined);
      const shared = found.length === branches.length;
      const words = found.flatMap(wordsOf);
      if (found.every(({ const: only, enum: some }) => only !== undefined || some !== undefined)) {
        return [
          name,
          {
            ...found[0],
            const: undefined,
            type: typeof words[0],
            enum: [...new Set(words)],
          },
        ];
      }
      // A default of one branch must not be written into what is another one's.
      return [name, shared ? found[0]! : { ...found[0], default: undefined }];
    }),
  );
  const required = names.filter((name) => branches.every((branch) => requiredOf(branch).includes(name)));
  const rules = [
    {
      rule: branches.map((branch) => `(${isBranch(branch, names)})`).join(' || '),
      message: `expected exactly one of: ${branches.map((branch) => requiredOf(branch).join(' with ')).join('; ')}`,
    },
  ];
  return structuralSchema(
    withoutUndefined({ type: 'object', properties: mapValues(properties, withoutUndefined), required, [RULES]: rules }),
  );
}

/** What a branch has of its own is there, and what only others have is not. */
function isBranch(branch: JsonSchema, names: readonly string[]): string {
  const own = propertiesOf(branch);
  const terms = names.flatMap((name) => {
    if (own[name] === undefined) return [`!has(${fieldOf(name)})`];
    if (!requiredOf(branch).includes(name)) return [];
    const only = own[name]['const'];
    return [`has(${fieldOf(name)})`, ...(only === undefined ? [] : [`${fieldOf(name)} == ${JSON.stringify(only)}`])];
  });
  return terms.length === 0 ? 'true' : terms.join(' && ');
}

function fieldOf(name: string): string {
  return `self.${RESERVED.has(name) ? `__${name}__` : name}`;
}

function kept(schema: JsonSchema, elsewhere: readonly string[]): JsonSchema {
  const entries = Object.entries(schema).filter(([keyword]) => !elsewhere.includes(keyword) && !LEFT_OUT.has(keyword));
  const unknown = entries.find(([keyword]) => !KEPT.has(keyword));
  if (unknown !== undefined) throw new RangeError(`no structural form for the keyword ${unknown[0]}`);
  return Object.fromEntries(entries);
}

/** The values that a branch names outright. */
function wordsOf({ const: only, enum: some }: JsonSchema): readonly unknown[] {
  return only === undefined ? ((some ?? []) as readonly unknown[]) : [only];
}

function typeOf({ type, const: only, enum: some }: JsonSchema): string {
  if (typeof type === 'string') return type;
  const value = only ?? (some as readonly unknown[] | undefined)?.[0];
  return value === undefined ? 'anything' : typeof value;
}

function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
}

function requiredOf(schema: JsonSchema): readonly string[] {
  return (schema['required'] ?? []) as readonly string[];
}

function rulesOf(schema: JsonSchema): readonly CelRule[] {
  return (schema[RULES] ?? []) as readonly CelRule[];
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

function withoutUndefined(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
}
