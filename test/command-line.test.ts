import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** The program as a shell sees it: exit codes, one line that says what to change, pipes that close, signals. */

const MAIN = join(import.meta.dirname, '..', 'dist', 'main.js');
const COMMANDS = [
  ...[
    'demo',
    'serve',
    'init',
    'check',
    'check rules',
    'test',
    'test rules',
    'query',
    'plan',
    'explain',
    'advise',
    'release',
    'alert test',
    'alert list',
    'alert silence add',
    'alert dead-letters',
    'import',
    'import prometheus',
    'decompose',
    'seasons',
    'preview',
  ],
  ...['import csv', 'simulate', 'tune', 'forecast', 'backtest', 'detect'],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-shell-'));
  const row = (i: number) => `${1_700_000_000 + i * 60},${(100 + 50 * Math.sin(i / 230)).toFixed(3)}`;
  writeFileSync(
    join(folder, 'demand.csv'),
    `timestamp,value\n${Array.from({ length: 12_000 }, (_, i) => row(i)).join('\n')}\n`,
  );
  const hourly = (name: string, i: number) =>
    `${name},${1_700_000_000 + i * 3600},${(100 + name.length * 9 * Math.sin(i / 3.82)).toFixed(3)}`;
  const names = ['a', 'bb', 'ccc', 'dddd', 'short'];
  const rows = names.flatMap((name) => Array.from({ length: name === 'short' ? 3 : 120 }, (_, i) => hourly(name, i)));
  writeFileSync(join(folder, 'several.csv.gz'), gzipSync(`series,timestamp,value\n${rows.join('\n')}\n`));
  writeFileSync(join(folder, 'torn.csv'), 'timestamp,value\n1,1\n2,x\n');
  writeFileSync(join(folder, 'empty.csv'), '');
  writeFileSync(join(folder, 'plain.csv.gz'), 'timestamp,value\n1,1\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(line: string) {
  const env = { PATH: process.env['PATH'], HOME: folder };
  return spawn(process.execPath, [MAIN, ...line.split(' ')], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function run(line: string) {
  const child = start(line);
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      written[name] += part;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...written };
}

test.concurrent.each(COMMANDS)('%s --help has an example', async (command) => {
  const { code, stdout } = await run(`${command} --help`);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`\\$ .*foresail ${command}`));
});

