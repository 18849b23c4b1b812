import { type Labels, labelValue } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { compileMatchers } from './matchers.ts';

/** While a source fires, targets with the same values of `equal` are told to nobody. */
export interface InhibitRule {
  readonly sourceMatchers: readonly Matcher[];
  readonly targetMatchers: readonly Matcher[];
  readonly equal: readonly string[];
}

interface Named {
  readonly fingerprint: string;
  readonly labels: Labels;
}

/** The alerts that fire, of which some inhibit others. */
export interface Inhibition {
  /** One that fires. */
  add(alert: Named): void;
  /** By which of them an alert is inhibited: some of them where they are many, none where it is not. */
  by(alert: Named): readonly string[];
}

/** Of one kind with the same values: the others would change nothing, and thousands would be asked for each target. */
const MOST_SOURCES = 10;

/** What one rule has to do with an alert. */
interface Part {
  readonly rule: number;
  readonly isSource: boolean;
  readonly isTarget: boolean;
  /** Of `equal`. */
  readonly values: string;
}

const NONE: readonly string[] = [];

/**
 * As Alertmanager has it: what is both source and target of a rule is not inhibited by what is both, too.
 * @returns What begins with no alert. Each alert is asked once what the rules have to do with it, as long as its labels
 *   are the same object.
 */
export function inhibiting(rules: readonly InhibitRule[]): () => Inhibition {
  const compiled = rules.map(({ sourceMatchers, targetMatchers, equal }) => ({
    isSource: compileMatchers(sourceMatchers),
    isTarget: compileMatchers(targetMatchers),
    valuesOf: (labels: Labels) => JSON.stringify(equal.map((name) => labelValue(labels, name))),
  }));
  if (compiled.length === 0) return () => ({ add() {}, by: () => NONE });
  const known = new WeakMap<Labels, readonly Part[]>();
  const partsOf = (labels: Labels): readonly Part[] => {
    const before = known.get(labels);
    if (before !== undefined) return before;
    const parts = compiled.flatMap(({ isSource, isTarget, valuesOf }, rule): Part[] => {
      const part = { rule, isSource: isSource(labels), isTarget: isTarget(labels) };
      return part.isSource || part.isTarget ? [{ ...part, values: valuesOf(labels) }] : [];
    });
    known.set(labels, parts);
    return parts;
  };
  return () => {
    const sources = compiled.map(() => new Map<string, { readonly pure: string[]; readonly both: string[] }>());
    return {
      add({ fingerprint, labels }) {
        for (const { rule, isSource, isTarget, values } of partsOf(labels)) {
          if (!isSource) continue;
          const those = sources[rule]!.get(values) ?? { pure: [], both: [] };
          sources[rule]!.set(values, those);
          const own = isTarget ? those.both : those.pure;
          if (own.length < MOST_SOURCES) own.push(fingerprint);
        }
      },
      by({ fingerprint, labels }) {
        let by: Set<string> | undefined;
        for (const { rule, isSource, isTarget, values } of partsOf(labels)) {
          const those = isTarget ? sources[rule]!.get(values) : undefined;
          if (those === undefined) continue;
          by ??= new Set();
          for (const id of those.pure) if (id !== fingerprint) by.add(id);
          if (!isSource) for (const id of those.both) if (id !== fingerprint) by.add(id);
        }
        return by === undefined ? NONE : [...by];
      },
    };
  };
}
