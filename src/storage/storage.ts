import type { Labels } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { QueryResult, StepRange } from '../model/query-result.ts';
import type { SampledSeries, SelectedSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { Exemplar, HistogramSample, MetricMetadata, RetentionClass, SeriesWriter } from './write.ts';

export interface SelectOptions {
  /** More samples than this is a `TooManySamplesError`. */
  readonly maxSamples?: number;
  readonly signal?: AbortSignal;
  /** Called between pieces of work: a promise is a rest, so that others get their turn. */
  readonly pause?: (() => Promise<void> | undefined) | undefined;
  /** Points of this length in place of samples: one of those that `coverage` tells. */
  readonly pointsMs?: number;
  /** No more of each series than its last sample in the range is looked at: others may be left out. */
  readonly newestAlone?: boolean;
  /** Samples may come as `deferred`. What is damaged may then be found when they are read. */
  readonly mayDefer?: boolean;
}

/** How label sets are looked for. */
export type FindOptions = Pick<SelectOptions, 'signal' | 'pause'>;

/** Where samples are kept no longer and points may be. */
export interface TierCoverage {
  /** There are no older samples. */
  readonly samplesSince: Millis;
  /** In order of their length; no points are older than `since`. */
  readonly tiers: readonly { readonly stepMs: number; readonly since: Millis }[];
}

/** Reads one tenant's samples and label sets. Ranges include both ends. */
export interface SeriesReader {
  /** Series that match all matchers, with every chunk that touches the range, in the order of `compareLabels`. */
  select(matchers: readonly Matcher[], range: TimeRange, options?: SelectOptions): Promise<readonly SelectedSeries[]>;
  /**
   * `select`, one series at a time and with the samples of the range alone: what `take` is given is good until it
   * returns. False where it turns out that this cannot be done, and what was given must be forgotten. Left out: it
   * never can.
   */
  selectEach?(
    matchers: readonly Matcher[],
    range: TimeRange,
    take: (series: SelectedSeries) => void,
    options?: SelectOptions,
  ): Promise<boolean>;
  /** Label sets that match any of the matcher lists (none given: all) and have a sample in the range, sorted. */
  series(
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: FindOptions,
  ): Promise<readonly Labels[]>;
  labelNames(
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: FindOptions,
  ): Promise<readonly string[]>;
  labelValues(
    name: string,
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    options?: FindOptions,
  ): Promise<readonly string[]>;
  metadata(): Promise<readonly MetricMetadata[]>;
  /** Left out: there are samples alone. */
  coverage?(): TierCoverage;
}

export interface SeriesExemplars {
  readonly labels: Labels;
  /** In order of time. */
  readonly exemplars: readonly Exemplar[];
}

export interface SelectedHistograms {
  readonly labels: Labels;
  /** In order of time. */
  readonly histograms: readonly HistogramSample[];
}

/** When a series began to count: from `times[i]` on its samples have the start `starts[i]`, 0 where it is unset. */
export interface SelectedStarts {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly starts: Float64Array;
}

/** Reads what is not a float sample. Ranges include both ends; series come in the order of `compareLabels`. */
export interface AttachmentReader {
  /** Of the series that match any of the matcher lists. */
  exemplars(matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Promise<readonly SeriesExemplars[]>;
  /** More of them than `maxSamples` are a `TooManySamplesError`. */
  histograms(
    matchers: readonly Matcher[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<readonly SelectedHistograms[]>;
  /** Of series that ever had a start: what is in force at the beginning of the range, and each change within it. */
  starts(matchers: readonly Matcher[], range: TimeRange): Promise<readonly SelectedStarts[]>;
}

/**
 * What a query is answered from. Without histograms and starts there are float samples alone, and counters of which is
 * not known when they began.
 */
export type QuerySource = Pick<SeriesReader, 'select' | 'selectEach' | 'coverage'> &
  Partial<Pick<AttachmentReader, 'histograms' | 'starts'>>;

/** What became of a backfill. Counts of samples. */
export interface BackfillOutcome {
  readonly appended: number;
  /** Stored already with the same value. */
  readonly duplicates: number;
  /** Another value is stored at this time: the stored one stays. */
  readonly conflicts: number;
  /** Outside the retention or more than 10 minutes ahead of now. */
  readonly outOfBounds: number;
}

/** The second writer: whole runs of the past, in any order relative to live samples. Idempotent. */
export interface Backfiller {
  /** Durable and visible when it resolves. Importing before, during or after live samples gives the same store. */
  backfill(runs: readonly SampledSeries[], retention?: RetentionClass): Promise<BackfillOutcome>;
}

export interface EvaluateOptions {
  /**
   * How long points may be that answer in place of samples, in ms, though windows do not begin and end with them.
   * 0: samples alone. Left out: points where samples are gone and the answer is the same.
   */
  readonly maxResolutionMs?: number;
  /** How far back an instant looks for a sample. Default 5 minutes. */
  readonly lookbackMs?: number;
  /** More samples than this in memory is a `TooManySamplesError`. */
  readonly maxSamples?: number;
  readonly signal?: AbortSignal;
  /** Is told what is loaded, where the expression is evaluated here. What it throws ends the query. */
  readonly watch?: EvaluationWatch;
}

export interface EvaluationWatch {
  /** Before each selector is loaded; what it returns is told how much there was. */
  readonly selecting: (matchers: readonly Matcher[], range: TimeRange) => (series: number, samples: number) => void;
  /** All is loaded. */
  readonly evaluating: () => void;
}

/** Answers PromQL. Embedded it is our engine over `select`; on a backend the whole expression is sent there. */
export interface Evaluator {
  /** @throws {QueryError} If the text is not PromQL, or cannot be evaluated. */
  instant(expression: string, time: Millis, options?: EvaluateOptions): Promise<QueryResult>;
  /** Any number of steps: the HTTP API alone limits them. */
  range(expression: string, range: StepRange, options?: EvaluateOptions): Promise<QueryResult>;
}

/** One tenant's data. The handle cannot reach any other tenant's. */
export interface TenantStorage extends SeriesReader, AttachmentReader, SeriesWriter, Backfiller, Evaluator {}

export interface Storage extends AsyncDisposable {
  tenant(id: TenantId): TenantStorage;
  /** Tenants that have data. */
  tenants(): Promise<readonly TenantId[]>;
}
