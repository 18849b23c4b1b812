import { createHash } from 'node:crypto';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis } from '../model/time.ts';
import { targetKey } from '../scaling/cluster.ts';
import type { Decision, DecisionDraft } from '../scaling/decision-types.ts';
import { NO_MEMORY, type PlannerMemory } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { decodeJson, encodeJson, readJson } from '../storage/json-value.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';
import { decisionId, IDS_PER_MILLISECOND, timeOfId } from './decision-id.ts';
import { type Last, type LastDecisions, openLastDecisions } from './last-decisions.ts';
import { occasionOf, summaryOf } from './occasion.ts';

/** One tenant's decisions, and what its planner must remember between passes. */
export interface TenantLedger {
  /**
   * Keeps the planner's memory, and the decision itself where it says something new or an hour has passed.
   * @returns The decision as kept, or undefined where it only repeats the last one.
   */
  record(draft: DecisionDraft): Promise<Decision | undefined>;
  read(id: string): Promise<Decision | undefined>;
  /** Newest first. */
  list(query?: DecisionQuery): Promise<readonly Decision[]>;
  /**
   * What the planner remembers of a policy.
   * @param released Instead of a target that the policy lets go of, by its name: a policy may plan for one target while
   *   it lets go of others.
   */
  memoryOf(policy: PolicyName, released?: string): Promise<PlannerMemory>;
  /** Forgets what the planner remembers: the target was let go of. Decisions stay. */
  forget(policy: PolicyName, released?: string): Promise<void>;
}

export interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

export interface DecisionQuery {
  readonly namespace?: string;
  /** Only together with `namespace`. */
  readonly policy?: string;
  /** Decisions before this instant. */
  readonly before?: Millis;
  /** Default 100. */
  readonly limit?: number;
}

export interface Ledger {
  tenant(id: TenantId): TenantLedger;
  /** Deletes what is older than 400 days, and the oldest where a policy has more than 20,000. @returns How many. */
  sweep(now: Millis): Promise<number>;
}

/** Decisions are kept as long as the demand series that they rest on. */
const KEPT_MS = 400 * DAY;
/** About 50 a day over those 400 days; some 60 MB. */
const MOST_PER_POLICY = 20_000;
/** Changes in one write of the sweep. */
const SWEPT_AT_ONCE = 500;

/** The answer to a decision that repeats the last one. */
const REPEATED = Promise.resolve(undefined);

/** A kept decision: its input's policy is stored once, under the hash of its text. */
interface Kept extends Omit<Decision, 'input'> {
  readonly input: Omit<Decision['input'], 'policy'>;
  readonly policyHash: string;
}

/** A decision's text, a sentence each. Asked for where a decision is kept. */
export type TextOf = (draft: DecisionDraft) => readonly string[];

/** Opens the ledger on a `KeyValue`, whose decisions nobody else writes. Keys: docs/reference/on-disk-format.md. */
export function openLedger(keyValue: KeyValue, textOf: TextOf): Ledger {
  const shared = { keyValue, textOf, nextId: idsInOrder(), lasts: openLastDecisions(keyValue) };
  const tenants = new Map<TenantId, TenantLedger>();
  return {
    tenant(id) {
      const known = tenants.get(id) ?? openTenantLedger(shared, id);
      tenants.set(id, known);
      return known;
    },
    sweep: (now) => sweep(keyValue, now),
  };
}

interface Shared {
  readonly keyValue: KeyValue;
  readonly textOf: TextOf;
  readonly nextId: (at: Millis) => string;
  readonly lasts: LastDecisions;
}

function openTenantLedger({ keyValue, textOf, nextId, lasts }: Shared, tenant: TenantId): TenantLedger {
  /** Keys of policies that were decided on, by namespace and name: to make one costs more than all else of a pass here. */
  const planKeys = new Map<string, Map<string, string>>();

  function keyOf(namespace: string, name: string, released?: string): string {
    const known = released === undefined ? planKeys.get(namespace)?.get(name) : undefined;
    return known ?? lastKey(tenant, namespace, name, released);
  }

  async function expand(kept: Kept): Promise<Decision> {
    const { policyHash, input, ...rest } = kept;
    const stored = await readJson<StoredPolicy>(keyValue, policyKey(tenant, policyHash));
    if (stored === undefined) throw new Error(`cannot read decision ${kept.id}: its policy ${policyHash} is missing`);
    return { ...rest, input: { ...input, policy: stored.policy } };
  }

  async function keep(draft: DecisionDraft, key: string, last: Last | undefined): Promise<Decision | undefined> {
    const occasion = occasionOf(draft, last);
    const { memory } = draft.plan;
    if (occasion === undefined && last !== undefined) {
      await lasts.remember(key, last, memory);
      return undefined;
    }
    const policy = { namespace: draft.namespace, name: draft.policy };
    const id = nextId(draft.at);
    const decision: Decision = { id, occasion: occasion ?? 'first', ...draft, text: textOf(draft) };
    const { policy: inputPolicy, ...input } = draft.input;
    const policyHash = hashOf(inputPolicy);
    const kept: Kept = { ...decision, input, policyHash };
    await lasts.write(key, { id, at: draft.at, summary: summaryOf(draft), memory }, [
      { key: decisionKey(tenant, id), value: encodeJson(kept) },
      { key: indexKey(tenant, policy, id), value: encodeJson(1) },
      ...(await policyChange(keyValue, policyKey(tenant, policyHash), { policy: inputPolicy, usedAt: draft.at })),
    ]);
    if (draft.mode !== 'release') {
      const names = planKeys.get(draft.namespace) ?? new Map<string, string>();
      planKeys.set(draft.namespace, names.set(draft.policy, key));
    }
    return decision;
  }

  return {
    record(draft) {
      const released = draft.mode === 'release' ? targetKey(draft.input.policy.target) : undefined;
      const key = keyOf(draft.namespace, draft.policy, released);
      const last = lasts.known(key);
      // Nearly all decisions repeat the last one: those wait for nothing.
      if (last === undefined) return lasts.read(key).then((read) => keep(draft, key, read));
      if (occasionOf(draft, last) !== undefined) return keep(draft, key, last);
      return lasts.remember(key, last, draft.plan.memory)?.then(() => undefined) ?? REPEATED;
    },

    async read(id) {
      const kept = await readJson<Kept>(keyValue, decisionKey(tenant, id));
      return kept === undefined ? undefined : await expand(kept);
    },

    async list({ namespace, policy, before, limit = 100 } = {}) {
      const found: Decision[] = [];
      if (namespace !== undefined && policy !== undefined) {
        const prefix = indexKey(tenant, { namespace, name: policy }, '');
        for await (const [key] of keyValue.list({ ...rangeBefore(prefix, before), limit })) {
          const kept = await readJson<Kept>(keyValue, decisionKey(tenant, key.slice(prefix.length)));
          if (kept !== undefined) found.push(await expand(kept));
        }
        return found;
      }
      for await (const [, value] of keyValue.list(rangeBefore(decisionKey(tenant, ''), before))) {
        const kept = decodeJson<Kept>(value);
        if (namespace === undefined || kept.namespace === namespace) found.push(await expand(kept));
        if (found.length >= limit) break;
      }
      return found;
    },

    memoryOf({ namespace, name }, released) {
      const key = keyOf(namespace, name, released);
      const last = lasts.known(key);
      if (last !== undefined) return Promise.resolve(last.memory);
      return lasts.read(key).then((read) => read?.memory ?? NO_MEMORY);
    },
    forget: ({ namespace, name }, released) => lasts.forget(keyOf(namespace, name, released)),
  };
}

