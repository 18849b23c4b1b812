import { compareLabels, type Labels, labelsKey, labelsOf } from '../model/labels.ts';
import { NO_MEMORY, type RuleMemory } from './evaluate-group.ts';
import type { Rule, RuleGroup } from './rule-file.ts';

/** What rules of a changed file take over from those that were there before. */
export interface CarriedOver {
  /** One for each rule of the new group. */
  readonly memory: readonly RuleMemory[];
  /** Series that nobody writes any more, since their rules are gone: they are to be ended. */
  readonly ended: readonly Labels[];
}

/** A rule is the same where its kind, name and labels are; of several such ones the first takes over from the first. */
export function carriedOver(
  before: { readonly group: RuleGroup; readonly memory: readonly RuleMemory[]; readonly unended?: readonly Labels[] },
  group: RuleGroup,
): CarriedOver {
  const left = before.group.rules.map((rule, i) => ({ key: keyOf(rule), memory: before.memory[i] ?? NO_MEMORY }));
  const memory = group.rules.map((rule) => {
    const at = left.findIndex(({ key }) => key === keyOf(rule));
    return at === -1 ? NO_MEMORY : left.splice(at, 1)[0]!.memory;
  });
  const written = new Set(seriesOf(memory).map(labelsKey));
  const unended = (before.unended ?? []).filter((labels) => !written.has(labelsKey(labels)));
  return { memory, ended: [...unended, ...seriesOf(left.map((one) => one.memory))] };
}

/** All series that rules wrote last, sorted, each once. */
export function seriesOf(memory: readonly RuleMemory[]): readonly Labels[] {
  const all = new Map(memory.flatMap(({ series }) => [...series]));
  return [...all.values()].sort(compareLabels);
}

function keyOf({ kind, name, labels }: Rule): string {
  return `${kind} ${JSON.stringify(name)} ${labelsKey(labelsOf(labels))}`;
}
