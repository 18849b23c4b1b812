import { UsageError } from './usage-error.ts';

export interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

/** `shop/checkout`. @throws {UsageError} If it is something else. */
export function parsePolicyName(text: string): PolicyName {
  const [namespace, name, ...rest] = text.split('/');
  if (namespace === undefined || namespace === '' || name === undefined || name === '' || rest.length > 0) {
    throw new UsageError(`expected NAMESPACE/NAME, such as shop/checkout, got "${text}"`);
  }
  return { namespace, name };
}

/** The address of a policy's part in the HTTP API. */
export function policyPath({ namespace, name }: PolicyName, part: string): string {
  return `/api/v1/policies/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/${part}`;
}
