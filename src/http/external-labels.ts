import { type Labels, labelsOf } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';

/** Labels that other programs see on every series that they read from here, as Prometheus's `external_labels`. */
export type ExternalLabels = Readonly<Record<string, string>>;

/** A series' own labels win. */
export function mergeExternalLabels(labels: Labels, external: ExternalLabels): Labels {
  const names = Object.keys(external);
  if (names.length === 0) return labels;
  return labelsOf({ ...external, ...Object.fromEntries(labels) });
}

/** Who asks for an external label asks for series that do not have it here. */
export function withoutExternalLabels(matchers: readonly Matcher[], external: ExternalLabels): readonly Matcher[] {
  return matchers.map((matcher) =>
    matcher.op === '=' && matcher.value !== '' && external[matcher.name] === matcher.value
      ? { ...matcher, value: '' }
      : matcher,
  );
}
