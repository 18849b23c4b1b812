/**
 * What many series take, and how well anomalies are found, with one setting for all files and nothing told of a file:
 * npx tsx bench/detect.ts
 *
 * NAB: the public half in ../shared, its own scores. Events: what share of the labelled ones has a detection at the
 * threshold with one false alert a series and week, beside two references. Quiet: alerts of traces without labels.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync } from 'node:zlib';
import { ANOMALY_SCORE, createDetector, type DetectorState, judge } from '../src/anomaly/detector.ts';
import { saveDetector } from '../src/anomaly/saved-detector.ts';
import { type Millis, SECOND, WEEK } from '../src/model/time.ts';
import {
  bestThreshold,
  candidates,
  normalizedScore,
  PROFILES,
  rawScore,
  type ScoredFile,
} from '../src/testing/nab-score.ts';
import { SHARED_DATA } from './shared-data.ts';

interface Labelled {
  readonly name: string;
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly windows: readonly (readonly [number, number])[];
}

type Scorer = (time: Millis, value: number) => number;
const TRACES = ['nasa-http', 'crane-k8s', 'cluster-pools', 'azure-vm', 'bitbrains', 'isp-traffic', 'bikeshare'];
/** Rows for which a false alert goes on: what is still wrong then is another. */
const ALERT_ROWS = 12;
/** Before them no reference has a score, as Foresail has none while it learns. */
const LEARNING = 90;

/** Best thresholds, as published for these files (../shared/data/README.md). */
const PUBLISHED: Readonly<Record<string, readonly string[]>> = {
  standard: ['74.7', '70.6', '69.9'],
  'low FP': ['67.4', '65.8', '67.5'],
  'low FN': ['79.1', '74.3', '72.3'],
};
const MANY = 20_000;
const ROUNDS = 40;

const SCORERS: Readonly<Record<string, () => Scorer>> = {
  Foresail() {
    const detector = createDetector();
    return (time, value) => judge(detector, time, value).score;
  },
  'robust z by hour': robustSeasonalZ,
  'residual alone': residualAlone,
};

tellMany();
tellNab(nabFiles());
tellEvents();
tellQuiet();

function tellNab(files: readonly Labelled[]): void {
  console.log('| NAB, public half | Foresail | robust z by hour | residual alone | ARTime | HTM | CAD OSE |');
  console.log('|---|---|---|---|---|---|---|');
  const all = Object.values(SCORERS).map((make) => files.map((file) => scoredOf(file, make)));
  const row = (name: string, cells: readonly number[], published: readonly string[] = ['', '', '']) =>
    console.log(`| ${name} | ${[...cells.map((cell) => cell.toFixed(1)), ...published].join(' | ')} |`);
  for (const [name, profile] of Object.entries(PROFILES))
    row(
      `${name}, best threshold for all files`,
      all.map((scored) => bestThreshold(scored, profile).score),
      PUBLISHED[name],
    );
  for (const [name, profile] of Object.entries(PROFILES))
    console.log(
      `| ${name}, at ${ANOMALY_SCORE} | ${normalizedScore(all[0]!, ANOMALY_SCORE, profile).toFixed(1)} | | | | | |`,
    );
  row('standard, threshold of the other half of the files', all.map(twoFold));
  console.log(`\nbest threshold: ${bestThreshold(all[0]!, PROFILES.standard).threshold.toFixed(3)}\n`);
  console.log('| file | windows | found | detections outside | raw score |\n|---|---|---|---|---|');
  for (const [i, { name, windows }] of files.entries()) {
    const scored = all[0]![i]!;
    const { found, outside } = countRows(scored);
    const raw = rawScore(scored, ANOMALY_SCORE, PROFILES.standard).toFixed(2);
    console.log(`| ${name} | ${windows.length} | ${found} | ${outside} | ${raw} |`);
  }
}

function twoFold(all: readonly ScoredFile[]): number {
  const halves = [0, 1].map((half) => all.filter((_, i) => i % 2 === half));
  const windows = all.reduce((sum, file) => sum + file.windows.length, 0);
  const raw = halves.reduce((sum, half, i) => {
    const { threshold } = bestThreshold(halves[1 - i]!, PROFILES.standard);
    return sum + half.reduce((of, file) => of + rawScore(file, threshold, PROFILES.standard), 0);
  }, 0);
  return (50 * (raw + windows)) / windows;
}

