import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Command } from 'commander';
import { afterAll, expect, test } from 'vitest';
import { backtestCommand } from './backtest.ts';
import { decomposeCommand } from './decompose.ts';
import { detectCommand } from './detect.ts';
import { forecastCommand } from './forecast.ts';
import { seasonsCommand } from './seasons.ts';

const folder = mkdtempSync(join(tmpdir(), 'foresail-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: string[]): Promise<void> {
  const program = new Command('foresail').exitOverride().configureOutput({ writeErr: () => {} });
  forecastCommand(program);
  backtestCommand(program);
  decomposeCommand(program);
  seasonsCommand(program);
  detectCommand(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(args, { from: 'user' });
}

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(text) : text);
  return path;
}

const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');
const hours = Array.from(
  { length: 200 },
  (_, t) => `${1_700_000_000 + t * 3600},${(100 + 40 * Math.sin((2 * Math.PI * t) / 24)).toFixed(3)}`,
);

test('forecast writes one row a step and continues the grid', async () => {
  const input = fileOf('a.csv.gz', `timestamp,value\n${hours.join('\n')}\n`);
  const output = join(folder, 'a.out.csv');
  await run('forecast', '--input', input, '--horizon', '3', '--quantiles', '0.5', '--output', output);
  const [header, ...rows] = linesOf(output);
  expect(header).toBe('series,timestamp,mean,lo-80,hi-80,lo-95,hi-95,q0.5');
  expect(rows.map((row) => row.split(',')[1])).toEqual([200, 201, 202].map((t) => String(1_700_000_000 + t * 3600)));
});

test('forecast takes many series, interleaved, and keeps their names', async () => {
  const rows = hours.flatMap((row) => [`"a,b",${row},x`, `c,${row},y`]);
  const input = fileOf('b.csv', `series,timestamp,value,label\n${rows.join('\n')}\n`);
  const output = join(folder, 'b.out.csv');
  await run('forecast', '--input', input, '--horizon', '2', '--step', '1h', '--output', output);
  expect(
    linesOf(output)
      .slice(1)
      .map((row) => row.slice(0, 3)),
  ).toEqual(['"a,', '"a,', 'c,1', 'c,1']);
});

test('forecast --models has these only, and refuses a name that is none with the nearest that is', async () => {
  const input = fileOf('models.csv', `timestamp,value\n${hours.join('\n')}\n`);
  const output = join(folder, 'models.out.json');
  const words = ['forecast', '--input', input, '--horizon', '2', '--json', '--output', output];
  await run(...words, '--models', 'theta');
  expect(JSON.parse(linesOf(output)[0]!)).toMatchObject({ model: 'theta' });
  await expect(run(...words, '--models', 'ridge,thet')).rejects.toThrow('did you mean "theta"?');
});

test('decompose finds the day, and its parts add up to the value', async () => {
  const gappy = hours.map((row, t) => (t === 50 ? `${row.split(',')[0]},` : row));
  const rows = gappy.map((row) => `daily,${row}`);
  const flat = Array.from({ length: 30 }, (_, t) => `flat,${1_700_000_000 + t * 3600},5`);
  const input = fileOf('parts.csv', `series,timestamp,value\n${[...rows, ...flat].join('\n')}\n`);
  const output = join(folder, 'parts.out.csv');
  await run('decompose', '--input', input, '--output', output);
  const [header, ...parts] = linesOf(output).map((row) => row.split(','));
  expect(header!.join(',')).toBe('series,timestamp,value,trend,season-24,remainder');
  expect(parts).toHaveLength(230);
  for (const [name, , value, trend, season, remainder] of parts) {
    if (value === 'NaN') expect(remainder).toBe('NaN');
    else expect(Number(trend) + Number(season) + Number(remainder)).toBeCloseTo(Number(value), 6);
    if (name === 'flat') expect([Number(trend).toFixed(9), season]).toEqual(['5.000000000', '']);
    else expect(Math.abs(Number(trend) - 100)).toBeLessThan(10);
  }
  expect(parts.filter(([, , value]) => value === 'NaN')).toHaveLength(1);
});

test('decompose --json has the same parts, and takes the seasons it is given', async () => {
  const input = fileOf('json.csv', `timestamp,value\n${hours.join('\n')}\n`);
  const output = join(folder, 'json.out');
  await run('decompose', '--input', input, '--season', '12,24,168', '--json', '--output', output);
  const answer = JSON.parse(linesOf(output)[0]!);
  expect(answer).toMatchObject({ series: '', start: '1700000000', stepSeconds: 3600 });
  expect(answer.seasons.map(({ length }: { length: number }) => length)).toEqual([12, 24]);
  expect(answer.value).toHaveLength(200);
});

