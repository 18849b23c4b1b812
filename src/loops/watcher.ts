import { setImmediate as yieldTurn } from 'node:timers/promises';
import { type AlarmEvent, close, learnNormal, missingScore } from '../anomaly/alarm.ts';
import { type Anomaly, type AnomalyEnd, anomalyId, hashOf, type OpenAnomaly } from '../anomaly/anomaly.ts';
import {
  type JudgedSample,
  judgeMissing,
  judgeSample,
  restoreWatched,
  saveWatched,
  type WatchedSeries,
  watchSeries,
} from '../anomaly/watched-series.ts';
import { type Labels, labelsKey, labelsOf, labelValue, METRIC_NAME } from '../model/labels.ts';
import type { StepRange } from '../model/query-result.ts';
import type { SampledSeries } from '../model/series.ts';
import { DAY, HOUR, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { type Replicas, whyGone } from './gone-members.ts';
import { type Watch, watchFingerprint } from './watch.ts';

/** Where the state of one tenant's watches is kept. */
export interface WatchStates {
  read(key: string): Promise<{ readonly head: WatchHead; readonly series: readonly KeptSeries[] } | undefined>;
  /** All or nothing. Series by a short name of theirs; `undefined` deletes. */
  write(key: string, head: WatchHead, series: readonly SavedSeries[]): Promise<void>;
}

export interface WatchHead {
  readonly fingerprint: string;
  /** Anomalies that begin before are not told: they are what was learnt from. */
  readonly since: Millis;
  /** The last instant that was judged. */
  readonly through: Millis;
}

export interface SavedSeries {
  readonly name: string;
  readonly bytes: Uint8Array | undefined;
}

interface KeptSeries extends SavedSeries {
  readonly bytes: Uint8Array;
}

/** What a forecast said of one instant before it came. */
export interface ForecastAt {
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
}

/** What is known of a slice of time beside the samples. */
export interface SliceContext {
  readonly localOffsetMs: (time: Millis) => number;
  readonly forecastAt: (time: Millis) => ForecastAt | undefined;
  readonly isMuted: (labels: Labels, time: Millis) => boolean;
  /**
   * Asked for, once, where a series is about to be called missing: of a time that begins before the slice, where the last
   * samples of such a series are, and what is known of shortly before it. Left out: nothing is known of replicas.
   */
  readonly replicas?: (range: TimeRange) => Promise<Replicas | undefined>;
}

export interface WatcherDeps {
  readonly states: WatchStates;
  /** Every series of the answer, with a value at each instant that has one. */
  readonly evaluate: (watch: Watch, range: StepRange, signal: AbortSignal) => Promise<readonly SampledSeries[]>;
  readonly contextOf: (watch: Watch, range: StepRange) => Promise<SliceContext>;
  /** Keeps what came of a slice, of one anomaly the newest last; resolves once it is kept. Told again after a crash, it must come to the same. */
  readonly keep: (watch: Watch, written: readonly SampledSeries[], anomalies: readonly Anomaly[]) => Promise<void>;
  /** The anomalies of a watch that are kept as going on. */
  readonly openOf: (watch: Watch) => Promise<readonly Anomaly[]>;
  readonly skip: (reason: string) => void;
}

/** One watch with the state of all its series. */
export interface Watcher {
  watch: Watch;
  /** Judges what came since the last instant that was judged. */
  pass(end: Millis, signal: AbortSignal): Promise<void>;
  /** What was before the watch came later: while all of its series are still learning, they learn from that anew. */
  historyChanged(): void;
  /** Keeps the state, if it is not kept. */
  save(): Promise<void>;
  /** Somebody says that an anomaly was none. Resolves once that is kept. */
  learnNormal(anomaly: Anomaly, now: Millis): Promise<boolean>;
  /** It is watched no more: what goes on ends. */
  end(now: Millis): Promise<void>;
  series(): readonly WatchedSeries[];
  status(): WatcherStatus;
}

export interface WatcherStatus {
  readonly series: number;
  readonly learning: number;
  readonly anomalous: number;
  /** Of the last pass. */
  readonly refused: number;
  readonly through: Millis;
}

/** What was missed for longer is not made up for. */
const MOST_CATCH_UP_MS = DAY;
/** Instants that one evaluation covers at most, and samples of all of its series. */
const SLICE_STEPS = 360;
const SLICE_SAMPLES = 200_000;
/** State is saved about once a minute; of many series more seldom. */
const SAVED_EVERY_MS = MINUTE;
const SAVED_EVERY_MS_A_SERIES = 30;
const JUDGED_AT_ONCE = 500;
const SAVED_AT_ONCE = 200;
/** A series that ended, and one that went missing, is forgotten after so long. */
const ENDED_MS = HOUR;
const MISSING_MS = 7 * DAY;

const SUFFIXES = ['anomalous', 'anomaly_score', 'expected', 'lower', 'upper'] as const;
const SUFFIXES_OF = { all: SUFFIXES, verdicts: ['anomalous', 'anomaly_score'], none: [] } as const;
/** What explains a series that is missing already is looked for so long. */
const EXPLAINED_WITHIN_MS = HOUR;

/** Opens a watch with the state that is kept of it. */
export async function openWatcher(first: Watch, now: Millis, deps: WatcherDeps): Promise<Watcher> {
  const all = new Map<string, WatchedSeries>();
  const removed = new Set<string>();
  const fingerprint = watchFingerprint(first);
  const saved = await deps.states.read(first.key);
  const isOurs = saved?.head.fingerprint === fingerprint;
  for (const [i, { name, bytes }] of (saved?.series ?? []).entries()) {
    if (i % SAVED_AT_ONCE === 0) await yieldTurn();
    const series = isOurs ? restoreWatched(bytes) : undefined;
    if (series !== undefined) all.set(series.key, series);
    else removed.add(name);
    if (isOurs && series === undefined) deps.skip('state-unreadable');
  }
  if (saved !== undefined && !isOurs) deps.skip('state-of-another-query');
  const began = Math.floor(now / first.stepMs) * first.stepMs;
  let { since, through } = isOurs ? saved.head : { since: began, through: began - learntOf(first) };
  /** Series of the first sample that was ever judged have not come: they were there. */
  let from = isOurs ? Number.NEGATIVE_INFINITY : through + first.stepMs;
  let savedThrough = through;
  let savedAt = now;
  let refused = 0;
  let isCaughtUp = false;
  let hasOtherHistory = false;
  let lock: Promise<unknown> = Promise.resolve();
  /** What was judged and could not be kept yet: it is not judged again, which would teach twice, but kept first. */
  let unkept: (() => Promise<void>) | undefined;

  async function handOver(): Promise<void> {
    await unkept?.();
    unkept = undefined;
  }

  /** One after another: what somebody says of an anomaly must not come into the middle of a slice. */
  function alone<T>(action: () => Promise<T>): Promise<T> {
    const done = lock.then(action);
    lock = done.catch(() => {});
    return done;
  }

  async function pass(watch: Watch, end: Millis, signal: AbortSignal): Promise<void> {
    const { stepMs } = watch;
    await handOver();
    if (hasOtherHistory) learnAnew(watch, end);
    // What was judged ahead of a clock that was set back since is not waited for.
    if (through > end + MOST_CATCH_UP_MS) through = end - stepMs;
    if (end - through > Math.max(MOST_CATCH_UP_MS, watch.historyMs)) {
      deps.skip('too-far-behind');
      through = end - Math.floor(MOST_CATCH_UP_MS / stepMs) * stepMs;
    }
    while (through < end && !signal.aborted) {
      const steps = Math.max(1, Math.min(SLICE_STEPS, Math.floor(SLICE_SAMPLES / (all.size || watch.maxSeries))));
      const start = through + stepMs;
      const told = through < since ? Math.min(end, since) : end;
      const range = { start, end: Math.min(told, start + (steps - 1) * stepMs), stepMs };
      const [found, context] = await Promise.all([deps.evaluate(watch, range, signal), deps.contextOf(watch, range)]);
      signal.throwIfAborted();
      await judgeSlice(watch, range, found, context, signal);
    }
    if (signal.aborted) return;
    if (!isCaughtUp) await endOrphans(watch, end);
    isCaughtUp = true;
    // What was learnt from the past is kept at once: else a crash would take the present for it.
    const isDue = end - savedAt >= Math.max(SAVED_EVERY_MS, SAVED_EVERY_MS_A_SERIES * all.size);
    if (isDue || savedThrough < since) await save(end);
  }

  function learnAnew(watch: Watch, end: Millis): void {
    hasOtherHistory = false;
    if (![...all.values()].every(({ isLearning }) => isLearning)) return;
    for (const key of all.keys()) removed.add(nameOf(key));
    all.clear();
    since = end;
    through = end - learntOf(watch);
    from = through + watch.stepMs;
  }

  /** What is kept as going on, of which the state knows nothing, because it was lost. */
  async function endOrphans(watch: Watch, at: Millis): Promise<void> {
    const orphans = (await deps.openOf(watch)).filter(
      ({ labels, since: from }) => all.get(labelsKey(labels))?.alarm.open?.since !== from,
    );
    if (orphans.length === 0) return;
    const ended = orphans.map((orphan) => ({ ...orphan, endedAt: at, end: 'gone' as const }));
    await deps.keep(watch, [], ended);
  }

  /** Ends early, between two instants, where the signal aborts. */
  async function judgeSlice(
    watch: Watch,
    range: StepRange,
    found: readonly SampledSeries[],
    context: SliceContext,
    signal: AbortSignal,
  ): Promise<void> {
    const columns = await columnsOf(watch, found);
    const members = { all, groupOf: onceEach((labels: Labels) => groupOf(watch, labels)) };
    const written = new Map<string, Written>();
    const anomalies: Anomaly[] = [];
    let asked: ReturnType<typeof replicasOf> | undefined;
    let judged = 0;
    let last = through;
    for (let time = range.start; time <= range.end && !signal.aborted; time += range.stepMs) {
      last = time;
      const before = [...all.values()].filter(({ isPresent }) => isPresent).length;
      const values = new Map<string, number>();
      for (const [key, column] of columns) {
        const value = column.at(time);
        if (value === undefined) continue;
        values.set(key, value);
        const known = all.get(key);
        const series = known ?? watchSeries(column.labels);
        if (known === undefined) all.set(key, series);
        // The past begins with those that are there: they have not come.
        if ((known === undefined || known.hasEnded) && time > from) {
          Object.assign(series, { firstAt: time, isReplacement: false, isReplaced: false });
        }
      }
      const medians = watch.peers ? mediansOf(watch, values, all) : undefined;
      const gone = [...all.values()].filter(({ key, isPresent }) => isPresent && !values.has(key)).length;
      for (const series of all.values()) {
        const muted = context.isMuted(series.labels, time);
        const value = values.get(series.key);
        const middle = medians?.get(groupOf(watch, series.labels)) ?? 0;
        let sample: JudgedSample | undefined;
        if (value !== undefined) {
          series.isPresent = true;
          series.hasEnded = false;
          const forecast = context.forecastAt(time);
          const localOffsetMs = context.localOffsetMs(time);
          const of = { muted, localOffsetMs, ...(forecast !== undefined && { forecast }) };
          sample = judgeSample(series, watch.alarm, time, value - middle, of);
        } else {
          if (series.isPresent) {
            series.isPresent = false;
            // One that ends while most of the others go on has ended; where most end at once, they are missing.
            series.hasEnded = watch.missingMembers !== true && gone * 2 < before;
          }
          if (!series.hasEnded && isAboutToMiss(watch, series, time)) {
            asked ??= replicasOf(watch, range, context);
            const why = whyGone(series, { ...members, time, replicas: await asked });
            if (why !== undefined) {
              series.hasEnded = true;
              series.isReplaced = why.kind === 'replaced';
              if (why.kind === 'replaced') why.by.isReplacement = true;
              const { event } = close(series.alarm, time, 'gone');
              if (event !== undefined && time > since) anomalies.push(...told(watch, series, event));
            }
          }
          if (!series.hasEnded) sample = judgeMissing(series, watch.alarm, time, { stepMs: range.stepMs, muted });
          if (isForgotten(series, time)) {
            const { event } = close(series.alarm, time, 'gone');
            if (event !== undefined && time > since) anomalies.push(...told(watch, series, event));
            all.delete(series.key);
            removed.add(nameOf(series.key));
            continue;
          }
        }
        if (++judged % JUDGED_AT_ONCE === 0) await yieldTurn();
        if (sample === undefined || time <= since) continue;
        if (sample.step.event !== undefined) anomalies.push(...told(watch, series, sample.step.event));
        if (watch.writes === 'none') continue;
        if (value !== undefined || sample.step.anomalous || sample.step.event !== undefined) {
          note(written, watch, series, { time, sample, middle });
        }
      }
      if (time === since) for (const { alarm } of all.values()) forgetOpen(alarm, time);
    }
    unkept = () =>
      deps.keep(
        watch,
        [...written.values()].flatMap((row) => seriesOf(row, SUFFIXES_OF[watch.writes ?? 'all'])),
        toldOf(anomalies),
      );
    through = last;
    await handOver();
  }

  async function columnsOf(watch: Watch, found: readonly SampledSeries[]): Promise<ReadonlyMap<string, Column>> {
    const columns = new Map<string, Column>();
    let fresh = 0;
    refused = 0;
    for (const [i, { labels: own, times, values }] of found.entries()) {
      if (i % JUDGED_AT_ONCE === 0) await yieldTurn();
      const labels = labelsOf([...watch.labels, ...own.filter(([name]) => name !== METRIC_NAME)]);
      const key = labelsKey(labels);
      if (columns.has(key)) {
        refused++;
        deps.skip('same-labels');
        continue;
      }
      const isFresh = !all.has(key);
      if (isFresh && all.size + fresh >= watch.maxSeries) {
        refused++;
        deps.skip('too-many-series');
        continue;
      }
      if (isFresh) fresh++;
      columns.set(key, { labels, at: reader(times, values) });
    }
    return columns;
  }

  async function save(now: Millis): Promise<void> {
    if (savedThrough === through && removed.size === 0) return;
    await handOver();
    const kept: KeptSeries[] = [];
    for (const series of all.values()) {
      kept.push({ name: nameOf(series.key), bytes: saveWatched(series) });
      if (kept.length % SAVED_AT_ONCE === 0) await yieldTurn();
    }
    const names = new Set(kept.map(({ name }) => name));
    const gone = [...removed].filter((name) => !names.has(name)).map((name) => ({ name, bytes: undefined }));
    await deps.states.write(first.key, { fingerprint, since, through }, [...kept, ...gone]);
    savedThrough = through;
    savedAt = now;
    removed.clear();
  }

  function anomalyOf(watch: Watch, series: WatchedSeries, anomaly: OpenAnomaly): Anomaly {
    const { policy, spec } = watch.demand ?? {};
    return {
      ...anomaly,
      id: anomalyId(watch.key, series.key, anomaly.since),
      ...{ watch: watch.name, labels: series.labels, stepMs: watch.stepMs },
      demand: policy &&
        spec && { namespace: policy.namespace, policy: policy.name, workload: policy.target.name, demand: spec.name },
      ...{ endedAt: undefined, end: undefined, incident: '', feedback: undefined },
    };
  }

  function told(watch: Watch, series: WatchedSeries, event: AlarmEvent): readonly Anomaly[] {
    if (event.anomaly.since <= since) return [];
    const anomaly = anomalyOf(watch, series, event.anomaly);
    return [event.kind === 'ended' ? { ...anomaly, endedAt: event.at, end: event.why } : anomaly];
  }

  const watcher: Watcher = {
    watch: first,
    pass: (end, signal) => alone(() => pass(watcher.watch, end, signal)),
    historyChanged() {
      hasOtherHistory = true;
    },
    save: () => alone(() => save(through)),
    learnNormal: (anomaly, now) =>
      alone(async () => {
        const series = all.get(labelsKey(anomaly.labels));
        if (series === undefined) return false;
        const { event } = learnNormal(series.alarm, anomaly, now);
        if (event !== undefined) await deps.keep(watcher.watch, [], told(watcher.watch, series, event));
        savedThrough = Number.NaN;
        await save(now);
        return true;
      }),
    end: (now) =>
      alone(async () => {
        const ended = [...all.values()].flatMap((series) => {
          const { event } = close(series.alarm, now, 'gone');
          return event === undefined ? [] : told(watcher.watch, series, event);
        });
        if (ended.length === 0) return;
        await deps.keep(watcher.watch, [], ended);
        savedThrough = Number.NaN;
        await save(now);
      }),
    series: () => [...all.values()],
    status() {
      const series = [...all.values()];
      return {
        series: series.length,
        learning: series.filter(({ isLearning }) => isLearning).length,
        anomalous: series.filter(({ alarm }) => alarm.open !== undefined).length,
        ...{ refused, through: unkept === undefined ? through : through - first.stepMs },
      };
    },
  };
  return watcher;
}

/** The past that is learnt from: a whole number of steps, so that it is read at the instants that come after it. */
function learntOf({ historyMs, stepMs }: Watch): number {
  return Math.floor(historyMs / stepMs) * stepMs;
}

/** Which group of its watch a series is in. */
export function groupOf({ group }: Pick<Watch, 'group'>, labels: Labels): string {
  return JSON.stringify(group.map((name) => labelValue(labels, name)));
}

/** Asks once of each, however often it is asked. */
function onceEach<K, V>(of: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    if (!known.has(key)) known.set(key, of(key));
    return known.get(key) as V;
  };
}

