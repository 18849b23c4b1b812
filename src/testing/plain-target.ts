import { DEFAULT_LABEL_LIMITS } from '../ingest/check-labels.ts';
import { labelsOf } from '../model/labels.ts';

/** How a target is scraped of which nothing is asked: one label, no rules, no limits. */
export const PLAIN_TARGET = {
  labels: labelsOf([['instance', 'i']]),
  honorLabels: false,
  relabel: () => true,
  limits: { labels: 0, labelNameLength: 0, labelValueLength: 0 },
  honorTimestamps: true,
  trackTimestampsStaleness: false,
  sampleLimit: 0,
  seriesLimits: DEFAULT_LABEL_LIMITS,
  onDropped: () => {},
} as const;
