import type { Forecast } from '../model/forecast.ts';
import type { DemandKey, ForecastStatus } from '../model/issued-forecast.ts';
import { compareLabels, type Labels, labelsOf, labelValue, METRIC_NAME } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { lowerBound, type Samples, type SelectedSeries, setStaleMarker, upperBound } from '../model/series.ts';
import { HOUR, MINUTE, type Millis, parseInstant, type TimeRange } from '../model/time.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { QuerySource, SeriesReader } from '../storage/storage.ts';

/** One demand that has forecasts. */
export interface ForecastDemand {
  readonly key: DemandKey;
  readonly workload: string;
  /** The label set under which its values are recorded. */
  readonly recorded: Labels;
}

export interface ForecastSource {
  demands(): Promise<readonly ForecastDemand[]>;
  latest(key: DemandKey): Promise<ForecastStatus | undefined>;
  issues(key: DemandKey, range: TimeRange): Promise<readonly Forecast[]>;
}

const PREDICTED = ':predicted';
const ACTUAL = ':actual';
const AHEAD = ':ahead';
/** The label that says which path of the forecast a series is, and the quantile of each: the central 95 % interval. */
const PATH = 'ml_forecast';
const PATHS = { yhat: undefined, yhat_lower: 0.025, yhat_upper: 0.975 } as const;
/** A pseudo label: what was believed at that moment, in epoch seconds or ISO 8601. */
const ISSUED_AT = 'ml_issued_at';
/** Issues older than a day are kept one an hour. */
const LEAST_LOOK_BACK_MS = 2 * HOUR;

type Path = keyof typeof PATHS;

/** How far ahead the series say that belong to the present, and the label that has it. */
const LEADS = { '5m': 5 * MINUTE, '15m': 15 * MINUTE, '30m': 30 * MINUTE, '1h': HOUR } as const;
const LEAD = 'lead';
type Lead = keyof typeof LEADS;

/** All labels that these series have. */
const LABEL_NAMES: readonly string[] = [METRIC_NAME, 'namespace', 'policy', 'workload', PATH, LEAD];

/**
 * A tenant's series with those that come of its forecasts: `<demand>:predicted{ml_forecast="yhat|yhat_lower|yhat_upper"}`,
 * with times ahead of now, `<demand>:actual`, and `<demand>:ahead{lead="5m|15m|30m|1h"}`, which says at each time what
 * was forecast for so long after it, for tools that cannot look ahead. A time has the value of the newest forecast issued before it. After the
 * last point comes a staleness marker, so that no lookback carries it on.
 *
 * Only a metric name with a colon finds them: `{namespace="shop"}` stays what was measured.
 */
