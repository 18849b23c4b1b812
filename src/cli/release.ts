import type { Command } from 'commander';
import type { Clock } from '../model/clock.ts';
import type { ReleaseStep } from './release-all.ts';
import { UsageError } from './usage-error.ts';

export interface ReleaseCommandDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
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
    .option('--all', 'every HorizontalPodAutoscaler and ScaledObject that carries the annotation of Foresail', false)
    .option('--now', 'in one step, without the ramp of 25 % a minute', false)
    .option('--kubeconfig <file>', 'instead of KUBECONFIG, ~/.kube/config or the account of the pod')
    .option('--context <name>', 'a context of the kubeconfig other than its current one')
    .option('--json', 'print a JSON line for each step', false)
    .addHelpText('after', '\nExample:\n  $ foresail release --all --now')
    .action(async ({ all, now, json, kubeconfig, context }: ReleaseOptions) => {
      if (!all) throw new UsageError('expected --all: single targets are released by deleting or pausing their policy');
      const [{ openKubeCluster }, { releaseAll }] = await Promise.all([
        import('../kube/cluster.ts'),
        import('./release-all.ts'),
      ]);
      const cluster = await openKubeCluster({
        ...(kubeconfig !== undefined && { kubeconfig }),
        ...(context !== undefined && { context }),
      });
      // No `await using`: TypeScript 6.0 leaves the `.ts` of imports in a block that has one, and the built program fails.
      const left = await releaseAll(cluster, {
        ...deps,
        immediately: now,
        onStep: (step) => console.log(json ? JSON.stringify(step) : formatStep(step)),
      }).finally(() => cluster[Symbol.asyncDispose]());
      if (left > 0) process.exitCode = 1;
      if (!json) console.log(left === 0 ? 'nothing is left to release' : `${left} could not be released`);
    });
}

function formatStep({ target, from, to, outcome, message }: ReleaseStep): string {
  const what = from === to ? `the minimum stays ${to}` : `minimum ${from} → ${to}`;
  return `${target}: ${what}, ${outcome}${message === undefined ? '' : ` (${message})`}`;
}
