import { parsePolicy, type ScalingPolicy } from '../scaling/policy.ts';

/** A policy as the document with this name and `spec` gives it. @throws {PolicyError} If the document is wrong. */
export function parsedPolicy(name: string, spec: object, namespace = 'shop'): ScalingPolicy {
  return parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace },
    spec,
  });
}
