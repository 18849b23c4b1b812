import { RE2JS, RE2JSSyntaxException } from 're2js';
import { labelValue, METRIC_NAME } from '../../model/labels.ts';
import { checkRegexSize } from '../../model/regex.ts';
import { isLabelName, quote } from '../unquote.ts';
import { type Head, mergeRows, type Value, type Vector, withLabel } from '../value.ts';
import type { Work } from '../work.ts';
import { stringArg, vectorArg } from './arguments.ts';
import type { CallContext } from './definition.ts';

/** A regular expression looks at the value of each. */
const HEADS_PER_PIECE = 128;

/** `label_replace(v, dst, replacement, src, regex)`: where the whole value of `src` matches. */
export function* labelReplace(args: readonly Value[], context: CallContext): Work<Vector> {
  const target = stringArg(args, 1);
  const replacement = stringArg(args, 2);
  const source = stringArg(args, 3);
  const pattern = stringArg(args, 4);
  const regex = compile(pattern, context);
  checkName(target, 'destination', context);
  const expanded = new Map<string, string | undefined>();
  return yield* relabelled(vectorArg(args, 0), context, target, (head) => {
    const value = labelValue(head.labels, source);
    if (!expanded.has(value)) expanded.set(value, expand(regex, value, replacement));
    return expanded.get(value);
  });
}

/** What is wrong with the texts of a call, told before anything is evaluated. */
export function checkLabelCall(context: CallContext): void {
  const { call } = context;
  const texts = call.args.slice(1).map((arg) => (arg.kind === 'string' ? arg.value : ''));
  if (call.name === 'label_replace') {
    compile(texts[3] ?? '', context);
    checkName(texts[0] ?? '', 'destination', context);
    return;
  }
  for (const source of texts.slice(2)) checkName(source, 'source', context);
  checkName(texts[0] ?? '', 'destination', context);
}

/** `label_join(v, dst, separator, src…)`. */
export function* labelJoin(args: readonly Value[], context: CallContext): Work<Vector> {
  const target = stringArg(args, 1);
  const separator = stringArg(args, 2);
  const sources = args.slice(3).map((_, i) => stringArg(args, i + 3));
  for (const source of sources) checkName(source, 'source', context);
  checkName(target, 'destination', context);
  return yield* relabelled(vectorArg(args, 0), context, target, ({ labels }) =>
    sources.map((source) => labelValue(labels, source)).join(separator),
  );
}

function* relabelled(
  vector: Vector,
  context: CallContext,
  target: string,
  newValue: (head: Head) => string | undefined,
): Work<Vector> {
  context.hold(vector.values.length);
  const heads: Head[] = [];
  for (const head of vector.heads) {
    const value = newValue(head);
    // A name that was written on purpose stays.
    const dropName = head.dropName && target !== METRIC_NAME;
    heads.push(value === undefined ? head : { labels: withLabel(head.labels, target, value), dropName });
    if (heads.length % HEADS_PER_PIECE === 0) yield;
  }
  const { call, grid } = context;
  const values = vector.values.slice();
  const present = vector.present.slice();
  const histograms = vector.histograms?.slice();
  return yield* mergeRows({ kind: 'vector', heads, values, present, histograms }, grid.steps, () => {
    throw context.error(call.span, 'vector cannot contain metrics with the same labelset');
  });
}

function checkName(name: string, which: string, { call, error }: CallContext): void {
  if (isLabelName(name)) return;
  throw error(call.span, `invalid ${which} label name in ${call.name}(): ${quote(name).slice(1, -1)}`);
}

function compile(pattern: string, { call, error }: CallContext): RE2JS {
  try {
    checkRegexSize(pattern);
    return RE2JS.compile(`^(?s:${pattern})$`);
  } catch (cause) {
    if (cause instanceof RE2JSSyntaxException || cause instanceof RangeError) {
      throw error(call.args[4]!.span, `invalid regular expression in label_replace(): ${pattern}`);
    }
    throw cause;
  }
}

const REFERENCE = /\$(?:\$|([a-zA-Z0-9_]+)|\{([a-zA-Z0-9_]+)\})/g;

/** Go's templates: `$1`, `${1}`, `$name`, `$$`. A group that does not exist is empty. */
function expand(regex: RE2JS, value: string, template: string): string | undefined {
  const matcher = regex.matcher(value);
  if (!matcher.matches()) return undefined;
  const named = regex.namedGroups();
  return template.replace(REFERENCE, (whole, plain?: string, braced?: string) => {
    const name = plain ?? braced;
    if (name === undefined) return whole === '$$' ? '$' : whole;
    const index = /^\d+$/.test(name) ? Number(name) : named[name];
    if (index === undefined || index > matcher.groupCount()) return '';
    return matcher.group(index) ?? '';
  });
}
