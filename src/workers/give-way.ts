import { getPriority, setPriority } from 'node:os';

/** `soon`: after the loops and the requests; `late`: after the forecasters too; `last`: after everything. */
export type Turn = 'soon' | 'late' | 'last';

const NICE: Record<Turn, number> = { soon: 5, late: 10, last: 19 };

/**
 * Has the calling thread give way to the process's others. On Linux a priority is the thread's own (setpriority(2), "C
 * library/kernel differences"); elsewhere it would be that of the whole process, and nothing is done.
 */
export function giveWay(turn: Turn): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.max(getPriority(), NICE[turn]));
  } catch {
    // Some sandboxes forbid it: the work is then done like any other.
  }
}
