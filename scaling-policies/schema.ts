import { z } from 'zod';
import { ScalingPolicyDocument } from '../src/scaling/policy.ts';

/** The JSON Schema of a policy as a person writes it: for editors, and for tools that check files. */
export function policySchema(): object {
  return {
    $id: 'https://foresail.dev/schema/v1alpha1/scaling-policy.json',
    title: 'ScalingPolicy',
    ...z.toJSONSchema(ScalingPolicyDocument, { io: 'input', unrepresentable: 'any' }),
  };
}
