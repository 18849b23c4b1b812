import { type Labels, labelsKey, labelsOf, labelValue, METRIC_NAME } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import type { CallExpr } from './ast.ts';
import type { CallContext } from './functions/definition.ts';
import { emptyVector, type Head, type HistogramCells, pickLabels, type Vector } from './value.ts';
import { rowsPerPiece, type Work } from './work.ts';

/*
 * `info(v, selector)`: adds to each series the labels of the info series (`target_info` unless told) that describe the
 * same target. The selector's conditions choose which labels are added.
 */

/** The labels by which an info series and another belong together. */
const IDENTIFYING = ['instance', 'job'];
const IDENTIFYING_SET: ReadonlySet<string> = new Set(IDENTIFYING);
const DEFAULT_NAME: Matcher = { name: METRIC_NAME, op: '=', value: 'target_info' };
const ANY_INFO_NAME: Matcher = { name: METRIC_NAME, op: '=~', value: '.+_info' };

/** What must be selected for a call of `info` besides its first argument. */
export function infoMatchers(call: CallExpr): readonly Matcher[] {
  return [...nameMatchersOf(call), ...dataMatchersOf(call)];
}

/** @param info The info series; their values are the times of their samples. */
export function* addInfo(base: Vector, info: Vector, context: CallContext): Work<Vector> {
  const { steps } = context.grid;
  const data = dataMatchersOf(context.call);
  const isInfo = infoTest(context.call);
  const chosen = relatedRows(base, info, isInfo);
  const names = [...new Set(chosen.map((row) => labelValue(info.heads[row]!.labels, METRIC_NAME)))];
  const keys = base.heads.map(({ labels }) => names.map((name) => keyOf(name, labels)));
  const mayBeAlone = data.every((matcher) => compileMatcher(matcher)(''));
  const wanted = new Set(data.map(({ name }) => name));
  const out = outputOf(steps, base.histograms !== undefined);
  const piece = rowsPerPiece(1);
  for (let step = 0; step < steps; step++) {
    yield;
    const current = newestAt(info, chosen, step, context);
    for (let row = 0; row < base.heads.length; row++) {
      if (row % piece === piece - 1) yield;
      const cell = row * steps + step;
      if (base.present[cell] === 0) continue;
      const head = base.heads[row]!;
      const met = isInfo(head.labels) ? [] : keys[row]!.flatMap((key) => current.get(key) ?? []);
      if (met.length === 0 && !mayBeAlone && !isInfo(head.labels)) continue;
      const enriched = out.rowFor(row, met, () => enrich(head, met, { info, wanted, context }));
      if (out.present[enriched]![step] !== 0) {
        throw context.error(context.call.span, 'vector cannot contain metrics with the same labelset');
      }
      out.values[enriched]![step] = base.values[cell]!;
      if (base.histograms !== undefined) out.histograms[enriched]![step] = base.histograms[cell];
      out.present[enriched]![step] = base.present[cell]!;
    }
  }
  return out.assembled();
}

function givenMatchers({ args }: CallExpr): readonly Matcher[] {
  return args[1]?.kind === 'selector' ? args[1].matchers : [];
}

function dataMatchersOf(call: CallExpr): readonly Matcher[] {
  return givenMatchers(call).filter(({ name }) => name !== METRIC_NAME);
}

/** Conditions that only exclude names leave those that end like an info series'. */
function nameMatchersOf(call: CallExpr): readonly Matcher[] {
  const given = givenMatchers(call).filter(({ name }) => name === METRIC_NAME);
  if (given.length === 0) return [DEFAULT_NAME];
  return given.every(({ op }) => op === '!=' || op === '!~') ? [ANY_INFO_NAME, ...given] : given;
}

/** Whether a series is itself one of the info series, which stay as they are. */
function infoTest(call: CallExpr): (labels: Labels) => boolean {
  const tests = nameMatchersOf(call).map(compileMatcher);
  return (labels) => tests.every((test) => test(labelValue(labels, METRIC_NAME)));
}

