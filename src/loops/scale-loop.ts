import type { Clock } from '../model/clock.ts';
import type { TenantId } from '../model/tenant.ts';
import { type Millis, SECOND } from '../model/time.ts';
import { type ObserveDeps, observe, targetOf } from '../observe/observe.ts';
import { type Announcement, type Cluster, type TargetRef, type TargetState, targetKey } from '../scaling/cluster.ts';
import type { ActOutcome, DecisionDraft } from '../scaling/decision-types.ts';
import { decideInherited, decideOwnership, type OwnershipDecision } from '../scaling/ownership.ts';
import { planReplicas } from '../scaling/plan.ts';
import { NO_MEMORY, type PlannerMemory } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { unknownHistory } from '../scaling/ramp.ts';
import { type Claims, claimsOf } from './claims.ts';
import { costAnnouncements } from './cost-announcements.ts';
import { type DecisionLedger, openDecisionKeeper, type PolicyName } from './decision-keeper.ts';
import { inParallel } from './in-parallel.ts';
import { forgottenPolicy, policyNameOf, releaseInput, releaseStep } from './release.ts';
import { runLoop } from './run-loop.ts';
import { openTenures, type Share } from './share.ts';
import { openSurges } from './surges.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicies, TenantPolicy } from './tenant-policy.ts';
import { trustAnnouncements } from './trust-announcements.ts';

export interface ScaleLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly policies: () => Promise<TenantPolicies>;
  /** Whose namespace it is: where the release of a policy that is gone is recorded. */
  readonly tenantOf: (namespace: string) => TenantId;
  readonly cluster: Cluster;
  /** Which targets this process acts on. Default: all. */
  readonly share?: Share | undefined;
  readonly storageOf: (tenant: TenantId) => Pick<ObserveDeps, 'instant'>;
  readonly forecastsOf: (tenant: TenantId) => { readonly latest: ObserveDeps['latestForecast'] };
  readonly ledgerOf: (tenant: TenantId) => DecisionLedger;
  /** What was learned of a demand's capacity. */
  readonly capacityOf?: (tenant: TenantId, ...of: Parameters<CapacityOf>) => ReturnType<CapacityOf>;
  /** The lead time as learned from pods. */
  readonly leadTimeOf?: (tenant: TenantId, ...of: Parameters<LeadTimeOf>) => ReturnType<LeadTimeOf>;
  /** What was recorded of the workload this month. */
  readonly monthOf?: (tenant: TenantId, ...of: Parameters<MonthOf>) => ReturnType<MonthOf>;
  /** Maxima that cost budgets of the settings ask for. */
  readonly ceilingsOf?: (tenant: TenantId, policy: ScalingPolicy) => ReturnType<CeilingsOf>;
  /** What went wrong for a policy in a pass, for people to see. Called for each policy in each pass. */
  readonly onPass?: (tenant: TenantId, policy: ScalingPolicy, notes: PassNotes) => void;
  /** What each pass planned for a policy, whatever became of it. */
  readonly onPlan?: (draft: DecisionDraft) => void;
  /** Another process acts on it now: what was noted of it here is no longer so. */
  readonly onElsewhere?: (tenant: TenantId, policy: ScalingPolicy) => void;
  /** From one pass to the next; demands that grow are seen to in between. Default 15 s. */
  readonly intervalMs?: number;
}

/** What a pass could not do for one policy. */
export interface PassNotes {
  /** Whether there was a target, and it could be read. */
  readonly readable: boolean;
  /** A sentence each. */
  readonly problems: readonly string[];
}

type CapacityOf = NonNullable<ObserveDeps['capacityOf']>;
type MonthOf = NonNullable<ObserveDeps['monthOf']>;
type CeilingsOf = NonNullable<ObserveDeps['ceilingsOf']>;
type LeadTimeOf = NonNullable<ObserveDeps['leadTimeOf']>;

interface PolicyLabels {
  readonly namespace: string;
  readonly policy: string;
}

export interface ScaleLoop {
  run(signal: AbortSignal): Promise<void>;
  /** One pass over all policies, and over all targets that are to be released. */
  pass(signal: AbortSignal): Promise<void>;
}

