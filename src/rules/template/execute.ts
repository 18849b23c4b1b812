import { checkedArgument, type Parameter, type TemplateWorld, typeNameOfParameter } from './definition.ts';
import { formatPlain } from './format.ts';
import { FUNCTIONS } from './functions.ts';
import { methodOf } from './methods.ts';
import {
  type Branch,
  type Command,
  formatCommand,
  formatNode,
  type Node,
  type Operand,
  type Pipeline,
} from './nodes.ts';
import type { Template } from './parse.ts';
import { fieldOf, type GoValue, isTrue, MOST_CHARS, TemplateRunError, typeNameOf } from './values.ts';

/** A template that is right cannot be carried out with what it was given. The message has the place, as Go tells it. */
export class TemplateExecuteError extends Error {
  override readonly name = 'TemplateExecuteError';
}

interface Variable {
  readonly name: string;
  value: GoValue;
}

interface Run {
  readonly name: string;
  readonly template: Template;
  /** Which of the template's lists. */
  readonly current: string;
  readonly world: TemplateWorld;
  readonly out: string[];
  /** Of the whole template, those included that it calls. */
  readonly spent: { chars: number; turns: number; work: number };
  variables: Variable[];
  readonly depth: number;
  /** What messages are about. */
  node: Operand | Node | Pipeline | undefined;
}

/** A pipeline has no value yet: other than nil. */
const MISSING = Symbol('missing');
type Final = GoValue | typeof MISSING;

const DEEPEST = 1000;
const MOST_TURNS = 1_000_000;
/** Characters that functions take and give, all together: some seconds at most. */
const MOST_WORK = 20_000_000;
/** Functions that look for a pattern take so many times as long for each. */
const PATTERN_WORK = 20;
const WITH_PATTERN: ReadonlySet<string> = new Set(['match', 'reReplaceAll']);

/**
 * Carries out a template.
 * @throws {TemplateExecuteError} In Go's words.
 */
export function executeTemplate(name: string, template: Template, data: GoValue, world: TemplateWorld): string {
  const out: string[] = [];
  const variables = [{ name: '$', value: data }];
  const spent = { chars: 0, turns: 0, work: 0 };
  const run: Run = { name, template, current: name, world, out, spent, variables, depth: 0, node: undefined };
  walkList(run, template.root, data);
  return out.join('');
}

/** How a list ended. */
type Flow = 'next' | 'break' | 'continue';

function walkList(run: Run, list: readonly Node[], dot: GoValue): Flow {
  for (const node of list) {
    const flow = walk(run, node, dot);
    if (flow !== 'next') return flow;
  }
  return 'next';
}

function walk(run: Run, node: Node, dot: GoValue): Flow {
  run.node = node;
  switch (node.kind) {
    case 'text':
      write(run, node.text);
      return 'next';
    case 'action': {
      const value = evaluatePipeline(run, node.pipeline, dot);
      run.node = node;
      if (node.pipeline.variables.length === 0) write(run, value === undefined ? '<no value>' : formatPlain(value));
      return 'next';
    }
    case 'if':
    case 'with':
      return walkBranch(run, node, dot);
    case 'range':
      return walkRange(run, node, dot);
    case 'template':
      walkTemplate(run, node, dot);
      return 'next';
    default:
      return node.kind;
  }
}

function write(run: Run, text: string): void {
  run.spent.chars += text.length;
  if (run.spent.chars > MOST_CHARS) throw fault(run, 'the text is too long');
  run.out.push(text);
}

/** Ranges within ranges, and templates that call others twice, would take longer than anybody waits. */
function takeTurn(run: Run): void {
  if (++run.spent.turns > MOST_TURNS) throw fault(run, 'too many turns');
}

function walkBranch(run: Run, { kind, pipeline, list, otherwise }: Branch, dot: GoValue): Flow {
  const scope = run.variables.length;
  const value = evaluatePipeline(run, pipeline, dot);
  const chosen = isTrue(value) ? list : (otherwise ?? []);
  const flow = walkList(run, chosen, kind === 'with' && chosen === list ? value : dot);
  run.variables.length = scope;
  return flow;
}

