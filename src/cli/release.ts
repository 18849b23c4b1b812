import type { Command } from 'commander';
import { forgottenPolicy, releaseInput, releaseStep } from '../loops/release.ts';
import type { Clock } from '../model/clock.ts';
import { SECOND } from '../model/time.ts';
import type { ApplyOutcome, Cluster, TargetState } from '../scaling/cluster.ts';
import { NO_MEMORY, type PlannerMemory } from '../scaling/plan-types.ts';
import { UsageError } from './usage-error.ts';

export interface ReleaseCommandDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly openCluster: (access: {
    readonly kubeconfig?: string;
    readonly context?: string;
  }) => Promise<Cluster & AsyncDisposable>;
}

interface ReleaseOptions {
  readonly all: boolean;
  readonly now: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly json: boolean;
}

/** `foresail release --all`: gives every target back from its annotation alone, with the server down. */
export function releaseCommand(program: Command, deps: ReleaseCommandDeps): void {
  program
    .command('release')
    .description('Give the bounds of every target back to what they were before Foresail. Stop the server first')
    .option('--all', 'every HorizontalPodAutoscaler that carries the annotation of Foresail', false)
    .option('--now', 'in one step, without the ramp of 10 % a minute', false)
    .option('--kubeconfig <file>', 'instead of KUBECONFIG, ~/.kube/config or the account of the pod')
    .option('--context <name>', 'a context of the kubeconfig other than its current one')
    .option('--json', 'print a JSON line for each step', false)
    .addHelpText('after', '\nExample:\n  $ foresail release --all --now')
    .action(async ({ all, now, json, kubeconfig, context }: ReleaseOptions) => {
      if (!all) throw new UsageError('expected --all: single targets are released by deleting or pausing their policy');
      await using cluster = await deps.openCluster({
        ...(kubeconfig !== undefined && { kubeconfig }),
        ...(context !== undefined && { context }),
      });
      const left = await releaseAll(cluster, {
        ...deps,
        immediately: now,
        onStep: (step) => console.log(json ? JSON.stringify(step) : formatStep(step)),
      });
      if (left > 0) process.exitCode = 1;
      if (!json) console.log(left === 0 ? 'nothing is left to release' : `${left} could not be released`);
    });
}

export interface ReleaseStep {
  readonly target: string;
  readonly from: number;
  readonly to: number;
  readonly outcome: ApplyOutcome['kind'] | 'released';
  readonly message?: string;
}

export interface ReleaseRun extends Pick<ReleaseCommandDeps, 'clock' | 'signal'> {
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
    target: `${ref.namespace}/${ref.name}`,
    from: target.min,
    to: change.min,
    outcome: outcome.kind === 'applied' && last ? 'released' : outcome.kind,
    ...(outcome.kind !== 'applied' && { message: outcome.message }),
  };
}

function formatStep({ target, from, to, outcome, message }: ReleaseStep): string {
  const what = from === to ? `minReplicas stays ${to}` : `minReplicas ${from} → ${to}`;
  return `${target}: ${what}, ${outcome}${message === undefined ? '' : ` (${message})`}`;
}
