import type { Clock } from './clock.ts';

/** A rest that ends when it is over, or sooner when somebody says that there is something to do. */
export interface Rest {
  /** Ends the rest, or the next one where nobody rests. */
  wake(): void;
  /** Resolves after at most `ms`. Rejects with the signal's reason when it is aborted. */
  rest(ms: number, signal: AbortSignal): Promise<void>;
}

export function openRest(clock: Clock): Rest {
  let awake = false;
  let end: (() => void) | undefined;
  return {
    wake() {
      awake = true;
      end?.();
    },
    async rest(ms, signal) {
      signal.throwIfAborted();
      if (!awake && ms > 0) {
        const stop = new AbortController();
        const woken = new Promise<void>((resolve) => {
          end = resolve;
        });
        const slept = clock.sleep(ms, AbortSignal.any([signal, stop.signal]));
        slept.catch(() => {});
        try {
          await Promise.race([slept, woken]);
        } finally {
          end = undefined;
          stop.abort();
        }
      }
      awake = false;
      signal.throwIfAborted();
    },
  };
}
