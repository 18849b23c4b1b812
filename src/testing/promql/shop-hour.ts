import { compareLabels, type Labels, labelsOf } from '../../model/labels.ts';
import { setStaleMarker } from '../../model/series.ts';
import { MINUTE, type Millis, SECOND } from '../../model/time.ts';
import type { OutgoingHistogram, OutgoingSeries } from '../../wire/encode-write-request.ts';
import { encodeHistogram, type SentHistogram } from '../encode-histogram.ts';
import type { Random } from '../fuzz/mutate.ts';

/** An hour of a shop's metrics: `series` has each with its samples in order of time. */
export interface ShopHour {
  readonly start: Millis;
  readonly end: Millis;
  readonly series: readonly ShopSeries[];
}

export interface ShopSeries {
  readonly labels: Labels;
  readonly times: readonly Millis[];
  readonly values: Float64Array;
  readonly histograms: readonly OutgoingHistogram[];
}

/** 2026-01-01, midnight: the same in every run of a seed. */
const START = Date.UTC(2026, 0, 1);
const STEP = 15 * SECOND;
const STEPS = 240;
const LES = ['0.05', '0.1', '0.25', '0.5', '1', '2.5', '10', '+Inf'];

/** What a step of a series holds: a float, a histogram, a staleness marker, or nothing. */
type Item = number | SentHistogram | 'stale' | undefined;

/**
 * The hour, from a seed: counters with resets, gauges with gaps, staleness markers, NaN and infinities, classic and native
 * histograms of each kind, label sets of many shapes. Targets are scraped at moments of their own, some of them not evenly.
 */
