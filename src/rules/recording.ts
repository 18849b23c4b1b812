import type { HistogramValue } from '../model/histogram-value.ts';
import { type Labels, labelsKey, labelsOf, METRIC_NAME } from '../model/labels.ts';
import type { VectorSample } from '../model/query-result.ts';
import { RuleError } from './rule-error.ts';
import type { RecordingRule } from './rule-file.ts';

/** A sample that a rule makes, at the rule's own time. */
export interface RuleSample {
  readonly labels: Labels;
  readonly value: number | HistogramValue;
}

/**
 * What a recording rule makes of its expression's value: its name and labels in place of those that are there.
 * @param limit The most series; 0: any number.
 * @throws {RuleError} If two of them are the same series, or there are too many.
 */
export function recordedSamples(
  { name, labels }: Pick<RecordingRule, 'name' | 'labels'>,
  vector: readonly VectorSample[],
  limit: number,
): readonly RuleSample[] {
  const seen = new Set<string>();
  const samples = vector.map(({ labels: of, value, histogram }): RuleSample => {
    const series = labelsOf([...of, [METRIC_NAME, name], ...labels]);
    seen.add(labelsKey(series));
    return { labels: series, value: histogram ?? value };
  });
  if (seen.size < samples.length) {
    throw new RuleError('vector contains metrics with the same labelset after applying rule labels');
  }
  if (limit > 0 && samples.length > limit) {
    throw new RuleError(`exceeded limit of ${limit} with ${samples.length} series`);
  }
  return samples;
}