export function withForecastSeries(
  reader: SeriesReader & QuerySource,
  source: ForecastSource,
): SeriesReader & QuerySource {
  const labelSetsOf = async (matcherSets: readonly (readonly Matcher[])[]): Promise<readonly Labels[]> => {
    if (matcherSets.length > 0 && !matcherSets.some(namesForecasts)) return [];
    const wanted = matcherSets.filter(namesForecasts).map(testOf);
    const all = (await source.demands()).flatMap((demand) => [
      ...(Object.keys(PATHS) as Path[]).flatMap((path) => [
        predictedLabels(demand, path),
        ...(Object.keys(LEADS) as Lead[]).map((lead) => aheadLabels(demand, path, lead)),
      ]),
      actualLabels(demand),
    ]);
    return wanted.length === 0 ? all : all.filter((labels) => wanted.some((matches) => matches(labels)));
  };
  const { coverage, histograms, starts, selectEach } = reader;
  return {
    ...(selectEach && {
      selectEach: async (matchers, range, take, options) =>
        !namesForecasts(matchers) && (await selectEach(matchers, range, take, options)),
    }),
    ...(coverage && { coverage }),
    ...(histograms && { histograms }),
    ...(starts && { starts }),
    async select(matchers, range, options) {
      const stored = await reader.select(matchers, range, options);
      if (!namesForecasts(matchers)) return stored;
      const added: SelectedSeries[] = [];
      const matches = testOf(matchers);
      const issuedAt = issuedAtOf(matchers);
      let samples = 0;
      for (const demand of await source.demands()) {
        const paths = (Object.keys(PATHS) as Path[]).filter((path) => matches(predictedLabels(demand, path)));
        const ahead = issuedAt === undefined ? aheadOf(demand).filter(({ labels }) => matches(labels)) : [];
        const wanted = [
          ...paths.map((path) => ({ path, leadMs: 0, labels: predictedLabels(demand, path, issuedAt?.text) })),
          ...ahead,
        ];
        if (wanted.length > 0) {
          options?.signal?.throwIfAborted();
          const issues = await issuesFor(source, demand.key, range, issuedAt?.at);
          for (const { path, leadMs, labels } of wanted) {
            const joined = within(joinedPath(issues, path, leadMs), range);
            samples += joined.times.length;
            if (joined.times.length > 0) added.push({ labels, chunks: [{ encoding: 'plain', ...joined }] });
          }
        }
        if (issuedAt === undefined && matches(actualLabels(demand))) {
          const exact = demand.recorded.map(([name, value]): Matcher => ({ name, op: '=', value }));
          for (const found of await reader.select(exact, range, options)) {
            added.push({ ...found, labels: actualLabels(demand) });
          }
        }
        const { maxSamples = Number.POSITIVE_INFINITY } = options ?? {};
        if (samples > maxSamples) throw new TooManySamplesError(maxSamples);
      }
      if (added.length === 0) return stored;
      return [...stored, ...added].sort((a, b) => compareLabels(a.labels, b.labels));
    },
    async series(matcherSets, range, options) {
      const [stored, added] = await Promise.all([reader.series(matcherSets, range, options), labelSetsOf(matcherSets)]);
      return added.length === 0 ? stored : [...stored, ...added].sort(compareLabels);
    },
    async labelNames(matcherSets, range, options) {
      const [stored, added] = await Promise.all([
        reader.labelNames(matcherSets, range, options),
        labelSetsOf(matcherSets),
      ]);
      return [...new Set([...stored, ...added.flatMap((labels) => labels.map(([name]) => name))])].sort();
    },
    async labelValues(name, matcherSets, range, options) {
      if (!LABEL_NAMES.includes(name)) return await reader.labelValues(name, matcherSets, range, options);
      const [stored, added] = await Promise.all([
        reader.labelValues(name, matcherSets, range, options),
        labelSetsOf(matcherSets),
      ]);
      const values = added.map((labels) => labelValue(labels, name)).filter((value) => value !== '');
      if (values.length === 0) return stored;
      return [...new Set([...stored, ...values])].sort();
    },
    metadata: () => reader.metadata(),
  };
}

/** Whether a selector finds series that come of the forecasts of these demands. */
export function findsForecasts(matchers: readonly Matcher[], demands: readonly ForecastDemand[]): boolean {
  if (!namesForecasts(matchers)) return false;
  const matches = testOf(matchers);
  return demands.some(
    (demand) =>
      (Object.keys(PATHS) as Path[]).some((path) => matches(predictedLabels(demand, path))) ||
      aheadOf(demand).some(({ labels }) => matches(labels)) ||
      matches(actualLabels(demand)),
  );
}

function predictedLabels({ key, workload }: ForecastDemand, path: Path, issuedAt = ''): Labels {
  const { namespace, policy, demand } = key;
  return labelsOf({
    ...{ [METRIC_NAME]: demand + PREDICTED, namespace, policy, workload },
    ...{ [PATH]: path, [ISSUED_AT]: issuedAt },
  });
}

function aheadLabels({ key, workload }: ForecastDemand, path: Path, lead: Lead): Labels {
  const { namespace, policy, demand } = key;
  return labelsOf({
    ...{ [METRIC_NAME]: demand + AHEAD, namespace, policy, workload },
    ...{ [PATH]: path, [LEAD]: lead },
  });
}

function aheadOf(demand: ForecastDemand) {
  return (Object.keys(PATHS) as Path[]).flatMap((path) =>
    (Object.keys(LEADS) as Lead[]).map((lead) => {
      return { path, leadMs: LEADS[lead], labels: aheadLabels(demand, path, lead) };
    }),
  );
}

function actualLabels({ key: { namespace, policy, demand }, workload }: ForecastDemand): Labels {
  return labelsOf({ [METRIC_NAME]: demand + ACTUAL, namespace, policy, workload });
}

function namesForecasts(matchers: readonly Matcher[]): boolean {
  return matchers.some(
    ({ name, op, value }) => name === METRIC_NAME && (op === '=' || op === '=~') && value.includes(':'),
  );
}

function testOf(matchers: readonly Matcher[]): (labels: Labels) => boolean {
  const tests = matchers
    .filter(({ name }) => name !== ISSUED_AT)
    .map((matcher) => ({ name: matcher.name, matches: compileMatcher(matcher) }));
  return (labels) => tests.every(({ name, matches }) => matches(labelValue(labels, name)));
}

