import { readFileSync } from 'node:fs';

/** CPU time of this thread so far: as Linux counts it, elsewhere that of the whole process. */
export function cpuSeconds(): number {
  try {
    // The first number is nanoseconds on the processor. Node 20 has nothing for one thread alone.
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 1)[0]) / 1e9;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}
