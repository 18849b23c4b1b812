import type { Clock } from '../model/clock.ts';
import type { TenantId } from '../model/tenant.ts';
import { SECOND } from '../model/time.ts';
import { type ObserveDeps, observe, targetOf } from '../observe/observe.ts';
import type { Announcement, Cluster, TargetRef, TargetState } from '../scaling/cluster.ts';
import type { ActOutcome, Decision, DecisionDraft } from '../scaling/decision-types.ts';
import { decideOwnership, type OwnershipDecision } from '../scaling/ownership.ts';
import { planReplicas } from '../scaling/plan.ts';
import type { PlannerMemory } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { decisionText } from './decision-text.ts';
import { inParallel } from './in-parallel.ts';
import { forgottenPolicy, releaseInput, releaseStep } from './release.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicy } from './tenant-policy.ts';

export interface ScaleLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly policies: () => Promise<readonly TenantPolicy[]>;
  /** Whose namespace it is: where the release of a policy that is gone is recorded. */
  readonly tenantOf: (namespace: string) => TenantId;
  readonly cluster: Cluster;
  readonly storageOf: (tenant: TenantId) => Pick<ObserveDeps, 'instant'>;
  readonly forecastsOf: (tenant: TenantId) => { readonly latest: ObserveDeps['latestForecast'] };
  readonly ledgerOf: (tenant: TenantId) => DecisionLedger;
  /** Default 15 s. */
  readonly intervalMs?: number;
}

/** One tenant's part of the ledger, as far as the loop needs it. */
export interface DecisionLedger {
  record(draft: DecisionDraft): Promise<Decision | undefined>;
  list(query: {
    readonly namespace: string;
    readonly policy: string;
    readonly limit: number;
  }): Promise<readonly Decision[]>;
  memoryOf(policy: PolicyName, lane?: 'release'): Promise<PlannerMemory>;
  forget(policy: PolicyName, lane?: 'release'): Promise<void>;
}

interface PolicyLabels {
  readonly namespace: string;
  readonly policy: string;
}

interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

export interface ScaleLoop {
  run(signal: AbortSignal): Promise<void>;
  /** One pass over all policies, and over all targets that are to be released. */
  pass(signal: AbortSignal): Promise<void>;
}

/** Targets that are read and written at the same time. */
const AT_ONCE = 8;
/** Every so many passes all owned targets are listed, even where no policy changed: 5 minutes at 15 s. */
const LISTED_EVERY = 20;

/**
 * observe → plan → ownership → act → record, for every policy; and the way back for every target that carries
 * Foresail's annotation but has no policy any more that enforces. A policy that fails stops no other.
 */
