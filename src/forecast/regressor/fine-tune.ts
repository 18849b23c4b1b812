import type { RegularSeries } from '../../model/series.ts';
import { DAY } from '../../model/time.ts';
import { seededRandom } from '../../numeric/seeded-random.ts';
import { drawExamples, lossOfLastValue, type Source } from './examples.ts';
import { generateSeries } from './generate.ts';
import { LEAST_ORIGIN } from './inputs.ts';
import type { ModelFile } from './model-file.ts';
import { lossOfFile, type TrainProgress, trainNetwork } from './train.ts';

export interface FineTuneOptions {
  /** Go on from the current network, or start anew from random weights. */
  readonly from: 'current' | 'scratch';
  readonly seed: number;
  readonly epochs: number;
  readonly rows: number;
  readonly onEpoch?: (progress: TrainProgress) => boolean | Promise<boolean>;
}

/** Mean weighted pinball losses on the last quarter of the series, which no training read. */
export interface Scores {
  readonly candidate: number;
  readonly current: number;
  readonly lastValue: number;
  readonly series: number;
  readonly rows: number;
  readonly epochs: number;
}

export type FineTuned =
  | { readonly kind: 'trained'; readonly file: ModelFile; readonly scores: Scores; readonly isBetter: boolean }
  | { readonly kind: 'too-little'; readonly series: number };

const TRAINED_SHARE = 0.6;
const VALIDATED_SHARE = 0.75;
const JUDGED_ROWS = 6000;
const VALIDATION_ROWS = 4000;
/** A candidate has to be better by more than the noise of the rows that judge it. */
const MARGIN = 0.995;
/** Generated series among a tenant's own, so that what was learnt of other loads is not forgotten. */
const GENERATED_SERIES = 24;
const GENERATED_SHARE = 0.25;
/** Values that a series needs to be learnt from: its parts must each hold a stretch. */
const LEAST_VALUES = 24 * LEAST_ORIGIN;

/**
 * Makes a candidate from a tenant's own series and judges it against the current network on the last quarter of each.
 * Takes seconds of CPU and holds its thread: run it in a worker.
 */
export async function fineTune(
  series: readonly RegularSeries[],
  current: ModelFile,
  { from, seed, epochs, rows, onEpoch }: FineTuneOptions,
): Promise<FineTuned> {
  const usable = series.filter(({ values }) => values.length >= LEAST_VALUES && distinct(values));
  if (usable.length === 0) return { kind: 'too-little', series: series.length };
  const random = seededRandom(seed);
  const weight = 1 / usable.length;
  const own = usable.map((one) => ({ series: upTo(one, TRAINED_SHARE), weight }));
  const training = [...own, ...generated(usable[0]!.stepMs, random)];
  const after = (share: number, until: number): Source[] =>
    usable.map((one) => ({ series: upTo(one, until), weight, judgedFrom: Math.floor(one.values.length * share) }));
  const examples = drawExamples(training, { count: rows, random });
  const validation = drawExamples(after(TRAINED_SHARE, VALIDATED_SHARE), { count: VALIDATION_ROWS, random });
  const judged = drawExamples(after(VALIDATED_SHARE, 1), { count: JUDGED_ROWS, random });
  if (examples.count === 0 || validation.count === 0 || judged.count === 0) {
    return { kind: 'too-little', series: series.length };
  }
  const { file, epochs: done } = await trainNetwork(examples, validation, {
    ...{ seed, units: 64, epochs, batch: 256, patience: 3 },
    learningRate: from === 'current' ? 0.0004 : 0.002,
    ...(from === 'current' && { from: current }),
    ...(onEpoch && { onEpoch }),
  });
  const scores = {
    candidate: lossOfFile(file, judged),
    current: lossOfFile(current, judged),
    lastValue: lossOfLastValue(judged),
    series: usable.length,
    rows: examples.count,
    epochs: done,
  };
  return { kind: 'trained', file, scores, isBetter: scores.candidate < MARGIN * scores.current };
}

function generated(stepMs: number, random: () => number): Source[] {
  const weight = GENERATED_SHARE / (1 - GENERATED_SHARE) / GENERATED_SERIES;
  const length = Math.min(9000, Math.max(LEAST_VALUES, Math.round((21 * DAY) / stepMs)));
  return Array.from({ length: GENERATED_SERIES }, () => ({ series: generateSeries(random, stepMs, length), weight }));
}

function upTo({ start, stepMs, values }: RegularSeries, share: number): RegularSeries {
  return { start, stepMs, values: values.subarray(0, Math.floor(values.length * share)) };
}

/** Nothing is learnt from a constant. */
function distinct(values: Float64Array): boolean {
  const first = values.find(Number.isFinite);
  return first !== undefined && values.some((value) => Number.isFinite(value) && value !== first);
}
