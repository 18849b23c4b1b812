import { formatProblem, InvalidDocumentError } from '../model/problem.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import type { ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { checkPolicy, type PolicyCheckDeps } from './check-policy.ts';
import { NamespaceOfAnotherTenantError, PolicyFromFileError, PolicyFromResourceError } from './errors.ts';
import type { PolicyFilesInForce } from './policy-files.ts';
import type { CheckedResource, CheckedResources } from './policy-resources.ts';
import { formatLocated } from './yaml-document.ts';

/** A policy in force: whose it is, and where it comes from. */
export interface StoredPolicy {
  readonly tenant: TenantId;
  readonly source: PolicySource;
  readonly document: ScalingPolicyDocument;
  readonly policy: ScalingPolicy;
  /** What a person should know of it: other sources that have a policy of its name and differ, or a newer form that is wrong. */
  readonly problems?: readonly string[];
}

export type PolicySource =
  | { readonly kind: 'file'; readonly file: string }
  /** A custom resource of the cluster. */
  | { readonly kind: 'resource' }
  | { readonly kind: 'http' };

/** What became of a custom resource. */
export interface ResourceVerdict {
  readonly resource: CheckedResource;
  readonly kind: 'accepted' | 'invalid' | 'overridden' | 'no-tenant';
  /** One sentence, without the full stop. */
  readonly message: string;
  /** Another source has a policy of this name that differs: which, and who wins. */
  readonly conflict?: string;
  /** The policy in force, where it is this one. */
  readonly stored?: StoredPolicy;
}

export interface PoliciesInForce {
  readonly policies: readonly StoredPolicy[];
  /** Where a policy may stand that is not in force, or only in its last right form, and why: a line each. */
  readonly unreadable: readonly string[];
  /** Names of policies that stand somewhere and are not in force, since they cannot be read: `namespace/name`. */
  readonly broken: readonly string[];
}

/**
 * The policies in force. Read `list` at each pass instead of waiting for a notification.
 *
 * One rule of precedence: a file wins over a custom resource, and that over HTTP. HTTP can neither change nor delete what
 * is not its own; where two sources differ on a policy, both say so.
 */
export interface PolicyStore {
  /** All tenants' policies, by namespace and name. */
  list(): Promise<readonly StoredPolicy[]>;
  /** The same, with what cannot be read: while that is anything, a policy that is not listed may still be meant to be. */
  inForce(): Promise<PoliciesInForce>;
  read(tenant: TenantId, namespace: string, name: string): Promise<StoredPolicy | undefined>;
  /**
   * @returns Whether it is new, and what is now in force.
   * @throws {InvalidDocumentError} With every problem of the document.
   * @throws {PolicyFromFileError} If a file has the policy.
   * @throws {PolicyFromResourceError} If a custom resource has it.
   * @throws {NamespaceOfAnotherTenantError} If the namespace is not the tenant's.
   */
  put(
    tenant: TenantId,
    namespace: string,
    name: string,
    document: unknown,
  ): Promise<{ readonly created: boolean; readonly stored: StoredPolicy }>;
  /**
   * Also removes what was sent by HTTP before a custom resource of the same name came, which stays in force.
   * @returns False if there was none.
   * @throws {PolicyFromFileError} If a file has the policy.
   * @throws {PolicyFromResourceError} If a custom resource has it, and nothing was sent by HTTP.
   */
  remove(tenant: TenantId, namespace: string, name: string): Promise<boolean>;
  /** What is wrong with files and stored policies now, a line each. Those policies are not in force, or in their last right form. */
  problems(): Promise<readonly string[]>;
  /** What became of each custom resource. */
  resources(): Promise<readonly ResourceVerdict[]>;
}

export interface PolicyStoreDeps extends PolicyCheckDeps {
  readonly keyValue: KeyValue;
  /** Looks at the files now (`policyFileReader`). */
  readonly readFiles: () => PolicyFilesInForce;
  /** Looks at what is known of the cluster's custom resources (`policyResourceReader`). None: there are none. */
  readonly readResources?: (() => CheckedResources) | undefined;
  readonly tenancy: { readonly on: boolean; readonly namespaces: ReadonlyMap<string, TenantId> };
}

const PREFIX = 'policy/';
const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

