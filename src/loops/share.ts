import type { Millis } from '../model/time.ts';
import type { TargetState } from '../scaling/cluster.ts';
import type { PlannerMemory } from '../scaling/plan-types.ts';
import { unknownHistory } from '../scaling/ramp.ts';

/** Which targets this process acts on, where several share them (`Membership`). */
export interface Share {
  /** Another one whenever another process may have acted in between. Undefined: this one does not act on the target. */
  tenureOf(target: Name): string | undefined;
  /** Changes whenever a target may have come or gone. */
  fingerprint(): string;
}

interface Name {
  readonly namespace: string;
  readonly name: string;
}

export type Tenures = ReturnType<typeof openTenures>;

/** Follows in which tenure the memory of a target was kept: what another process did since is not in it. */
export function openTenures(share: Share | undefined) {
  const kept = new Map<string, string>();
  return {
    acts: (target: Name): boolean => share === undefined || share.tenureOf(target) !== undefined,
    fingerprint: () => share?.fingerprint() ?? '',
    of: (target: Name) => share?.tenureOf(target),
    /** A floor that another process may have moved is not moved before a minute has passed, and holds for a while. */
    remembered(tenure: string | undefined, memory: PlannerMemory, state: TargetState, holdMs: number, now: Millis) {
      const key = `${state.ref.namespace}/${state.ref.name}`;
      if (share === undefined || kept.get(key) === (tenure ?? '')) return memory;
      if (state.ownership === null) return { ...memory, recent: [], held: [] };
      const { min, max, ownership } = state;
      const recent = unknownHistory(min, Math.min(ownership.original.min, min), max, now);
      return { ...memory, recent, held: [{ floor: min, until: now + holdMs }] };
    },
    kept({ namespace, name }: Name, tenure: string | undefined): void {
      kept.set(`${namespace}/${name}`, tenure ?? '');
    },
  };
}
