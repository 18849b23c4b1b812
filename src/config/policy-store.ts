import { formatProblem, InvalidDocumentError } from '../model/problem.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import type { ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { checkPolicy, type PolicyCheckDeps } from './check-policy.ts';
import { NamespaceOfAnotherTenantError, PolicyFromFileError } from './errors.ts';
import type { PolicyFilesInForce } from './policy-files.ts';
import { formatLocated } from './yaml-document.ts';

/** A policy in force: whose it is, and where it comes from. */
export interface StoredPolicy {
  readonly tenant: TenantId;
  readonly source: { readonly kind: 'file'; readonly file: string } | { readonly kind: 'http' };
  readonly document: ScalingPolicyDocument;
  readonly policy: ScalingPolicy;
}

export interface PoliciesInForce {
  readonly policies: readonly StoredPolicy[];
  /** Where a policy may stand that is not in force, or only in its last right form, and why: a line each. */
  readonly unreadable: readonly string[];
}

/**
 * The policies in force. Read `list` at each pass instead of waiting for a notification.
 *
 * One rule of precedence: a policy that stands in a file is that file's, and HTTP can neither change nor delete it.
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
   * @throws {NamespaceOfAnotherTenantError} If the namespace is not the tenant's.
   */
  put(
    tenant: TenantId,
    namespace: string,
    name: string,
    document: unknown,
  ): Promise<{ readonly created: boolean; readonly stored: StoredPolicy }>;
  /** @returns False if there was none. @throws {PolicyFromFileError} If a file has the policy. */
  remove(tenant: TenantId, namespace: string, name: string): Promise<boolean>;
  /** What is wrong with files and stored policies now, a line each. Those policies are not in force, or in their last right form. */
  problems(): Promise<readonly string[]>;
}

export interface PolicyStoreDeps extends PolicyCheckDeps {
  readonly keyValue: KeyValue;
  /** Looks at the files now (`policyFileReader`). */
  readonly readFiles: () => PolicyFilesInForce;
  readonly tenancy: { readonly on: boolean; readonly namespaces: ReadonlyMap<string, TenantId> };
}

const PREFIX = 'policy/';
const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

export function openPolicyStore(deps: PolicyStoreDeps): PolicyStore {
  const { keyValue, readFiles, tenancy } = deps;
  const ownerOf = (namespace: string) => (tenancy.on ? tenancy.namespaces.get(namespace) : DEFAULT_TENANT);

  async function readAll(): Promise<PoliciesInForce & { readonly problems: readonly string[] }> {
    const files = readFiles();
    const unreadable = files.problems.map(formatLocated);
    const others = files.doubled.map(formatLocated);
    const byName = new Map<string, StoredPolicy>();
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
    for await (const [key, value] of keyValue.list(keysUnder(PREFIX))) {
      const [, owner, namespace = '', name = ''] = key.split('/');
      // A file has it: what is stored is not asked.
      if (byName.has(`${namespace}/${name}`)) continue;
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
    return { policies, unreadable, problems: [...unreadable, ...others] };
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

  function refuseFilePolicy(stored: StoredPolicy | undefined): void {
    if (stored?.source.kind !== 'file') return;
    throw new PolicyFromFileError(
      `cannot change the policy ${nameOf(stored.policy)} by HTTP: it stands in the file ${stored.source.file}`,
    );
  }

  return {
    list: async () => (await readAll()).policies,
    inForce: async () => {
      const { policies, unreadable } = await readAll();
      return { policies, unreadable };
    },
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
      refuseFilePolicy(before);
      const { document, policy } = check;
      await keyValue.write([{ key: keyOf(tenant, namespace, name), value: UTF8.encode(JSON.stringify(document)) }]);
      return { created: before === undefined, stored: { tenant, source: { kind: 'http' }, document, policy } };
    },

    async remove(tenant, namespace, name) {
      refuseForeign(tenant, namespace);
      refuseFilePolicy(await read(tenant, namespace, name));
      const key = keyOf(tenant, namespace, name);
      // One that cannot be read can still be removed.
      if ((await keyValue.read(key)) === undefined) return false;
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

function nameOf({ namespace, name }: ScalingPolicy): string {
  return `${namespace}/${name}`;
}

function keyOf(tenant: TenantId, namespace: string, name: string): string {
  return `${PREFIX}${tenant}/${namespace}/${name}`;
}