function walkRange(run: Run, branch: Branch, dot: GoValue): Flow {
  const { pipeline, list, otherwise } = branch;
  const scope = run.variables.length;
  const value = evaluatePipeline(run, pipeline, dot);
  const items = itemsOf(run, value, pipeline);
  const inner = run.variables.length;
  let flow: Flow = 'next';
  let count = 0;
  for (const [index, element] of items) {
    count++;
    takeTurn(run);
    setRangeVariables(run, pipeline, index, element);
    flow = walkList(run, list, element);
    run.variables.length = inner;
    if (flow === 'break') break;
  }
  if (count === 0 && otherwise !== undefined) {
    flow = walkList(run, otherwise, dot);
    run.variables.length = scope;
    return flow;
  }
  run.variables.length = scope;
  return 'next';
}

function setRangeVariables(run: Run, { variables, assigns }: Pipeline, index: GoValue, element: GoValue): void {
  if (variables.length === 0) return;
  const values = variables.length > 1 ? [index, element] : [element];
  if (assigns) {
    for (const [i, name] of variables.entries()) assign(run, name, values[i]);
    return;
  }
  const first = run.variables.length - variables.length;
  for (const [i, value] of values.entries()) run.variables[first + i]!.value = value;
}

function* itemsOf(
  run: Run,
  value: GoValue,
  { variables }: Pipeline,
): Generator<readonly [index: GoValue, element: GoValue]> {
  if (value === undefined) return;
  if (typeof value === 'bigint') {
    if (variables.length > 1) throw fault(run, `can't use ${value} to iterate over more than one variable`);
    for (let i = 0n; i < value; i++) yield [undefined, i];
    return;
  }
  if (typeof value === 'object' && value.kind === 'samples') {
    for (const [i, sample] of value.samples.entries()) yield [BigInt(i), sample];
    return;
  }
  if (typeof value === 'object' && value.kind === 'list') {
    for (const [i, item] of value.items.entries()) yield [BigInt(i), item];
    return;
  }
  if (typeof value === 'object' && value.kind === 'map') {
    const sorted = [...value.entries].sort(([a], [b]) => (a < b ? -1 : 1));
    yield* sorted;
    return;
  }
  throw fault(run, `range can't iterate over ${formatPlain(value)}`);
}

function walkTemplate(run: Run, node: Node & { readonly kind: 'template' }, dot: GoValue): void {
  const list = run.template.named.get(node.name);
  if (list === undefined) throw fault(run, `template ${JSON.stringify(node.name)} not defined`);
  takeTurn(run);
  if (run.depth === DEEPEST) throw fault(run, `exceeded maximum template depth (${DEEPEST})`);
  const data = node.pipeline === undefined ? undefined : evaluatePipeline(run, node.pipeline, dot);
  const variables = [{ name: '$', value: data }];
  walkList({ ...run, current: node.name, variables, depth: run.depth + 1 }, list, data);
}

function evaluatePipeline(run: Run, pipeline: Pipeline, dot: GoValue): GoValue {
  run.node = pipeline;
  let value: Final = MISSING;
  for (const command of pipeline.commands) value = evaluateCommand(run, command, dot, value);
  const result = value as GoValue;
  for (const name of pipeline.variables) {
    if (pipeline.assigns) assign(run, name, result);
    else run.variables.push({ name, value: result });
  }
  return result;
}

function assign(run: Run, name: string, value: GoValue): void {
  const variable = run.variables.findLast((one) => one.name === name);
  if (variable === undefined) throw fault(run, `undefined variable: ${name}`);
  variable.value = value;
}

function evaluateCommand(run: Run, { operands }: Command, dot: GoValue, final: Final): GoValue {
  const [first, ...args] = operands as [Operand, ...Operand[]];
  switch (first.kind) {
    case 'field':
      run.node = first;
      return followPath(run, dot, first, first.path, { args, final, dot });
    case 'chain':
      run.node = first;
      return followChain(run, first, { args, final, dot });
    case 'variable': {
      run.node = first;
      if (first.path.length === 0) noArguments(run, operands, final);
      return followPath(run, variable(run, first.name), first, first.path, { args, final, dot });
    }
    case 'function':
      return callFunction(run, first, { args, final, dot, command: { operands } });
    case 'pipeline':
      noArguments(run, operands, final);
      return evaluatePipeline(run, first, dot);
    default:
      run.node = first;
      noArguments(run, operands, final);
      if (first.kind === 'nil') throw fault(run, 'nil is not a command');
      return literal(first, dot);
  }
}

