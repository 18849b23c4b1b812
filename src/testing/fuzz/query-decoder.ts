import { Buffer } from 'node:buffer';
import { encodeLabels } from '../../model/labels.ts';
import { MINUTE } from '../../model/time.ts';
import { seededRandom } from '../../numeric/seeded-random.ts';
import { lex } from '../../promql/lex.ts';
import { parseQuery } from '../../promql/parse.ts';
import { TooManySamplesError } from '../../storage/errors.ts';
import type { TenantStorage } from '../../storage/storage.ts';
import { memoryTenant } from '../memory-storage.ts';
import { templateQueries } from '../promql/query-templates.ts';
import { randomQuestion } from '../promql/random-query.ts';
import { shopHour } from '../promql/shop-hour.ts';
import type { FuzzedDecoder } from './fuzz.ts';
import { mutated, pick, type Random } from './mutate.ts';

const SPAN_MS = 5 * MINUTE;
const MAX_SAMPLES = 200_000;
const RANDOM_QUERIES = 500;
const WORDS = [
  ...['by', 'without', 'on', 'ignoring', 'group_left', 'bool', 'offset', '@', 'start()', 'step()', '[5m]', '[5m:1s]'],
  ...[
    '[1h:1ms]',
    '[999y]',
    '@ 9e15',
    '5m',
    '1e999',
    '0x',
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '=~',
    '"(a+)+$"',
    '-',
    '^',
  ],
  ...[
    'rate',
    'topk',
    'histogram_quantile',
    'label_replace',
    'info',
    'fill(1)',
    'smoothed',
    '__name__',
    '{__name__=~".+"}',
  ],
];

/**
 * PromQL of others: mutated by bytes and by tokens, parsed, and what parses evaluated over five minutes of a shop's metrics
 * within a limit of samples.
 */
export async function queryDecoder(seed: number): Promise<FuzzedDecoder> {
  const random = seededRandom(seed);
  const hour = shopHour(seededRandom(1));
  const queries = [...templateQueries()];
  while (queries.length < RANDOM_QUERIES + 900) queries.push(randomQuestion(random, hour).query);
  const bodies = queries.filter((query) => query !== '').map((query) => Buffer.from(query));
  const store = await storeOf(hour);
  const range = { start: hour.start + MINUTE, end: hour.start + SPAN_MS, stepMs: 37_000 };
  return {
    name: 'queries',
    bodies,
    words: WORDS,
    // What a limit of samples and a small answer need, with room for the trees.
    heapBytes: 256 << 20,
    mutate: (drawn) => (drawn() < 0.5 ? mutated(drawn, { bodies, words: WORDS }) : changedTokens(drawn, queries)),
    refuses: (error) => error instanceof TooManySamplesError,
    async decode(bytes) {
      const query = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
      parseQuery(query);
      const options = { maxSamples: MAX_SAMPLES };
      const asRange = bytes.length % 3 === 0;
      const found = await (asRange ? store.range(query, range, options) : store.instant(query, range.end, options));
      const { value } = found;
      // Whatever it is, not all of it: it is kept and compared.
      return value.kind === 'matrix' ? [value.series.length, found.warnings.length] : [value.kind, found.infos.length];
    },
  };
}

async function storeOf({ start, series }: ReturnType<typeof shopHour>): Promise<TenantStorage> {
  const store = memoryTenant();
  for (const { labels, times, values, histograms } of series) {
    const count = times.filter((time) => time < start + SPAN_MS).length;
    await store.backfill([{ labels, times: Float64Array.from(times.slice(0, count)), values: values.slice(0, count) }]);
    const [answer] = await store.ref([encodeLabels(labels)]);
    if (answer?.kind !== 'ref') throw new TypeError('memory refuses no series');
    const inside = histograms.filter(({ time }) => time < start + SPAN_MS);
    await store.attach({ exemplars: [], histograms: inside.map((each) => ({ ...each, ref: answer.ref, start: 0 })) });
  }
  await store.commit();
  return store;
}

/** One to a few tokens more, less, or other ones. */
function changedTokens(random: Random, queries: readonly string[]): Uint8Array {
  const tokensOf = (query: string) =>
    lex(query)
      .filter(({ kind }) => kind !== 'end')
      .map(({ start, end }) => query.slice(start, end));
  const tokens = tokensOf(pick(random, queries));
  const below = (length: number) => Math.floor(random() * length);
  for (let more = true; more; more = random() < 0.4) {
    const at = below(tokens.length + 1);
    const what = random();
    if (what < 0.2) tokens.splice(at, 1 + below(3));
    else if (what < 0.4) tokens.splice(at, 0, pick(random, WORDS));
    else if (what < 0.55) tokens.splice(at, 1, pick(random, WORDS));
    else if (what < 0.7) {
      const other = tokensOf(pick(random, queries));
      const from = below(other.length);
      tokens.splice(at, below(3), ...other.slice(from, from + 1 + below(8)));
    } else if (what < 0.8) tokens.splice(at, 0, ...tokens.slice(below(tokens.length)));
    else if (what < 0.9) {
      const with1 = below(tokens.length);
      [tokens[at], tokens[with1]] = [tokens[with1] ?? '', tokens[at] ?? ''];
    } else {
      const name = pick(random, ['(', '-(', 'abs(', 'sum(', 'rate((']);
      const depth = 1 + below(random() < 0.1 ? 400 : 5);
      tokens.unshift(...new Array<string>(depth).fill(name));
      tokens.push(...new Array<string>(depth).fill(name === 'rate((' ? ')[5m:1m])' : ')'));
    }
    if (tokens.length > 4_000) tokens.length = 4_000;
  }
  return Buffer.from(tokens.join(random() < 0.5 ? ' ' : ''));
}