export function openPolicyStore(deps: PolicyStoreDeps): PolicyStore {
  const { keyValue, readFiles, readResources = () => NO_RESOURCES, tenancy } = deps;
  const ownerOf = (namespace: string) => (tenancy.on ? tenancy.namespaces.get(namespace) : DEFAULT_TENANT);

  async function readAll(): Promise<
    PoliciesInForce & { readonly problems: readonly string[]; readonly verdicts: readonly ResourceVerdict[] }
  > {
    const files = readFiles();
    const { resources, unread } = readResources();
    const unreadable = files.problems.map(formatLocated);
    const others = files.doubled.map(formatLocated);
    if (unread !== undefined) unreadable.push(unread);
    const byName = new Map<string, StoredPolicy>();
    const broken: string[] = [];
    for (const { file, document, policy } of files.policies) {
      const tenant = ownerOf(policy.namespace);
      if (tenant === undefined) {
        unreadable.push(
          `${file}: the namespace ${policy.namespace} belongs to no tenant: add it to tenancy.namespaces`,
        );
        continue;
      }
      byName.set(nameOf(policy), { tenant, source: { kind: 'file', file }, document, policy });
    }
    const verdicts = resources.map((resource): ResourceVerdict => {
      const id = `${resource.namespace}/${resource.name}`;
      const verdict = judge(resource, byName.get(id));
      if (verdict.stored !== undefined) byName.set(id, verdict.stored);
      else if (verdict.kind !== 'overridden') broken.push(id);
      if (verdict.kind !== 'accepted') others.push(`custom resource ${id}: ${verdict.message}`);
      else if (verdict.conflict !== undefined) others.push(`custom resource ${id}: ${verdict.conflict}`);
      return verdict;
    });
    for await (const [key, value] of keyValue.list(keysUnder(PREFIX))) {
      const [, owner, namespace = '', name = ''] = key.split('/');
      const winner = byName.get(`${namespace}/${name}`);
      if (winner !== undefined) {
        // What is stored is not asked. That it differs is said.
        const conflict = hidden(winner, value);
        if (conflict === undefined) continue;
        others.push(`${key}: ${conflict}`);
        byName.set(`${namespace}/${name}`, { ...winner, problems: [...(winner.problems ?? []), conflict] });
        const i = verdicts.findIndex(({ stored }) => stored === winner);
        if (i >= 0) verdicts[i] = { ...verdicts[i]!, conflict };
        continue;
      }
      const tenant = ownerOf(namespace);
      if (tenant !== undefined && tenant !== owner) {
        others.push(`${key}: the namespace ${namespace} now belongs to ${tenant}`);
        continue;
      }
      const check = checkStored(value, namespace, name);
      if (check.kind === 'problems') unreadable.push(`${key}: ${check.problems.map(formatProblem).join('; ')}`);
      else if (tenant === undefined) {
        unreadable.push(`${key}: the namespace ${namespace} belongs to no tenant: add it to tenancy.namespaces`);
      } else {
        const { document, policy } = check;
        byName.set(nameOf(policy), { tenant, source: { kind: 'http' }, document, policy });
      }
    }
    const policies = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stored]) => stored);
    return { policies, unreadable, broken, verdicts, problems: [...unreadable, ...others] };
  }

  /** @param file The policy of this name that stands in a file. */
  function judge(resource: CheckedResource, file: StoredPolicy | undefined): ResourceVerdict {
    const { namespace, right, problems } = resource;
    if (file !== undefined && file.source.kind === 'file') {
      const same = right !== undefined && problems.length === 0 && isSame(file.document, right.document);
      const where = `the file ${file.source.file}`;
      if (same) return { resource, kind: 'accepted', message: `${where} says the same`, stored: file };
      const message = `the policy stands in ${where} too, which wins over a custom resource`;
      const stored = { ...file, problems: [`a custom resource of this name differs: the file wins`] };
      return { resource, kind: 'overridden', message, conflict: message, stored };
    }
    const tenant = ownerOf(namespace);
    if (tenant === undefined) {
      const message = `the namespace ${namespace} belongs to no tenant: add it to tenancy.namespaces`;
      return { resource, kind: 'no-tenant', message };
    }
    const wrong = problems.join('; ');
    if (right === undefined) return { resource, kind: 'invalid', message: wrong };
    const { document, policy, generation } = right;
    const stored: StoredPolicy = { tenant, source: { kind: 'resource' }, document, policy };
    if (problems.length === 0) return { resource, kind: 'accepted', message: 'the policy is in force', stored };
    const message = `${wrong}; generation ${generation}, the last that was right, stays in force`;
    return { resource, kind: 'invalid', message, stored: { ...stored, problems: [message] } };
  }

  /** Whether what is stored says something else than the policy that wins over it. */
  function hidden(winner: StoredPolicy, value: Uint8Array): string | undefined {
    const { namespace, name } = winner.policy;
    const check = checkStored(value, namespace, name);
    if (check.kind === 'ok' && isSame(check.document, winner.document)) return undefined;
    const by = winner.source.kind === 'file' ? `the file ${winner.source.file}` : 'the custom resource';
    return `a policy of this name that was sent by HTTP differs: ${by} wins`;
  }

  /** A stored document was right once, but perhaps for another version. */
  function checkStored(value: Uint8Array, namespace: string, name: string) {
    let stored: unknown;
    try {
      stored = JSON.parse(FROM_UTF8.decode(value));
    } catch (error) {
      return { kind: 'problems', problems: [{ path: [], message: (error as Error).message }] } as const;
    }
    const check = checkPolicy(stored, deps);
    if (check.kind === 'problems') return check;
    const problems = misnamed(check.policy, namespace, name);
    if (problems.length > 0) return { kind: 'problems', problems } as const;
    return { kind: 'ok', document: check.document, policy: check.policy } as const;
  }

  async function read(tenant: TenantId, namespace: string, name: string): Promise<StoredPolicy | undefined> {
    const { policies } = await readAll();
    return policies.find(
      (stored) => stored.tenant === tenant && stored.policy.namespace === namespace && stored.policy.name === name,
    );
  }

  function refuseForeign(tenant: TenantId, namespace: string): void {
    if (ownerOf(namespace) === tenant) return;
    throw new NamespaceOfAnotherTenantError(
      `cannot change policies of the namespace ${namespace}: it does not belong to the tenant ${tenant} (tenancy.namespaces says whose it is)`,
    );
  }

  function refuseForeignSource(stored: StoredPolicy | undefined): void {
    if (stored?.source.kind === 'resource') {
      throw new PolicyFromResourceError(
        `cannot change the policy ${nameOf(stored.policy)} by HTTP: it is a custom resource of the cluster`,
      );
    }
    if (stored?.source.kind !== 'file') return;
    throw new PolicyFromFileError(
      `cannot change the policy ${nameOf(stored.policy)} by HTTP: it stands in the file ${stored.source.file}`,
    );
  }

  return {
    list: async () => (await readAll()).policies,
    inForce: async () => {
      const { policies, unreadable, broken } = await readAll();
      return { policies, unreadable, broken };
    },
    resources: async () => (await readAll()).verdicts,
    problems: async () => (await readAll()).problems,
    read,

    async put(tenant, namespace, name, value) {
      refuseForeign(tenant, namespace);
      const check = checkPolicy(value, deps);
      const problems = check.kind === 'problems' ? [...check.problems] : misnamed(check.policy, namespace, name);
      if (check.kind === 'problems' || problems.length > 0) {
        throw new InvalidDocumentError(`the policy ${namespace}/${name}`, problems);
      }
      const before = await read(tenant, namespace, name);
      refuseForeignSource(before);
      const { document, policy } = check;
      await keyValue.write([{ key: keyOf(tenant, namespace, name), value: UTF8.encode(JSON.stringify(document)) }]);
      return { created: before === undefined, stored: { tenant, source: { kind: 'http' }, document, policy } };
    },

    async remove(tenant, namespace, name) {
      refuseForeign(tenant, namespace);
      const inForce = await read(tenant, namespace, name);
      const key = keyOf(tenant, namespace, name);
      // One that cannot be read can still be removed.
      const isStored = (await keyValue.read(key)) !== undefined;
      if (inForce?.source.kind !== 'resource' || !isStored) refuseForeignSource(inForce);
      if (!isStored) return false;
      await keyValue.write([{ key, value: undefined }]);
      return true;
    },
  };
}

function misnamed(policy: ScalingPolicy, namespace: string, name: string) {
  const of = (key: 'name' | 'namespace', wanted: string) =>
    policy[key] === wanted
      ? []
      : [{ path: ['metadata', key], message: `expected "${wanted}" as in the address, got "${policy[key]}"` }];
  return [...of('namespace', namespace), ...of('name', name)];
}

const NO_RESOURCES: CheckedResources = { resources: [], unread: undefined };

/** Both came out of the same schema, so their keys stand in the same order. */
function isSame(a: ScalingPolicyDocument, b: ScalingPolicyDocument): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function nameOf({ namespace, name }: ScalingPolicy): string {
  return `${namespace}/${name}`;
}

function keyOf(tenant: TenantId, namespace: string, name: string): string {
  return `${PREFIX}${tenant}/${namespace}/${name}`;
}
