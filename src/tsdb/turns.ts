import { setImmediate } from 'node:timers/promises';

/** Long work in the background takes no more of the thread than this at once. */
const SLICE_MS = 4;

/** Cuts long work into turns, between which other work gets its own. */
export class Turns {
  #began = performance.now();

  /** To be called often, and awaited where it is not `undefined`: this turn has lasted long enough. */
  due(): Promise<void> | undefined {
    return performance.now() - this.#began < SLICE_MS ? undefined : this.next();
  }

  async next(): Promise<void> {
    await setImmediate();
    this.#began = performance.now();
  }
}