export function shopHour(random: Random): ShopHour {
  const series: ShopSeries[] = [];
  const add = (
    labels: Readonly<Record<string, string>>,
    itemAt: (step: number) => Item,
    { every = 1, jitterMs = 0, shiftMs = 0 } = {},
  ) => {
    const items: (readonly [Millis, Item])[] = [];
    for (let step = 0; step < STEPS; step += every) {
      const jitter = Math.floor(random() * jitterMs);
      items.push([START + step * STEP + shiftMs + jitter, itemAt(step)]);
    }
    series.push(seriesOf(labels, items));
  };
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  /** A counter that begins anew now and then, and is not there for some steps after. */
  const counter = (rate: number, resets: number) => {
    let total = between(0, 1000);
    const resetAt = new Set(Array.from({ length: resets }, () => between(20, STEPS - 20)));
    return (step: number): Item => {
      if (resetAt.has(step)) {
        total = 0;
        return 'stale';
      }
      total += Math.round(random() * rate);
      return resetAt.has(step - 1) ? undefined : total;
    };
  };

  for (const [j, job] of ['api', 'web'].entries()) {
    for (const instance of ['a:80', 'b:80', 'c:80']) {
      const shiftMs = between(0, 14_000);
      const jitterMs = instance === 'c:80' ? 900 : 0;
      const on = { shiftMs, jitterMs };
      const down = new Set(j === 0 && instance === 'b:80' ? [100, 101, 102, 103] : []);
      add({ __name__: 'up', job, instance }, (step) => (down.has(step) ? 0 : 1), on);
      for (const code of ['200', '404', '500']) {
        for (const method of ['GET', 'POST']) {
          if (code === '404' && method === 'POST' && job === 'web') continue;
          const count = counter(code === '200' ? 40 : 3, instance === 'a:80' ? 2 : 0);
          const labels = { __name__: 'http_requests_total', job, instance, code, method };
          add(labels, (step) => (down.has(step) ? (step === 100 ? 'stale' : undefined) : count(step)), on);
        }
      }
      const totals = LES.map(() => 0);
      let sum = 0;
      const observe = () => {
        for (let k = between(0, 12); k > 0; k--) {
          const seconds = -Math.log(1 - random()) * 0.6;
          sum += seconds;
          for (const [i, le] of LES.entries()) if (le === '+Inf' || seconds <= Number(le)) totals[i]!++;
        }
      };
      const steps: { totals: number[]; sum: number }[] = [];
      for (let step = 0; step < STEPS; step++) {
        if (step === 150 && instance === 'a:80') {
          totals.fill(0);
          sum = 0;
        }
        observe();
        steps.push({ totals: [...totals], sum });
      }
      for (const [i, le] of LES.entries()) {
        const labels = { __name__: 'request_seconds_bucket', job, instance, le };
        add(labels, (step) => steps[step]!.totals[i]!, { shiftMs });
      }
      add({ __name__: 'request_seconds_sum', job, instance }, (step) => steps[step]!.sum, { shiftMs });
      add({ __name__: 'request_seconds_count', job, instance }, (step) => steps[step]!.totals.at(-1)!, { shiftMs });
      add(
        { __name__: 'target_info', job, instance, version: `v${j + 1}`, region: instance === 'a:80' ? 'eu' : 'us' },
        (step) => (instance === 'c:80' && step > 120 ? (step === 121 ? 'stale' : undefined) : 1),
        { shiftMs },
      );
      if (instance === 'c:80') {
        add(
          { __name__: 'target_info', job, instance, version: 'v9', region: 'ap' },
          (step) => (step > 121 ? 1 : undefined),
          { shiftMs },
        );
      }
      add({ __name__: 'build_info', job, instance, revision: `r${between(1, 3)}`, version: 'x' }, () => 1, { shiftMs });
      let wanders = between(10, 30);
      const gauge = (step: number): Item => {
        wanders += random() * 4 - 2;
        return step % 37 > 31 && instance === 'b:80' ? undefined : wanders;
      };
      add({ __name__: 'temperature', job, instance, room: `room-${between(1, 12)}` }, gauge, on);
    }
  }

  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e300, -1e300, 3e-308, 0.1, -2.5];
  add({ __name__: 'odd', kind: 'all' }, () => odd[between(0, odd.length - 1)]);
  add({ __name__: 'odd', kind: 'nan' }, (step) => (step % 5 === 0 ? Number.NaN : step));
  add({ __name__: 'odd', kind: 'only nan' }, () => Number.NaN);
  add({ __name__: 'odd', kind: 'inf' }, (step) => (step % 9 === 0 ? Number.POSITIVE_INFINITY : -step));
  add({ __name__: 'odd', kind: 'both' }, (step) => (step % 2 === 0 ? 1 : -1) * Number.POSITIVE_INFINITY);
  add({ __name__: 'odd', kind: 'huge' }, (step) => (step % 2 === 0 ? 1.7e308 : 1.6e308));
  add({ __name__: 'odd', kind: 'tiny' }, () => between(1, 9) * 2.5e-308);
  add({ __name__: 'odd', kind: 'zero' }, (step) => (step % 3 === 0 ? -0 : 0));
  add({ __name__: 'odd', kind: 'far' }, (step) => 1e16 + step);

  add({ __name__: 'sparse', job: 'api' }, (step) => step, { every: 17 });
  add({ __name__: 'sparse', job: 'web' }, (step) => -step, { every: 28 });
  add({ __name__: 'once' }, (step) => (step === 90 ? 42 : undefined));
  add({ __name__: 'ends', job: 'api' }, (step) => (step < 80 ? 7 : step === 80 ? 'stale' : undefined));
  add({ __name__: 'ends', job: 'web' }, (step) => (step < 80 ? 8 : undefined));
  add({ __name__: 'begins' }, (step) => (step < 140 ? undefined : step));
  add({ __name__: 'blinks' }, (step) => (step % 6 < 3 ? step : step % 6 === 3 ? 'stale' : undefined));
  add({ __name__: 'constant' }, () => 3.5);
  add({ __name__: 'level', size: 'small' }, (step) => step % 4);
  add({ __name__: 'level', size: 'large' }, (step) => (step % 4) * 100);
  for (const shelf of ['1', '2', '10', 'b10', 'b9', 'b', 'c']) {
    add({ __name__: 'stock', shelf }, () => between(0, 5));
  }
  add({ __name__: 'shapes', text: 'a "quoted" \\ one\nof two lines' }, () => 1);
  add({ __name__: 'shapes', text: 'ünïcode 日本 🙂' }, () => 2);
  add({ __name__: 'shapes', 'dotted.name': 'x', 'with space': 'y' }, () => 3);
  add({ __name__: 'shapes', _under: '1', Capital: '2', le: '0.5', quantile: '0.9' }, () => 4);
  add({ __name__: 'dotted.metric', job: 'api' }, (step) => step);
  add({ __name__: 'ünïcode metric', job: 'web' }, (step) => step * 2);
  add({ __name__: 'sum', job: 'named like an aggregation' }, (step) => step);
  add({ __name__: 'ns:level:sum', job: 'api' }, (step) => step / 7);
  for (const [le, share] of [
    ['0.1', 3],
    ['1', 2],
    ['10', 5],
    ['+Inf', 4],
  ] as const) {
    add({ __name__: 'falling_bucket', le }, (step) => share * step);
  }
  for (const le of ['0.1', '1']) add({ __name__: 'endless_bucket', le }, (step) => step * Number(le) * 10);
  for (const le of ['-1', '0', '1e0', '1.0', 'Inf', 'abc', '']) {
    add({ __name__: 'strange_bucket', ...(le !== '' && { le }) }, (step) => step * (1 + le.length));
  }
  for (const quantile of ['0.5', '0.9']) add({ __name__: 'summary', quantile }, () => random() * Number(quantile));

  for (const instance of ['a:80', 'b:80', 'c:80']) {
    const shiftMs = between(0, 14_000);
    const histogram = growing(random, { schema: instance === 'c:80' ? 1 : 3, negative: instance === 'b:80' });
    const add2 = (step: number): Item => {
      if (instance === 'a:80' && step === 130) return 'stale';
      if (instance === 'a:80' && step > 130 && step < 135) return undefined;
      return histogram.next(instance === 'a:80' && step === 135);
    };
    add({ __name__: 'latency', job: 'api', instance }, add2, { shiftMs });
  }
  const finer = growing(random, { schema: 4, negative: false });
  const coarser = growing(random, { schema: 0, negative: false });
  add({ __name__: 'resized' }, (step) => (step < 100 ? finer.next(false) : coarser.next(false)));
  const ofMixed = growing(random, { schema: 2, negative: false });
  add({ __name__: 'mixed', job: 'api' }, (step) => (step % 40 < 20 ? step : ofMixed.next(false)));
  add({ __name__: 'mixed', job: 'web' }, (step) => step);
  const ofFew = growing(random, { schema: 2, negative: false });
  add({ __name__: 'mixed', job: 'few' }, (step) => (step % 60 === 30 ? step : ofFew.next(false)));
  for (const job of ['api', 'web']) {
    add({ __name__: 'spread', job }, () => gaugeHistogram(random));
    add({ __name__: 'sized', job }, custom(random, [0.1, 1, 10]));
  }
  add({ __name__: 'sized', job: 'other' }, custom(random, [0.5, 1, 5, 10]));
  add({ __name__: 'sized', job: 'negative' }, custom(random, [-5, -1, 3]));
  const before = custom(random, [1, 2, 4]);
  const after = custom(random, [1, 4]);
  add({ __name__: 'rebound' }, (step) => (step < 120 ? before(step) : after(step)));
  add({ __name__: 'empty_latency' }, () => ({ schema: 3, count: 0, sum: 0, zeroThreshold: 1e-128, zeroCount: 0 }));
  add({ __name__: 'nan_latency' }, (step) => ({
    ...{ schema: 0, floatCount: step + 3, sum: Number.NaN, zeroThreshold: 0.001, floatZeroCount: 1 },
    positiveSpans: [{ offset: 0, length: 1 }],
    positiveCounts: [step],
    resetHint: 0,
  }));
  return { start: START, end: START + STEPS * STEP, series };
}

