import { Worker } from 'node:worker_threads';
import { HolidaysUnavailableError, UnknownRegionError } from '../observe/errors.ts';
import type { RegionHolidays } from '../observe/holidays.ts';

export interface HolidayRequest {
  readonly region: string;
  readonly years: readonly number[];
}

export type HolidayAnswer =
  | { readonly kind: 'holidays'; readonly holidays: RegionHolidays }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };

/** `loadHolidays` in a thread of its own: it takes half a second of CPU, and its memory goes with the thread. Throws alike. */
export async function holidaysInThread(region: string, years: readonly number[]): Promise<RegionHolidays> {
  // Compiled or not, the thread's file is of the same kind as this one.
  const file = new URL(import.meta.url.endsWith('.ts') ? 'holiday-thread.ts' : 'holiday-thread.js', import.meta.url);
  const worker = new Worker(file, { workerData: { region, years } satisfies HolidayRequest });
  const answer = await new Promise<HolidayAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error(`cannot tell the holidays of ${region}: the thread ended early`)));
  });
  if (answer.kind === 'holidays') return answer.holidays;
  const { name, message } = answer;
  if (name === 'UnknownRegionError') throw new UnknownRegionError(message);
  if (name === 'HolidaysUnavailableError') throw new HolidaysUnavailableError(region);
  throw Object.assign(new Error(message), { name });
}