/** Windows with a detection, and detections outside, of the rows that NAB scores. */
function countRows({ scores, windows }: ScoredFile): { found: number; outside: number } {
  const found = new Set<number>();
  let outside = 0;
  for (let row = Math.min(Math.floor(0.15 * scores.length), 750); row < scores.length; row++) {
    if (!(scores[row]! >= ANOMALY_SCORE)) continue;
    const window = windows.findIndex(([first, last]) => row >= first && row <= last);
    if (window >= 0) found.add(window);
    else outside++;
  }
  return { found: found.size, outside };
}

function tellEvents(): void {
  console.log('\n| events found at one false alert a series and week | Microsoft | KPI | both |\n|---|---|---|---|');
  const sets = [['ms-cloud-monitoring'], ['netman-kpi'], ['ms-cloud-monitoring', 'netman-kpi']];
  for (const [name, make] of Object.entries(SCORERS)) {
    const cells = sets.map((folders) => `${(100 * recall(folders.flatMap(filesOf), make)).toFixed(0)} %`);
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
}

function tellQuiet(): void {
  console.log('\n| traces without labels | weeks | alerts | a series and week |\n|---|---|---|---|');
  let alerts = 0;
  let weeks = 0;
  for (const set of TRACES) {
    const files = filesOf(set);
    const ofSet = files.reduce((sum, file) => sum + countRuns(scoredOf(file, SCORERS['Foresail']!).scores), 0);
    const weeksOfSet = files.reduce((sum, file) => sum + weeksOf(file), 0);
    console.log(`| ${set} | ${weeksOfSet.toFixed(0)} | ${ofSet} | ${(ofSet / weeksOfSet).toFixed(2)} |`);
    alerts += ofSet;
    weeks += weeksOfSet;
  }
  console.log(`| all | ${weeks.toFixed(0)} | ${alerts} | ${(alerts / weeks).toFixed(2)} |`);
}

function countRuns(scores: Float64Array): number {
  return scores.reduce(
    (runs, score, i) => (score >= ANOMALY_SCORE && !(scores[i - 1]! >= ANOMALY_SCORE) ? runs + 1 : runs),
    0,
  );
}

/** What many series take that are judged in turn, as samples come. */
function tellMany(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const judgeRound = (detectors: readonly DetectorState[], round: number) => {
    for (const [i, detector] of detectors.entries())
      judge(detector, round * 15 * SECOND, 100 + ((round * 7919 + i * 31) % 101));
  };
  for (let round = 0; round < 2000; round++) judgeRound([createDetector()], round);
  collect();
  collect();
  const before = process.memoryUsage();
  const detectors = Array.from({ length: MANY }, createDetector);
  for (let round = 0; round < 10; round++) judgeRound(detectors, round);
  collect();
  collect();
  const after = process.memoryUsage();
  const taken = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
  const began = process.cpuUsage();
  for (let round = 10; round < 10 + ROUNDS; round++) judgeRound(detectors, round);
  const { user, system } = process.cpuUsage(began);
  const each = (user + system) / ROUNDS / MANY;
  console.log(`${MANY} series in turn: ${(taken / MANY).toFixed(0)} bytes of heap a series,`);
  console.log(`${saveDetector(detectors[0]!).length} bytes saved; ${each.toFixed(1)} µs of CPU a sample:`);
  console.log(`${((each * 100_000) / 15 / 1e6).toFixed(2)} cores for 100,000 series at 15 s\n`);
}

/** The greatest share of windows with a detection, of the thresholds that give no more than one false alert a week. */
function recall(files: readonly Labelled[], make: () => Scorer): number {
  const all = files.map((file) => scoredOf(file, make));
  const weeks = files.reduce((sum, file) => sum + weeksOf(file), 0);
  const windows = files.reduce((sum, file) => sum + file.windows.length, 0);
  let best = 0;
  for (const threshold of candidates(all.map(({ scores }) => scores))) {
    const counts = all.map((file) => countAlerts(file, threshold));
    if (counts.reduce((sum, { wrong }) => sum + wrong, 0) > weeks) break;
    best = Math.max(best, counts.reduce((sum, { found }) => sum + found, 0) / windows);
  }
  return best;
}

function countAlerts({ scores, windows }: ScoredFile, threshold: number): { found: number; wrong: number } {
  const found = new Set<number>();
  let wrong = 0;
  let lastWrong = Number.NEGATIVE_INFINITY;
  let next = 0;
  scores.forEach((score, row) => {
    if (!(score >= threshold)) return;
    while (next < windows.length && row > windows[next]![1]) next++;
    if (next < windows.length && row >= windows[next]![0]) found.add(next);
    else if (row - (windows[next - 1]?.[1] ?? Number.NEGATIVE_INFINITY) > ALERT_ROWS && row - lastWrong > ALERT_ROWS) {
      wrong++;
      lastWrong = row;
    }
  });
  return { found: found.size, wrong };
}

function scoredOf({ times, values, windows }: Labelled, make: () => Scorer): ScoredFile {
  const score = make();
  return { scores: values.map((value, i) => score(times[i]!, value)), windows };
}

function weeksOf({ times }: Labelled): number {
  return (times.at(-1)! - times[0]!) / WEEK;
}

/** Distance to the median of the last samples of this hour of the day, in median absolute deviations. */
function robustSeasonalZ(): Scorer {
  const hours: number[][] = Array.from({ length: 24 }, () => []);
  let seen = 0;
  return (time, value) => {
    const known = hours[new Date(time).getUTCHours()]!;
    const center = median(known);
    const spread = 1.4826 * median(known.map((each) => Math.abs(each - center))) || 0.01 * Math.abs(center) || 1e-9;
    const z = seen++ < LEARNING || known.length < 6 ? 0 : Math.abs(value - center) / spread;
    known.push(value);
    if (known.length > 240) known.shift();
    return z / (z + 10);
  };
}

/** Distance to a running level, in mean distances. */
function residualAlone(): Scorer {
  let level = Number.NaN;
  let scale = 0;
  let seen = 0;
  return (_, value) => {
    if (seen === 0) level = value;
    const off = Math.abs(value - level);
    const ratio = seen++ < LEARNING || scale === 0 ? 0 : off / scale;
    scale += Math.max(0.01, 1 / seen) * ((seen > 60 && scale > 0 ? Math.min(off, 6 * scale) : off) - scale);
    level += 0.25 * (value - level);
    return ratio / (ratio + 10);
  };
}

function median(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function nabFiles(): Labelled[] {
  const folder = join(SHARED_DATA, 'nab');
  const windowsOf = JSON.parse(readFileSync(join(folder, 'combined_windows.json'), 'utf8')) as Record<
    string,
    string[][]
  >;
  return readdirSync(join(folder, 'data'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.csv'))
    .sort()
    .map((name) => {
      const rows = readFileSync(join(folder, 'data', name), 'utf8')
        .trim()
        .split('\n')
        .slice(1);
      const times = Float64Array.from(rows, (row) => instantOf(row.slice(0, row.indexOf(','))));
      const values = Float64Array.from(rows, (row) => Number(row.slice(row.indexOf(',') + 1)));
      const windows = (windowsOf[name] ?? []).map(([from, to]) => {
        const last = times.findLastIndex((time) => time <= instantOf(to!));
        return [times.findIndex((time) => time >= instantOf(from!)), last] as const;
      });
      return { name, times, values, windows };
    });
}

/** NAB writes local times without a zone. */
function instantOf(text: string): Millis {
  return Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`);
}

/** `timestamp,value` or `timestamp,value,label`; runs of label 1 are windows. */
function filesOf(set: string): Labelled[] {
  return readdirSync(join(SHARED_DATA, set))
    .filter((file) => file.endsWith('.csv.gz'))
    .map((name) => {
      const rows = gunzipSync(readFileSync(join(SHARED_DATA, set, name)))
        .toString()
        .trim()
        .split('\n')
        .slice(1)
        .map((row) => row.split(','));
      const windows: [number, number][] = [];
      rows.forEach(([, , label], row) => {
        if (label?.trim() !== '1') return;
        const open = windows.at(-1);
        if (open?.[1] === row - 1) open[1] = row;
        else windows.push([row, row]);
      });
      return {
        name,
        windows,
        times: Float64Array.from(rows, ([time]) => Number(time) * SECOND),
        values: Float64Array.from(rows, ([, value]) => Number(value)),
      };
    });
}
