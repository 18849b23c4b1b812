import type { Millis } from '../../src/model/time.ts';
import { seededRandom } from '../../src/numeric/seeded-random.ts';
import { differenceOf, type Question } from '../../src/testing/promql/compare-answers.ts';
import { randomQuestion } from '../../src/testing/promql/random-query.ts';
import { requestsOf, shopHour } from '../../src/testing/promql/shop-hour.ts';
import { shrunk } from '../../src/testing/promql/shrink-query.ts';
import { type FoundPrometheus, type PromqlPair, startPair } from './promql-pair.ts';

/** A question with two answers, and the smallest one found that has two as well. */
export interface Mismatch {
  /** Counted from the first question of the seed. */
  readonly index: number;
  readonly question: Question;
  readonly smallest: Question;
  readonly difference: string;
}

export interface DifferentialOptions {
  readonly count: number;
  readonly seed: number;
  /** The first question: an earlier run of the seed asked those before it. */
  readonly from?: number;
  readonly onMismatch?: (mismatch: Mismatch) => void;
  readonly onProgress?: (done: number) => void;
}

export interface DifferentialReport {
  readonly asked: number;
  /** Those of them that both refused. */
  readonly refused: number;
  /** Those with an answer in which nothing is. */
  readonly empty: number;
  readonly mismatches: readonly Mismatch[];
}

/** Relative: sums are made in another order here and there. */
const TOLERANCE = 1e-9;
/** An hour of data answers so many. */
const QUESTIONS_OF_AN_HOUR = 5_000;
const LANES = 4;
/** The hour ends so long before what the program takes for now. */
const AFTER_MS = 60_000;

/** Both servers, with an hour of data from a seed. */
export async function pairWithHour(found: FoundPrometheus, seed: number) {
  const hour = shopHour(seededRandom(seed));
  const pair = await startPair(found, hour.end + AFTER_MS);
  for (const request of requestsOf(hour)) await pair.write(request);
  return { pair, hour };
}

/** Asks random questions of both, each seed the same ones. */
export async function runDifferential(
  found: FoundPrometheus,
  { count, seed, from = 0, onMismatch, onProgress }: DifferentialOptions,
): Promise<DifferentialReport> {
  const report = { asked: 0, refused: 0, empty: 0, mismatches: [] as Mismatch[] };
  for (let first = from; first < count; ) {
    const block = Math.floor(first / QUESTIONS_OF_AN_HOUR);
    const last = Math.min(count, (block + 1) * QUESTIONS_OF_AN_HOUR);
    const { pair, hour } = await pairWithHour(found, mixed(seed, -1 - block));
    try {
      let next = first;
      const lane = async () => {
        for (let index = next++; index < last; index = next++) {
          const mismatch = await askOne(pair, randomQuestion(seededRandom(mixed(seed, index)), hour), report);
          report.asked++;
          if (mismatch !== undefined) {
            report.mismatches.push({ index, ...mismatch });
            onMismatch?.({ index, ...mismatch });
          }
          onProgress?.(from + report.asked);
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
    } finally {
      await pair[Symbol.asyncDispose]();
    }
    first = last;
  }
  return report;
}

/** What may be answered otherwise. Nothing more is looked at in these. */
const ACCEPTED: readonly { readonly query: RegExp; readonly why: string }[] = [
  { query: /\^.*%|%.*\^/s, why: 'powers differ in the last digits, which a remainder makes the first ones' },
  {
    query: /histogram_quantiles?\(.*-\s*[a-z(]/s,
    why: 'of negative counts, empty buckets tell, which depend on its chunks',
  },
  { query: /histogram_quantiles\(.*""/s, why: 'a label without a name is refused here' },
  { query: /count_values.*\^|\^.*count_values/s, why: 'powers differ in the last digits, which become labels' },
  { query: /\b(?:cos|sin|tan)\b.*(?:\b(?:exp|sinh|cosh)\b|\^)/s, why: 'as with powers: the angle of a large number' },
  { query: /a?(?:cos|sin|tan)h?2?\b.*%|%.*a?(?:cos|sin|tan)h?2?\b/s, why: 'as with powers' },
];

/** Prometheus walks series in the order of a hash of each run: so often another order would have shown. */
const ASKED_AGAIN = 12;

/**
 * The difference of two answers to a question, if there is one. Where Prometheus's own answers differ from one time to the
 * next (`topk` of equal values, say), any of them will do.
 */
export async function askBoth(pair: PromqlPair, question: Question, tolerance = TOLERANCE) {
  const [want, got] = await pair.ask(question);
  const ordered = question.stepMs === undefined && /^\s*sort/.test(question.query);
  const how = { tolerance, ordered, tiesMayTurn: !/^\s*sort_by_label/.test(question.query) };
  // A fault of Prometheus's own.
  if (want.error?.startsWith('unexpected error: runtime error') === true) return { want, difference: undefined };
  const difference = ACCEPTED.some(({ query }) => query.test(question.query))
    ? undefined
    : differenceOf(want, got, how);
  for (let i = 0; difference !== undefined && i < ASKED_AGAIN; i++) {
    const again = await pair.askReference(question);
    const settled = differenceOf(again, got, how) === undefined || differenceOf(again, want, how) !== undefined;
    if (settled) return { want, difference: undefined };
  }
  return { want, difference };
}

async function askOne(
  pair: PromqlPair,
  question: Question,
  report: { refused: number; empty: number },
): Promise<Omit<Mismatch, 'index'> | undefined> {
  const { want, difference } = await askBoth(pair, question);
  if (want.status === 'error') report.refused++;
  else if (Array.isArray(want.data?.result) && want.data.result.length === 0) report.empty++;
  if (difference === undefined) return undefined;
  const smallest = await shrunk(question, async (smaller) => (await askBoth(pair, smaller)).difference !== undefined);
  return { question, smallest, difference: (await askBoth(pair, smallest)).difference ?? difference };
}

/** In words that can be tried again. */
export function describeMismatch({ index, question, smallest, difference }: Mismatch): string {
  const asked = (each: Question) => `${each.query}\n    ${timesOf(each)}`;
  const whole = smallest.query === question.query ? '' : `\n  of ${asked(question)}`;
  return `${index}: ${asked(smallest)}\n  ${difference}${whole}`;
}

function timesOf({ start, end, stepMs }: Question): string {
  const seconds = (time: Millis) => String(time / 1000);
  return stepMs === undefined
    ? `at ${seconds(start)}`
    : `from ${seconds(start)} to ${seconds(end)} step ${seconds(stepMs)}`;
}

/** Neighbouring seeds of the generator are unrelated, so questions may be numbered. */
function mixed(seed: number, index: number): number {
  return (Math.imul(seed, 2_654_435_761) + index) >>> 0;
}
