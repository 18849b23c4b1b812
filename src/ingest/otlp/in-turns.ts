/** Of the thread, before others get their turn. */
const TURN_MS = 8;

/**
 * Runs steps to their end, and rests where they took long.
 * @param rest Is given what the last step yielded, and waits for another turn.
 */
export async function inTurns<Y, T>(steps: Generator<Y, T>, rest: (yielded: Y) => Promise<void>): Promise<T> {
  let until = performance.now() + TURN_MS;
  try {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (performance.now() < until) continue;
      await rest(step.value);
      until = performance.now() + TURN_MS;
    }
  } finally {
    // Where no other turn comes, what the steps hold is released all the same.
    steps.return(undefined as T);
  }
}
