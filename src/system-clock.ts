import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from './model/clock.ts';

/** The machine's time. Only the composition root hands it out. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await wait(ms, undefined, signal === undefined ? {} : { signal });
  },
};
