import { NO_LABELS } from '../../model/labels.ts';
import { DAY } from '../../model/time.ts';
import { emptyVector, timeOf, type Value, type Vector } from '../value.ts';
import { mapped, vectorArg } from './arguments.ts';
import type { CallContext } from './definition.ts';

interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** All in UTC, of a time in epoch seconds. */
export const DATES: Readonly<Record<string, (seconds: number) => number>> = {
  minute: (seconds) => modulo(Math.floor(seconds / 60), 60),
  hour: (seconds) => modulo(Math.floor(seconds / 3600), 24),
  day_of_week: (seconds) => modulo(daysOf(seconds) + 4, 7),
  day_of_month: (seconds) => civil(daysOf(seconds)).day,
  month: (seconds) => civil(daysOf(seconds)).month,
  year: (seconds) => civil(daysOf(seconds)).year,
  day_of_year: (seconds) => {
    const days = daysOf(seconds);
    return days - daysOfCivil(civil(days).year, 1) + 1;
  },
  days_in_month: (seconds) => {
    const { year, month } = civil(daysOf(seconds));
    const next = month === 12 ? daysOfCivil(year + 1, 1) : daysOfCivil(year, month + 1);
    return next - daysOfCivil(year, month);
  },
};

/** Of each value, or, without an argument, of the step itself. */
export function dateOf(part: (seconds: number) => number): (args: readonly Value[], context: CallContext) => Vector {
  return (args, { grid }) => {
    const compute = (seconds: number): number => (Number.isFinite(seconds) ? part(Math.trunc(seconds)) : Number.NaN);
    if (args.length > 0) return mapped(vectorArg(args, 0), 1, compute);
    const now = emptyVector([{ labels: NO_LABELS, dropName: false }], grid.steps);
    now.present.fill(1);
    for (let step = 0; step < grid.steps; step++) now.values[step] = compute(timeOf(grid, step) / 1000);
    return now;
  };
}

function daysOf(seconds: number): number {
  return Math.floor((seconds * 1000) / DAY);
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** Howard Hinnant's days-to-civil: years start in March, eras have 400 years (146,097 days). */
function civil(days: number): CivilDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** Days since 1970 of the first of a month: the inverse of `civil`. */
function daysOfCivil(year: number, month: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5);
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
