import { encodeLabels, labelsOf, METRIC_NAME } from '../../model/labels.ts';
import type { Millis } from '../../model/time.ts';
import { type AttachOutcomes, type MetricMetadata, OUTCOME, type SeriesWriter } from '../../storage/write.ts';
import type { CoreMemory } from '../../wire/core-memory.ts';
import { SeenFamilies, type SeenSet } from '../../wire/exposition.ts';
import { SeenLines } from '../../wire/seen-lines.ts';
import { deferralOf, refusalOf } from '../outcome-reasons.ts';
import { Columns } from './columns.ts';
import { ScrapeError } from './errors.ts';
import { type ExpositionKind, readExposition } from './negotiation.ts';
import { type ReadingRules, type ScrapeCounts, ScrapeReading } from './scrape-reading.ts';
import { ScrapedSeries, TRACKED } from './scraped-series.ts';

export type ScrapeWriter = Pick<SeriesWriter, 'ref' | 'write' | 'attach' | 'describe' | 'commit'>;

export interface TargetSeriesOptions extends ReadingRules {
  readonly writer: ScrapeWriter;
  /** What a target exposed is remembered there. */
  readonly memory: CoreMemory;
  /** 0: no limit. */
  readonly sampleLimit: number;
  /**
   * Takes samples from the tenant's rate.
   * @throws {RateLimitedError} If there is no room for them.
   */
  readonly charge?: (samples: number) => void;
}

/**
 * Scrapes that are refused leave series behind, ever new ones perhaps. Of a target with twice as many as it had, and this
 * many more, all are forgotten, as Prometheus does (`scrapeCache.iterDone`).
 */
const SPARE_SERIES = 1_000;
const NONE_ATTACHED: AttachOutcomes = { exemplars: new Uint8Array(), histograms: new Uint8Array() };

const REPORTED = [
  'up',
  'scrape_duration_seconds',
  'scrape_samples_scraped',
  'scrape_samples_post_metric_relabeling',
  'scrape_series_added',
] as const;

/** A series that a scrape had not, and where in the batch its end is marked: nowhere (-1) where it needs none. */
interface Missing {
  readonly seen: SeenSet;
  readonly series: number;
  readonly at: number;
}

/**
 * The series of one target: what its scrapes gave, and which of them have ended.
 *
 * A scrape is stored whole or not at all, with the series that report on it; series that the scrape before had and
 * this one has not get a staleness marker.
 */
export class TargetSeries {
  readonly #options: TargetSeriesOptions;
  readonly #series = new ScrapedSeries();
  readonly #reading: ScrapeReading;
  readonly #lines: SeenLines;
  readonly #families = new SeenFamilies();
  readonly #reports: readonly Uint8Array[];
  #reportRefs: readonly number[] = [];
  #pass = 0;
  /** Series of the last scrape that was stored. */
  #stored = 0;

  constructor(options: TargetSeriesOptions) {
    this.#options = options;
    this.#reading = new ScrapeReading(options, this.#series);
    this.#lines = new SeenLines(options.memory);
    this.#reports = REPORTED.map((name) => encodeLabels(labelsOf([...options.labels, [METRIC_NAME, name]])));
  }

  metadata(): readonly MetricMetadata[] {
    return this.#reading.metadata();
  }

