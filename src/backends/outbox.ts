import type { SampledSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { SECOND } from '../model/time.ts';

/**
 * Samples of our own on their way to an engine: a floor, a demand. They wait in memory while it takes none, within a
 * bound, and are lost with the process: all of them can be made again, or done without.
 */
export interface Outbox {
  /** Never waits. */
  put(tenant: TenantId, series: readonly SampledSeries[]): void;
  /** Sends what waits, oldest first, unless the engine asked to be left alone. Rejects where it cannot. */
  pass(): Promise<void>;
  /** Samples that wait. */
  waiting(): number;
}

export interface OutboxOptions {
  readonly now: () => Millis;
  readonly mostSamples: number;
  readonly send: (tenant: TenantId, series: readonly SampledSeries[]) => Promise<void>;
  /** Each sample that is given up. */
  readonly onDropped: (reason: 'outbox_full' | 'engine_refused', samples: number, error?: unknown) => void;
}

const SAMPLES_AT_ONCE = 10_000;
const FIRST_PAUSE_MS = SECOND;
const LONGEST_PAUSE_MS = 30 * SECOND;

interface Letter {
  readonly tenant: TenantId;
  readonly series: SampledSeries;
}

export function openOutbox({ now, mostSamples, send, onDropped }: OutboxOptions): Outbox {
  let queue: Letter[] = [];
  let waiting = 0;
  let failures = 0;
  let notBefore: Millis = Number.NEGATIVE_INFINITY;

  function dropOldest(): void {
    let dropped = 0;
    let letters = 0;
    while (waiting - dropped > mostSamples) dropped += queue[letters++]!.series.times.length;
    if (letters === 0) return;
    queue = queue.slice(letters);
    waiting -= dropped;
    onDropped('outbox_full', dropped);
  }

  async function deliver(letters: readonly Letter[], samples: number): Promise<void> {
    try {
      await send(
        letters[0]!.tenant,
        letters.map(({ series }) => series),
      );
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'engine_refused') throw error;
      onDropped('engine_refused', samples, error);
    }
  }

  return {
    put(tenant, series) {
      for (const each of series) {
        if (each.times.length === 0) continue;
        queue.push({ tenant, series: each });
        waiting += each.times.length;
      }
      dropOldest();
    },
    async pass() {
      // A clock that was set back makes nothing wait for longer than the longest pause.
      if (now() < notBefore && notBefore - now() <= 2 * LONGEST_PAUSE_MS) return;
      while (queue.length > 0) {
        const { letters, samples } = firstOf(queue);
        // Taken out before it is sent: what comes meanwhile must not drop a part of it.
        queue = queue.slice(letters.length);
        waiting -= samples;
        try {
          await deliver(letters, samples);
          failures = 0;
        } catch (error) {
          queue = [...letters, ...queue];
          waiting += samples;
          dropOldest();
          const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
          notBefore = now() + Math.max(pauseMs, (error as { retryAfterMs?: number }).retryAfterMs ?? 0);
          throw error;
        }
      }
    },
    waiting: () => waiting,
  };
}

/** As many as go together: of one tenant. */
function firstOf(queue: readonly Letter[]): { readonly letters: readonly Letter[]; readonly samples: number } {
  const { tenant } = queue[0]!;
  let samples = 0;
  let count = 0;
  while (count < queue.length && queue[count]!.tenant === tenant && samples < SAMPLES_AT_ONCE) {
    samples += queue[count++]!.series.times.length;
  }
  return { letters: queue.slice(0, count), samples };
}
