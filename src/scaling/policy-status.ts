import { z } from 'zod';

/** What a ScalingPolicy's status says in the cluster. The schema of the custom resource is made from this one. */

const condition = z.strictObject({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().min(0).optional(),
  lastTransitionTime: z.string().meta({ format: 'date-time' }).describe('When the status last changed.'),
  reason: z.string().min(1).max(1024).describe('One word, CamelCase.'),
  message: z.string().max(32_768).describe('The same in plain words.'),
});

export const PolicyStatus = z.strictObject({
  observedGeneration: z.int().min(0).optional().describe('The generation of the spec that all of this is about.'),
  target: z.string().optional().describe('What is scaled, as KIND/NAME.'),
  floor: z.int().min(0).optional().describe('The least replicas that the last decision asks for.'),
  ceiling: z.int().min(0).optional().describe('The most replicas that the last decision allows.'),
  replicas: z.int().min(0).optional().describe('Replicas that run now.'),
  reason: z.string().max(1024).optional().describe('What decided the floor, as one word.'),
  message: z.string().max(32_768).optional().describe('The last decision in plain words.'),
  accuracy: z
    .string()
    .max(256)
    .optional()
    .describe(
      'How the issued forecasts of peaks compare with naive ones, lately: better or worse, in per cent of the error.',
    ),
  lastDecisionTime: z.string().meta({ format: 'date-time' }).optional().describe('When that was decided.'),
  conditions: z
    .array(condition)
    .max(16)
    .optional()
    .describe(
      'Accepted: the policy is right, and it is the one in force. Active: it moves the bounds. Degraded: something keeps it from doing so as it should. Conflicting: another source has a policy of this name that differs.',
    ),
});

export type PolicyStatus = z.infer<typeof PolicyStatus>;
export type PolicyCondition = z.infer<typeof condition>;