/** The info series whose identifying labels have values that some series has. */
function relatedRows(base: Vector, info: Vector, isInfo: (labels: Labels) => boolean): readonly number[] {
  const described = base.heads.filter(({ labels }) => !isInfo(labels));
  const known = IDENTIFYING.map((name) => {
    const values = new Set(described.map(({ labels }) => labelValue(labels, name)));
    values.delete('');
    return { name, values };
  }).filter(({ values }) => values.size > 0);
  if (known.length === 0) return [];
  return [...info.heads.keys()].filter((row) =>
    known.every(({ name, values }) => values.has(labelValue(info.heads[row]!.labels, name))),
  );
}

function keyOf(name: string, labels: Labels): string {
  return `${name.length}:${name}${labelsKey(pickLabels(labels, IDENTIFYING_SET, true))}`;
}

/** For each target and name the info series with the newest sample. */
function newestAt(
  { heads, values, present }: Vector,
  rows: readonly number[],
  step: number,
  { call, grid, error }: CallContext,
): ReadonlyMap<string, number> {
  const newest = new Map<string, number>();
  for (const row of rows) {
    const cell = row * grid.steps + step;
    if (present[cell] === 0) continue;
    const { labels } = heads[row]!;
    const key = keyOf(labelValue(labels, METRIC_NAME), labels);
    const other = newest.get(key);
    const otherTime = other === undefined ? Number.NEGATIVE_INFINITY : values[other * grid.steps + step]!;
    if (values[cell] === otherTime) throw error(call.span, 'found duplicate series for info metric');
    if (values[cell]! > otherTime) newest.set(key, row);
  }
  return newest;
}

function enrich(
  { labels, dropName }: Head,
  met: readonly number[],
  about: { readonly info: Vector; readonly wanted: ReadonlySet<string>; readonly context: CallContext },
): Head {
  const { info, wanted, context } = about;
  const added = new Map<string, string>();
  for (const row of met) {
    for (const [name, value] of info.heads[row]!.labels) {
      if (name === METRIC_NAME || (wanted.size > 0 && !wanted.has(name))) continue;
      if ((added.get(name) ?? value) !== value) throw context.error(context.call.span, `conflicting label: ${name}`);
      if (labelValue(labels, name) === '') added.set(name, value);
    }
  }
  return added.size === 0 ? { labels, dropName } : { labels: labelsOf([...labels, ...added]), dropName };
}

/** Rows of the result, one for each label set that comes out: a series has another when its info changes. */
function outputOf(steps: number, mixed: boolean) {
  const heads: Head[] = [];
  const values: Float64Array[] = [];
  const present: Uint8Array[] = [];
  const histograms: HistogramCells[] = [];
  const byOrigin = new Map<string, number>();
  const byLabels = new Map<string, number>();
  const rowFor = (row: number, met: readonly number[], make: () => Head): number => {
    const origin = `${row} ${met.join(' ')}`;
    const known = byOrigin.get(origin);
    if (known !== undefined) return known;
    const head = make();
    const key = labelsKey(head.labels);
    const place = byLabels.get(key) ?? heads.length;
    byOrigin.set(origin, place);
    byLabels.set(key, place);
    if (place === heads.length) {
      heads.push(head);
      values.push(new Float64Array(steps));
      present.push(new Uint8Array(steps));
      histograms.push(mixed ? new Array<undefined>(steps) : []);
    }
    return place;
  };
  const assembled = (): Vector => {
    const out = emptyVector(heads, steps, mixed);
    for (let row = 0; row < heads.length; row++) {
      out.values.set(values[row]!, row * steps);
      out.present.set(present[row]!, row * steps);
      if (mixed) for (let step = 0; step < steps; step++) out.histograms![row * steps + step] = histograms[row]![step];
    }
    return out;
  };
  return { values, present, histograms, rowFor, assembled };
}