/**
 * Of what one slice told of an anomaly, the newest, and when it got each severity: an alert begins then, however much
 * of the past was judged at once.
 */
function toldOf(anomalies: readonly Anomaly[]): readonly Anomaly[] {
  const newest = new Map(anomalies.map((anomaly) => [anomaly.id, anomaly]));
  const seen = new Set<string>();
  return anomalies.filter((anomaly) => {
    const key = `${anomaly.id} ${anomaly.severity}`;
    const isFirst = !seen.has(key);
    seen.add(key);
    return isFirst || newest.get(anomaly.id) === anomaly;
  });
}

interface Column {
  readonly labels: Labels;
  readonly at: (time: Millis) => number | undefined;
}

/** Asked for ascending times. */
function reader(times: Float64Array, values: Float64Array): (time: Millis) => number | undefined {
  let i = 0;
  return (time) => {
    while (i < times.length && times[i]! < time) i++;
    return i < times.length && times[i] === time && Number.isFinite(values[i]) ? values[i] : undefined;
  };
}

function mediansOf(
  watch: Watch,
  values: ReadonlyMap<string, number>,
  all: ReadonlyMap<string, WatchedSeries>,
): ReadonlyMap<string, number> {
  const groups = new Map<string, number[]>();
  for (const [key, value] of values) {
    const group = groupOf(watch, all.get(key)!.labels);
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [value]);
    else members.push(value);
  }
  return new Map(
    [...groups].map(([group, members]) => {
      const sorted = members.sort((a, b) => a - b);
      const half = sorted.length >> 1;
      return [group, sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2];
    }),
  );
}

