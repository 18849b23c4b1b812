import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { PolicyNotSharedError } from '../config/errors.ts';
import type { Settings } from '../config/load.ts';
import type { PolicyStore, StoredPolicy } from '../config/policy-store.ts';
import { openKubeApi } from '../kube/api.ts';
import { openLeases } from '../kube/leases.ts';
import { type Membership, openMembership, type Target } from '../kube/membership.ts';
import { openSharedRecords } from '../kube/shared-records.ts';
import { reasonOf } from '../loops/telemetry.ts';
import type { Clock } from '../model/clock.ts';
import type { SharedRecords } from '../model/shared-records.ts';
import { SECOND } from '../model/time.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { kubeAccess } from './kube-access.ts';

/** How this process shares its targets with others, or that it does not. */
export interface Coordination {
  /** Undefined: this process acts on every target. */
  readonly membership: Membership | undefined;
  /** What replicas have alike beyond their settings. Undefined where there is one. */
  readonly shared: SharedRecords | undefined;
  /** What a person should know: a line each. */
  problems(): readonly string[];
  /** Renews the lease and follows what is shared until aborted. */
  run(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface CoordinationDeps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Calls that a round makes, and that all must fit before the lease has to be renewed. */
const CALL_SHARE = 1 / 5;
/** People wait for some of these calls. */
const RECORDS_TIMEOUT_MS = 5 * SECOND;

export async function openCoordination({ settings, clock, metrics, log }: CoordinationDeps): Promise<Coordination> {
  const { coordination, kubernetes } = settings;
  if (coordination.kind === 'off' || kubernetes.kind === 'off') {
    return { membership: undefined, shared: undefined, problems: () => [], run: async () => {}, close: async () => {} };
  }
  const { namespace, group, leaseMs: durationMs } = coordination;
  // Its own connections: a renewal never waits for one that is busy with targets.
  const api = await openKubeApi({ ...kubeAccess(kubernetes), timeoutMs: durationMs * CALL_SHARE });
  const identity = `${podLike(hostname())}-${randomUUID().slice(0, 8)}`;
  let said = '';
  const membership = openMembership({
    leases: openLeases({ api, namespace, group, identity, durationMs, now: clock.now }),
    clock,
    monotonic: () => performance.now(),
    durationMs,
    onFailure(error) {
      metrics.loopFailures.inc({ loop: 'lease', reason: reasonOf(error) });
      log.warn({ err: error }, 'cannot renew the lease: nothing is written once it runs out');
    },
    onRound({ acting, members }) {
      metrics.coordinationMembers.set(members.length);
      metrics.coordinationActing.set(acting ? 1 : 0);
      const now = `${acting} ${members.join()}`;
      if (now !== said) log.info({ acting, members, identity }, 'the replicas that share the targets');
      said = now;
    },
  });
  const recordsApi = await openKubeApi({ ...kubeAccess(kubernetes), timeoutMs: RECORDS_TIMEOUT_MS });
  const shared = openSharedRecords({
    ...{ api: recordsApi, clock, random: Math.random, namespace, group },
    onFailure(error) {
      metrics.loopFailures.inc({ loop: 'shared', reason: reasonOf(error) });
      log.warn({ err: error }, 'cannot follow what the replicas share: it is tried again');
    },
  });
  return {
    membership,
    shared,
    problems: () => [
      ...(membership.status().acting
        ? []
        : ['this replica writes to no target now: its lease is not held, or was taken less than its duration ago']),
      ...shared.problems(),
    ],
    async run(signal) {
      await Promise.all([membership.run(signal), shared.run(signal)]);
    },
    async close() {
      await recordsApi[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Whoever acts on it tells of a tenant's alerts, and evaluates the rules that make them. */
export function tellerTarget(tenant: string): Target {
  return { namespace: 'alerting', name: tenant };
}

/**
 * The policies that every replica has: those that one of them was sent by HTTP are in its own store alone, so nobody
 * would act on them, and the others would let go of their targets.
 */
export function sharedPolicies(store: PolicyStore): PolicyStore {
  const isShared = ({ source }: StoredPolicy) => source.kind !== 'http';
  const refuse = async (_tenant: unknown, namespace: string, name: string): Promise<never> => {
    throw new PolicyNotSharedError(
      `cannot change the policy ${namespace}/${name} by HTTP: replicas that share their targets (coordination) each need it: put it into a file that all of them read`,
    );
  };
  return {
    ...store,
    list: async () => (await store.list()).filter(isShared),
    async inForce() {
      const all = await store.inForce();
      return { ...all, policies: all.policies.filter(isShared) };
    },
    async read(...which) {
      const stored = await store.read(...which);
      return stored !== undefined && isShared(stored) ? stored : undefined;
    },
    put: refuse,
    remove: refuse,
    async problems() {
      const own = (await store.list()).filter((stored) => !isShared(stored));
      const notes = own.map(
        ({ policy: { namespace, name } }) =>
          `the policy ${namespace}/${name} was sent to this replica by HTTP, so no other one knows of it: it is not in force`,
      );
      return [...(await store.problems()), ...notes];
    },
  };
}

/** Fit to be part of an object's name. */
function podLike(name: string): string {
  const fit = name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return fit.replace(/^-+/, '').slice(0, 200) || 'foresail';
}