/**
 * In requests that any receiver takes whole: of some minutes each, in order of time, with either floats or histograms of a
 * series. First comes a staleness marker of every series, in order of their labels: engines may answer in the order that
 * series came to be.
 */
export function requestsOf({ start, end, series }: ShopHour): OutgoingSeries[][] {
  const sorted = [...series].sort((a, b) => compareLabels(a.labels, b.labels));
  const marker = new Float64Array(1);
  setStaleMarker(marker, 0);
  const requests: OutgoingSeries[][] = [
    sorted.map(({ labels }) => ({ labels, times: [start - 30 * MINUTE], values: marker })),
  ];
  for (let from = start; from <= end; from += 6 * MINUTE) {
    const runs = sorted.map((each) => runsOf(each, from, from + 6 * MINUTE));
    for (let i = 0; runs.some((each) => each.length > i); i++) {
      requests.push(runs.flatMap((each) => each[i] ?? []));
    }
  }
  return requests;
}

/** What a series has in [from, to), split where floats follow histograms and histograms floats. */
function runsOf({ labels, times, values, histograms }: ShopSeries, from: Millis, to: Millis): OutgoingSeries[] {
  const floats = times.map((time, i) => ({ time, i, histogram: undefined }));
  const all = [...floats, ...histograms.map((histogram) => ({ time: histogram.time, i: -1, histogram }))]
    .filter(({ time }) => time >= from && time < to)
    .sort((a, b) => a.time - b.time);
  const runs: (typeof all)[] = [];
  for (const each of all) {
    const last = runs.at(-1);
    if (last !== undefined && (last[0]!.histogram === undefined) === (each.histogram === undefined)) last.push(each);
    else runs.push([each]);
  }
  return runs.map((run) => {
    const ofFloats = run.filter(({ histogram }) => histogram === undefined);
    return {
      labels,
      times: ofFloats.map(({ time }) => time),
      // Staleness markers stay what they are in a part of a column.
      values: ofFloats.length === 0 ? new Float64Array() : values.slice(ofFloats[0]!.i, ofFloats.at(-1)!.i + 1),
      histograms: run.flatMap(({ histogram }) => histogram ?? []),
    };
  });
}

