import type { Clock } from '../model/clock.ts';
import type { Millis } from '../model/time.ts';
import { ownerOf } from '../scaling/rendezvous.ts';
import type { LeaseRecord, Leases } from './leases.ts';

/**
 * Which targets this process acts on, of those that the processes of its group share.
 *
 * Nobody acts on a target that another one may still act on:
 * - A process acts for `stopAfterMs` after it *began* its last round (renew its own lease, then list all), by its own
 *   clocks. Then it stops, whether it knows of any trouble or not.
 * - Others take its part once they have seen its lease unchanged for its whole duration, which is longer.
 * - A process that comes, or that had stopped, waits for that duration too: until then every other one has listed it,
 *   or has stopped.
 *
 * Clocks of different machines are never compared, and need only run at about the same rate.
 */
export interface Membership {
  /** For how long this process may still write to the target, ms. Zero: not at all. */
  msLeft(target: Target): number;
  /** Another one whenever a process other than this one may have acted in between. Undefined: this one does not act. */
  tenureOf(target: Target): string | undefined;
  /** Changes whenever a target may have come or gone. */
  fingerprint(): string;
  status(): { readonly acting: boolean; readonly members: readonly string[] };
  /** Renews and lists, once. */
  round(signal?: AbortSignal): Promise<void>;
  /** Rounds until aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** Gives the lease back, so that others need not wait. Nothing may be written any more when this is called. */
  leave(): Promise<void>;
}

export interface Target {
  readonly namespace: string;
  readonly name: string;
}

export interface MembershipDeps {
  readonly leases: Leases;
  readonly clock: Clock;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => Millis;
  readonly durationMs: number;
  /** After each round that failed. */
  readonly onFailure: (error: unknown) => void;
  /** After each round: who is there, and whether this one may act. */
  readonly onRound?: (status: ReturnType<Membership['status']>) => void;
}

/** Shares of the lease's duration: as client-go has them, 10 s and 2 s of 15 s. */
const STOP_AFTER = 2 / 3;
const ROUND_EVERY = 2 / 15;
/** Leases of processes that ended long ago are removed after so many durations: nobody does it for us. */
const LEFT_BEHIND = 20;
/** Views back to which a tenure is followed: with more changes while nobody asked, it counts as a new one. */
const MOST_VIEWS = 64;

interface Moment {
  readonly monotonic: Millis;
  readonly wall: Millis;
}

export function openMembership(deps: MembershipDeps): Membership {
  const { leases, clock, monotonic, durationMs } = deps;
  const stopAfterMs = durationMs * STOP_AFTER;
  const moment = (): Moment => ({ monotonic: monotonic(), wall: clock.now() });
  // A machine that slept may have a monotonic clock that slept as well; a wall clock that was set is no more than a
  // reason to stop early.
  const since = (then: Moment) => Math.max(monotonic() - then.monotonic, clock.now() - then.wall);

  let confirmed: Moment | undefined;
  let joinedAt: Millis = 0;
  let waitMs = durationMs;
  let joins = 0;
  /** Who was there, the newest last; numbered from `firstView`. */
  let views: (readonly string[])[] = [];
  let firstView = 0;
  let seen = new Map<string, LeaseRecord & { readonly at: Millis }>();
  const tenures = new Map<string, { readonly began: string; readonly view: number }>();

  const msLeftAtAll = () => (confirmed === undefined ? 0 : Math.max(0, stopAfterMs - since(confirmed)));
  const acting = () => msLeftAtAll() > 0 && monotonic() - joinedAt >= waitMs;
  const ownsIn = (view: readonly string[], key: string) => ownerOf(key, view) === leases.own;

  function tenureOf(target: Target): string | undefined {
    const key = keyOf(target);
    const newest = firstView + views.length - 1;
    if (!acting() || !ownsIn(views.at(-1)!, key)) return undefined;
    const known = tenures.get(key);
    const unbroken =
      known !== undefined &&
      known.view >= firstView &&
      views.slice(known.view - firstView).every((view) => ownsIn(view, key));
    const began = unbroken ? known.began : `${joins}.${newest}`;
    tenures.set(key, { began, view: newest });
    return began;
  }

  async function round(signal?: AbortSignal): Promise<void> {
    const began = moment();
    await leases.renew(signal);
    const listedAt = monotonic();
    const listed = await leases.list(signal);
    const heardAt = monotonic();
    if (!listed.some(({ name }) => name === leases.own)) throw new Error('the lease was removed as it was renewed');
    seen = new Map(
      listed.map((lease) => {
        const before = seen.get(lease.name);
        return [lease.name, before?.version === lease.version ? before : { ...lease, at: heardAt }];
      }),
    );
    const quietMs = ({ at }: { at: Millis }) => listedAt - at;
    const live = [...seen.values()].filter((each) => each.name === leases.own || quietMs(each) < each.durationMs);
    // Judged now, not when the round began: it may have taken any time.
    if (confirmed === undefined || since(confirmed) > stopAfterMs) join(heardAt);
    waitMs = Math.max(durationMs, waitMs, ...live.map((lease) => lease.durationMs));
    keepView(live.map(({ name }) => name).sort());
    confirmed = began;
    for (const lease of seen.values()) {
      if (quietMs(lease) >= LEFT_BEHIND * Math.max(lease.durationMs, durationMs)) await leases.remove(lease, signal);
    }
  }

  function join(at: Millis): void {
    joins++;
    joinedAt = at;
    waitMs = durationMs;
    firstView += views.length;
    views = [];
    tenures.clear();
  }

  function keepView(view: readonly string[]): void {
    if (views.at(-1)?.join() === view.join()) return;
    views.push(view);
    if (views.length <= MOST_VIEWS) return;
    views.shift();
    firstView++;
  }

  const status = () => ({ acting: acting(), members: views.at(-1) ?? [] });

  return {
    msLeft: (target) => (acting() && ownsIn(views.at(-1)!, keyOf(target)) ? msLeftAtAll() : 0),
    tenureOf,
    fingerprint: () => (acting() ? `${joins}.${firstView + views.length}` : ''),
    status,
    round,
    async run(signal) {
      while (!signal.aborted) {
        try {
          await round(signal);
        } catch (error) {
          if (signal.aborted) return;
          deps.onFailure(error);
        }
        deps.onRound?.(status());
        await clock.sleep(durationMs * ROUND_EVERY, signal).catch(() => {});
      }
    },
    async leave() {
      confirmed = undefined;
      await leases.remove({ name: leases.own });
    },
  };
}

function keyOf({ namespace, name }: Target): string {
  return `${namespace}/${name}`;
}
