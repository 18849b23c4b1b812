import { compareLabels, type Labels } from '../model/labels.ts';
import { type Matcher, matchersKey } from '../model/matcher.ts';
import { finishPaced, mergedInPieces, sortedInPieces, type Work } from '../model/work.ts';
import type { SeriesRef } from '../storage/write.ts';
import type { SeriesIndex } from './series-index.ts';

/** What matchers select, in the order of `compareLabels`. Series may be gone by the time that they are read. */
export interface Selection {
  readonly refs: Uint32Array;
  readonly labels: readonly Labels[];
}

interface Found {
  readonly ref: SeriesRef;
  readonly labels: Labels;
}

/** A selection, and how the index was when it was made. */
interface Kept extends Selection {
  readonly index: SeriesIndex;
  readonly newest: SeriesRef;
  readonly added: number;
  readonly removed: number;
  readonly reordered: number;
}

/** To be awaited where it is not `undefined`: the work has lasted long enough for this turn. */
type Due = () => Promise<void> | undefined;

/** A series takes about 200 bytes, most of them its list of labels. */
const MOST_SERIES = 100_000;
const MOST_SELECTIONS = 256;
/** Of the matchers' text: longer ones are not remembered. A list of values may be as long as a request. */
const MOST_KEY_CHARS = 64 * 1024;
/** Series whose labels are read in one go. */
const READ_AT_ONCE = 256;

/**
 * Remembers what was selected last: the same queries come again and again, and decoding and sorting labels is most of the
 * work that selecting is. What came since or went is looked at each time, so that a selection is what it would be anew.
 */
export class Selections {
  /** In order of use. */
  readonly #kept = new Map<string, Kept>();
  #series = 0;

  /** @throws {RangeError} If a regular expression is not valid. */
  async select(index: SeriesIndex, matchers: readonly Matcher[], due: Due): Promise<Selection> {
    const key = `${index.table} ${matchersKey(matchers)}`;
    const known = this.#kept.get(key);
    const found =
      known?.index === index && known.reordered === index.reordered
        ? await renewed(known, matchers, due)
        : await selected(index, matchers, due);
    this.#keep(key, found);
    return found;
  }

  #keep(key: string, found: Kept): void {
    this.#series -= this.#kept.get(key)?.refs.length ?? 0;
    this.#kept.delete(key);
    if (found.refs.length > MOST_SERIES / 2 || key.length > MOST_KEY_CHARS) return;
    this.#kept.set(key, found);
    this.#series += found.refs.length;
    for (const [oldest, { refs }] of this.#kept) {
      if (this.#series <= MOST_SERIES && this.#kept.size <= MOST_SELECTIONS) return;
      this.#kept.delete(oldest);
      this.#series -= refs.length;
    }
  }
}

async function selected(index: SeriesIndex, matchers: readonly Matcher[], due: Due): Promise<Kept> {
  const state = stateOf(index);
  const refs = await finishPaced(index.selectRefs(matchers), { pause: due, signal: undefined });
  // Who came while it was looked for comes with the next one, found or not.
  const known = refs.filter((ref) => ref <= state.newest);
  return { ...state, ...columnsOf(await sorted(index, known, due)) };
}

async function renewed(known: Kept, matchers: readonly Matcher[], due: Due): Promise<Kept> {
  const { index } = known;
  if (known.added === index.added && known.removed === index.removed) return known;
  const state = stateOf(index);
  let all: readonly Found[] = known.labels.map((labels, i) => ({ ref: known.refs[i]!, labels }));
  if (known.removed !== state.removed) all = all.filter(({ ref }) => index.has(ref));
  if (known.added !== state.added) {
    const pacing = { pause: due, signal: undefined };
    const refs = await finishPaced(index.selectRefsFrom(known.newest + 1, matchers), pacing);
    const fresh = refs.filter((ref) => ref <= state.newest);
    all = await finishPaced(mergedInPieces(all, await sorted(index, fresh, due), byLabels), pacing);
  }
  return { ...state, ...columnsOf(all) };
}

function stateOf(index: SeriesIndex) {
  const { newest, added, removed, reordered } = index;
  return { index, newest, added, removed, reordered };
}

function columnsOf(found: readonly Found[]): Selection {
  const refs = new Uint32Array(found.length);
  for (let i = 0; i < found.length; i++) refs[i] = found[i]!.ref;
  return { refs, labels: found.map(({ labels }) => labels) };
}

/** Those that are not gone by then. */
async function sorted(index: SeriesIndex, refs: readonly SeriesRef[], due: Due): Promise<readonly Found[]> {
  return await finishPaced(sorting(index, refs), { pause: due, signal: undefined });
}

function* sorting(index: SeriesIndex, refs: readonly SeriesRef[]): Work<readonly Found[]> {
  const found: Found[] = [];
  for (let i = 0; i < refs.length; i++) {
    const series = index.get(refs[i]!);
    if (series !== undefined) found.push({ ref: refs[i]!, labels: series.labels });
    if (i % READ_AT_ONCE === READ_AT_ONCE - 1) yield;
  }
  yield;
  return yield* sortedInPieces(found, byLabels);
}

function byLabels(a: Found, b: Found): number {
  return compareLabels(a.labels, b.labels);
}