function seriesOf(labels: Readonly<Record<string, string>>, items: readonly (readonly [Millis, Item])[]): ShopSeries {
  const floats = items.filter(([, item]) => typeof item === 'number' || item === 'stale');
  const values = new Float64Array(floats.length);
  for (const [i, [, item]] of floats.entries()) {
    if (item === 'stale') setStaleMarker(values, i);
    else values[i] = item as number;
  }
  const histograms = items.flatMap(([time, item]) =>
    typeof item === 'object' ? [{ time, bytes: encodeHistogram(item) }] : [],
  );
  return { labels: labelsOf(labels), times: floats.map(([time]) => time), values, histograms };
}

/** A native histogram of whole counts, which grow. */
function growing(random: Random, { schema, negative }: { readonly schema: number; readonly negative: boolean }) {
  let positives = new Map<number, number>();
  let negatives = new Map<number, number>();
  let zeroCount = 0;
  let sum = 0;
  return {
    next(begins: boolean): SentHistogram {
      if (begins) {
        positives = new Map();
        negatives = new Map();
        zeroCount = 0;
        sum = 0;
      }
      // Never the same twice: whether two histograms are equal but for empty buckets depends on Prometheus's chunks.
      for (let k = 1 + Math.floor(random() * 9); k > 0; k--) {
        const value = random() < 0.1 ? 0 : -Math.log(1 - random()) * 0.7;
        if (value < 1e-3) {
          zeroCount++;
          continue;
        }
        const index = Math.ceil(Math.log2(value) * 2 ** schema);
        const side = negative && random() < 0.4 ? negatives : positives;
        side.set(index, (side.get(index) ?? 0) + 1);
        sum += side === positives ? value : -value;
      }
      const count = [...positives.values(), ...negatives.values()].reduce((a, b) => a + b, zeroCount);
      const positive = spansOf(positives);
      const less = spansOf(negatives);
      return {
        ...{ schema, zeroThreshold: 1e-3, zeroCount, count, sum },
        ...(positive.counts.length > 0 && { positiveSpans: positive.spans, positiveDeltas: deltasOf(positive.counts) }),
        ...(less.counts.length > 0 && { negativeSpans: less.spans, negativeDeltas: deltasOf(less.counts) }),
      };
    },
  };
}

/** A gauge of float counts, on both sides of zero. */
function gaugeHistogram(random: Random): SentHistogram {
  const side = () => Array.from({ length: 4 }, () => Math.round(random() * 80) / 8);
  const [positiveCounts, negativeCounts] = [side(), side()];
  const floatZeroCount = Math.round(random() * 16) / 4;
  const floatCount = [...positiveCounts, ...negativeCounts].reduce((a, b) => a + b, floatZeroCount);
  const spans = [
    { offset: -2, length: 2 },
    { offset: 1, length: 2 },
  ];
  return {
    ...{ schema: 0, zeroThreshold: 0.0625, floatZeroCount, floatCount, sum: random() * 50 - 25, resetHint: 3 },
    ...{ positiveSpans: spans, positiveCounts, negativeSpans: spans, negativeCounts },
  };
}

function custom(random: Random, customValues: readonly number[]): (step: number) => SentHistogram {
  const counts = customValues.map(() => 0);
  counts.push(0);
  let sum = 0;
  return () => {
    for (const i of counts.keys()) counts[i]! += Math.floor(random() * 4);
    sum += random() * 5;
    return {
      ...{ schema: -53, customValues, sum, count: counts.reduce((a, b) => a + b, 0) },
      positiveSpans: [{ offset: 0, length: counts.length }],
      positiveDeltas: deltasOf(counts),
    };
  };
}

function spansOf(buckets: ReadonlyMap<number, number>) {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const spans: { offset: number; length: number }[] = [];
  for (const [i, [index]] of sorted.entries()) {
    const gap = i === 0 ? index : index - sorted[i - 1]![0] - 1;
    if (i > 0 && gap === 0) spans.at(-1)!.length++;
    else spans.push({ offset: gap, length: 1 });
  }
  return { spans, counts: sorted.map(([, count]) => count) };
}

function deltasOf(counts: readonly number[]): number[] {
  return counts.map((count, i) => count - (counts[i - 1] ?? 0));
}
