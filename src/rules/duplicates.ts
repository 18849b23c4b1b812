import { compareLabels, type Labels, labelsKey, labelsOf } from '../model/labels.ts';
import type { Place, RuleGroup } from './rule-file.ts';

/** Rules of one name with the same labels: what they make may be mixed up. */
export interface DuplicateRules {
  readonly name: string;
  readonly labels: Labels;
  /** Of each of them, two at least. */
  readonly places: readonly Place[];
}

/** In the order of names and labels. */
export function duplicateRules(groups: readonly RuleGroup[]): readonly DuplicateRules[] {
  const found = new Map<string, { readonly name: string; readonly labels: Labels; readonly places: Place[] }>();
  for (const { rules } of groups) {
    for (const rule of rules) {
      const labels = labelsOf(rule.labels);
      const key = `${JSON.stringify(rule.name)} ${labelsKey(labels)}`;
      const same = found.get(key);
      if (same === undefined) found.set(key, { name: rule.name, labels, places: [rule.place] });
      else same.places.push(rule.place);
    }
  }
  return [...found.values()]
    .filter(({ places }) => places.length > 1)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : compareLabels(a.labels, b.labels)));
}
