import { openLedger } from '../src/ledger/ledger.ts';
import { openDecisionKeeper } from '../src/loops/decision-keeper.ts';
import { decisionText } from '../src/loops/decision-text.ts';
import { DEFAULT_TENANT } from '../src/model/tenant.ts';
import { DAY, MINUTE } from '../src/model/time.ts';
import type { DecisionDraft } from '../src/scaling/decision-types.ts';
import { decideOwnership } from '../src/scaling/ownership.ts';
import { planReplicas } from '../src/scaling/plan.ts';
import { NO_MEMORY, type PlanInput, type PlannerMemory } from '../src/scaling/plan-types.ts';
import { parsePolicy } from '../src/scaling/policy.ts';
import { fakeCluster } from '../src/testing/fake-cluster.ts';
import { recordedTelemetry } from '../src/testing/loop-telemetry.ts';
import { memoryKeyValue } from '../src/testing/memory-key-value.ts';

/**
 * What one pass over 10,000 policies costs, without what it waits for:
 * `npx esbuild bench/plan.ts --bundle --platform=node --format=esm --packages=external --outfile=dist/bench-plan.mjs &&
 * node --expose-gc --max-semi-space-size=256 dist/bench-plan.mjs`
 * (`tsx` gives each function within a function its name as it runs, which no build does, and which costs 1 kB a policy).
 *
 * Passes 15 s apart in which the figures move and nothing else does, as in nearly all; CPU seconds and bytes allocated,
 * the mean of eight passes after eight. `plan`: the input and the plan. `decide`: and who owns the fields, and the
 * decision's record. `record`: and what the planner remembers, read and kept in a ledger in memory, from where a
 * LevelDB would take it. One pass in four of those writes what is remembered.
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
const ledger = openLedger(memoryKeyValue(), decisionText).tenant(DEFAULT_TENANT);
const keeper = openDecisionKeeper(() => ledger, recordedTelemetry());
const memories: PlannerMemory[] = policies.map(() => NO_MEMORY);
let now = 20_000 * DAY;

function plan(i: number, memory: PlannerMemory) {
  const input: PlanInput = {
    now,
    policy: policies[i]!,
    demands: [
      {
        name: 'rps',
        current: { time: now, value: 700 + (now % 7) },
        forecast: {
          kind: 'ready',
          issuedAt: now - MINUTE,
          peak: 850 + (now % 11),
          windowMs: 5 * MINUTE,
          quantile: 0.95,
          model: 'ridge',
          maeVsLast: 0.6,
          coverage: 0.95,
          historyMs: 14 * DAY,
        },
      },
    ],
    target: { min: 10, max: 50, original: { min: 2, max: 50 }, specReplicas: 12, statusReplicas: 12 },
    leadTime: { ms: 3 * MINUTE, source: 'given' },
    refreshMs: MINUTE,
    memory,
  };
  return { input, planned: planReplicas(input) };
}

function decide(i: number, memory: PlannerMemory): DecisionDraft {
  const { input, planned } = plan(i, memory);
  const { policy } = input;
  const { kind, message } = decideOwnership(state, planned, policy, now);
  return {
    tenant: DEFAULT_TENANT,
    mode: policy.mode,
    input,
    plan: planned,
    act: { kind: 'none', message },
    at: now,
    namespace: policy.namespace,
    policy: policy.name,
    planner: planned.planner,
    ownership: { kind, message },
  };
}

const PARTS = {
  plan: () => {
    for (let i = 0; i < POLICIES; i++) memories[i] = plan(i, memories[i]!).planned.memory;
  },
  decide: () => {
    for (let i = 0; i < POLICIES; i++) memories[i] = decide(i, memories[i]!).plan.memory;
  },
  record: async () => {
    for (let i = 0; i < POLICIES; i++) {
      const memory = await keeper.memoryOf(DEFAULT_TENANT, policies[i]!);
      await keeper.keep(DEFAULT_TENANT, decide(i, memory));
    }
  },
};

for (const [name, pass] of Object.entries(PARTS)) {
  const seconds: number[] = [];
  const bytes: number[] = [];
  for (let i = 0; i < 16; i++) {
    now += 15_000;
    gc();
    const heap = process.memoryUsage().heapUsed;
    const before = process.cpuUsage();
    await pass();
    const { user, system } = process.cpuUsage(before);
    // With `--max-semi-space-size=256` nothing is collected within a pass: what the heap grew by was allocated.
    const grown = process.memoryUsage().heapUsed - heap;
    if (i < 8) continue;
    seconds.push((user + system) / 1e6);
    bytes.push(grown / POLICIES);
  }
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  console.log(`${name}: ${mean(seconds).toFixed(3)} s of CPU a pass, ${Math.round(mean(bytes))} bytes a policy`);
}