/**
 * Whether it is missing by now, has not been for long, and nothing else is told of it. Muted ones are, too: what explains
 * it may be too long ago once they no longer are.
 */
function isAboutToMiss({ alarm: options, stepMs }: Watch, { alarm }: WatchedSeries, time: Millis): boolean {
  if (alarm.open !== undefined && alarm.open.peak.part !== 'missing') return false;
  const isMissing = (when: Millis) => missingScore(alarm, options, when, stepMs) >= options.alertScore;
  return isMissing(time) && !isMissing(Math.max(alarm.lastAt, time - EXPLAINED_WITHIN_MS - stepMs));
}

/** Of a slice, and from before what goes missing in it, or at the instant before, has its last sample. */
async function replicasOf(
  { alarm, stepMs }: Watch,
  { start, end }: TimeRange,
  context: SliceContext,
): Promise<Replicas | undefined> {
  const replicas = await context.replicas?.({ start: start - (alarm.missingAfter + 2) * stepMs, end });
  return replicas && { at: replicas.at, workloadOf: onceEach(replicas.workloadOf) };
}

function isForgotten({ hasEnded, alarm }: WatchedSeries, time: Millis): boolean {
  return time - alarm.lastAt > (hasEnded ? ENDED_MS : MISSING_MS);
}