function noArguments(run: Run, operands: readonly Operand[], final: Final): void {
  if (operands.length > 1 || final !== MISSING) {
    throw fault(run, `can't give argument to non-function ${formatNode(operands[0]!)}`);
  }
}

interface CallSite {
  readonly args: readonly Operand[];
  /** What came through the pipe. */
  readonly final: Final;
  readonly dot: GoValue;
}

function followChain(run: Run, chain: Operand & { readonly kind: 'chain' }, site: CallSite): GoValue {
  if (chain.of.kind === 'nil') throw fault(run, `indirection through explicit nil in ${formatNode(chain)}`);
  const receiver = evaluateArgument(run, chain.of, 'any', site.dot);
  return followPath(run, receiver, chain, chain.path, site);
}

/** `.A.B` of a value; arguments are for the last. */
function followPath(run: Run, receiver: GoValue, node: Operand, path: readonly string[], site: CallSite): GoValue {
  let value = receiver;
  for (const [i, name] of path.entries()) {
    const isLast = i === path.length - 1;
    value = field(run, value, name, node, isLast ? site : { args: [], final: MISSING, dot: site.dot });
  }
  return value;
}

function field(run: Run, receiver: GoValue, name: string, node: Operand, { args, final, dot }: CallSite): GoValue {
  if (receiver === undefined) return undefined;
  const hasArguments = args.length > 0 || final !== MISSING;
  const method = methodOf(receiver, name);
  if (method !== undefined) {
    const values = args.map((arg) => evaluateArgument(run, arg, 'any', dot));
    if (final !== MISSING) values.push(final);
    if (values.length !== method.parameters.length) {
      throw fault(run, `wrong number of args for ${name}: want ${method.parameters.length} got ${values.length}`);
    }
    run.node = node;
    return method.call(values.map((value, i) => checked(run, value, method.parameters[i]!)));
  }
  const found = fieldOf(receiver, name);
  if (found === undefined) throw fault(run, `can't evaluate field ${name} in type ${typeNameOf(receiver)}`);
  if (hasArguments) {
    const isMap = typeof receiver === 'object' && receiver.kind === 'map';
    const why = isMap ? 'is not a method but has arguments' : 'has arguments but cannot be invoked as function';
    throw fault(run, `${name} ${why}`);
  }
  return found.value;
}

function callFunction(
  run: Run,
  node: Operand & { readonly kind: 'function' },
  { args, final, dot, command }: CallSite & { readonly command: Pick<Command, 'operands'> },
): GoValue {
  run.node = node;
  const { name } = node;
  const { parameters, rest, call } = FUNCTIONS.get(name)!;
  const count = args.length + (final === MISSING ? 0 : 1);
  if (rest === undefined && count !== parameters.length) {
    throw fault(run, `wrong number of args for ${name}: want ${parameters.length} got ${count}`);
  }
  if (count < parameters.length) {
    throw fault(run, `wrong number of args for ${name}: want at least ${parameters.length} got ${args.length}`);
  }
  const values: GoValue[] = [];
  for (const [i, arg] of args.entries()) {
    const value = evaluateArgument(run, arg, parameters[i] ?? rest!, dot);
    if ((name === 'and' && !isTrue(value)) || (name === 'or' && isTrue(value))) return value;
    values.push(value);
  }
  if (final !== MISSING) values.push(checked(run, final, parameters[values.length] ?? rest!));
  try {
    work(run, name, values);
    const result = call(values, run.world);
    work(run, name, [result]);
    // A text put together with itself again and again would take all memory.
    if (typeof result === 'string' && result.length > MOST_CHARS) throw new TemplateRunError('the text is too long');
    return result;
  } catch (error) {
    // What no text can hold is more than one may be.
    const message = error instanceof RangeError ? 'the text is too long' : (error as Error).message;
    if (!(error instanceof TemplateRunError || error instanceof RangeError)) throw error;
    run.node = {
      kind: 'pipeline',
      at: node.at,
      variables: [],
      assigns: false,
      commands: [{ at: node.at, ...command }],
    };
    throw fault(run, `error calling ${name}: ${message}`);
  }
}

