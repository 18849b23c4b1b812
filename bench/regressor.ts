/**
 * What the network is worth. Run: npx tsx bench/regressor.ts [day] [inference] [every=60]
 * day: traces cut to one day of history, mix with the network against mix without, by trace, leave-one-set-out.
 * Networks without a set are trained into .cache/networks when they are missing.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHIPPED, trainAcrossSets } from '../models/train-network.ts';
import { PERMISSIVE_SETS } from '../models/training-data.ts';
import { fitForecaster } from '../src/forecast/forecaster.ts';
import { formatModel, WEIGHTS_FILE } from '../src/forecast/regressor/model-file.ts';
import type { Regressor } from '../src/forecast/regressor/regressor.ts';
import type { RegularSeries } from '../src/model/series.ts';
import { MINUTE } from '../src/model/time.ts';
import { loadRegressorFrom, SHIPPED_MODEL } from '../src/workers/load-regressor.ts';
import { loadTraces } from './shared-data.ts';

const CACHE = new URL('../.cache/networks/', import.meta.url).pathname;
const STEPS = [1, 3, 6, 12];
const DAY_STEPS = 288;
const OPTIONS = { horizonSteps: 12, peakWindowMs: 10 * MINUTE } as const;

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('every='));
const every = Number(process.argv.find((word) => word.startsWith('every='))?.slice(6) ?? 60);
const only = (part: string) => wanted.length === 0 || wanted.includes(part);

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** The network that never saw a set: the shipped one where no training reads that set. */
async function networkWithout(set: string): Promise<Regressor> {
  const isTrainedOn = (PERMISSIVE_SETS as readonly string[]).includes(set);
  const folder = isTrainedOn ? join(CACHE, `without-${set}`) : SHIPPED_MODEL;
  if (!existsSync(join(folder, WEIGHTS_FILE))) {
    const { file } = await trainAcrossSets({ ...SHIPPED, without: [set], say: console.error });
    const bytes = formatModel(file);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'model.json'), bytes.model);
    writeFileSync(join(folder, WEIGHTS_FILE), bytes.weights);
  }
  const loaded = await loadRegressorFrom(folder);
  if (loaded.kind === 'unusable') throw new Error(loaded.message);
  return loaded.regressor;
}

async function measure(title: string, errorsOf: (series: RegularSeries, regressor: Regressor) => number[][]) {
  console.log(
    `${title}\ntrace                       MAE vs last value at 5/15/30/60 min: without | with | network alone`,
  );
  const all: number[][][] = [];
  const networks = new Map<string, Regressor>();
  for (const { name, set, series } of loadTraces(5 * MINUTE)) {
    const regressor = networks.get(set) ?? (await networkWithout(set));
    networks.set(set, regressor);
    const ratios = errorsOf(series, regressor);
    all.push(ratios);
    console.log(`${name.padEnd(27)} ${ratios.map((row) => row.map((x) => x.toFixed(2)).join(' / ')).join('  |  ')}`);
  }
  const means = all[0]!.map((row, j) => row.map((_, i) => geometricMean(all.map((ratios) => ratios[j]![i]!))));
  console.log(
    `geometric mean              ${means.map((row) => row.map((x) => x.toFixed(3)).join(' / ')).join('  |  ')}`,
  );
  const gains = means[0]!.map((without, i) => (100 * (means[1]![i]! / without - 1)).toFixed(1));
  console.log(`with against without        ${gains.join(' / ')} %`);
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Cold fits on the day before each origin of the last quarter. */
function errorsAfterOneDay(series: RegularSeries, regressor: Regressor): number[][] {
  const forms = [{}, { regressor }, { regressor, models: ['network'] }];
  const errors = forms.map(() => STEPS.map(() => 0));
  const naive = STEPS.map(() => 0);
  const { values, stepMs } = series;
  for (let o = Math.floor(values.length * 0.75); o + 12 < values.length; o += every) {
    if (Number.isNaN(values[o]!)) continue;
    const history = { start: 0, stepMs, values: values.slice(o + 1 - DAY_STEPS, o + 1) };
    const fits = forms.map((form) => fitForecaster(history, { ...OPTIONS, ...form }));
    for (const [j, fit] of fits.entries()) {
      if (fit.kind !== 'fitted') continue;
      const { point } = fit.forecaster.predict();
      addErrors(values, o, point, errors[j]!, j === 0 ? naive : undefined);
    }
  }
  return errors.map((row) => row.map((error, i) => error / naive[i]!));
}

function addErrors(values: Float64Array, o: number, point: Float64Array, row: number[], naive: number[] | undefined) {
  for (const [i, step] of STEPS.entries()) {
    const y = values[o + step]!;
    if (Number.isNaN(y)) continue;
    row[i] = row[i]! + Math.abs(y - point[step - 1]!);
    if (naive !== undefined) naive[i] = naive[i]! + Math.abs(y - values[o]!);
  }
}

async function measureInference(): Promise<void> {
  let began = cpuSeconds();
  const regressor = await networkWithout('none');
  console.log(`load with TF.js: ${(1000 * (cpuSeconds() - began)).toFixed(0)} ms of CPU, backend ${regressor.backend}`);
  const rows = Float32Array.from({ length: 1000 * regressor.inputs }, (_, i) => Math.sin(i));
  for (let i = 0; i < 5; i++) regressor.predict(rows, 1000);
  began = cpuSeconds();
  for (let i = 0; i < 20; i++) regressor.predict(rows, 1000);
  console.log(`1,000 rows in a batch: ${(50 * (cpuSeconds() - began)).toFixed(2)} ms of CPU`);
  began = cpuSeconds();
  for (let i = 0; i < 500; i++) regressor.predict(rows.subarray(0, regressor.inputs), 1);
  console.log(`one row: ${(2 * (cpuSeconds() - began)).toFixed(3)} ms of CPU`);
}

if (only('inference')) await measureInference();
if (only('day')) await measure('One day of history', errorsAfterOneDay);
