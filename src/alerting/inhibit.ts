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

/** Says by which of the alerts that fire another one is inhibited, some of them where they are many, none where it is not. */
export type InhibitedBy = (alert: Named) => readonly string[];

/** Of one kind with the same values: the others would change nothing, and thousands would be asked for each target. */
const MOST_SOURCES = 10;

/** As Alertmanager has it: what is both source and target of a rule is not inhibited by what is both, too. */
export function inhibiting(rules: readonly InhibitRule[]): (firing: Iterable<Named>) => InhibitedBy {
  const compiled = rules.map(({ sourceMatchers, targetMatchers, equal }) => ({
    isSource: compileMatchers(sourceMatchers),
    isTarget: compileMatchers(targetMatchers),
    valuesOf: (labels: Labels) => JSON.stringify(equal.map((name) => labelValue(labels, name))),
  }));
  if (compiled.length === 0) return () => () => [];
  return (firing) => {
    const sources = compiled.map(() => new Map<string, { readonly pure: string[]; readonly both: string[] }>());
    for (const { fingerprint, labels } of firing) {
      for (const [i, { isSource, isTarget, valuesOf }] of compiled.entries()) {
        if (!isSource(labels)) continue;
        const values = valuesOf(labels);
        const those = sources[i]!.get(values) ?? { pure: [], both: [] };
        sources[i]!.set(values, those);
        const own = isTarget(labels) ? those.both : those.pure;
        if (own.length < MOST_SOURCES) own.push(fingerprint);
      }
    }
    return ({ fingerprint, labels }) => {
      const by = new Set<string>();
      for (const [i, { isSource, isTarget, valuesOf }] of compiled.entries()) {
        if (!isTarget(labels)) continue;
        const those = sources[i]!.get(valuesOf(labels));
        if (those === undefined) continue;
        const candidates = isSource(labels) ? those.pure : [...those.pure, ...those.both];
        for (const id of candidates) if (id !== fingerprint) by.add(id);
      }
      return [...by];
    };
  };
}
