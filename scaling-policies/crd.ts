import { stringify } from 'yaml';
import { z } from 'zod';
import { celRules } from '../src/scaling/cel-rules.ts';
import { ScalingPolicyDocument } from '../src/scaling/policy.ts';
import { PolicyStatus } from '../src/scaling/policy-status.ts';
import { type JsonSchema, structuralSchema } from './structural.ts';

/** The CustomResourceDefinition of a ScalingPolicy, made from what checks it everywhere else. */
export function policyDefinition() {
  const { spec } = ScalingPolicyDocument.shape;
  const openAPIV3Schema = {
    type: 'object',
    description: "Forecasts a workload's demand, and raises its replica floor before the demand arrives.",
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structuralSchema(jsonSchemaOf(spec, 'input')),
      status: { ...withListMaps(structuralSchema(jsonSchemaOf(PolicyStatus, 'output'))) },
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: 'scalingpolicies.foresail.dev',
      labels: { 'app.kubernetes.io/name': 'foresail', 'app.kubernetes.io/part-of': 'foresail' },
      // Deleting the definition deletes every policy: taking the chart away must not.
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group: 'foresail.dev',
      scope: 'Namespaced',
      names: {
        kind: 'ScalingPolicy',
        listKind: 'ScalingPolicyList',
        plural: 'scalingpolicies',
        singular: 'scalingpolicy',
        shortNames: ['sp'],
        categories: ['autoscaling'],
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: COLUMNS,
          schema: { openAPIV3Schema },
        },
      ],
    },
  };
}

/** The definition as the file that `kubectl apply` takes. */
export function policyDefinitionFile(): string {
  // Go reads YAML 1.1, where words such as off are no strings.
  const text = stringify(policyDefinition(), { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
  return `# Made by \`npm run generate\` from src/scaling/policy.ts.\n${text}`;
}

const COLUMNS = [
  { name: 'Mode', type: 'string', jsonPath: '.spec.mode', description: 'observe or enforce' },
  { name: 'Floor', type: 'integer', jsonPath: '.status.floor', description: 'The least replicas, as decided last' },
  { name: 'Current', type: 'integer', jsonPath: '.status.replicas', description: 'Replicas that run' },
  { name: 'Reason', type: 'string', jsonPath: '.status.reason', description: 'What decided the floor' },
  { name: 'Accuracy', type: 'string', jsonPath: '.status.accuracy', description: 'Of forecasts, against naive ones' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Target', type: 'string', jsonPath: '.status.target', priority: 1 },
  {
    name: 'Accepted',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Accepted")].status',
    priority: 1,
  },
  {
    name: 'Degraded',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Degraded")].reason',
    priority: 1,
  },
  { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
];

/** Zod's JSON Schema with the CEL rules that stand beside it. */
function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  return z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const rules = celRules.get(zodSchema as unknown as z.ZodType)?.rules;
      if (rules !== undefined) (jsonSchema as Record<string, unknown>)['x-kubernetes-validations'] = rules;
    },
  }) as JsonSchema;
}

/** Conditions are told apart by their type, so that two writers can each have their own. */
function withListMaps(status: JsonSchema): JsonSchema {
  const { conditions, ...others } = status['properties'] as Record<string, JsonSchema>;
  const asMap = { ...conditions, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] };
  return { ...status, properties: { ...others, conditions: asMap } };
}