describe.concurrent('wrong usage: exit code 2 and one line that says what to change', () => {
  test.each([
    ['frocast', 'Did you mean forecast?'],
    ['forecast --horizon 3', "'--input <file>' not specified"],
    ['forecast --input demand.csv --horizon none', 'expected a whole number from 1 to 100000'],
    ['forecast --input demand.csv --horizon 3 --seed x', 'expected a whole number'],
    ['forecast --input absent.csv --horizon 3', 'cannot read absent.csv: there is no such file'],
    ['forecast --input demand.csv --horizon 3 --report picture.png', 'expected a file that ends in .html or .svg'],
    ['forecast --input demand.csv --horizon 3 --threads 0', 'expected a number of threads'],
    ['forecast --input torn.csv --horizon 3', 'torn.csv:3: column 2: expected a number, got "x"'],
    ['backtest --input demand.csv --horizon 3', 'expected --windows'],
    ['backtest --input demand.csv --horizon 3 --from 0', 'needs --origins-every, --from and --forecasts together'],
    ['decompose --input torn.csv', 'torn.csv:3: column 2'],
    ['preview -f absent.yaml', 'cannot read absent.yaml: there is no such file'],
    ['preview -f demand.csv --judge soon', 'not a duration'],
    ['detect --input .', 'cannot read .: it is a folder'],
    ['detect --input empty.csv', 'empty.csv:1: expected a header row'],
    ['detect --input plain.csv.gz', 'not gzip'],
    ['detect --input demand.csv --output absent/x.csv', 'cannot write absent/x.csv'],
    ['simulate --trace demand.csv --policy absent.yaml', 'absent.yaml'],
    ['check rules --lint nothing absent.yaml', 'Allowed choices are all, duplicate-rules, none'],
    ['test rules --run ( absent.yaml', '--run: not a regular expression'],
    ['query up --end 2026-01-01', '--end and --step need --start'],
    ['query up --token-file absent', 'cannot read absent: there is no such file'],
    ['plan --record absent.json', 'cannot read absent.json: there is no such file'],
    ['plan', 'expected exactly one of'],
    ['release', 'expected --all'],
    ['serve --listen nonsense', '--listen: expected HOST:PORT'],
    ['serve --config absent.yaml', 'absent.yaml:1:1: cannot be read'],
  ])('%s', async (line, want) => {
    const { code, stderr } = await run(line);
    expect(code).toBe(2);
    expect(stderr).toContain(want);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

test('a server that is not there: exit code 1 and one line', async () => {
  const { code, stderr } = await run('query up --url http://127.0.0.1:1');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^cannot reach a server at .*\n$/);
});

test.each([
  '--help',
  'detect --input demand.csv',
  'forecast --input demand.csv --step 1h --horizon 3000',
])('%s ends quietly when nobody reads on', async (line) => {
  const child = start(line);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  child.stdout.once('data', () => child.stdout.destroy());
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(errors).not.toContain('EPIPE');
  expect(code).toBe(0);
});

describe('on several threads', () => {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');

  test.each([
    { name: 'forecast', line: 'forecast --input several.csv.gz --horizon 5 --quantiles 0.9', threads: 3 },
    { name: 'decompose', line: 'decompose --input several.csv.gz', threads: 2 },
    { name: 'forecast as JSON', line: 'forecast --input several.csv.gz --horizon 5 --json', threads: 2 },
  ])('$name: the same bytes in the same order as on one, and what has no answer is named', async ({
    line,
    threads,
  }) => {
    const several = await run(`${line} --threads ${threads} --output several.out`);
    const one = await run(`${line} --threads 1 --output one.out`);
    expect(several).toEqual(one);
    expect(several.code).toBe(0);
    expect(read('several.out')).toBe(read('one.out'));
    expect(read('one.out').split('\n').length).toBeGreaterThan(4);
  });

  test('rolling forecasts: the same bytes, and progress only where it is asked for', async () => {
    const line = `backtest --input several.csv.gz --horizon 3 --origins-every 6h --from ${1_700_000_000 + 60 * 3600}`;
    await run(`${line} --threads 1 --forecasts one.csv`);
    const { stderr } = await run(`${line} --threads 2 --forecasts two.csv --progress`);
    expect(read('two.csv')).toBe(read('one.csv'));
    expect(read('one.csv')).toMatch(/^series,origin,timestamp,mean,lo-80,hi-80,lo-95,hi-95\na,/);
    expect(stderr).toMatch(/4?\d origins of 5 series/);
  });

  test('a picture is a page or an image of its own, by its ending', async () => {
    const line = 'backtest --input several.csv.gz --horizon 5 --windows 2';
    const { code, stdout } = await run(`${line} --report page.html`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model +series +WAPE %/);
    const page = read('page.html');
    expect(page).toMatch(/^<!doctype html>/);
    for (const what of ['Error by steps ahead', 'Coverage by steps ahead', 'Calibration', 'last-value', 'dddd']) {
      expect(page).toContain(what);
    }
    await run('decompose --input several.csv.gz --output parts.csv --report parts.svg');
    expect(read('parts.svg')).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[\s\S]*remainder[\s\S]*<\/svg>\n$/);
    // Nothing is loaded from anywhere: the only address is the name of the format.
    for (const text of [page, read('parts.svg')])
      expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|@import|url\(/);
  });
});

test('what is long goes to a file without a word on standard error', async () => {
  expect(await run('detect --input demand.csv --output scores.csv')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('Ctrl-C ends what computes, at once and as a shell expects', async () => {
  const child = start('detect --input demand.csv');
  // What it writes is not read on, so it cannot come to its end.
  await once(child.stdout, 'readable');
  child.kill('SIGINT');
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGINT');
});
