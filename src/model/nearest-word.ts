/** Pairs of words that mean the same although no letter agrees. */
const SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    yes: ['on', 'true', 'auto'],
    true: ['on', 'auto'],
    enabled: ['on'],
    enable: ['on'],
    no: ['off', 'none', 'false'],
    false: ['off', 'none'],
    disabled: ['off', 'none'],
    disable: ['off', 'none'],
    dryrun: ['observe'],
    warning: ['warn'],
  }),
);

/** The word of the list that was probably meant: a synonym, or at most a third of the letters away. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const asked = word.toLowerCase();
  const synonym = SYNONYMS.get(asked.replace(/[-_\s]/g, ''))?.find((meant) => known.includes(meant));
  if (synonym !== undefined) return synonym;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(Math.min(asked.length, 60) / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - asked.length) >= bestDistance) continue;
    const distance = editDistance(asked, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Letters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
