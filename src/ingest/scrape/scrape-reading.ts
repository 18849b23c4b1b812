import { encodeLabels, type Label, labelsOf } from '../../model/labels.ts';
import type { Millis } from '../../model/time.ts';
import type { Exemplar, MetricMetadata } from '../../storage/write.ts';
import type {
  Exemplar as ExposedExemplar,
  ExposedHistogram,
  ExpositionSink,
  FamilyFact,
} from '../../wire/exposition.ts';
import { checkLabels, type LabelLimits } from '../check-labels.ts';
import { Columns } from './columns.ts';
import { type SampleLabelRules, sampleLabels } from './sample-labels.ts';
import { DROPPED, NEVER, REFUSED, type ScrapedSeries, TRACKED } from './scraped-series.ts';

export interface ReadingRules extends SampleLabelRules {
  readonly honorTimestamps: boolean;
  readonly trackTimestampsStaleness: boolean;
  /** Of the tenant: a series beyond them is dropped, and the scrape goes on. */
  readonly seriesLimits: LabelLimits;
  /** Samples that are not stored, by reason. */
  readonly onDropped: (reason: string, count: number) => void;
}

/** What a scrape gave. */
export interface ScrapeCounts {
  scraped: number;
  /** Left after relabelling. */
  kept: number;
  /** Series that no scrape since the last good one had. */
  added: number;
  /** Samples that are stored. */
  stored: number;
}

/** Metadata of more families than this is forgotten, and learned again. */
const MAX_FAMILIES = 20_000;

/** Takes what one target exposes, scrape after scrape. */
export class ScrapeReading implements ExpositionSink {
  readonly #rules: ReadingRules;
  readonly #series: ScrapedSeries;
  readonly #metadata = new Map<string, { type: string; help: string; unit: string }>();
  /** Families whose metadata the store does not have yet. */
  readonly #undescribed = new Set<string>();
  #pass = NEVER;
  #time: Millis = 0;
  #counts: ScrapeCounts = { scraped: 0, kept: 0, added: 0, stored: 0 };
  /** Series, not references. */
  readonly samples = new Columns(64);
  readonly unresolved = new Set<number>();
  readonly exemplars: { readonly series: number; readonly exemplar: Exemplar }[] = [];
  /** Different series in this pass. */
  distinct = 0;
  readonly histograms: { readonly series: number; readonly histogram: ExposedHistogram; readonly time: Millis }[] = [];
  #repeated = 0;

  constructor(rules: ReadingRules, series: ScrapedSeries) {
    this.#rules = rules;
    this.#series = series;
  }

  begin(pass: number, time: Millis, counts: ScrapeCounts): void {
    this.#pass = pass;
    this.#time = time;
    this.#counts = Object.assign(counts, { scraped: 0, kept: 0, added: 0 });
    this.samples.clear();
    this.unresolved.clear();
    this.exemplars.length = 0;
    this.distinct = 0;
    this.histograms.length = 0;
    this.#repeated = 0;
  }

  end(): void {
    if (this.#repeated > 0) this.#rules.onDropped('duplicate_sample', this.#repeated);
  }

  sample(series: number, value: number, given: number, start = 0): void {
    const time = this.#take(series, given);
    if (!Number.isNaN(time)) this.samples.add(series, time, value, start <= time ? start : 0);
  }

  histogram(series: number, histogram: ExposedHistogram, given: number): void {
    const time = this.#take(series, given);
    if (!Number.isNaN(time)) this.histograms.push({ series, histogram, time });
  }

  badHistogram(series: number): void {
    this.#take(series, Number.NaN);
    this.#rules.onDropped('invalid_histogram', 1);
  }

  /** Counts what a series exposes. The time that it is stored with; NaN where it is not. */
  #take(series: number, given: number): number {
    const { passes, flags } = this.#series;
    const counts = this.#counts;
    counts.scraped++;
    const first = passes[series] !== this.#pass;
    let flag = flags[series]!;
    if (first) {
      if (passes[series] === NEVER && flag === 0) counts.added++;
      passes[series] = this.#pass;
      flag &= ~TRACKED;
      this.distinct++;
    }
    if (flag !== 0 && (flag & (DROPPED | REFUSED)) !== 0) {
      if ((flag & DROPPED) !== 0) return Number.NaN;
      counts.kept++;
      this.#rules.onDropped(this.#series.refusals.get(series)!, 1);
      return Number.NaN;
    }
    counts.kept++;
    const own = this.#rules.honorTimestamps && !Number.isNaN(given);
    if (!first && !own) {
      this.#repeated++;
      return Number.NaN;
    }
    if (!own || this.#rules.trackTimestampsStaleness) flag |= TRACKED;
    flags[series] = flag;
    if (this.#series.refs[series] === 0) this.unresolved.add(series);
    return own ? given : this.#time;
  }

  unseen(exposed: readonly Label[]): number {
    let kept: readonly Label[] | undefined;
    try {
      kept = sampleLabels(exposed, this.#rules);
    } catch (error) {
      this.#counts.scraped++;
      throw error;
    }
    const all = this.#series;
    const series = all.add();
    if (kept === undefined) {
      all.flags[series] = DROPPED;
      return series;
    }
    const checked = checkLabels(kept, this.#rules.seriesLimits);
    if (checked.kind === 'labels') all.labels.set(series, encodeLabels(checked.labels));
    else {
      all.flags[series] = REFUSED;
      all.refusals.set(series, checked.reason);
    }
    return series;
  }

  exemplar(series: number, { labels, value, time: given }: ExposedExemplar): void {
    const time = this.#rules.honorTimestamps && !Number.isNaN(given) ? given : this.#time;
    this.exemplars.push({ series, exemplar: { labels: labelsOf(labels), value, time } });
  }

  describe({ kind, metric, text }: FamilyFact): void {
    if (this.#metadata.size >= MAX_FAMILIES) this.#metadata.clear();
    const known = this.#metadata.get(metric) ?? { type: 'unknown', help: '', unit: '' };
    known[kind] = text;
    this.#metadata.set(metric, known);
    this.#undescribed.add(metric);
  }

  metadata(): readonly MetricMetadata[] {
    return [...this.#metadata].map(([metric, facts]) => ({ metric, ...facts }));
  }

  /** Metadata that was not taken yet. */
  takeMetadata(): readonly MetricMetadata[] {
    if (this.#undescribed.size === 0) return [];
    const described = [...this.#undescribed].flatMap((metric) => {
      const facts = this.#metadata.get(metric);
      return facts === undefined ? [] : [{ metric, ...facts }];
    });
    this.#undescribed.clear();
    return described;
  }
}
