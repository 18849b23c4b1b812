import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadSeries } from '../src/cli/csv.ts';
import { inferGrid, toRegular } from '../src/forecast/prepare.ts';
import type { Source } from '../src/forecast/regressor/examples.ts';
import { generateSeries } from '../src/forecast/regressor/generate.ts';
import type { RegularSeries } from '../src/model/series.ts';
import { DAY, HOUR, MINUTE } from '../src/model/time.ts';

/** The folder of public series. Not part of the project: only weights made from it are. */
const TRAINING_DATA = new URL('../../shared/data/', import.meta.url).pathname;

/**
 * Sets with a permissive licence, as the folder's README states them: Apache-2.0, MIT and BSD-2-Clause. m4-hourly, nasa-http,
 * isp-traffic and bitbrains have none and are left out, as is the half of netman-kpi that comes from a repository without.
 */
export const PERMISSIVE_SETS = [
  'crane-k8s',
  'cluster-pools',
  'azure-vm',
  'ms-cloud-monitoring',
  'nab',
  'netman-kpi',
  'bikeshare',
] as const;

/** The last quarter of every series is what the tables judge: no training reads it. */
const TRAINED_SHARE = 0.75;
/** The end of that share is kept for validation. */
const VALIDATED_SHARE = 0.12;
/** Steps that each series is put on, where its own is not longer, and how often each is drawn. */
const STEPS_MS: readonly (readonly [stepMs: number, weight: number])[] = [
  [MINUTE, 1],
  [5 * MINUTE, 4],
  [15 * MINUTE, 1],
  [30 * MINUTE, 0.5],
  [HOUR, 1.5],
];
const GENERATED_SERIES = 160;
/** How often generated series are drawn, of all. */
const GENERATED_SHARE = 0.3;

export interface TrainingData {
  readonly training: readonly Source[];
  readonly validation: readonly Source[];
}

/** @param without Sets to leave out. */
export async function loadTrainingData(without: readonly string[], random: () => number): Promise<TrainingData> {
  if (!existsSync(TRAINING_DATA)) throw new Error(`cannot train: ${TRAINING_DATA} is missing`);
  const training: Source[] = [];
  const validation: Source[] = [];
  for (const set of PERMISSIVE_SETS) {
    if (without.includes(set)) continue;
    const files = filesUnder(join(TRAINING_DATA, set));
    for (const file of files) {
      const [samples] = (await loadSeries(file)).series;
      const native = inferGrid(samples!.times)!.stepMs;
      for (const [stepMs, weight] of STEPS_MS) {
        if (stepMs < native) continue;
        const { series } = toRegular(samples!, { stepMs, phaseMs: 0 });
        // A set counts by the square root of its number of files: neither one file nor thirty alike.
        const one = { weight: weight / Math.sqrt(files.length) };
        const end = Math.floor(series.values.length * TRAINED_SHARE);
        const cut = Math.floor(series.values.length * (TRAINED_SHARE - VALIDATED_SHARE));
        training.push({ ...one, series: part(series, 0, cut) });
        // A stretch for validation starts before the cut: its history may be known, its targets come mostly after.
        validation.push({ ...one, series: part(series, cut, end) });
      }
    }
  }
  const weight = (GENERATED_SHARE / (1 - GENERATED_SHARE)) * total(training);
  const generated = generate(random).map((series) => ({ series, weight: weight / GENERATED_SERIES }));
  return { training: [...training, ...generated], validation };
}

function generate(random: () => number): RegularSeries[] {
  const all = STEPS_MS.reduce((sum, [, weight]) => sum + weight, 0);
  return STEPS_MS.flatMap(([stepMs, weight]) =>
    Array.from({ length: Math.round((GENERATED_SERIES * weight) / all) }, () =>
      generateSeries(random, stepMs, Math.min(9000, Math.round((21 * DAY) / stepMs))),
    ),
  );
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.csv') || file.endsWith('.csv.gz'))
    .sort()
    .map((file) => join(folder, file));
}

function part({ start, stepMs, values }: RegularSeries, from: number, to: number): RegularSeries {
  return { start: start + from * stepMs, stepMs, values: values.subarray(from, to) };
}

function total(sources: readonly Source[]): number {
  return sources.reduce((sum, { weight }) => sum + weight, 0);
}
