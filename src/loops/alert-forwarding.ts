import type { MessageAlert } from '../alerting/message.ts';
import { TOLD_FOR_MS } from '../model/alert.ts';
import type { Clock } from '../model/clock.ts';
import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import { openRest } from '../model/wake.ts';

export interface ForwardingDeps {
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** All that it is to hear now. */
  readonly alerts: () => Promise<readonly MessageAlert[]>;
  /** One attempt. Says whether it was taken, or is worth another attempt before it is told anyway. */
  readonly send: (
    alerts: readonly MessageAlert[],
    until: Millis,
    signal: AbortSignal,
  ) => Promise<'taken' | 'retry' | 'refused'>;
  /** Something that is no answer of the instance went wrong: it is told again. */
  readonly fault: (error: unknown) => void;
}

/** So often is it told what lasts: it believes each for `TOLD_FOR_MS`. */
const EVERY_MS = MINUTE;
/** News that come together are told together. */
const GATHER_MS = SECOND;
const MOST_DELAY_MS = 30 * SECOND;

/**
 * Tells one Alertmanager all that lasts, again and again, as Prometheus does, and what is new at once. Nothing needs to
 * be remembered of what it was told: whatever was missed, on either side, is told within a minute.
 */
export function openForwarding({ clock, random, alerts, send, fault }: ForwardingDeps) {
  const rest = openRest(clock);

  async function attempt(signal: AbortSignal): Promise<'taken' | 'retry' | 'refused'> {
    try {
      const now = clock.now();
      const told = await alerts();
      return told.length === 0 ? 'taken' : await send(told, now + TOLD_FOR_MS, signal);
    } catch (error) {
      if (!signal.aborted) fault(error);
      return 'retry';
    }
  }

  return {
    news: rest.wake,
    async run(signal: AbortSignal): Promise<void> {
      let failures = 0;
      while (!signal.aborted) {
        try {
          const outcome = await attempt(signal);
          failures = outcome === 'retry' ? failures + 1 : 0;
          const most = Math.min(MOST_DELAY_MS, SECOND * 2 ** Math.min(failures - 1, 10));
          if (failures > 0) await clock.sleep(most / 2 + (random() * most) / 2, signal);
          else {
            await rest.rest(EVERY_MS, signal);
            await clock.sleep(GATHER_MS, signal);
          }
        } catch (error) {
          if (!signal.aborted) throw error;
        }
      }
    },
  };
}