test('seasons says what it found and why other lengths are none', async () => {
  const rows = [...hours.map((row) => `daily,${row}`), ...hours.slice(0, 30).map((row) => `short,${row}`)];
  const input = fileOf('seasons.csv', `series,timestamp,value\n${rows.join('\n')}\n`);
  const output = join(folder, 'seasons.out.csv');
  await run('seasons', '--input', input, '--output', output);
  const [header, ...lines] = linesOf(output);
  expect(header).toBe('series,season,steps,origin,verdict,strength,autocorrelation,cycles,confidence,reason');
  expect(lines.find((line) => line.startsWith('daily,1d,'))).toMatch(/^daily,1d,24,calendar,found,/);
  expect(lines.find((line) => line.startsWith('short,1d,'))).toMatch(
    /too-few-cycles,.*,the history has too few cycles/,
  );
  await run('seasons', '--input', input, '--json', '--output', output);
  const [daily, short] = linesOf(output).map((line) => JSON.parse(line));
  expect(daily).toMatchObject({ series: 'daily', stepSeconds: 3600 });
  expect(daily.seasons).toContain(24);
  expect(short.seasons).toEqual([]);
  expect(short.candidates[0]).toMatchObject({ season: '1h', lengthSeconds: 3600, steps: 1, verdict: 'too-few-steps' });
});

test('backtest writes rolling forecasts that know nothing of later rows', async () => {
  const from = String(1_700_000_000 + 150 * 3600);
  const roll = async (name: string, rows: readonly string[]) => {
    const output = join(folder, `${name}.out.csv`);
    const input = fileOf(`${name}.csv`, `timestamp,value\n${rows.join('\n')}\n`);
    await run(
      'backtest',
      '--input',
      input,
      '--horizon',
      '4',
      '--origins-every',
      '6h',
      '--from',
      from,
      '--forecasts',
      output,
    );
    return linesOf(output).slice(0, 1 + 3 * 4);
  };
  const whole = await roll('whole', hours);
  expect(whole[0]).toBe('series,origin,timestamp,mean,lo-80,hi-80,lo-95,hi-95');
  expect(whole[1]!.split(',').slice(1, 3)).toEqual([from, String(1_700_000_000 + 151 * 3600)]);
  expect(
    await roll('changed', [...hours.slice(0, 163), '1700586900,1e9', ...hours.slice(163).map((row) => `${row}9`)]),
  ).toEqual(whole);
});

test('detect answers each row in its order, repeated, backward and empty ones included', async () => {
  const input = fileOf(
    'd.csv',
    'timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,2\n2025-12-31T00:00:00Z,3\n2026-01-02,\n',
  );
  const output = join(folder, 'd.out.csv');
  await run('detect', '--input', input, '--output', output);
  const [header, ...rows] = linesOf(output);
  expect(header).toBe('series,timestamp,value,expected,lower,upper,score,anomaly');
  expect(rows.map((row) => row.split(',').slice(1, 3).join(' '))).toEqual([
    '2026-01-01T00:00:00Z 1',
    '2026-01-01T00:00:00Z 2',
    '2025-12-31T00:00:00Z 3',
    '2026-01-02 ',
  ]);
  for (const row of rows) expect(row.split(',').slice(-2)).toEqual(['0', '0']);
});

test.each([
  {
    name: 'a wrong number',
    text: 'timestamp,value\n1,2\n2,three\n',
    message: /:3: column 2: expected a number, got "three"/,
  },
  { name: 'a wrong time', text: 'timestamp,value\nyesterday,2\n', message: /:2: column 1: not a time: "yesterday"/ },
  { name: 'no header', text: '1,2\n3,4\n', message: /:1: expected a header row/ },
  { name: 'too few columns', text: 'timestamp,value\n1\n', message: /:2: expected 2 columns or more, got 1/ },
  { name: 'an empty file', text: '', message: /the file is empty/ },
])('a command names the place of $name', async ({ text, message }) => {
  const input = fileOf('wrong.csv', text);
  await expect(run('detect', '--input', input, '--output', join(folder, 'wrong.out.csv'))).rejects.toThrow(message);
});

test('a missing file and a wrong flag are usage errors', async () => {
  await expect(run('forecast', '--input', join(folder, 'missing.csv'), '--horizon', '3')).rejects.toThrow(
    /cannot read .*missing.csv/,
  );
  await expect(run('forecast', '--input', 'x', '--horizon', '0')).rejects.toThrow(/expected a whole number/);
});

