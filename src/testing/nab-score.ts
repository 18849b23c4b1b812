/** What a detection is worth to the Numenta Anomaly Benchmark (v1.1), profile by profile. */
export interface Profile {
  readonly falsePositive: number;
  readonly falseNegative: number;
}

export const PROFILES = {
  standard: { falsePositive: 0.11, falseNegative: 1 },
  'low FP': { falsePositive: 0.22, falseNegative: 1 },
  'low FN': { falsePositive: 0.11, falseNegative: 2 },
} as const satisfies Record<string, Profile>;

/** Rows of one file: the score of each, and the windows that were labelled, first and last row included, in order. */
export interface ScoredFile {
  readonly scores: Float64Array;
  readonly windows: readonly (readonly [first: number, last: number])[];
}

/**
 * The raw score of a file where rows from `threshold` on are detections: in each window the best-placed one counts, each
 * one outside costs, less just after a window; the first 15 % of the rows, at most 750, count for nothing.
 */
export function rawScore({ scores, windows }: ScoredFile, threshold: number, profile: Profile): number {
  const best = new Map<number, number>();
  let outside = 0;
  let next = 0;
  for (let row = Math.min(Math.floor(0.15 * scores.length), 750); row < scores.length; row++) {
    if (!(scores[row]! >= threshold)) continue;
    while (next < windows.length && row > windows[next]![1]) next++;
    const window = windows[next];
    if (window !== undefined && row >= window[0]) {
      const width = window[1] - window[0] + 1;
      const worth = sigmoid(-(window[1] - row + 1) / width) / sigmoid(-1);
      best.set(next, Math.max(best.get(next) ?? Number.NEGATIVE_INFINITY, worth));
    } else outside += worthBehind(windows[next - 1], row);
  }
  const found = [...best.values()].reduce((sum, worth) => sum + worth, 0);
  return found + profile.falsePositive * outside - profile.falseNegative * (windows.length - best.size);
}

/** Of many files: 0 is what saying nothing gets, 100 what is perfect. */
export function normalizedScore(files: readonly ScoredFile[], threshold: number, profile: Profile): number {
  const windows = files.reduce((sum, file) => sum + file.windows.length, 0);
  const nothing = -profile.falseNegative * windows;
  const raw = files.reduce((sum, file) => sum + rawScore(file, threshold, profile), 0);
  return (100 * (raw - nothing)) / (windows - nothing);
}

/** The threshold that is best for all files together, and its score: how NAB compares detectors. */
export function bestThreshold(files: readonly ScoredFile[], profile: Profile): { threshold: number; score: number } {
  let best = { threshold: Number.POSITIVE_INFINITY, score: 0 };
  for (const threshold of candidates(files.map(({ scores }) => scores))) {
    const score = normalizedScore(files, threshold, profile);
    if (score > best.score) best = { threshold, score };
  }
  return best;
}

const CANDIDATES = 200;

/** Thresholds from the greatest score down, close together where few rows are above. */
export function candidates(all: readonly Float64Array[]): readonly number[] {
  const sorted = Float64Array.from(all.flatMap((scores) => [...scores.filter((score) => score > 0)]))
    .sort()
    .reverse();
  const grows = sorted.length ** (1 / CANDIDATES);
  const ranks = new Set(Array.from({ length: CANDIDATES }, (_, i) => Math.floor(grows ** i) - 1));
  return [...ranks].map((rank) => sorted[rank]!).filter((score) => score !== undefined);
}

function worthBehind(window: readonly [number, number] | undefined, row: number): number {
  if (window === undefined) return -1;
  const distance = (row - window[1]) / (window[1] - window[0]);
  return distance > 3 ? -1 : sigmoid(distance);
}

function sigmoid(x: number): number {
  return 2 / (1 + Math.exp(5 * x)) - 1;
}
