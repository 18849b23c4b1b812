import { formatLabels, type Label, type Labels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import type { TenantLimits } from '../model/tenant-limits.ts';

/** Mimir's limits on what a series may be called. Lengths are bytes of UTF-8. */
export interface LabelLimits {
  readonly maxNames: number;
  readonly maxNameBytes: number;
  readonly maxValueBytes: number;
}

export const DEFAULT_LABEL_LIMITS: LabelLimits = { maxNames: 30, maxNameBytes: 1_024, maxValueBytes: 2_048 };

export function labelLimitsOf(limits: TenantLimits): LabelLimits {
  return {
    maxNames: limits.max_label_names_per_series,
    maxNameBytes: limits.max_label_name_length,
    maxValueBytes: limits.max_label_value_length,
  };
}

/** The label set, or why a sender may not use it. `reason` is a short constant for counters. */
export type CheckedLabels =
  | { readonly kind: 'labels'; readonly labels: Labels }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

/** Checks labels as a sender wrote them: in any order, empty values meaning absent labels. */
export function checkLabels(sent: readonly Label[], limits: LabelLimits): CheckedLabels {
  const names = new Set<string>();
  for (const [name] of sent) {
    if (name === '') return refused('empty_label_name', 'a label has an empty name', sent);
    if (names.has(name)) return refused('duplicate_label', `the label "${shorten(name)}" is there twice`, sent);
    names.add(name);
  }
  const labels = labelsOf(sent);
  if (!labels.some(([name]) => name === METRIC_NAME)) {
    return refused('missing_metric_name', 'it has no metric name (err-mimir-missing-metric-name)', labels);
  }
  if (labels.length > limits.maxNames) {
    const count = `${labels.length} labels where ${limits.maxNames} are allowed`;
    return refused('max_label_names', `it has ${count} (err-mimir-max-label-names-per-series)`, labels);
  }
  for (const [name, value] of labels) {
    if (longerThan(name, limits.maxNameBytes)) {
      const why = `the label name "${shorten(name)}" is longer than ${limits.maxNameBytes} bytes`;
      return refused('label_name_too_long', `${why} (err-mimir-label-name-too-long)`, labels);
    }
    if (longerThan(value, limits.maxValueBytes)) {
      const why = `the value of "${shorten(name)}" is longer than ${limits.maxValueBytes} bytes`;
      return refused('label_value_too_long', `${why} (err-mimir-label-value-too-long)`, labels);
    }
  }
  return { kind: 'labels', labels };
}

function refused(reason: string, why: string, labels: readonly Label[]): CheckedLabels {
  return { kind: 'refused', reason, message: `${describeSeries(labels)}: ${why}` };
}

/** A series for a message, cut to a readable length. */
export function describeSeries(labels: readonly Label[]): string {
  return `series ${shorten(formatLabels(labels), 200)}`;
}

function shorten(text: string, length = 60): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

function longerThan(text: string, bytes: number): boolean {
  // UTF-8 takes one to three bytes for each UTF-16 code unit.
  return text.length > bytes || (text.length * 3 > bytes && new TextEncoder().encode(text).length > bytes);
}
