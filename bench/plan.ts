import { occasionOf, summaryOf } from '../src/ledger/occasion.ts';
import { decisionText } from '../src/loops/decision-text.ts';
import { DAY, MINUTE } from '../src/model/time.ts';
import type { DecisionDraft } from '../src/scaling/decision-types.ts';
import { decideOwnership } from '../src/scaling/ownership.ts';
import { planReplicas } from '../src/scaling/plan.ts';
import { NO_MEMORY, type PlanInput, type PlannerMemory } from '../src/scaling/plan-types.ts';
import { parsePolicy } from '../src/scaling/policy.ts';
import { fakeCluster } from '../src/testing/fake-cluster.ts';

/**
 * What one pass over 10,000 policies costs, without what it waits for: `node --expose-gc --max-semi-space-size=256 --import tsx bench/plan.ts`.
 * Plan, ownership, the decision's text and the judgement whether it is worth keeping, for each; CPU seconds and bytes
 * allocated, the median of nine passes after three. A pass in which nothing changes, as nearly all are.
 */
const POLICIES = 10_000;
const gc = (globalThis as { gc?: () => void }).gc;
if (gc === undefined) throw new Error('run it with node --expose-gc');

const policies = Array.from({ length: POLICIES }, (_, i) =>
  parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name: `p${i}`, namespace: 'n' },
    spec: {
      mode: 'enforce',
      target: { name: `p${i}` },
      demand: { name: 'rps', query: 'x', capacity: { perReplica: 100 } },
      replicas: { min: 2, max: 60 },
    },
  }),
);
const state = { ...fakeCluster('n', ['web'], { min: 10, max: 50 }).state('web'), minManagers: ['foresail'] };
const memories: PlannerMemory[] = policies.map(() => NO_MEMORY);
const last: { at: number; summary: ReturnType<typeof summaryOf> }[] = [];
let now = 20_000 * DAY;

function pass(parts: 'plan' | 'all'): void {
  now += 15_000;
  for (let i = 0; i < POLICIES; i++) {
    const policy = policies[i]!;
    const input: PlanInput = {
      now,
      policy,
      demands: [
        {
          name: 'rps',
          current: { time: now, value: 700 },
          forecast: {
            ...{ kind: 'ready', issuedAt: now - MINUTE, peak: 850, windowMs: 5 * MINUTE, quantile: 0.95 },
            ...{ model: 'ridge', maeVsLast: 0.6, coverage: 0.95, historyMs: 14 * DAY },
          },
        },
      ],
      target: { min: 10, max: 50, original: { min: 2, max: 50 }, specReplicas: 12, statusReplicas: 12 },
      leadTime: { ms: 3 * MINUTE, source: 'given' },
      refreshMs: MINUTE,
      memory: memories[i]!,
    };
    const plan = planReplicas(input);
    memories[i] = plan.memory;
    if (parts === 'plan') continue;
    const { kind, message } = decideOwnership(state, plan, policy, now);
    const act = { kind: 'none', message } as const;
    const made = { tenant: 'default', mode: policy.mode, input, plan, act };
    const draft: DecisionDraft = {
      ...made,
      ...{ at: now, namespace: policy.namespace, policy: policy.name, planner: plan.planner },
      ownership: { kind, message },
      text: decisionText(input, plan, { kind, message }, act),
    };
    if (occasionOf(draft, last[i]) !== undefined) last[i] = { at: now, summary: summaryOf(draft) };
  }
}

for (const parts of ['plan', 'all'] as const) {
  const seconds: number[] = [];
  const bytes: number[] = [];
  for (let i = 0; i < 12; i++) {
    gc();
    const heap = process.memoryUsage().heapUsed;
    const before = process.cpuUsage();
    pass(parts);
    const { user, system } = process.cpuUsage(before);
    // With `--max-semi-space-size=256` nothing is collected within a pass: what the heap grew by was allocated.
    const grown = process.memoryUsage().heapUsed - heap;
    if (i >= 3) {
      seconds.push((user + system) / 1e6);
      bytes.push(grown / POLICIES);
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  console.log(`${parts}: ${median(seconds).toFixed(3)} s of CPU a pass, ${Math.round(median(bytes))} bytes a policy`);
}
