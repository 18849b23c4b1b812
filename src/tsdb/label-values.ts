import type { LabelTexts } from './label-texts.ts';
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

/** Remembers the values of labels that were asked for last: reading and sorting them is most of the work. */
export class LabelValues {
  /** In order of use. */
  readonly #kept = new Map<string, Kept>();
  #values = 0;

  /** All values of a label that a tenant's series have. */
  of(index: SeriesIndex, name: string): PlacedValues {
    const key = `${index.table} ${name}`;
    const known = this.#kept.get(key);
    const found = renewed(index, name, known?.index === index ? known : undefined);
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

function renewed(index: SeriesIndex, name: string, known: Kept | undefined): Kept {
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
  const newest = added[0] ?? 0;
  const fresh = sorted(texts, added);
  const merged = base === undefined ? fresh : mergedValues(base, fresh);
  return { index, newest, freed, ...merged, ...placedOf(merged.texts) };
}

/** Each address with its place in one number: so they are sorted as numbers. */
function placedOf(texts: Uint32Array): Pick<PlacedValues, 'placed' | 'order'> {
  const { length } = texts;
  const keys = Float64Array.from(texts, (text, i) => text * length + i).sort();
  const order = Uint32Array.from(keys, (key) => key % length);
  return { order, placed: order.map((i) => texts[i]!) };
}

function sorted(texts: LabelTexts, added: readonly number[]): SortedValues {
  const byValue = new Map(added.map((text) => [texts.valueOf(text), text]));
  const values = [...byValue.keys()].sort();
  return { values, texts: Uint32Array.from(values, (value) => byValue.get(value)!) };
}

/** No value is in both. */
function mergedValues(a: SortedValues, b: SortedValues): SortedValues {
  const values: string[] = [];
  const texts = new Uint32Array(a.texts.length + b.texts.length);
  for (let i = 0, j = 0; i < a.values.length || j < b.values.length; ) {
    const isFirst = j === b.values.length || (i < a.values.length && a.values[i]! < b.values[j]!);
    texts[values.length] = isFirst ? a.texts[i]! : b.texts[j]!;
    values.push(isFirst ? a.values[i++]! : b.values[j++]!);
  }
  return { values, texts };
}
