import { forgottenPolicy, releaseInput, releaseStep } from '../loops/release.ts';
import type { Clock } from '../model/clock.ts';
import { SECOND } from '../model/time.ts';
import { type ApplyOutcome, type Cluster, type TargetState, targetKey } from '../scaling/cluster.ts';
import { NO_MEMORY, type PlannerMemory } from '../scaling/plan-types.ts';

export interface ReleaseStep {
  readonly target: string;
  readonly from: number;
  readonly to: number;
  readonly outcome: ApplyOutcome['kind'] | 'released';
  readonly message?: string;
}

export interface ReleaseRun {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly immediately: boolean;
  readonly onStep: (step: ReleaseStep) => void;
}

const PASS_MS = 15 * SECOND;
/** A target that is refused so often in a row is left, and counted. */
const ATTEMPTS = 5;

/** Ramps every owned target back. @returns How many could not be released. */
export async function releaseAll(cluster: Cluster, run: ReleaseRun): Promise<number> {
  const memories = new Map<string, PlannerMemory>();
  const refusals = new Map<string, number>();
  for (;;) {
    const owned = await cluster.listOwned(run.signal);
    const open = owned.filter(({ uid }) => (refusals.get(uid) ?? 0) < ATTEMPTS);
    if (open.length === 0) return owned.length;
    for (const target of open) {
      const step = await release(cluster, target, memories, run);
      if (step === undefined) continue;
      run.onStep(step);
      const worked = step.outcome === 'applied' || step.outcome === 'released';
      refusals.set(target.uid, worked ? 0 : (refusals.get(target.uid) ?? 0) + 1);
    }
    if ((await cluster.listOwned(run.signal)).length > 0) await run.clock.sleep(PASS_MS, run.signal);
  }
}

/** One write towards the originals, or none where the ramp allows none yet. */
async function release(
  cluster: Cluster,
  target: TargetState,
  memories: Map<string, PlannerMemory>,
  { clock, signal, immediately }: ReleaseRun,
): Promise<ReleaseStep | undefined> {
  const { ref, uid } = target;
  // The server may be gone for good, and the policy with it: the annotation is all that is asked.
  const policy = forgottenPolicy(target, ref.namespace, ref.name);
  const input = releaseInput(target, policy, memories.get(uid) ?? NO_MEMORY, clock.now());
  const { plan, change, last } = releaseStep(target, input, immediately);
  memories.set(uid, plan.memory);
  if (change === null) return undefined;
  const outcome = await cluster.apply(change, signal);
  return {
    target: `${ref.namespace}/${targetKey(ref)}`,
    from: target.min,
    to: change.min,
    outcome: outcome.kind === 'applied' && last ? 'released' : outcome.kind,
    ...(outcome.kind !== 'applied' && { message: outcome.message }),
  };
}
