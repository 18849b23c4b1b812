/** A turn of the event loop that is taken by work of ours: requests and timers wait as long as this. */
const TURN_MS = 10;

/**
 * Shares the thread between long computations and everything else. What it returns is called between pieces of work,
 * and answers a promise once the turn is over; then the event loop runs, and the next computation in line gets a turn.
 */
export function takeTurns(turnMs = TURN_MS): () => Promise<void> | undefined {
  const line: (() => void)[] = [];
  let turnEnds = Number.NEGATIVE_INFINITY;
  const nextTurn = (): void => {
    turnEnds = performance.now() + turnMs;
    line.shift()?.();
    // Whoever rests within this turn queues behind those who wait already.
    if (line.length > 0) setImmediate(nextTurn);
  };
  return () => {
    if (performance.now() < turnEnds) return undefined;
    return new Promise((resolve) => {
      line.push(resolve);
      if (line.length === 1) setImmediate(nextTurn);
    });
  };
}