/** A policy as decisions refer to it. `usedAt` is exact to a day: the sweep needs no more. */
interface StoredPolicy {
  readonly policy: ScalingPolicy;
  readonly usedAt: Millis;
}

async function policyChange(keyValue: KeyValue, key: string, stored: StoredPolicy): Promise<readonly KeyChange[]> {
  const before = await readJson<StoredPolicy>(keyValue, key);
  return before !== undefined && stored.usedAt - before.usedAt < DAY ? [] : [{ key, value: encodeJson(stored) }];
}

/**
 * Ids that are never given twice, though policies record at the same instant. After a clock was set back, ids count on
 * from the last instant.
 */
function idsInOrder(): (at: Millis) => string {
  let last = { at: Number.NEGATIVE_INFINITY, count: 0 };
  return (at) => {
    const whole = Math.trunc(at);
    last = whole > last.at ? { at: whole, count: 0 } : { at: last.at, count: last.count + 1 };
    if (last.count === IDS_PER_MILLISECOND) last = { at: last.at + 1, count: 0 };
    return decisionId(last.at, last.count);
  };
}

/** Reads the small index alone, where each key has the policy and the time. */
async function sweep(keyValue: KeyValue, now: Millis): Promise<number> {
  let group = '';
  let ids: string[] = [];
  let deleted = 0;
  let changes: KeyChange[] = [];
  const flush = async () => {
    if (changes.length > 0) await keyValue.write(changes);
    changes = [];
  };
  const finishGroup = async () => {
    const tooMany = ids.length - MOST_PER_POLICY;
    const tenant = group.split('/')[1] as TenantId;
    for (const [i, id] of ids.entries()) {
      if (i >= tooMany && timeOfId(id) >= now - KEPT_MS) continue;
      changes.push({ key: `${group}${id}`, value: undefined }, { key: decisionKey(tenant, id), value: undefined });
      deleted++;
      if (changes.length >= SWEPT_AT_ONCE) await flush();
    }
    ids = [];
  };
  for await (const [key] of keyValue.list(keysUnder('decision-of/'))) {
    const cut = key.lastIndexOf('/') + 1;
    if (key.slice(0, cut) !== group) {
      await finishGroup();
      group = key.slice(0, cut);
    }
    ids.push(key.slice(cut));
  }
  await finishGroup();
  for await (const [key, value] of keyValue.list(keysUnder('decision-policy/'))) {
    // A day more than the decisions, since `usedAt` may lag behind by a day.
    if (decodeJson<StoredPolicy>(value).usedAt < now - KEPT_MS - DAY - HOUR) changes.push({ key, value: undefined });
  }
  await flush();
  return deleted;
}

function rangeBefore(prefix: string, before: Millis | undefined) {
  const range = keysUnder(prefix);
  return { gte: range.gte, lt: before === undefined ? range.lt : `${prefix}${decisionId(before, 0)}`, reverse: true };
}

function decisionKey(tenant: TenantId, id: string): string {
  return `decision/${tenant}/${id}`;
}

function indexKey(tenant: TenantId, { namespace, name }: PolicyName, id: string): string {
  return `decision-of/${tenant}/${namespace}/${name}/${id}`;
}

function lastKey(tenant: TenantId, namespace: string, name: string, released: string | undefined): string {
  const lane = released === undefined ? 'plan' : `release/${released}`;
  return `decision-last/${tenant}/${namespace}/${name}/${lane}`;
}

function policyKey(tenant: TenantId, hash: string): string {
  return `decision-policy/${tenant}/${hash}`;
}

function hashOf(policy: ScalingPolicy): string {
  return createHash('sha256').update(JSON.stringify(policy)).digest('hex').slice(0, 32);
}
