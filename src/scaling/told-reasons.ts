import type { Demotion } from './plan-types.ts';

/**
 * The words by which the cluster is told of a policy. Closed lists, as the reasons of a plan are (`Reason`, `Demotion`):
 * docs/runbooks/reasons.md has a section for each, and a test checks that.
 */

/** `reason` of a condition in a ScalingPolicy's status. */
export type ConditionReason =
  | 'Valid'
  | 'Invalid'
  | 'OverriddenByFile'
  | 'NoTenant'
  | 'NotAccepted'
  | 'OneSource'
  | 'SourcesDiffer'
  | 'Starting'
  | 'Enforcing'
  | 'Observing'
  | 'Paused'
  | 'LeftAlone'
  | 'GivenUp'
  | 'TargetUnreadable'
  | 'DemandUnreadable'
  | 'WriteRefused'
  | 'AsExpected'
  | Demotion['code'];

/** `reason` of an Event: at the target, or at the ScalingPolicy where a condition begins or ends. */
export type EventReason =
  | 'TookOver'
  | 'Released'
  | 'GivenUp'
  | 'ForecastDemoted'
  | 'ForecastTrusted'
  | 'CostBudgetWarning'
  | 'CostBudgetCritical'
  | 'CostCapReached'
  | 'CostCapLifted'
  | 'Accepted'
  | 'DegradedOver'
  | 'ConflictingOver'
  | ConditionReason;
