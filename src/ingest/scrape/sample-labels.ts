import { type Label, type Labels, METRIC_NAME } from '../../model/labels.ts';
import type { MutableLabels, Relabel } from '../../model/relabel.ts';
import type { ScrapeLimits } from '../../model/scrape-job.ts';
import { ScrapeError } from './errors.ts';

export interface SampleLabelRules {
  /** Of the target. */
  readonly labels: Labels;
  readonly honorLabels: boolean;
  readonly relabel: Relabel;
  readonly limits: Pick<ScrapeLimits, 'labels' | 'labelNameLength' | 'labelValueLength'>;
}

/**
 * The labels that a series is stored with: those exposed, those of the target, then relabelled. Undefined: dropped.
 * @throws {ScrapeError} Where Prometheus fails the scrape: no metric name, a label twice, a limit exceeded.
 */
export function sampleLabels(exposed: readonly Label[], rules: SampleLabelRules): readonly Label[] | undefined {
  const labels: MutableLabels = new Map();
  for (const [name, value] of exposed) {
    if (labels.has(name)) throw new ScrapeError('labels', `a series has the label ${JSON.stringify(name)} twice`);
    labels.set(name, value);
  }
  if (rules.honorLabels) addAbsent(labels, rules.labels);
  else addOwn(labels, rules.labels);
  for (const [name, value] of labels) if (value === '') labels.delete(name);
  if (!rules.relabel(labels)) return undefined;
  if (!labels.has(METRIC_NAME)) throw new ScrapeError('labels', 'a series has no metric name after relabelling');
  checkLimits(labels, rules.limits);
  return [...labels];
}

/** What a target exposes counts, even an empty value. */
function addAbsent(labels: MutableLabels, own: Labels): void {
  for (const [name, value] of own) if (!labels.has(name)) labels.set(name, value);
}

/** The target's own labels count; what it exposes by the same name gets `exported_` before it until that is free. */
function addOwn(labels: MutableLabels, own: Labels): void {
  const conflicts: Label[] = [];
  for (const [name, value] of own) {
    const exposed = labels.get(name) ?? '';
    if (exposed !== '') conflicts.push([name, exposed]);
    labels.set(name, value);
  }
  conflicts.sort(([a], [b]) => a.length - b.length);
  for (const [name, value] of conflicts) {
    let free = `exported_${name}`;
    while ((labels.get(free) ?? '') !== '') free = `exported_${free}`;
    labels.set(free, value);
  }
}

function checkLimits(labels: MutableLabels, limits: SampleLabelRules['limits']): void {
  const exceeded = (what: string, is: number, limit: number) => {
    const metric = labels.get(METRIC_NAME);
    return new ScrapeError('label_limit', `a series of ${metric} has ${what} of ${is} where ${limit} are allowed`);
  };
  if (limits.labels > 0 && labels.size > limits.labels) {
    throw exceeded('a number of labels', labels.size, limits.labels);
  }
  if (limits.labelNameLength === 0 && limits.labelValueLength === 0) return;
  for (const [name, value] of labels) {
    const sizes = [Buffer.byteLength(name), Buffer.byteLength(value)] as const;
    if (limits.labelNameLength > 0 && sizes[0] > limits.labelNameLength) {
      throw exceeded('a label name with a length', sizes[0], limits.labelNameLength);
    }
    if (limits.labelValueLength > 0 && sizes[1] > limits.labelValueLength) {
      throw exceeded('a label value with a length', sizes[1], limits.labelValueLength);
    }
  }
}
