import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { openRecentUse } from './recent-use.ts';

/** Whose turn it is on the one thread, weighed by what each tenant had of it lately; each tenant's own in their order. */
export interface TenantTurns {
  /** Undefined: of requests whose sender is not known, together. Resolves at the beginning of a turn, which ends with the next `await`. A turn should take a few milliseconds. */
  turn(tenant: TenantId | undefined): Promise<void>;
}

export interface TenantTurnsOptions {
  readonly now?: () => Millis;
  /**
   * Runs functions once the event loop has read what has arrived: whoever came meanwhile is in line. Of two that are
   * given together, the second runs when all is over that the first let go on.
   */
  readonly defer?: (next: () => void) => void;
}

interface Line {
  /** Of its first: when that was asked for, or when the turn before it began. */
  readonly since: Millis;
  readonly turns: (() => void)[];
}

/**
 * Who has waited longest has the next turn, where each counts as having come so much later as it used lately. So a
 * tenant that used little comes before all that a flood has waiting, and every turn has its time: nobody waits a second
 * longer for those who come later, even if each of them is a tenant that was never seen before.
 */
export function openTenantTurns({
  now = () => performance.now(),
  defer = setImmediate,
}: TenantTurnsOptions = {}): TenantTurns {
  /** In the order of rotation, which decides between equals: who had a turn goes to the end. */
  const lines = new Map<TenantId | undefined, Line>();
  const use = openRecentUse<TenantId | undefined>(now);
  let running = false;

  function takeFirst() {
    let first: { readonly tenant: TenantId | undefined; readonly line: Line } | undefined;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [tenant, line] of lines) {
      const due = line.since + use.of(tenant);
      if (due >= earliest) continue;
      earliest = due;
      first = { tenant, line };
    }
    const { tenant, line } = first!;
    const begin = line.turns.shift()!;
    lines.delete(tenant);
    if (line.turns.length > 0) lines.set(tenant, { since: now(), turns: line.turns });
    return { tenant, begin };
  }

  function runNext(): void {
    running = true;
    let tenant: TenantId | undefined;
    let began = 0;
    defer(() => {
      const first = takeFirst();
      tenant = first.tenant;
      began = now();
      first.begin();
    });
    defer(() => {
      use.add(tenant, now() - began);
      running = false;
      if (lines.size > 0) runNext();
    });
  }

  return {
    turn(tenant) {
      return new Promise((begin) => {
        const line = lines.get(tenant);
        if (line === undefined) lines.set(tenant, { since: now(), turns: [begin] });
        else line.turns.push(begin);
        if (!running) runNext();
      });
    },
  };
}
