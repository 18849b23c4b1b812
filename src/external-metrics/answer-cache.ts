import type { Millis } from '../model/time.ts';

export interface AnswerCacheOptions<T> {
  readonly now: () => Millis;
  /** For so long an answer counts as it is. */
  readonly freshMs: number;
  /**
   * For so long an answer that may be served a little old is, while it is asked anew beside: the one who asks meanwhile
   * does not wait. Default 0.
   */
  readonly servedMs?: (answer: T) => number;
  /** Default 5,000. The oldest is forgotten for a new one. */
  readonly maxEntries?: number;
}

/** Answers by what was asked. Who asks the same at the same time shares one question; an error is not remembered. */
export interface AnswerCache<T> {
  get(key: string, ask: () => Promise<T>): Promise<T>;
}

interface Entry<T> {
  readonly at: Millis;
  readonly answer: T;
}

export function openAnswerCache<T>(options: AnswerCacheOptions<T>): AnswerCache<T> {
  const { now, freshMs, servedMs = () => 0, maxEntries = 5_000 } = options;
  const entries = new Map<string, Entry<T>>();
  const asking = new Map<string, Promise<T>>();

  function ask(key: string, question: () => Promise<T>): Promise<T> {
    const under = asking.get(key);
    if (under !== undefined) return under;
    const answer = question()
      .then((found) => {
        entries.delete(key);
        entries.set(key, { at: now(), answer: found });
        if (entries.size > maxEntries) entries.delete(entries.keys().next().value!);
        return found;
      })
      .finally(() => asking.delete(key));
    asking.set(key, answer);
    return answer;
  }

  return {
    async get(key, question) {
      const known = entries.get(key);
      // A clock that was set back makes nothing younger than it is.
      const ageMs = known === undefined ? Number.POSITIVE_INFINITY : Math.abs(now() - known.at);
      if (known !== undefined && ageMs < freshMs) return known.answer;
      if (known === undefined || ageMs >= servedMs(known.answer)) return await ask(key, question);
      // An error is nobody's here: the next who asks after the time is up gets it.
      ask(key, question).catch(() => {});
      return known.answer;
    },
  };
}