  /**
   * Stores what a target exposed. Nothing of it is stored where that fails.
   * @returns What the tenant's limits kept out, in words: the rest is stored.
   * @throws {ScrapeError | ExpositionError | RateLimitedError} With `counts` as far as it came.
   */
  async append(body: Buffer, kind: ExpositionKind, time: Millis, counts: ScrapeCounts): Promise<string | undefined> {
    this.#pass++;
    const reading = this.#reading;
    const { sampleLimit, writer, charge } = this.#options;
    for (let attempt = 1; ; attempt++) {
      reading.begin(this.#pass, time, counts);
      readExposition(body, kind, { lines: this.#lines, families: this.#families }, reading);
      reading.end();
      if (sampleLimit > 0 && counts.kept > sampleLimit) {
        throw new ScrapeError('sample_limit', `${counts.kept} samples where ${sampleLimit} are allowed`);
      }
      if (attempt === 1) charge?.(counts.kept + REPORTED.length);
      const { samples, distinct } = reading;
      const keptOut = await this.#resolve([...reading.unresolved]);
      const batch = this.#withRefs(samples);
      const missing = this.#missing(batch, time, distinct);
      const outcomes = await this.#write(batch);
      this.#forgetMissing(missing, outcomes);
      const attached = outcomes.includes(OUTCOME.gone) ? undefined : await this.#attach(reading);
      const isGone = attached === undefined || attached.histograms.includes(OUTCOME.gone);
      if (isGone && attempt === 1) {
        // The store forgot series, which is rare: all are resolved anew. What was stored is a duplicate then.
        this.#forget();
        continue;
      }
      this.#count(outcomes, counts);
      this.#countAttached(attached ?? (await this.#attach(reading)), counts);
      const metadata = reading.takeMetadata();
      if (metadata.length > 0) await writer.describe(metadata);
      this.#stored = this.#size;
      return keptOut;
    }
  }

  /** Ends every series, after a scrape that failed or when the target is gone. */
  async end(time: Millis): Promise<void> {
    this.#pass++;
    const { refs, flags } = this.#series;
    const batch = new Columns(this.#size + 1);
    const ended: number[] = [];
    for (const seen of this.#seen) {
      for (const series of seen.series()) {
        if ((flags[series]! & TRACKED) === 0 || refs[series] === 0) continue;
        ended.push(series);
        batch.addStale(refs[series]!, time);
      }
    }
    const outcomes = await this.#write(batch);
    // What was not written is ended by the next scrape, or its end.
    for (const [at, series] of ended.entries()) if (outcomes[at] !== OUTCOME.full) flags[series]! &= ~TRACKED;
    if (this.#size > this.#stored * 2 + SPARE_SERIES) this.#forget();
  }

  /** Forgets what was scraped, without an end: somebody else goes on with it. */
  leave(): void {
    this.#forget();
    this.#reportRefs = [];
  }

  /** Writes the series that report on a scrape, and makes all that was appended durable. */
  async report(time: Millis, up: boolean, seconds: number, counts: ScrapeCounts): Promise<void> {
    const { scraped, kept, added } = counts;
    await this.#writeReports(time, [up ? 1 : 0, seconds, scraped, kept, added]);
    await this.#options.writer.commit();
  }

  /** Ends the series that report on scrapes, and makes that durable. */
  async endReports(time: Millis): Promise<void> {
    await this.#writeReports(time, undefined);
    await this.#options.writer.commit();
  }

  async #writeReports(time: Millis, values: readonly number[] | undefined): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      if (this.#reportRefs.length === 0) {
        const answers = await this.#options.writer.ref(this.#reports);
        this.#reportRefs = answers.map((answer) => (answer.kind === 'ref' ? answer.ref : 0));
      }
      const batch = new Columns(REPORTED.length);
      this.#reportRefs.forEach((ref, i) => {
        if (ref === 0) this.#options.onDropped('refused', 1);
        else if (values === undefined) batch.addStale(ref, time);
        else batch.add(ref, time, values[i]!);
      });
      const outcomes = await this.#write(batch);
      const refused = this.#reportRefs.includes(0);
      if (refused || outcomes.includes(OUTCOME.gone)) this.#reportRefs = [];
      if (!outcomes.includes(OUTCOME.gone) || attempt === 2) {
        this.#count(outcomes);
        return;
      }
    }
  }

  get #seen() {
    return [this.#lines, this.#families] as const;
  }

