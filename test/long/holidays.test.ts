import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Holidays from 'date-holidays';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningProgram, startingAt, startProgram } from '../program.ts';

/** Days off in the real program: of a policy with an iCal file, and of a region for any expression. */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/**
 * Where the program's clock begins: what is learnt depends on the weekdays and on the public holidays around. Days off a
 * week apart before one of their own weekday, as there would be before Christmas, are a rhythm that needs no calendar.
 */
const NOW = Date.parse('2026-11-18T16:00:00Z');
const TODAY = Math.floor(NOW / DAY) * DAY;
const ALL_PUBLIC = publicHolidays();
/** Days off of the company that are no public holidays: two that were, and one of the next days. */
const COMPANY = [-11, -4, 1].map((days) => ordinaryDay(TODAY + days * DAY, Math.sign(days) * DAY));
/** Three public holidays in a row, the last of them over. */
const PUBLIC = ALL_PUBLIC.filter((day) => day < TODAY - 2 * DAY).slice(-3);
const dateOf = (day: number) => new Date(day).toISOString().slice(0, 10);

const folder = mkdtempSync(join(tmpdir(), 'foresail-holidays-'));
let program: RunningProgram;
beforeAll(async () => {
  const entries = COMPANY.map((day, i) =>
    [
      'BEGIN:VEVENT',
      `UID:${i}`,
      `DTSTART;VALUE=DATE:${dateOf(day).replaceAll('-', '')}`,
      'SUMMARY:Off',
      'END:VEVENT',
    ].join('\r\n'),
  );
  const calendar = ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//test//EN', ...entries, 'END:VCALENDAR', ''];
  writeFileSync(join(folder, 'company.ics'), calendar.join('\r\n'));
  writeFileSync(join(folder, 'foresail.yaml'), 'retention: 400d\npolicies: [.]\n');
  program = await startProgram(['--config', join(folder, 'foresail.yaml')], startingAt(NOW, folder));
  const line = (name: string, from: number, to: number, off: readonly number[]) => {
    const times = Array.from({ length: (to - from) / HOUR + 1 }, (_, i) => from + i * HOUR);
    return JSON.stringify({
      metric: { __name__: name },
      timestamps: times,
      values: times.map((t) => demandAt(t, off)),
    });
  };
  const lines = [
    line('company_rps', NOW - 24 * DAY, NOW, COMPANY),
    line('public_rps', PUBLIC[0]! - 8 * DAY, PUBLIC[2]! + DAY, PUBLIC),
  ];
  const response = await fetch(`${program.url}/api/v1/import`, { method: 'POST', body: `${lines.join('\n')}\n` });
  expect(response.status).toBe(200);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Two fifths of the usual on days off. */
function demandAt(t: number, off: readonly number[]): number {
  const usual = 100 + 40 * Math.sin((2 * Math.PI * t) / DAY) + 2 * Math.sin(t / 7e6);
  return off.some((day) => t >= day && t < day + DAY) ? 0.4 * usual : usual;
}

/** Midnights in UTC of Bavaria's public holidays of these years, ascending. */
function publicHolidays(): number[] {
  const region = new Holidays('DE', 'BY');
  const year = new Date(TODAY).getUTCFullYear();
  const days = [year - 1, year, year + 1]
    .flatMap((one) => region.getHolidays(one))
    .filter(({ type }) => type === 'public')
    .map(({ date }) => Date.parse(`${date.slice(0, 10)}T00:00:00Z`));
  return [...new Set(days)].sort((a, b) => a - b);
}

/** The first day from `day` on, in steps, that is no public holiday. */
function ordinaryDay(day: number, step: number): number {
  return ALL_PUBLIC.includes(day) ? ordinaryDay(day + step, step) : day;
}

const policyOf = (name: string, forecast: string) => `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  target: {name: ${name}}
  demand: {query: company_rps, step: 1h, history: 24d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
  forecast: {horizon: 96h, ${forecast}}
`;

test("a policy's days off lower its forecast of the next one, once two were seen", async () => {
  const put = async (name: string, forecast: string) =>
    (await fetch(`${program.url}/api/v1/policies/shop/${name}`, { method: 'PUT', body: policyOf(name, forecast) }))
      .status;
  expect(await put('blind', 'seasons: auto')).toBe(201);
  expect(await put('aware', 'holidays: DE-BY, calendars: [company.ics]')).toBe(201);
  const shareOf = async (name: string) => {
    const answer = await (await fetch(`${program.url}/api/v1/policies/shop/${name}/forecast`)).json();
    const [one] = (answer as { data: { state: string; times: number[]; point: number[] }[] }).data;
    if (one?.state !== 'ready') return Number.NaN;
    const { times, point } = one;
    const nextDay = times.flatMap((t, i) => (t * 1000 >= COMPANY[2]! && t * 1000 < COMPANY[2]! + DAY ? [i] : []));
    const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
    return sumOf(nextDay.map((i) => point[i]!)) / sumOf(nextDay.map((i) => demandAt(times[i]! * 1000, [])));
  };
  const wait = { timeout: 240_000, interval: 250 };
  await expect.poll(() => shareOf('blind'), wait).toBeGreaterThan(0.85);
  await expect.poll(() => shareOf('aware'), wait).toBeLessThan(0.75);
  expect(program.output()).not.toContain('calendar cannot be used');
});

test('the public holidays of a region make the forecast of any expression over the next one better', async () => {
  const next = PUBLIC[2]!;
  const asked = {
    ...{ query: 'public_rps', step: '1h', start: (PUBLIC[0]! - 8 * DAY) / 1000, end: (next - HOUR) / 1000 },
    ...{ horizon: '24h', levels: [0.95] },
  };
  const errorOf = async (more: object) => {
    const body = JSON.stringify({ ...asked, ...more });
    const response = await fetch(`${program.url}/api/v1/forecast`, { method: 'POST', body });
    const { data } = (await response.json()) as { data: { result: { values: [number, string][] }[] } };
    const errors = data.result[0]!.values.map(([t, value]) => Math.abs(Number(value) - demandAt(t * 1000, PUBLIC)));
    return errors.reduce((sum, error) => sum + error, 0);
  };
  expect(await errorOf({ holidays: 'DE-BY' })).toBeLessThan(0.6 * (await errorOf({})));
});