/** What was going on when the watch began was learnt, and is not told. */
function forgetOpen(alarm: WatchedSeries['alarm'], time: Millis): void {
  close(alarm, time, 'usual' satisfies AnomalyEnd);
  alarm.endedAt = undefined;
}

interface Written {
  readonly name: string;
  readonly labels: Labels;
  readonly times: number[];
  readonly values: Readonly<Record<(typeof SUFFIXES)[number], number[]>>;
}

function note(
  written: Map<string, Written>,
  { name }: Watch,
  { key, labels }: WatchedSeries,
  { time, sample, middle }: { readonly time: Millis; readonly sample: JudgedSample; readonly middle: number },
): void {
  let row = written.get(key);
  if (row === undefined) {
    row = {
      ...{ name, labels, times: [] },
      values: { anomalous: [], anomaly_score: [], expected: [], lower: [], upper: [] },
    };
    written.set(key, row);
  }
  row.times.push(time);
  row.values.anomalous.push(sample.step.anomalous ? 1 : 0);
  row.values.anomaly_score.push(sample.score);
  row.values.expected.push(sample.expected + middle);
  row.values.lower.push(sample.lower + middle);
  row.values.upper.push(sample.upper + middle);
}

function seriesOf(
  { name, labels, times, values }: Written,
  suffixes: readonly (typeof SUFFIXES)[number][],
): readonly SampledSeries[] {
  return suffixes
    .map((suffix) => {
      const known = [...times.keys()].filter((i) => Number.isFinite(values[suffix][i]));
      return {
        labels: labelsOf([...labels, [METRIC_NAME, `${name}:${suffix}`]]),
        times: Float64Array.from(known, (i) => times[i]!),
        values: Float64Array.from(known, (i) => values[suffix][i]!),
      };
    })
    .filter((series) => series.times.length > 0);
}

/** Short, and fit for a key. Two series of one watch with one name are as unlikely as 1 in 2^40. */
function nameOf(key: string): string {
  return hashOf(key);
}