export function openScaleLoop(deps: ScaleLoopDeps): ScaleLoop {
  const { clock, telemetry, cluster } = deps;
  const said = new Map<string, string>();
  let passes = 0;
  let lastHolders = '';
  let releasing = 0;

  async function pass(signal: AbortSignal): Promise<void> {
    const policies = await deps.policies();
    await inParallel(policies, AT_ONCE, ({ tenant, policy }) =>
      guarded(policy, signal, () => scaleOne(tenant, policy, signal)),
    );
    const holders = new Set(
      policies.filter(({ policy }) => policy.mode === 'enforce').map(({ policy }) => holderOf(policy)),
    );
    const names = [...holders].sort().join();
    const due = passes % LISTED_EVERY === 0 || names !== lastHolders || releasing > 0;
    passes++;
    if (!due || signal.aborted) return;
    const abandoned = (await cluster.listOwned(signal)).filter(({ ref, ownership }) => {
      return ownership !== null && !holders.has(`${ownership.policy} ${ref.namespace}/${ref.name}`);
    });
    lastHolders = names;
    releasing = abandoned.length;
    await inParallel(abandoned, AT_ONCE, (state) => {
      const name = policyNameOf(state);
      return guarded(name, signal, () => releaseOne(state, name, policies, signal));
    });
  }

  async function guarded(name: PolicyName, signal: AbortSignal, action: () => Promise<void>): Promise<void> {
    const labels = { namespace: name.namespace, policy: name.name };
    try {
      if (!signal.aborted) await telemetry.span('scale', labels, action);
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('loopFailures', { loop: 'scale', reason: reasonOf(error) });
      telemetry.log.warn({ err: error, ...labels }, `cannot scale by the policy ${name.namespace}/${name.name}`);
    }
  }

  async function scaleOne(tenant: TenantId, policy: ScalingPolicy, signal: AbortSignal): Promise<void> {
    const labels = { namespace: policy.namespace, policy: policy.name };
    const ledger = deps.ledgerOf(tenant);
    const sources: ObserveDeps = {
      instant: (...query) => deps.storageOf(tenant).instant(...query),
      latestForecast: (key) => deps.forecastsOf(tenant).latest(key),
      readTarget: cluster.read,
      memoryOf: (name) => ledger.memoryOf(name),
    };
    for (let attempt = 0; ; attempt++) {
      const observed = await observe(policy, clock.now(), sources, signal);
      if (observed.kind === 'missing') {
        skip('target-missing', labels, `the policy ${policy.namespace}/${policy.name} is skipped: ${observed.message}`);
        return;
      }
      const { input, state, problems } = observed;
      const plan = planReplicas(input);
      const owner = decideOwnership(state, plan, policy, input.now);
      const act = await carryOut(owner, signal);
      // It changed since it was read: read and decide again, once. After that the next pass does.
      if (act.kind === 'conflict' && attempt === 0) continue;
      if (act.kind === 'conflict') skip('conflict', labels, `${policy.namespace}/${policy.name}: ${act.message}`);
      for (const problem of problems) {
        telemetry.count('loopFailures', { loop: 'scale', reason: 'demand-unreadable' });
        warn(labels, problem);
      }
      if (plan.demotion !== null && input.memory.demotedSince === undefined) {
        telemetry.count('demotions', { reason: plan.demotion.code });
      }
      telemetry.gauge('demoted', labels, plan.demotion === null ? 0 : 1);
      telemetry.gauge('floor', labels, plan.bounds.min);
      await record(ledger, tenant, { mode: policy.mode, input, plan, owner, act });
      if (act.kind === 'applied') await announce(targetOf(policy), owner.announcement, signal);
      return;
    }
  }

  /** One step back for a target whose policy is gone, only observes now, or has another target. */
  async function releaseOne(
    listed: TargetState,
    name: PolicyName,
    policies: readonly TenantPolicy[],
    signal: AbortSignal,
  ): Promise<void> {
    const tenant = deps.tenantOf(name.namespace);
    const ledger = deps.ledgerOf(tenant);
    // The policy as it is, or was when it last decided, has the ramp; its name alone still has the default one.
    const current = policies.find(({ policy }) => policy.namespace === name.namespace && policy.name === name.name);
    const [last] = await ledger.list({ namespace: name.namespace, policy: name.name, limit: 1 });
    const policy = current?.policy ?? last?.input.policy ?? forgottenPolicy(listed, name.namespace, name.name);
    const begun = await ledger.memoryOf(name, 'release');
    const memory = begun.recent.length > 0 ? begun : await ledger.memoryOf(name);
    const input = releaseInput(listed, policy, memory, clock.now());
    const { plan, change, last: isLast } = releaseStep(listed, input);
    const message = isLast
      ? `the policy ${name.namespace}/${name.name} let go of the target: the original bounds are back`
      : `the policy ${name.namespace}/${name.name} lets go of the target: the bounds go back step by step`;
    const announcement = isLast ? ({ type: 'Normal', reason: 'Released', message } as const) : null;
    const owner: OwnershipDecision = { kind: isLast ? 'hand-back' : 'write', message, change, announcement };
    const act = await carryOut(owner, signal);
    await record(ledger, tenant, { mode: 'release', input, plan, owner, act });
    if (act.kind !== 'applied' || !isLast) return;
    releasing--;
    await ledger.forget(name, 'release');
    if (current === undefined) await ledger.forget(name);
    await announce(listed.ref, announcement, signal);
  }

  async function carryOut({ change, message }: OwnershipDecision, signal: AbortSignal): Promise<ActOutcome> {
    if (change === null) return { kind: 'none', message };
    const outcome = await cluster.apply(change, signal);
    telemetry.count('boundsWrites', { outcome: outcome.kind });
    if (outcome.kind !== 'applied') return { kind: outcome.kind, message: outcome.message };
    return { kind: 'applied', message: `${message}; written: ${change.min} to ${change.max} replicas` };
  }

  async function record(
    ledger: DecisionLedger,
    tenant: TenantId,
    made: Pick<Decision, 'mode' | 'input' | 'plan' | 'act'> & { readonly owner: OwnershipDecision },
  ): Promise<void> {
    const { mode, input, plan, owner, act } = made;
    const ownership = { kind: owner.kind, message: owner.message };
    const kept = await ledger.record({
      at: input.now,
      tenant,
      namespace: input.policy.namespace,
      policy: input.policy.name,
      mode,
      planner: plan.planner,
      input,
      plan,
      ownership,
      act,
      text: decisionText(input, plan, ownership, act),
    });
    if (kept === undefined) return;
    telemetry.count('decisions', { occasion: kept.occasion });
    telemetry.log.info({ decision: kept.id, namespace: kept.namespace, policy: kept.policy }, kept.text.join(' '));
  }

  async function announce(target: TargetRef, event: Announcement | null, signal: AbortSignal): Promise<void> {
    if (event === null) return;
    try {
      await cluster.announce(target, event, signal);
    } catch (error) {
      telemetry.count('loopFailures', { loop: 'scale', reason: 'announcement' });
      telemetry.log.warn({ err: error }, `cannot announce ${event.reason} at ${target.namespace}/${target.name}`);
    }
  }

  function skip(reason: string, labels: PolicyLabels, message: string): void {
    telemetry.count('loopSkips', { loop: 'scale', reason });
    warn(labels, message);
  }

  /** Says a thing once for as long as it stays the same. */
  function warn(labels: PolicyLabels, message: string): void {
    const name = `${labels.namespace}/${labels.policy}`;
    if (said.get(name) === message) return;
    said.set(name, message);
    telemetry.log.warn(labels, message);
  }

  const intervalMs = deps.intervalMs ?? 15 * SECOND;
  return { pass, run: (signal) => runLoop({ name: 'scale', intervalMs, clock, telemetry }, pass, signal) };
}

/** Who may hold which target: a policy that now has another target lets go of the old one. */
function holderOf(policy: ScalingPolicy): string {
  return `${policy.namespace}/${policy.name} ${policy.namespace}/${policy.target.name}`;
}

function policyNameOf({ ownership }: TargetState): PolicyName {
  const [namespace = '', name = ''] = (ownership?.policy ?? '').split('/');
  return { namespace, name };
}
