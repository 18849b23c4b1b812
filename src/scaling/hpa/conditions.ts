import type { Condition, ConditionReason } from './types.ts';

/** The conditions with one of them set anew, in order of their types. A condition that is not set stays. */
export function withCondition(
  conditions: readonly Condition[],
  type: Condition['type'],
  status: boolean,
  reason: ConditionReason,
  detail = '',
): readonly Condition[] {
  const condition = { type, status, reason, message: messageOf(reason, detail) };
  const others = conditions.filter((other) => other.type !== type);
  return [...others, condition].sort((a, b) => (a.type < b.type ? -1 : 1));
}

function messageOf(reason: ConditionReason, detail: string): string {
  switch (reason) {
    case 'SucceededGetScale':
      return "the HPA controller was able to get the target's current scale";
    case 'FailedGetScale':
      return `the HPA controller was unable to get the target's current scale: ${detail}`;
    case 'ReadyForNewScale':
      return 'recommended size matches current size';
    case 'ScaleDownStabilized':
      return 'recent recommendations were higher than current one, applying the highest recent recommendation';
    case 'ScaleUpStabilized':
      return 'recent recommendations were lower than current one, applying the lowest recent recommendation';
    case 'SucceededRescale':
      return `the HPA controller was able to update the target scale to ${detail}`;
    case 'FailedUpdateScale':
      return `the HPA controller was unable to update the target scale: ${detail}`;
    case 'ValidMetricFound':
      return `the HPA was able to successfully calculate a replica count from ${detail}`;
    case 'ScalingDisabled':
      return 'scaling is disabled since the replica count of the target is zero';
    case 'InvalidSelector':
    case 'AmbiguousSelector':
      return detail;
    case 'FailedGetResourceMetric':
    case 'FailedGetContainerResourceMetric':
    case 'FailedGetPodsMetric':
    case 'FailedGetObjectMetric':
    case 'FailedGetExternalMetric':
      return `the HPA was unable to compute the replica count: ${detail}`;
    case 'TooFewReplicas':
      return 'the desired replica count is less than the minimum replica count';
    case 'TooManyReplicas':
      return 'the desired replica count is more than the maximum replica count';
    case 'ScaleUpLimit':
      return 'the desired replica count is increasing faster than the maximum scale rate';
    case 'ScaleDownLimit':
      return 'the desired replica count is decreasing faster than the maximum scale rate';
    case 'DesiredWithinRange':
      return 'the desired count is within the acceptable range';
  }
}
