import { NO_LABELS } from '../../model/labels.ts';
import { emptyVector, timeOf, type Value, type Vector } from '../value.ts';
import type { Work } from '../work.ts';
import { mapped, vectorArg } from './arguments.ts';
import type { CallContext } from './definition.ts';

interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** A moment in UTC. */
interface Moment {
  /** Since 1970. */
  readonly days: number;
  readonly secondOfDay: number;
}

export const DATES: Readonly<Record<string, (moment: Moment) => number>> = {
  minute: ({ secondOfDay }) => Math.floor(secondOfDay / 60) % 60,
  hour: ({ secondOfDay }) => Math.floor(secondOfDay / 3600),
  day_of_week: ({ days }) => modulo(days + 4, 7),
  day_of_month: ({ days }) => civil(days).day,
  month: ({ days }) => civil(days).month,
  year: ({ days }) => civil(days).year,
  day_of_year: ({ days }) => days - daysOfCivil(civil(days).year, 1) + 1,
  days_in_month: ({ days }) => {
    const { year, month } = civil(days);
    const next = month === 12 ? daysOfCivil(year + 1, 1) : daysOfCivil(year, month + 1);
    return next - daysOfCivil(year, month);
  },
};

/** Of each value in epoch seconds, or, without an argument, of the step itself. */
export function dateOf(
  part: (moment: Moment) => number,
): (args: readonly Value[], context: CallContext) => Work<Vector> {
  return function* (args, { grid }) {
    const compute = (seconds: number): number => part(momentOf(seconds));
    if (args.length > 0) return yield* mapped(vectorArg(args, 0), 1, compute);
    const now = emptyVector([{ labels: NO_LABELS, dropName: false }], grid.steps);
    now.present.fill(1);
    for (let step = 0; step < grid.steps; step++) now.values[step] = compute(timeOf(grid, step) / 1000);
    return now;
  };
}

const DAY_SECONDS = 86_400;

function momentOf(seconds: number): Moment {
  const whole = Math.trunc(seconds);
  if (!Number.isSafeInteger(whole)) return farMomentOf(whole);
  return { days: Math.floor(whole / DAY_SECONDS), secondOfDay: modulo(whole, DAY_SECONDS) };
}

/** The first moment of Go's calendar, in epoch seconds: March of the year -292277022400. */
const GO_FIRST = -((292_277_022_400n / 400n) * 146_097n - 60n + 719_528n) * 86_400n;

/**
 * Times that no clock will show, as Go on amd64 has them: seconds are whole numbers of 64 bits, what is beyond those, NaN
 * too, is the least of them, and what is before the first moment of the calendar comes out behind the last.
 */
function farMomentOf(seconds: number): Moment {
  const fits = seconds >= -(2 ** 63) && seconds < 2 ** 63;
  let whole = fits ? BigInt(seconds) : -(2n ** 63n);
  if (whole < GO_FIRST) whole += 2n ** 64n;
  const inDay = ((whole % 86_400n) + 86_400n) % 86_400n;
  return { days: Number((whole - inDay) / 86_400n), secondOfDay: Number(inDay) };
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
