import { formatProblem } from '../model/problem.ts';
import type { ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';
import { checkPolicy, type PolicyCheckDeps } from './check-policy.ts';

/** A custom resource as the cluster has it. */
export interface ResourceInCluster {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly apiVersion: string;
  readonly spec: unknown;
}

/** A custom resource that was checked. Without a policy it was never right. */
export interface CheckedResource {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** As it is, or as it last was when it was right. */
  readonly right?: {
    readonly generation: number;
    readonly document: ScalingPolicyDocument;
    readonly policy: ScalingPolicy;
  };
  /** What is wrong with it as it is; empty where it is right. */
  readonly problems: readonly string[];
}

export interface CheckedResources {
  readonly resources: readonly CheckedResource[];
  /** Why there may be more than these, where that is so. */
  readonly unread: string | undefined;
}

/** A reader of custom resources that checks each generation once. What breaks stays in force in its last right form. */
export function policyResourceReader(
  current: () => { readonly resources: readonly ResourceInCluster[]; readonly unread: string | undefined },
  deps: PolicyCheckDeps,
): () => CheckedResources {
  let known = new Map<string, CheckedResource>();
  return () => {
    const { resources, unread } = current();
    const checked = new Map<string, CheckedResource>();
    for (const resource of resources) {
      const before = known.get(resource.uid);
      checked.set(
        resource.uid,
        before?.generation === resource.generation ? before : checkResource(resource, before, deps),
      );
    }
    known = checked;
    return { resources: [...checked.values()], unread };
  };
}

function checkResource(
  { namespace, name, uid, generation, apiVersion, spec }: ResourceInCluster,
  before: CheckedResource | undefined,
  deps: PolicyCheckDeps,
): CheckedResource {
  const document = { apiVersion, kind: 'ScalingPolicy', metadata: { namespace, name }, spec };
  const check = checkPolicy(document, deps);
  const id = { namespace, name, uid, generation };
  if (check.kind === 'ok') return { ...id, right: { ...check, generation }, problems: [] };
  const problems = check.problems.map(formatProblem);
  return { ...id, ...(before?.right !== undefined && { right: before.right }), problems };
}
