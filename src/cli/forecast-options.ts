import { InvalidArgumentError, Option } from 'commander';
import { checkModelNames } from '../forecast/models/model-names.ts';
import { parseDuration } from '../model/time.ts';

/** Parsers of the flags that the commands on CSV files share. Commander turns what they throw into exit code 2. */

/** Offline commands give the same answer for the same file: a seed is taken, so that scripts may name one, and unused. */
export function seedOption(): Option {
  return new Option(
    '--seed <number>',
    'of random parts; nothing here is random yet, so any seed gives the same',
  ).argParser(seedNumber);
}

export function seedNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number of zero or more, such as 1');
  return Number(text);
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 100_000)
    throw new InvalidArgumentError('expected a whole number from 1 to 100000');
  return count;
}

export function parseThreads(text: string): number {
  const count = Number(text);
  if (!/^\d{1,3}$/.test(text) || count < 1)
    throw new InvalidArgumentError('expected a number of threads from 1 to 999');
  return count;
}

export function parseStep(text: string): number {
  const stepMs = asArgument(() => parseDuration(text));
  if (stepMs <= 0) throw new InvalidArgumentError('expected a duration above zero, such as 5m or 1h');
  return stepMs;
}

/** Season lengths in steps, ascending: `24,168`. */
export function parseSeasons(text: string): readonly number[] | 'auto' {
  if (text === 'auto') return 'auto';
  const seasons = text.split(',').map(Number);
  if (!seasons.every((season) => Number.isInteger(season) && season >= 2)) {
    throw new InvalidArgumentError('expected season lengths in steps, such as 24,168, or auto');
  }
  return [...new Set(seasons)].sort((a, b) => a - b);
}

/** Levels of central intervals, 0 to 0.98: `0.8,0.95`. */
export function parseLevels(text: string): readonly number[] {
  const levels = text.split(',').map(Number);
  if (!levels.every((level) => level > 0 && level <= 0.98)) {
    throw new InvalidArgumentError('expected levels above 0 and up to 0.98, such as 0.8,0.95');
  }
  return levels;
}

export function parseQuantiles(text: string): readonly number[] {
  const quantiles = text.split(',').map(Number);
  if (!quantiles.every((quantile) => quantile >= 0.01 && quantile <= 0.99)) {
    throw new InvalidArgumentError('expected quantiles from 0.01 to 0.99, such as 0.5,0.9,0.95');
  }
  return quantiles;
}

/** Names of models: `ridge,theta`. */
export function parseModels(text: string): readonly string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))];
  asArgument(() => checkModelNames(names));
  return names;
}

/** The two quantiles that bound a central interval. */
export function boundsOf(level: number): readonly [lower: number, upper: number] {
  const outside = Math.round((1 - level) * 1e9) / 2e9;
  return [outside, 1 - outside];
}

/** The columns of intervals and quantiles: `lo-80,hi-80,lo-95,hi-95,q0.5`. */
export function columnsOf(levels: readonly number[], quantiles: readonly number[]): string[] {
  const intervals = levels.flatMap((level) => {
    const percent = String(Number((level * 100).toPrecision(6)));
    return [`lo-${percent}`, `hi-${percent}`];
  });
  return [...intervals, ...quantiles.map((quantile) => `q${quantile}`)];
}

/** The quantile of each of those columns. */
export function quantilesOf(levels: readonly number[], quantiles: readonly number[]): number[] {
  return [...levels.flatMap((level) => [...boundsOf(level)]), ...quantiles];
}

export function asArgument<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
