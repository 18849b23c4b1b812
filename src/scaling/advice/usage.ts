import { DAY, type Millis } from '../../model/time.ts';
import { type DecayingHistogram, decayingHistogram } from './decaying-histogram.ts';

/** What the containers of a workload used, by the name of the container over all pods. Fed in order of time. */
export interface UsageTally {
  /** @param container Null where the samples are of whole pods. @param cores Mean over a minute or so. */
  addCpu(container: string | null, pod: string, t: Millis, cores: number): void;
  addMemory(container: string | null, pod: string, t: Millis, bytes: number): void;
  /** Sorted by name. Empty where nothing was added. */
  estimates(): readonly ContainerEstimate[];
}

export interface ContainerEstimate {
  readonly container: string | null;
  /** Cores. Null without samples of CPU. */
  readonly cpu: Estimate | null;
  /** Bytes. Null without samples of memory. */
  readonly memory: Estimate | null;
  /** Samples of CPU, and the time from the first to the last: what the bounds are as wide by. */
  readonly samples: number;
  readonly spanMs: number;
}

/** What to ask for, and the range within which a request is as good. */
export interface Estimate {
  readonly target: number;
  readonly lower: number;
  /** Null where there is too little to tell. */
  readonly upper: number | null;
}

/**
 * Constants of the Vertical Pod Autoscaler's recommender, at their defaults.
 * Source: kubernetes/autoscaler, tag vertical-pod-autoscaler/v1.7.1, pkg/recommender: `model/aggregations_config.go`
 * (buckets, half-lives, epsilon, one memory peak a day), `config/config.go` (quantiles, margin, least amounts,
 * confidence intervals), `logic/recommender.go` (multiplier and exponent of each bound).
 *
 * A sample of CPU weighs 0.1, whatever was asked for: releases before 1.4 weighed it by the request
 * (`addCPUSample`, changed by commit ca812b36a3).
 */
const GROWTH = 0.05;
const CPU_WEIGHT = 0.1;
const COMMON = { growth: GROWTH, halfLifeMs: DAY, leastWeight: 0.001 * CPU_WEIGHT };
const CPU_HISTOGRAM = { ...COMMON, largest: 1000, firstWidth: 0.01 };
const MEMORY_HISTOGRAM = { ...COMMON, largest: 1e12, firstWidth: 1e7 };
const PEAK_EVERY_MS = DAY;
const QUANTILE = { target: 0.9, lower: 0.5, upper: 0.95 };
const MARGIN = 0.15;
/** For a pod; its containers share them. */
const LEAST_MILLICORES = 25;
const LEAST_BYTES = 250 * 1024 * 1024;
const CONFIDENCE_MS = DAY;
const SAMPLES_A_DAY = 1440;
const UPPER = { multiplier: 1, exponent: 1 };
const LOWER = { multiplier: 0.001, exponent: -2 };
/** How much history its recommender keeps: eight peaks of a day. */
export const USAGE_HISTORY_MS = 8 * PEAK_EVERY_MS;
/** How often it looks. */
export const USAGE_STEP_MS = 60_000;

interface PodState {
  lastCpuAt: Millis;
  /** Of the interval under way: its end, and the most that was used in it. */
  peakUntil: Millis;
  peak: number;
}

interface ContainerState {
  readonly cpu: DecayingHistogram;
  readonly memory: DecayingHistogram;
  readonly pods: Map<string, PodState>;
  hasMemory: boolean;
  samples: number;
  first: Millis;
  last: Millis;
}

export function newUsageTally(): UsageTally {
  const containers = new Map<string | null, ContainerState>();
  const of = (container: string | null, pod: string) => {
    let state = containers.get(container);
    if (state === undefined) {
      state = newContainer();
      containers.set(container, state);
    }
    let podState = state.pods.get(pod);
    if (podState === undefined) {
      podState = { lastCpuAt: Number.NEGATIVE_INFINITY, peakUntil: Number.NaN, peak: 0 };
      state.pods.set(pod, podState);
    }
    return { state, podState };
  };

  return {
    addCpu(container, pod, t, cores) {
      const { state, podState } = of(container, pod);
      if (!(cores >= 0) || t <= podState.lastCpuAt) return;
      podState.lastCpuAt = t;
      state.cpu.add(Math.trunc(cores * 1000) / 1000, CPU_WEIGHT, t);
      state.samples++;
      state.first = Math.min(state.first, t);
      state.last = Math.max(state.last, t);
    },
    addMemory(container, pod, t, bytes) {
      if (!(bytes >= 0)) return;
      const { state, podState } = of(container, pod);
      const used = Math.trunc(bytes);
      state.hasMemory = true;
      if (Number.isNaN(podState.peakUntil)) podState.peakUntil = t;
      if (t < podState.peakUntil) {
        if (podState.peak === 0 || used <= podState.peak) return;
        state.memory.subtract(podState.peak, 1, podState.peakUntil);
      } else {
        podState.peakUntil += (Math.floor((t - podState.peakUntil) / PEAK_EVERY_MS) + 1) * PEAK_EVERY_MS;
      }
      podState.peak = used;
      state.memory.add(used, 1, podState.peakUntil);
    },
    estimates: () =>
      [...containers]
        .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))
        .map(([container, state]) => estimateOf(container, state, containers.size)),
  };
}

function newContainer(): ContainerState {
  return {
    cpu: decayingHistogram(CPU_HISTOGRAM),
    memory: decayingHistogram(MEMORY_HISTOGRAM),
    pods: new Map(),
    hasMemory: false,
    samples: 0,
    first: Number.POSITIVE_INFINITY,
    last: Number.NEGATIVE_INFINITY,
  };
}

function estimateOf(container: string | null, state: ContainerState, containers: number): ContainerEstimate {
  const { cpu, memory, samples, hasMemory } = state;
  const spanMs = samples === 0 ? 0 : state.last - state.first;
  // Days of samples a minute; of memory too, since VPA counts samples of CPU alone.
  const confidence = Math.min(spanMs / CONFIDENCE_MS, samples / SAMPLES_A_DAY);
  const [leastCpu, leastMemory] = [LEAST_MILLICORES, LEAST_BYTES].map((least) => Math.trunc(least / containers));
  const millicores = samples === 0 ? null : estimate((q) => Math.trunc(1000 * cpu.quantile(q)), leastCpu!, confidence);
  return {
    container,
    cpu: millicores && {
      target: millicores.target / 1000,
      lower: millicores.lower / 1000,
      upper: millicores.upper === null ? null : millicores.upper / 1000,
    },
    memory: hasMemory ? estimate((q) => Math.trunc(memory.quantile(q)), leastMemory!, confidence) : null,
    samples,
    spanMs,
  };
}

/** In whole amounts (millicores, bytes), cut off after each step as VPA's are. */
function estimate(amountAt: (quantile: number) => number, least: number, confidence: number): Estimate {
  const withMargin = (quantile: number) => {
    const amount = amountAt(quantile);
    return amount + Math.trunc(amount * MARGIN);
  };
  const scaled = (quantile: number, { multiplier, exponent }: typeof UPPER) =>
    Math.trunc(withMargin(quantile) * (1 + multiplier / confidence) ** exponent);
  const upper = scaled(QUANTILE.upper, UPPER);
  return {
    target: Math.max(least, withMargin(QUANTILE.target)),
    lower: Math.max(least, scaled(QUANTILE.lower, LOWER)),
    upper: Number.isFinite(upper) ? Math.max(least, upper) : null,
  };
}
