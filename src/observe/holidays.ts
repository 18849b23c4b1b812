import type { CalendarEntry } from '../forecast/calendar.ts';
import { nearestWord } from '../model/nearest-word.ts';
import { HolidaysUnavailableError, UnknownRegionError } from './errors.ts';

/** The public holidays of a region in some years, and the day of the week that days off resemble: 0 is Sunday. */
export interface RegionHolidays {
  readonly entries: readonly CalendarEntry[];
  readonly restDay: number;
}

/**
 * The public holidays of a region: `DE`, `DE-BY`, `US`, `GB-SCT`, and a part of a state where there are any. Loads the
 * optional package `date-holidays`, which takes about half a second of CPU and 25 MB: a server calls this in a thread.
 *
 * @throws {HolidaysUnavailableError} If the package is not installed.
 * @throws {UnknownRegionError} If it knows no such region.
 */
export async function loadHolidays(region: string, years: readonly number[]): Promise<RegionHolidays> {
  const { default: Holidays } = await import('date-holidays').catch((cause: unknown) => {
    throw new HolidaysUnavailableError(region, { cause });
  });
  const [country = '', state, part] = region.split('-');
  const known = new Holidays();
  checkPart(known.getCountries('en'), country, region, 'country');
  if (state !== undefined) checkPart(known.getStates(country, 'en'), state, region, `state or region of ${country}`);
  if (part !== undefined)
    checkPart(known.getRegions(country, state!, 'en'), part, region, `part of ${country}-${state}`);
  const holidays = new Holidays(country, state ?? '', part ?? '');
  const entries = years.flatMap((year) =>
    holidays
      .getHolidays(year)
      .filter(({ type }) => type === 'public')
      .flatMap(({ date, start, end, name }) => {
        // Some last for days. A holiday that begins in the evening before belongs to the day of which it has the most.
        const days = Math.max(1, Math.round((end.getTime() - start.getTime()) / 86_400_000));
        const first = Date.parse(`${date.slice(0, 10)}T${date.slice(11, 13) >= '12' ? '24' : '00'}:00:00Z`);
        return Array.from({ length: days }, (_, i) => ({
          kind: 'day' as const,
          source: 'holidays',
          name,
          date: new Date(first + i * 86_400_000).toISOString().slice(0, 10),
        }));
      }),
  );
  return { entries, restDay: restDayOf(country) };
}

function checkPart(known: Readonly<Record<string, string>> | null, part: string, region: string, what: string): void {
  const codes = Object.keys(known ?? {});
  if (codes.includes(part)) return;
  const near = nearestWord(part, codes);
  const hint =
    codes.length === 0
      ? 'none is known'
      : near === undefined
        ? `known are ${codes.join(', ')}`
        : `did you mean ${near}?`;
  throw new UnknownRegionError(`cannot tell the holidays of ${region}: "${part}" is no ${what}: ${hint}`);
}

/** The last day of the weekend where it is not Sunday; engines without that knowledge take Sunday. */
function restDayOf(country: string): number {
  const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & {
    readonly weekInfo?: { readonly weekend: readonly number[] };
    getWeekInfo?(): { readonly weekend: readonly number[] };
  };
  const weekend = (locale.getWeekInfo?.() ?? locale.weekInfo)?.weekend ?? [7];
  return (weekend.at(-1) ?? 7) % 7;
}
