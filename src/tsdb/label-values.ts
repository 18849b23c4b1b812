import { mergedInPieces, sortedInPieces, type Work } from '../model/work.ts';
import type { SeriesIndex } from './series-index.ts';

/** The values of a label in order, and beside each the text of the label. */
interface SortedValues {
  readonly values: readonly string[];
  readonly texts: Uint32Array;
}

/** The values of a label in order, and where they are in memory: to be looked at in order of that. */
export interface PlacedValues {
  readonly values: readonly string[];
  /** Texts of the labels in order of their addresses. */
  readonly placed: Uint32Array;
  /** Which value each of them has. */
  readonly order: Uint32Array;
}

interface Kept extends SortedValues, PlacedValues {
  readonly index: SeriesIndex;
  /** The one that was added last. */
  readonly newest: number;
  /** `freedTexts` then: a text's address may have another one now. */
  readonly freed: number;
}

/** A value takes about 60 bytes. */
const MOST_VALUES = 200_000;
/** Clients may ask for any name. */
const MOST_NAMES = 1_000;
const READ_AT_ONCE = 256;

/** Remembers the values of labels that were asked for last: reading and sorting them is most of the work. */
export class LabelValues {
  /** In order of use. */
  readonly #kept = new Map<string, Kept>();
  #values = 0;

  /**
   * All values of a label that a tenant's series have. Looked for in pieces; texts are good until one is freed, as they
   * are when it is done.
   */
  *of(index: SeriesIndex, name: string): Work<PlacedValues> {
    const key = `${index.table} ${name}`;
    const found = yield* index.texts.steadily(() => {
      const kept = this.#kept.get(key);
      return renewed(index, name, kept?.index === index ? kept : undefined);
    });
    const known = this.#kept.get(key);
    this.#values += found.values.length - (known?.values.length ?? 0);
    this.#kept.delete(key);
    this.#kept.set(key, found);
    for (const [oldest, { values }] of this.#kept) {
      if (this.#values <= MOST_VALUES && this.#kept.size <= MOST_NAMES) break;
      this.#kept.delete(oldest);
      this.#values -= values.length;
    }
    return found;
  }
}

function* renewed(index: SeriesIndex, name: string, known: Kept | undefined): Work<Kept> {
  const { texts } = index;
  const freed = texts.core.freedTexts();
  const base = known?.freed === freed ? known : undefined;
  const added: number[] = [];
  // The newest stand first.
  for (const text of index.textsNamed(name)) {
    if (text === base?.newest) break;
    added.push(text);
  }
  if (base !== undefined && added.length === 0) return base;
  const newest = added[0] ?? base?.newest ?? 0;
  const fresh: TextValue[] = [];
  for (const text of added) {
    fresh.push({ value: texts.valueOf(text), text });
    if (fresh.length % READ_AT_ONCE === 0) yield;
  }
  const ordered = yield* sortedInPieces(fresh, byValue);
  const all = base === undefined ? ordered : yield* mergedInPieces(entriesOf(base), ordered, byValue);
  const ofValues = Uint32Array.from(all, ({ text }) => text);
  return { index, newest, freed, values: all.map(({ value }) => value), texts: ofValues, ...placedOf(ofValues) };
}

/** Each address with its place in one number: so they are sorted as numbers. */
function placedOf(texts: Uint32Array): Pick<PlacedValues, 'placed' | 'order'> {
  const { length } = texts;
  const keys = Float64Array.from(texts, (text, i) => text * length + i).sort();
  const order = Uint32Array.from(keys, (key) => key % length);
  return { order, placed: order.map((i) => texts[i]!) };
}

interface TextValue {
  readonly value: string;
  readonly text: number;
}

function entriesOf({ values, texts }: SortedValues): readonly TextValue[] {
  return values.map((value, i) => ({ value, text: texts[i]! }));
}

/** No value is there twice. */
function byValue(a: TextValue, b: TextValue): number {
  return a.value < b.value ? -1 : 1;
}
