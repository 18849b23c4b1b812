import { type Labels, labelsKey, labelValue, METRIC_NAME } from '../model/labels.ts';
import type { AggregateExpr } from './ast.ts';
import { type Head, pickLabels } from './value.ts';

/** The groups of an aggregation in the order of their first member. */
export interface Groups {
  readonly heads: readonly Head[];
  /** The group of a series, by its place in `heads`. */
  ordinalOf(head: Head): number;
}

export function groupsOf({ grouping, without }: AggregateExpr): Groups {
  const names = new Set(grouping);
  const ordinals = new Map<string, number>();
  const heads: { labels: Labels; dropName: boolean }[] = [];
  const keyOf = groupKeys(grouping, without);
  return {
    heads,
    ordinalOf({ labels, dropName }) {
      const key = keyOf(labels);
      let ordinal = ordinals.get(key);
      if (ordinal === undefined) {
        ordinal = heads.length;
        ordinals.set(key, ordinal);
        heads.push({ labels: groupLabels(labels, names, without), dropName });
      }
      if (dropName) heads[ordinal]!.dropName = true;
      return ordinal;
    },
  };
}

/** Texts that are equal exactly for the members of one group: by the labels that are named, or by all others. */
export function groupKeys(grouping: readonly string[], without: boolean): (labels: Labels) => string {
  const names = new Set(grouping);
  if (without) return (labels) => labelsKey(groupLabels(labels, names, true));
  const sorted = [...names].sort();
  if (sorted.length === 0) return () => '';
  if (sorted.length === 1) return (labels) => labelValue(labels, sorted[0]!);
  return (labels) => {
    let key = '';
    for (let i = 0, next = 0; i < labels.length && next < sorted.length; i++) {
      const [name, value] = labels[i]!;
      while (next < sorted.length && sorted[next]! < name) next++;
      // Which of the names it is, not the name itself: both tell the same, and this is shorter.
      if (sorted[next] === name) key += `${next++}:${value.length}:${value}`;
    }
    return key;
  };
}

export function groupLabels(labels: Labels, names: ReadonlySet<string>, without: boolean): Labels {
  return without
    ? labels.filter(([name]) => name !== METRIC_NAME && !names.has(name))
    : pickLabels(labels, names, true);
}
