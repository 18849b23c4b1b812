import type { Clock } from '../model/clock.ts';
import { formatInstant, type Millis, parseDuration, parseInstant } from '../model/time.ts';
import type { ServerOptions } from './client.ts';
import { UsageError } from './usage-error.ts';

export interface ImportCommandDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
}

export interface CommonImportOptions extends ServerOptions {
  readonly json: boolean;
  readonly rate?: string;
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** @throws {UsageError} If one is none, or they are in the wrong order. */
export function rangeOf(
  startText: string,
  endText: string,
  now: Millis,
): { readonly start: Millis; readonly end: Millis } {
  const start = instantOf('--start', startText, now);
  const end = instantOf('--end', endText, now);
  if (start > end) throw new UsageError(`--start ${formatInstant(start)} is after --end ${formatInstant(end)}`);
  return { start, end };
}

/** An instant, or how long before now. */
function instantOf(option: string, text: string, now: Millis): Millis {
  if (/[a-z]$/.test(text)) return now - lengthOf(option, text);
  try {
    return parseInstant(text);
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

export function lengthOf(option: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

/** Samples a second; undefined where there is no bound. */
export function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rate = Number(text);
  if (rate > 0 && Number.isFinite(rate)) return rate;
  throw new UsageError(`--rate: expected samples a second such as 50000, got "${text}"`);
}

/** One of several words. */
export function wordOf<T extends string>(option: string, text: string, words: readonly T[]): T {
  const found = words.find((word) => word === text);
  if (found === undefined) throw new UsageError(`${option}: expected ${words.join(', ')}, got "${text}"`);
  return found;
}

export function headersOf(headers: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    headers.map((header) => {
      const at = header.indexOf(':');
      if (at < 1) throw new UsageError(`--header: expected NAME:VALUE, got "${header}"`);
      return [header.slice(0, at).trim(), header.slice(at + 1).trim()];
    }),
  );
}

export function labelsIn(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=');
      if (at < 1) throw new UsageError(`--label: expected NAME=VALUE, got "${label}"`);
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}