/** @throws {RangeError} If the label is asked for in another way than by `=`, or is no time. */
function issuedAtOf(matchers: readonly Matcher[]): { readonly text: string; readonly at: Millis } | undefined {
  const matcher = matchers.find(({ name }) => name === ISSUED_AT);
  if (matcher === undefined) return undefined;
  if (matcher.op !== '=') throw new RangeError(`${ISSUED_AT} takes =, not ${matcher.op}`);
  return { text: matcher.value, at: parseInstant(matcher.value) };
}

/** Forecasts that matter to the range, oldest first, with the time at which what they say ends. */
async function issuesFor(
  source: ForecastSource,
  key: DemandKey,
  range: TimeRange,
  issuedAt: Millis | undefined,
): Promise<{ readonly forecasts: readonly Forecast[]; readonly withdrawnAt: Millis }> {
  const status = await source.latest(key);
  const withdrawnAt = status?.kind === 'none' ? status.at : Number.POSITIVE_INFINITY;
  const latest = status?.kind === 'forecast' ? [status.forecast] : [];
  const lookBackMs = Math.max(LEAST_LOOK_BACK_MS, 2 * (latest[0]?.stepMs ?? MINUTE));
  if (issuedAt !== undefined) {
    const kept = await source.issues(key, { start: issuedAt - lookBackMs, end: issuedAt });
    const known = [...kept, ...latest.filter((forecast) => forecast.issuedAt <= issuedAt)];
    return { forecasts: known.slice(-1), withdrawnAt: Number.POSITIVE_INFINITY };
  }
  if (latest.some((forecast) => forecast.issuedAt < range.start)) return { forecasts: latest, withdrawnAt };
  const kept = await source.issues(key, { start: range.start - lookBackMs, end: range.end });
  const newest = kept.at(-1)?.issuedAt ?? Number.NEGATIVE_INFINITY;
  return { forecasts: [...kept, ...latest.filter((forecast) => forecast.issuedAt > newest)], withdrawnAt };
}

/**
 * One path over all issues: each replaces what those before it said of the time after it.
 * @param leadMs By how much a value stands before the time that it is of.
 */
function joinedPath(
  { forecasts, withdrawnAt }: { readonly forecasts: readonly Forecast[]; readonly withdrawnAt: Millis },
  path: Path,
  leadMs = 0,
): Samples {
  const times: number[] = [];
  const values: number[] = [];
  const ends = new Set<number>();
  forecasts.forEach((forecast, i) => {
    const { issuedAt, stepMs } = forecast;
    const until = Math.min(forecasts[i + 1]?.issuedAt ?? Number.POSITIVE_INFINITY, withdrawnAt);
    const quantile = PATHS[path];
    const points =
      quantile === undefined
        ? forecast.point
        : forecast.quantiles.find((candidate) => candidate.quantile === quantile)?.values;
    const said = Array.from(points ?? [], (value, step) => ({ time: issuedAt + (step + 1) * stepMs - leadMs, value }))
      // What stands before the issue was not known then; at the next one's issue, what that says holds.
      .filter(({ time }) => (leadMs === 0 ? time <= until : time >= issuedAt && time < until));
    if (said.length === 0) {
      // One that does not reach so far: what was said before it holds no longer.
      if (leadMs === 0 || issuedAt >= until || times.length === 0 || ends.has(times.length - 1)) return;
      ends.add(times.length);
      times.push(issuedAt);
      values.push(Number.NaN);
      return;
    }
    for (const { time, value } of said) {
      times.push(time);
      values.push(value);
    }
    // Where the next forecast does not go on at the next step, nothing is said.
    const last = said.at(-1)!.time;
    const next = forecasts[i + 1];
    if (next === undefined || next.issuedAt + (leadMs === 0 ? next.stepMs : 0) > last + stepMs) {
      ends.add(times.length);
      times.push(last + stepMs);
      values.push(Number.NaN);
    }
  });
  const samples = { times: Float64Array.from(times), values: Float64Array.from(values) };
  for (const index of ends) setStaleMarker(samples.values, index);
  return samples;
}

function within({ times, values }: Samples, { start, end }: TimeRange): Samples {
  const from = lowerBound(times, start);
  const to = upperBound(times, end);
  return { times: times.subarray(from, to), values: values.subarray(from, to) };
}
