/** Pictures of more series than this are no longer looked at. */
export const MOST_SHOWN = 24;

/** Keeps the worst of many, so that a picture of thousands of series holds a few of them in memory. */
export interface WorstFirst<T> {
  /** @param badness Larger is worse; what is not a number is shown last. */
  add(item: T, badness: number): void;
  list(): readonly T[];
}

export function worstFirst<T>(most = MOST_SHOWN): WorstFirst<T> {
  let kept: { readonly item: T; readonly badness: number }[] = [];
  const trim = () => {
    // Sorting is stable: of two that are as bad, the first of the file comes first.
    kept = kept.sort((a, b) => b.badness - a.badness).slice(0, most);
  };
  return {
    add(item, badness) {
      kept.push({ item, badness: Number.isFinite(badness) ? badness : Number.NEGATIVE_INFINITY });
      if (kept.length >= 2 * most) trim();
    },
    list() {
      trim();
      return kept.map(({ item }) => item);
    },
  };
}

/** `24 of 2000 series are shown, the least accurate first`. Undefined where all are. */
export function shownNote(shown: number, all: number, order: string): string | undefined {
  return shown < all ? `${shown} of ${all} series are shown, ${order} first.` : undefined;
}