  get #size(): number {
    return this.#lines.size + this.#families.size;
  }

  #forget(): void {
    for (const seen of this.#seen) seen.clear();
    this.#series.clear();
  }

  async #attach({ exemplars: all, histograms: native }: ScrapeReading): Promise<AttachOutcomes> {
    const { refs } = this.#series;
    const exemplars = all.flatMap(({ series, exemplar }) =>
      refs[series] === 0 ? [] : [{ ref: refs[series]!, ...exemplar }],
    );
    const histograms = native.flatMap(({ series, histogram, time }) =>
      refs[series] === 0 ? [] : [{ ref: refs[series]!, time, ...histogram }],
    );
    if (exemplars.length + histograms.length === 0) return NONE_ATTACHED;
    return await this.#options.writer.attach({ exemplars, histograms });
  }

  #countAttached({ exemplars, histograms }: AttachOutcomes, counts: ScrapeCounts): void {
    this.#count(histograms, counts);
    const refused = exemplars.filter((outcome) => outcome !== OUTCOME.appended && outcome !== OUTCOME.duplicate);
    if (refused.length > 0) this.#options.onDropped('exemplar', refused.length);
  }

  /**
   * Gives series their references. Those that the store refuses are asked for again by the next scrape.
   * @returns Why the first of them was refused.
   */
  async #resolve(unresolved: readonly number[]): Promise<string | undefined> {
    if (unresolved.length === 0) return undefined;
    const { labels, refs } = this.#series;
    const answers = await this.#options.writer.ref(unresolved.map((series) => labels.get(series)!));
    let refused = 0;
    let message = '';
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === 'refused') {
        this.#options.onDropped(answer.id, 1);
        if (refused++ === 0) message = answer.message;
        continue;
      }
      refs[unresolved[i]!] = answer.ref;
      labels.delete(unresolved[i]!);
    }
    return refused === 0 ? undefined : `${refused} new series are not stored: ${message}`;
  }

  #withRefs({ refs: series, times, values, starts, length }: Columns): Columns {
    const { refs } = this.#series;
    const batch = new Columns(length + 16);
    for (let i = 0; i < length; i++) {
      const ref = refs[series[i]!]!;
      if (ref !== 0) batch.add(ref, times[i]!, values[i]!, starts?.[i]);
    }
    return batch;
  }

  /** Marks the end of series that this pass had not. They are forgotten once that is written. */
  #missing(batch: Columns, time: Millis, distinct: number): readonly Missing[] {
    const missing: Missing[] = [];
    if (distinct === this.#size) return missing;
    const { refs, flags, passes } = this.#series;
    const present = new Set(batch.batch.refs);
    for (const seen of this.#seen) {
      for (const series of seen.series()) {
        if (passes[series] === this.#pass) continue;
        const ref = refs[series]!;
        // Another text may have become the same series.
        const isEnded = (flags[series]! & TRACKED) !== 0 && ref !== 0 && !present.has(ref);
        missing.push({ seen, series, at: isEnded ? batch.length : -1 });
        if (!isEnded) continue;
        batch.addStale(ref, time);
        present.add(ref);
      }
    }
    return missing;
  }

  #forgetMissing(missing: readonly Missing[], outcomes: Uint8Array): void {
    for (const { seen, series, at } of missing) {
      if (outcomes[at] === OUTCOME.full) continue;
      seen.forget(series);
      this.#series.forget(series);
    }
  }

  async #write(columns: Columns): Promise<Uint8Array> {
    if (columns.length === 0) return new Uint8Array();
    return await this.#options.writer.write(columns.batch);
  }

  #count(outcomes: Uint8Array, counts?: ScrapeCounts): void {
    const dropped = new Map<string, number>();
    let stored = 0;
    for (const outcome of outcomes) {
      if (outcome === OUTCOME.appended || outcome === OUTCOME.duplicate) {
        stored++;
        continue;
      }
      const reason = refusalOf(outcome)?.reason ?? deferralOf(outcome);
      dropped.set(reason, (dropped.get(reason) ?? 0) + 1);
    }
    if (counts !== undefined) counts.stored += stored;
    for (const [reason, count] of dropped) this.#options.onDropped(reason, count);
  }
}
