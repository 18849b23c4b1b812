import { readFileSync } from 'node:fs';

/** CPU time of this thread so far: as Linux counts it, elsewhere that of the whole process. */
export function cpuSeconds(): number {
  try {
    return schedstat()[0]!;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

/** For how long so far this thread was ready to run and waited for a core. 0 where the system does not tell. */
export function waitSeconds(): number {
  try {
    return schedstat()[1] ?? 0;
  } catch {
    return 0;
  }
}

/** Seconds on a processor, and waiting for one. Node 20 has nothing for one thread alone. */
function schedstat(): readonly number[] {
  // In nanoseconds; the third number counts the turns.
  const numbers = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 2).map(Number);
  return numbers.map((nanoseconds) => nanoseconds / 1e9);
}
