import type { Millis } from '../model/time.ts';

/** How much of something each had lately, in milliseconds of it: who had all of it has some 700. */
export interface RecentUse<Who> {
  of(who: Who): number;
  add(who: Who, ms: number): void;
}

/** In which half of what was used is forgotten: soon after its flood, a tenant is served as others are. */
const HALF_LIFE_MS = 500;
/** Less is as good as nothing. */
const LEAST_MS = 0.1;
const MIN_USERS = 1_024;

export function openRecentUse<Who>(now: () => Millis): RecentUse<Who> {
  const used = new Map<Who, { readonly ms: number; readonly at: Millis }>();
  let mostUsers = MIN_USERS;
  const of = (who: Who) => {
    const last = used.get(who);
    return last === undefined ? 0 : last.ms * 2 ** ((last.at - now()) / HALF_LIFE_MS);
  };
  return {
    of,
    add(who, ms) {
      // Where senders may name any tenant, they must not fill memory.
      if (used.size >= mostUsers) {
        for (const each of used.keys()) if (of(each) < LEAST_MS) used.delete(each);
        mostUsers = Math.max(MIN_USERS, 2 * used.size);
      }
      used.set(who, { ms: of(who) + ms, at: now() });
    },
  };
}
