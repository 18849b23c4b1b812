import { expect, test } from 'vitest';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { updatePolicyGauges } from './policy-gauges.ts';

const policyOf = (name: string) =>
  parsedPolicy(name, {
    target: { name },
    demand: { query: 'up', capacity: { perReplica: 1 } },
    replicas: { min: 1, max: 9 },
  });

interface Pass {
  readonly name: string;
  readonly demotion?: object;
  readonly ownership?: string;
  readonly cost?: string;
  readonly readable?: boolean;
}

/** As much of a decision as the gauges read. */
function draftOf({ demotion, ownership = 'write', cost }: Pass) {
  return {
    plan: { demotion: demotion ?? null, memory: { ...(cost !== undefined && { cost: { state: cost } }) } },
    ownership: { kind: ownership, message: '' },
    act: { kind: 'none', message: '' },
  } as unknown as DecisionDraft;
}

async function gaugesOf(metrics: ReturnType<typeof createMetrics>, passes: readonly Pass[]) {
  const find = (_: TenantId, { name }: ScalingPolicy) => passes.find((pass) => pass.name === name);
  const views = {
    draftOf: (...of: Parameters<typeof find>) => {
      const pass = find(...of);
      return pass && draftOf(pass);
    },
    notesOf: (...of: Parameters<typeof find>) => ({ readable: find(...of)?.readable ?? true, problems: [] }),
  };
  const inForce = [...passes.map(({ name }) => name), 'new'].map((name) => ({
    tenant: DEFAULT_TENANT,
    policy: policyOf(name),
  }));
  updatePolicyGauges(metrics, views, inForce);
  const text = await metrics.registry.metrics();
  return [...text.matchAll(/^foresail_policy_(?:degraded|cost_state)\{.*policy="(\w+)",\w+="(\w+)"\} 1$/gm)].map(
    ([, policy, word]) => `${policy} ${word}`,
  );
}

test('updatePolicyGauges() names what keeps each policy from its work, and forgets what is over', async () => {
  const metrics = createMetrics();
  const passes: readonly Pass[] = [
    { name: 'fine', cost: 'within' },
    { name: 'learning', demotion: { code: 'ForecastMissing', demand: 'd', message: '' } },
    { name: 'fought', ownership: 'given-up' },
    { name: 'gone', readable: false },
    { name: 'dear', cost: 'capped' },
  ];
  expect(await gaugesOf(metrics, passes)).toEqual(['fought GivenUp', 'gone TargetUnreadable', 'dear capped']);
  expect(await gaugesOf(metrics, [{ name: 'fought' }, { name: 'dear', cost: 'warn' }])).toEqual(['dear warn']);
});
