import type { Clock } from '../model/clock.ts';
import { HOUR, type Millis } from '../model/time.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';

export interface RetentionLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  /** Each deletes what its store keeps no longer, by name. */
  readonly sweeps: readonly { readonly name: string; readonly sweep: (now: Millis) => Promise<unknown> }[];
  /** Default 1 h. */
  readonly intervalMs?: number;
}

/** Lets every store delete what is past its retention, one after another. One that fails stops no other. */
export function runRetentionLoop(deps: RetentionLoopDeps, signal: AbortSignal): Promise<void> {
  const { clock, telemetry, sweeps, intervalMs = HOUR } = deps;
  return runLoop(
    { name: 'retention', intervalMs, clock, telemetry },
    async () => {
      for (const { name, sweep } of sweeps) {
        if (signal.aborted) return;
        try {
          await sweep(clock.now());
        } catch (error) {
          telemetry.count('loopFailures', { loop: 'retention', reason: reasonOf(error) });
          telemetry.log.error({ err: error, store: name }, `cannot sweep the ${name}`);
        }
      }
    },
    signal,
  );
}
