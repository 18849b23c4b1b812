import type { TenantId } from '../model/tenant.ts';

/** Whose turn it is on the one thread: tenants in rotation, each tenant's own in their order. */
export interface TenantTurns {
  /** Undefined: of requests whose sender is not known, together. Resolves at the beginning of a turn, which ends with the next `await`. A turn should take a few milliseconds. */
  turn(tenant: TenantId | undefined): Promise<void>;
}

/**
 * @param defer Runs a function once the event loop has read what has arrived: whoever came meanwhile is in the rotation.
 */
export function openTenantTurns(defer: (next: () => void) => void = setImmediate): TenantTurns {
  /** In the order of rotation: who had a turn goes to the end. */
  const lines = new Map<TenantId | undefined, (() => void)[]>();
  let running = false;
  const next = (): void => {
    const first = lines.entries().next();
    if (first.done === true) {
      running = false;
      return;
    }
    const [tenant, line] = first.value;
    lines.delete(tenant);
    const begin = line.shift()!;
    if (line.length > 0) lines.set(tenant, line);
    begin();
    defer(next);
  };
  return {
    turn(tenant) {
      return new Promise((resolve) => {
        const line = lines.get(tenant);
        if (line === undefined) lines.set(tenant, [resolve]);
        else line.push(resolve);
        if (running) return;
        running = true;
        defer(next);
      });
    },
  };
}
