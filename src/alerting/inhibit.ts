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

/** Says by which of the alerts that fire another one is inhibited, none where it is not. */
export type InhibitedBy = (alert: Named) => readonly string[];

/** As Alertmanager has it: what is both source and target of a rule is not inhibited by what is both, too. */
export function inhibiting(rules: readonly InhibitRule[]): (firing: Iterable<Named>) => InhibitedBy {
  const compiled = rules.map(({ sourceMatchers, targetMatchers, equal }) => ({
    isSource: compileMatchers(sourceMatchers),
    isTarget: compileMatchers(targetMatchers),
    valuesOf: (labels: Labels) => JSON.stringify(equal.map((name) => labelValue(labels, name))),
  }));
  if (compiled.length === 0) return () => () => [];
  return (firing) => {
    const sources = compiled.map(() => new Map<string, { readonly id: string; readonly isTarget: boolean }[]>());
    for (const { fingerprint, labels } of firing) {
      for (const [i, { isSource, isTarget, valuesOf }] of compiled.entries()) {
        if (!isSource(labels)) continue;
        const values = valuesOf(labels);
        const those = sources[i]!.get(values);
        const one = { id: fingerprint, isTarget: isTarget(labels) };
        if (those === undefined) sources[i]!.set(values, [one]);
        else those.push(one);
      }
    }
    return ({ fingerprint, labels }) => {
      const by = new Set<string>();
      for (const [i, { isSource, isTarget, valuesOf }] of compiled.entries()) {
        if (!isTarget(labels)) continue;
        const isBoth = isSource(labels);
        for (const source of sources[i]!.get(valuesOf(labels)) ?? []) {
          if (source.id !== fingerprint && !(isBoth && source.isTarget)) by.add(source.id);
        }
      }
      return [...by];
    };
  };
}