/** Targets that are read and written at the same time. */
const AT_ONCE = 8;
/** Looks at the demands from one pass to the next, no more than one a second: every 5 s where passes are 15 s apart. */
const LOOKS = 3;
/** Every so many passes all owned targets are listed, even where no policy changed: 5 minutes at 15 s. */
const LISTED_EVERY = 20;

/**
 * observe → plan → ownership → act → record, for every policy; and the way back for every target that carries
 * Foresail's annotation but has no policy any more that enforces. A policy that fails stops no other.
 */
export function openScaleLoop(deps: ScaleLoopDeps): ScaleLoop {
  const { clock, telemetry, cluster } = deps;
  const keeper = openDecisionKeeper(deps.ledgerOf, telemetry);
  const tenures = openTenures(deps.share);
  const surges = openSurges(
    (tenant) =>
      (...query) =>
        deps.storageOf(tenant).instant(...query),
  );
  const said = new Map<string, string>();
  let passes = 0;
  let lastSeen = '';
  let releasing = 0;
  let known: readonly TenantPolicy[] = [];

  async function pass(signal: AbortSignal): Promise<void> {
    const inForce = await readPolicies();
    const { policies } = inForce;
    known = policies;
    const claims = claimsOf(inForce);
    const seen = `${tenures.fingerprint()} ${claims.fingerprint}`;
    await inParallel(policies, AT_ONCE, (each) => scaleNoted(each, claims, signal));
    const due = passes % LISTED_EVERY === 0 || seen !== lastSeen || releasing > 0;
    passes++;
    if (!due || signal.aborted) return;
    const owned = (await cluster.listOwned(signal)).filter(({ ref }) => tenures.acts(ref));
    const unknown = owned.filter((state) => claims.of(state) === 'unknown');
    const abandoned = owned.filter((state) => claims.of(state) === 'released');
    lastSeen = seen;
    releasing = abandoned.length + unknown.length;
    for (const state of unknown) {
      const { namespace, name } = policyNameOf(state);
      const why = 'its policy is not in force, and some policies cannot be read now';
      const target = `${state.ref.namespace}/${state.ref.name}`;
      skip('policies-unreadable', { namespace, policy: name }, `the target ${target} is not released: ${why}`);
    }
    await inParallel(abandoned, AT_ONCE, (state) => {
      return guarded(policyNameOf(state), signal, () => releaseOne(state, policies, signal));
    });
  }

  /** A pass for those alone whose demand outgrew its floor since the last one. The cluster is not asked for others. */
  async function catchUp(signal: AbortSignal): Promise<void> {
    const here = known.filter(({ policy }) => tenures.acts(targetOf(policy)));
    const grown = await surges.find(here, clock.now(), signal);
    if (grown.length === 0) return;
    const inForce = await readPolicies();
    const names = new Set(grown.map(({ tenant, policy }) => `${tenant}/${policy.namespace}/${policy.name}`));
    const due = inForce.policies.filter(({ tenant, policy: p }) => names.has(`${tenant}/${p.namespace}/${p.name}`));
    const claims = claimsOf(inForce);
    await inParallel(due, AT_ONCE, (each) => scaleNoted(each, claims, signal));
  }

  async function scaleNoted(each: TenantPolicy, claims: Claims, signal: AbortSignal): Promise<void> {
    if (!tenures.acts(targetOf(each.policy))) return deps.onElsewhere?.(each.tenant, each.policy);
    const note = (notes: PassNotes) => deps.onPass?.(each.tenant, each.policy, notes);
    const scale = async () => note(await scaleOne(each, claims, signal));
    await guarded(each.policy, signal, scale, (problem) => note({ readable: false, problems: [problem] }));
  }

  async function readPolicies(): Promise<TenantPolicies> {
    try {
      return await deps.policies();
    } catch (error) {
      telemetry.count('loopSkips', { loop: 'scale', reason: 'policies-unreadable' });
      throw error;
    }
  }

  async function guarded(
    name: PolicyName,
    signal: AbortSignal,
    action: () => Promise<void>,
    onFailure?: (problem: string) => void,
  ): Promise<void> {
    const labels = { namespace: name.namespace, policy: name.name };
    try {
      if (!signal.aborted) await telemetry.span('scale', labels, action);
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('loopFailures', { loop: 'scale', reason: reasonOf(error) });
      telemetry.log.warn({ err: error, ...labels }, `cannot scale by the policy ${name.namespace}/${name.name}`);
      onFailure?.(`the last pass could not be finished: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async function scaleOne({ tenant, policy }: TenantPolicy, claims: Claims, signal: AbortSignal): Promise<PassNotes> {
    const labels = { namespace: policy.namespace, policy: policy.name };
    let found: TargetState | undefined;
    let heirOf: PolicyName | undefined;
    const tenure = tenures.of(targetOf(policy));
    const sources: ObserveDeps = {
      instant: (...query) => deps.storageOf(tenant).instant(...query),
      latestForecast: (key) => deps.forecastsOf(tenant).latest(key),
      readTarget: async (target, aborted) => {
        const state = await cluster.read(target, aborted);
        if (state.kind === 'missing') return state;
        const inherited = claims.inherited(state, policy);
        found = state;
        heirOf = inherited === state ? undefined : policyNameOf(state);
        return inherited;
      },
      memoryOf: async (name) => {
        // Who goes on where another policy was goes on with its ramps and its holds.
        const memory = await keeper.memoryOf(tenant, heirOf ?? name);
        if (found === undefined) return memory;
        const now = clock.now();
        return remembered(tenures.remembered(tenure, memory, found, policy.ramp.holdDownMs, now), found, now);
      },
      ...(deps.leadTimeOf && { leadTimeOf: (...of) => deps.leadTimeOf!(tenant, ...of) }),
      ...(deps.monthOf && { monthOf: (...of) => deps.monthOf!(tenant, ...of) }),
      ...(deps.ceilingsOf && { ceilingsOf: (of) => deps.ceilingsOf!(tenant, of) }),
      ...(deps.capacityOf && { capacityOf: (...of) => deps.capacityOf!(tenant, ...of) }),
    };
    for (let attempt = 0; ; attempt++) {
      const observed = await observe(policy, clock.now(), sources, signal);
      if (observed.kind === 'missing') {
        skip('target-missing', labels, `the policy ${policy.namespace}/${policy.name} is skipped: ${observed.message}`);
        return { readable: false, problems: [observed.message] };
      }
      const { input, state, problems } = observed;
      const plan = planReplicas(input);
      const decided = decideOwnership(state, plan, policy, input.now);
      const owner =
        heirOf === undefined ? decided : decideInherited(decided, state, `${heirOf.namespace}/${heirOf.name}`);
      const act = await carryOut(owner, labels, signal);
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
      telemetry.gauge('ceiling', labels, policy.replicas.max);
      // Not a number while the forecast is not trusted: alerts on it hold their breath.
      telemetry.gauge('wanted', labels, plan.wanted ?? Number.NaN);
      const { ms, figures } = input.leadTime;
      telemetry.gauge('leadTime', { ...labels, quantile: 'planned' }, ms / SECOND);
      if (figures !== undefined) {
        telemetry.gauge('leadTime', { ...labels, quantile: '0.5' }, figures.p50Ms / SECOND);
        telemetry.gauge('leadTime', { ...labels, quantile: '0.95' }, figures.p95Ms / SECOND);
      }
      const draft = draftOf({ tenant, mode: policy.mode, input, plan, act }, owner);
      deps.onPlan?.(draft);
      surges.planned(draft);
      await keeper.keep(tenant, draft);
      tenures.kept(targetOf(policy), tenure);
      if (act.kind === 'applied') await announce(targetOf(policy), owner.announcement, signal);
      // To observe is to change nothing, events included.
      if (policy.mode === 'enforce') {
        const events = [...trustAnnouncements(input, plan), ...costAnnouncements(input, plan)];
        for (const event of events) await announce(targetOf(policy), event, signal);
      }
      return { readable: true, problems };
    }
  }

  /** One step back for a target whose policy is gone, only observes now, or has another target. */
  async function releaseOne(
    listed: TargetState,
    policies: readonly TenantPolicy[],
    signal: AbortSignal,
  ): Promise<void> {
    const name = policyNameOf(listed);
    const target = targetKey(listed.ref);
    const tenant = deps.tenantOf(name.namespace);
    // The policy as it is, or was when it last decided, has the ramp; its name alone still has the default one.
    const current = policies.find(({ policy }) => policy.namespace === name.namespace && policy.name === name.name);
    const [last] = await deps.ledgerOf(tenant).list({ namespace: name.namespace, policy: name.name, limit: 1 });
    const policy = current?.policy ?? last?.input.policy ?? forgottenPolicy(listed, name.namespace, name.name);
    const begun = await keeper.memoryOf(tenant, name, target);
    // What the policy planned last was for another target where it has one now.
    const planned = targetKey(policy.target) === target ? await keeper.memoryOf(tenant, name) : NO_MEMORY;
    const now = clock.now();
    const tenure = tenures.of(listed.ref);
    const own = begun.recent.length > 0 ? begun : planned;
    const memory = tenures.remembered(tenure, own, listed, 0, now);
    const input = releaseInput(listed, policy, remembered(memory, listed, now), now);
    const { plan, change, last: isLast } = releaseStep(listed, input);
    const message = isLast
      ? `the policy ${name.namespace}/${name.name} let go of the target: the original bounds are back`
      : `the policy ${name.namespace}/${name.name} lets go of the target: the bounds go back step by step`;
    const announcement = isLast ? ({ type: 'Normal', reason: 'Released', message } as const) : null;
    const owner: OwnershipDecision = { kind: isLast ? 'hand-back' : 'write', message, change, announcement };
    const act = await carryOut(owner, { namespace: name.namespace, policy: name.name }, signal);
    await keeper.keep(tenant, draftOf({ tenant, mode: 'release', input, plan, act }, owner));
    tenures.kept(listed.ref, tenure);
    if (act.kind !== 'applied' || !isLast) return;
    releasing--;
    await keeper.forget(tenant, name, target);
    if (current === undefined) await keeper.forget(tenant, name);
    await announce(listed.ref, announcement, signal);
  }

  async function carryOut(
    { change, message }: OwnershipDecision,
    labels: PolicyLabels,
    signal: AbortSignal,
  ): Promise<ActOutcome> {
    if (change === null) return { kind: 'none', message };
    try {
      const outcome = await cluster.apply(change, signal);
      telemetry.count('boundsWrites', { outcome: outcome.kind });
      if (outcome.kind !== 'applied') return { kind: outcome.kind, message: outcome.message };
      return { kind: 'applied', message: `${message}; written: ${change.min} to ${change.max} replicas` };
    } catch (error) {
      if (signal.aborted) throw error;
      telemetry.count('boundsWrites', { outcome: 'failed' });
      telemetry.count('loopFailures', { loop: 'scale', reason: reasonOf(error) });
      telemetry.log.warn({ err: error, ...labels }, `cannot write the bounds of ${labels.namespace}/${labels.policy}`);
      return { kind: 'failed', message: (error as Error).message };
    }
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

  async function run(signal: AbortSignal): Promise<void> {
    const intervalMs = deps.intervalMs ?? 15 * SECOND;
    const lookMs = intervalMs / Math.max(1, Math.min(LOOKS, Math.floor(intervalMs / SECOND)));
    let passedAt = Number.NEGATIVE_INFINITY;
    const look = async () => {
      const now = clock.now();
      if (Math.abs(now - passedAt) < intervalMs - lookMs / 2) return await catchUp(signal);
      passedAt = now;
      await pass(signal);
    };
    await runLoop({ name: 'scale', intervalMs: lookMs, clock, telemetry }, look, signal);
  }

  return { pass, run };
}

/** A floor that we hold without a record of its last steps is not moved before a minute has passed. */
function remembered(memory: PlannerMemory, { ownership, min, max }: TargetState, now: Millis): PlannerMemory {
  if (ownership === null || memory.recent.length > 0) return memory;
  return { ...memory, recent: unknownHistory(min, Math.min(ownership.original.min, min), max, now) };
}

function draftOf(
  made: Pick<DecisionDraft, 'tenant' | 'mode' | 'input' | 'plan' | 'act'>,
  { kind, message }: OwnershipDecision,
): DecisionDraft {
  const { tenant, mode, input, plan, act } = made;
  const { namespace, name: policy } = input.policy;
  const { planner } = plan;
  // Field by field: a spread of an object costs three times its size, for each policy in each pass.
  return { tenant, mode, input, plan, act, at: input.now, namespace, policy, planner, ownership: { kind, message } };
}