test('forecast follows the wall clock and an iCal file; a broken one is an error with its line', async () => {
  const start = Date.UTC(2026, 2, 1) / 1000;
  const clock = Array.from({ length: 28 * 24 }, (_, t) => {
    // Europe/Berlin: an hour more from 2026-03-29T01:00:00Z, which is the 673rd hour.
    const hour = (t + 1) % 24;
    return `${start + t * 3600},${hour === 9 ? 500 : 100}`;
  });
  const input = fileOf('clock.csv', `timestamp,value\n${clock.join('\n')}\n`);
  const peakHour = async (...flags: string[]) => {
    const output = join(folder, 'clock.out.csv');
    await run('forecast', '--input', input, '--horizon', '24', '--output', output, ...flags);
    const means = linesOf(output)
      .slice(1)
      .map((line) => Number(line.split(',')[2]));
    return means.indexOf(Math.max(...means));
  };
  expect(await peakHour()).toBe(8);
  expect(await peakHour('--time-zone', 'Europe/Berlin')).toBe(7);
  const calendar = fileOf('broken.ics', 'BEGIN:VCALENDAR\nnonsense\n');
  await expect(run('forecast', '--input', input, '--horizon', '3', '--calendar', calendar)).rejects.toThrow(
    'broken.ics:2: ',
  );
  await expect(run('forecast', '--input', input, '--horizon', '3', '--time-zone', 'Mars')).rejects.toThrow('IANA');
});

test('declared events multiply the forecast; excluded windows are gaps', async () => {
  const spike = hours.map((row, t) => (t >= 150 && t < 155 ? row.replace(/,.*/, ',9000') : row));
  const input = fileOf('event.csv', `timestamp,value\n${spike.join('\n')}\n`);
  const at = (t: number) => new Date((1_700_000_000 + t * 3600) * 1000).toISOString();
  const meansOf = async (...flags: string[]) => {
    const output = join(folder, 'event.out.csv');
    await run('forecast', '--input', input, '--horizon', '4', '--output', output, '--no-network', ...flags);
    return linesOf(output)
      .slice(1)
      .map((row) => Number(row.split(',')[2]));
  };
  const exclude = ['--exclude', `${at(149)}/${at(156)}`];
  const usual = await meansOf(...exclude);
  const sale = await meansOf(...exclude, '--event', `${at(202)}/${at(300)}=3`);
  expect(sale.map((value, i) => value / usual[i]!)).toEqual([1, 1, 3, 3].map((factor) => expect.closeTo(factor, 6)));
  for (const [i, value] of usual.entries()) {
    expect(Math.abs(value - (100 + 40 * Math.sin((2 * Math.PI * (200 + i)) / 24)))).toBeLessThan(10);
  }
});

test.each([
  ['--event', '2026-01-01T00:00:00Z/2026-01-02T00:00:00Z=0'],
  ['--event', '2026-01-01T00:00:00Z=3'],
  ['--exclude', '2026-01-02T00:00:00Z/2026-01-01T00:00:00Z'],
  ['--exclude', 'yesterday'],
])('%s %s is refused', async (flag, text) => {
  await expect(run('forecast', '--input', 'x.csv', '--horizon', '1', flag, text)).rejects.toThrow(/expected/);
});

test('seasons and parts keep the time of a zone across a change of its clock', async () => {
  const start = Date.parse('2026-03-08T00:00:00Z') / 1000;
  const change = Date.parse('2026-03-29T01:00:00Z') / 1000;
  const rows = Array.from({ length: 24 * 42 }, (_, i) => {
    const t = start + i * 3600;
    const local = (t + (t < change ? 3600 : 7200)) % 86_400;
    return `${t},${local === 9 * 3600 ? 200 : 100 + 0.2 * Math.sin(i * 2.3)}`;
  });
  const input = fileOf('zone.csv', `timestamp,value\n${rows.join('\n')}\n`);
  const output = join(folder, 'zone.json');
  const look = async (zone: string) => {
    await run('seasons', '--input', input, '--output', output, '--json', '--time-zone', zone);
    const day = JSON.parse(readFileSync(output, 'utf8')).candidates.find(
      ({ steps }: { steps: number }) => steps === 24,
    );
    await run('decompose', '--input', input, '--output', output, '--json', '--season', '24', '--time-zone', zone);
    const { remainder } = JSON.parse(readFileSync(output, 'utf8')) as { remainder: number[] };
    return { strength: day.strength, left: remainder.reduce((sum, value) => sum + Math.abs(value), 0) };
  };
  const [utc, berlin] = [await look('UTC'), await look('Europe/Berlin')];
  expect(berlin.strength).toBeGreaterThan(0.95);
  expect(utc.strength).toBeLessThan(0.7);
  expect(berlin.left).toBeLessThan(0.6 * utc.left);
});
