import { describe, expect, test } from 'vitest';
import { loadHolidays } from './holidays.ts';

const datesOf = async (region: string) =>
  (await loadHolidays(region, [2026])).entries.map((entry) => (entry.kind === 'day' ? entry.date : ''));

describe('loadHolidays()', () => {
  test('Bavaria: those of Germany, of the state, and no others', async () => {
    // https://www.stmi.bayern.de/ lists the public holidays of Bavaria, without those of single towns.
    expect(await datesOf('DE-BY')).toEqual(
      expect.arrayContaining([
        '2026-01-01',
        '2026-01-06',
        '2026-04-03',
        '2026-04-06',
        '2026-06-04',
        '2026-10-03',
        '2026-12-25',
        '2026-12-26',
      ]),
    );
    expect(await datesOf('DE')).not.toContain('2026-06-04');
    expect(await datesOf('DE-BY')).not.toContain('2026-12-24');
  });

  test.each([
    { region: 'US', date: '2026-11-26', restDay: 0 },
    { region: 'GB-SCT', date: '2026-01-02', restDay: 0 },
    { region: 'IL', date: '2026-04-22', restDay: 6 },
  ])('$region', async ({ region, date, restDay }) => {
    const holidays = await loadHolidays(region, [2026]);
    expect(holidays.entries.map((entry) => (entry.kind === 'day' ? entry.date : ''))).toContain(date);
    expect(holidays.restDay).toBe(restDay);
  });

  test.each([
    { region: 'XX', want: '"XX" is no country' },
    { region: 'DE-BQ', want: '"BQ" is no state or region of DE: did you mean' },
    { region: 'DE-BY-ZZZZ', want: '"ZZZZ" is no part of DE-BY' },
  ])('refuses $region', async ({ region, want }) => {
    await expect(loadHolidays(region, [2026])).rejects.toMatchObject({
      code: 'unknown_region',
      message: expect.stringContaining(want),
    });
  });
});
