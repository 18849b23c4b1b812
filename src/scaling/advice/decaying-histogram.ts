import type { Millis } from '../../model/time.ts';

/** Weighted values in buckets whose weight halves with age: what is a day old counts half of what is new. */
export interface DecayingHistogram {
  /** @param weight Zero or more, before decay. */
  add(value: number, weight: number, t: Millis): void;
  /** Takes back what was added with the same value, weight and time. */
  subtract(value: number, weight: number, t: Millis): void;
  /** The end of the bucket in which the quantile lies, so never less than the value itself; 0 where nothing was added. */
  quantile(quantile: number): number;
}

export interface HistogramOptions {
  /** The last bucket begins at this or above. */
  readonly largest: number;
  /** Width of the first bucket; each is wider than the one before it by `growth`. */
  readonly firstWidth: number;
  readonly growth: number;
  readonly halfLifeMs: number;
  /** A bucket with less weight is taken for empty. */
  readonly leastWeight: number;
}

/** Beyond 2^100 the weights are scaled down. */
const MOST_HALF_LIVES = 100;

/**
 * The Vertical Pod Autoscaler's histogram: exponential buckets, no interpolation, weights of 2^(age / half-life) against
 * a reference time that is a whole number of half-lives.
 * Source: kubernetes/autoscaler, tag vertical-pod-autoscaler/v1.7.1, pkg/recommender/util: `histogram.go`,
 * `histogram_options.go` (`NewExponentialHistogramOptions`) and `decaying_histogram.go`.
 */
export function decayingHistogram(options: HistogramOptions): DecayingHistogram {
  const { largest, firstWidth, growth, halfLifeMs, leastWeight } = options;
  const ratio = 1 + growth;
  const count = Math.ceil(Math.log((largest * growth) / firstWidth + 1) / Math.log(ratio)) + 1;
  const weights = new Float64Array(count);
  let total = 0;
  let reference = Number.NEGATIVE_INFINITY;

  const bucketOf = (value: number) => {
    if (value < firstWidth) return 0;
    return Math.min(count - 1, Math.floor(Math.log((value * growth) / firstWidth + 1) / Math.log(ratio)));
  };
  const startOf = (bucket: number) => (firstWidth * (ratio ** bucket - 1)) / growth;

  const decayed = (weight: number, t: Millis) => {
    if (!(t <= reference + MOST_HALF_LIVES * halfLifeMs)) {
      const next = Math.round(t / halfLifeMs) * halfLifeMs;
      const factor = total === 0 ? 1 : 2 ** Math.round((reference - next) / halfLifeMs);
      for (let i = 0; i < count; i++) weights[i]! *= factor;
      total *= factor;
      reference = next;
    }
    return weight * 2 ** ((t - reference) / halfLifeMs);
  };
  const less = (from: number, weight: number) => (from - weight < leastWeight ? 0 : from - weight);

  return {
    add(value, weight, t) {
      const added = decayed(weight, t);
      weights[bucketOf(value)]! += added;
      total += added;
    },
    subtract(value, weight, t) {
      const taken = decayed(weight, t);
      const bucket = bucketOf(value);
      weights[bucket] = less(weights[bucket]!, taken);
      total = less(total, taken);
    },
    quantile(quantile) {
      const first = weights.findIndex((weight) => weight >= leastWeight);
      if (first === -1) return 0;
      const last = weights.findLastIndex((weight) => weight >= leastWeight);
      let sum = 0;
      let bucket = first;
      for (; bucket < last; bucket++) {
        sum += weights[bucket]!;
        if (sum >= quantile * total) break;
      }
      // The last bucket has no end.
      return startOf(Math.min(bucket + 1, count - 1));
    },
  };
}