/** @throws {TemplateRunError} If the functions of the template have had too much to do. */
function work({ spent }: Run, name: string, values: readonly GoValue[]): void {
  let chars = 1;
  for (const value of values) if (typeof value === 'string') chars += value.length;
  spent.work += WITH_PATTERN.has(name) ? PATTERN_WORK * chars : chars;
  if (spent.work > MOST_WORK) throw new TemplateRunError('too much to do');
}

function evaluateArgument(run: Run, operand: Operand, parameter: Parameter, dot: GoValue): GoValue {
  run.node = operand;
  const none = { args: [], final: MISSING, dot } as const;
  switch (operand.kind) {
    case 'dot':
      return checked(run, dot, parameter);
    case 'nil':
      if (parameter === 'string' || parameter === 'int') {
        throw fault(run, `cannot assign nil to ${typeNameOfParameter(parameter)}`);
      }
      return undefined;
    case 'field':
      return checked(run, followPath(run, dot, operand, operand.path, none), parameter);
    case 'variable':
      return checked(run, followPath(run, variable(run, operand.name), operand, operand.path, none), parameter);
    case 'pipeline':
      return checked(run, evaluatePipeline(run, operand, dot), parameter);
    case 'function':
      return checked(run, callFunction(run, operand, { ...none, command: { operands: [operand] } }), parameter);
    case 'chain':
      return checked(run, followChain(run, operand, none), parameter);
    default:
      break;
  }
  if (parameter === 'any') return literal(operand, dot);
  if (parameter === 'string') {
    if (operand.kind === 'string') return operand.value;
    throw fault(run, `expected string; found ${formatNode(operand)}`);
  }
  if (parameter === 'int') {
    if (operand.kind === 'number' && operand.int !== undefined) return operand.int;
    throw fault(run, `expected integer; found ${formatNode(operand)}`);
  }
  throw fault(run, `can't handle ${formatNode(operand)} for arg of type ${typeNameOfParameter(parameter)}`);
}

function literal(operand: Operand, dot: GoValue): GoValue {
  switch (operand.kind) {
    case 'dot':
      return dot;
    case 'bool':
    case 'string':
      return operand.value;
    case 'number': {
      const { text, int, float } = operand;
      const isFloat = /[.eEpP]/.test(text) && !/^0[xX]/.test(text) && !text.startsWith("'");
      return isFloat || int === undefined ? float : int;
    }
    default:
      throw new TypeError(`no literal: ${operand.kind}`);
  }
}

function checked(run: Run, value: GoValue, parameter: Parameter): GoValue {
  try {
    return checkedArgument(value, parameter);
  } catch (error) {
    if (error instanceof TemplateRunError) throw fault(run, error.message);
    throw error;
  }
}

function variable(run: Run, name: string): GoValue {
  return run.variables.findLast((one) => one.name === name)?.value;
}

function fault({ name, current, template, node }: Run, message: string): TemplateExecuteError {
  if (node === undefined) return new TemplateExecuteError(`template: ${current}: ${message}`);
  const before = template.text.slice(0, node.at);
  const lineStart = before.lastIndexOf('\n') + 1;
  const line = before.split('\n').length;
  const column = new TextEncoder().encode(before.slice(lineStart)).length;
  const isCall = node.kind === 'pipeline' && node.commands.length === 1 && node.variables.length === 0;
  const context = isCall ? formatCommand(node.commands[0]!) : formatNode(node);
  const where = `${name}:${line}:${column}: executing ${JSON.stringify(current)} at <${context}>`;
  return new TemplateExecuteError(`template: ${where}: ${message}`);
}
