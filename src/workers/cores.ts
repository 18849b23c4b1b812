import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Cores that this process may keep busy: those of the machine, or of its cgroup's limit where that is less. */
export function coresHere(readLimit: () => string = readCgroupLimit): number {
  return Math.min(availableParallelism(), limitOf(readLimit()));
}

/** `cpu.max` of cgroup v2: `QUOTA PERIOD` in microseconds, or `max PERIOD`. */
function limitOf(text: string): number {
  const [quota, period] = text.trim().split(/\s+/).map(Number);
  const cores = quota! / period!;
  return cores > 0 ? cores : Number.POSITIVE_INFINITY;
}

function readCgroupLimit(): string {
  try {
    return readFileSync('/sys/fs/cgroup/cpu.max', 'utf8');
  } catch {
    return '';
  }
}
