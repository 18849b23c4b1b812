import type { Labels } from '../model/labels.ts';
import { matchersKey } from '../model/matcher.ts';
import type { Millis } from '../model/time.ts';
import { compileMatchers, type LabelTest } from './matchers.ts';
import { type Silence, silenceState } from './silence.ts';

interface Entry {
  readonly silence: Silence;
  readonly key: string;
  /** Made when it is asked first. */
  test: LabelTest | undefined;
  /** In the order in which they came. */
  readonly serial: number;
  /** Another one took its place, or it was forgotten. */
  isGone: boolean;
}

/** What is known of a label set. */
interface Known {
  /** Silences up to there were asked. */
  upTo: number;
  matched: readonly Entry[];
}

/** The silences of one tenant, each compiled once and asked once about each alert. */
export interface SilenceBook {
  readonly size: number;
  get(id: string): Silence | undefined;
  /** Takes the place of the one with the same id. */
  set(id: string, silence: Silence): void;
  delete(id: string): void;
  values(): Iterable<Silence>;
  /**
   * Which of those that are active hold an alert back.
   * @param labels The same object each time for the same alert: what is known of it is kept by it.
   */
  by(labels: Labels, now: Millis): readonly string[];
}

/** @param compile What makes a test of matchers. */
export function openSilenceBook(compile: typeof compileMatchers = compileMatchers): SilenceBook {
  const entries = new Map<string, Entry>();
  /** By serial. Those that are gone are swept out now and then. */
  let order: Entry[] = [];
  let serial = 0;
  let gone = 0;
  const known = new WeakMap<Labels, Known>();

  function remove(id: string): Entry | undefined {
    const before = entries.get(id);
    if (before === undefined) return undefined;
    before.isGone = true;
    entries.delete(id);
    if (++gone > 16 && gone * 2 > order.length) {
      order = order.filter(({ isGone }) => !isGone);
      gone = 0;
    }
    return before;
  }

  function testOf(entry: Entry): LabelTest {
    try {
      entry.test ??= compile(entry.silence.matchers);
    } catch {
      // Checked when it was asked for: one of another version, which matches nothing here.
      entry.test = () => false;
    }
    return entry.test;
  }

  /** Where those begin in `order` that came after a serial. */
  function after(serialSeen: number): number {
    let at = order.length;
    while (at > 0 && order[at - 1]!.serial > serialSeen) at--;
    return at;
  }

  return {
    get size() {
      return entries.size;
    },
    get: (id) => entries.get(id)?.silence,
    set(id, silence) {
      const key = matchersKey(silence.matchers);
      const before = remove(id);
      const test = before?.key === key ? before.test : undefined;
      const entry: Entry = { silence, key, test, serial: ++serial, isGone: false };
      entries.set(id, entry);
      order.push(entry);
    },
    delete(id) {
      remove(id);
    },
    *values() {
      for (const { silence } of entries.values()) yield silence;
    },
    by(labels, now) {
      const before = known.get(labels);
      if (before === undefined && entries.size === 0) return NONE;
      let matched = before?.matched ?? NO_ENTRIES;
      if (matched.some(({ isGone }) => isGone)) matched = matched.filter(({ isGone }) => !isGone);
      if (before === undefined || before.upTo < serial) {
        const found: Entry[] = [];
        for (let i = after(before?.upTo ?? 0); i < order.length; i++) {
          const entry = order[i]!;
          // One that has expired is active again only as another one that takes its place.
          if (!entry.isGone && entry.silence.endsAt > now && testOf(entry)(labels)) found.push(entry);
        }
        if (found.length > 0) matched = [...matched, ...found];
      }
      if (before === undefined) known.set(labels, { upTo: serial, matched });
      else Object.assign(before, { upTo: serial, matched });
      if (matched.length === 0) return NONE;
      return matched.filter(({ silence }) => silenceState(silence, now) === 'active').map(({ silence }) => silence.id);
    },
  };
}

const NONE: readonly string[] = [];
const NO_ENTRIES: readonly Entry[] = [];
