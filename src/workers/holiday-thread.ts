import { parentPort, workerData } from 'node:worker_threads';
import { loadHolidays } from '../observe/holidays.ts';
import type { HolidayAnswer, HolidayRequest } from './holidays.ts';

const { region, years } = workerData as HolidayRequest;
try {
  parentPort?.postMessage({ kind: 'holidays', holidays: await loadHolidays(region, years) } satisfies HolidayAnswer);
} catch (error) {
  const { name, message } = error as Error;
  parentPort?.postMessage({ kind: 'failed', name, message } satisfies HolidayAnswer);
}
