import type { Parameter } from './definition.ts';
import { formatGoDuration, layoutTime, timePart } from './go-time.ts';
import type { GoDuration, GoTime, GoValue } from './values.ts';

export interface Method {
  readonly parameters: readonly Parameter[];
  readonly call: (args: readonly GoValue[]) => GoValue;
}

/** What can be called on a value, or undefined. Times and durations alone have methods. */
export function methodOf(receiver: GoValue, name: string): Method | undefined {
  if (typeof receiver !== 'object') return undefined;
  if (receiver.kind === 'time') return timeMethod(receiver, name);
  return receiver.kind === 'duration' ? durationMethod(receiver, name) : undefined;
}

function timeMethod(time: GoTime, name: string): Method | undefined {
  switch (name) {
    case 'Format':
      return { parameters: ['string'], call: ([layout]) => layoutTime(time, layout as string) };
    case 'UTC':
      return { parameters: [], call: () => time };
    case 'Add':
      return { parameters: ['any'], call: ([by]) => ({ kind: 'time', ns: time.ns + nanosIn(by) }) };
    case 'Sub':
      return { parameters: ['any'], call: ([other]) => ({ kind: 'duration', ns: time.ns - nanosIn(other) }) };
    case 'Before':
      return { parameters: ['any'], call: ([other]) => time.ns < nanosIn(other) };
    case 'After':
      return { parameters: ['any'], call: ([other]) => time.ns > nanosIn(other) };
    default: {
      const part = timePart(time, name);
      return part === undefined ? undefined : { parameters: [], call: () => part };
    }
  }
}

function durationMethod({ ns }: GoDuration, name: string): Method | undefined {
  const seconds = Number(ns) / 1e9;
  const values: Readonly<Record<string, GoValue>> = {
    ...{ Seconds: seconds, Minutes: seconds / 60, Hours: seconds / 3600 },
    ...{ Milliseconds: ns / 1_000_000n, Nanoseconds: ns, String: formatGoDuration({ kind: 'duration', ns }) },
  };
  return Object.hasOwn(values, name) ? { parameters: [], call: () => values[name] } : undefined;
}

function nanosIn(value: GoValue): bigint {
  return typeof value === 'object' && 'ns' in value ? value.ns : typeof value === 'bigint' ? value : 0n;
}
