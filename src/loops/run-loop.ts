import type { Clock } from '../model/clock.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';

export interface LoopOptions {
  readonly name: string;
  /** From the beginning of one pass to the beginning of the next. A pass that takes longer delays the next one. */
  readonly intervalMs: number | (() => number);
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
}

/**
 * Runs passes one after another until aborted; passes never overlap. An error at the top of a pass is logged and
 * counted, and the next pass begins on time.
 */
export async function runLoop(
  options: LoopOptions,
  pass: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { name, intervalMs, clock, telemetry } = options;
  while (!signal.aborted) {
    const began = clock.now();
    telemetry.count('loopPasses', { loop: name });
    try {
      await telemetry.span(`${name}-loop`, { loop: name }, () => pass(signal));
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('loopFailures', { loop: name, reason: reasonOf(error) });
      telemetry.log.error({ err: error, loop: name }, `a pass of the ${name} loop ended early`);
    }
    const ended = clock.now();
    telemetry.time('loopSeconds', { loop: name }, Math.max(0, ended - began) / 1000);
    telemetry.gauge('loopLastPass', { loop: name }, ended / 1000);
    const interval = typeof intervalMs === 'function' ? intervalMs() : intervalMs;
    try {
      // A clock that was set back meanwhile makes nobody wait for longer than one interval.
      await clock.sleep(Math.min(interval, Math.max(0, began + interval - ended)), signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}
