import { CodedError } from '../model/errors.ts';
import { formatLocated, type LocatedProblem } from './yaml-document.ts';

/** The settings cannot be used. The message has one line for each problem. */
export class SettingsError extends CodedError {
  override readonly name = 'SettingsError';
  readonly code = 'invalid_settings';
  readonly problems: readonly LocatedProblem[];

  constructor(problems: readonly LocatedProblem[], options?: ErrorOptions) {
    super(problems.map(formatLocated).join('\n'), options);
    this.problems = problems;
  }
}

/** The policy stands in a file: change it there. */
export class PolicyFromFileError extends CodedError {
  override readonly name = 'PolicyFromFileError';
  readonly code = 'policy_from_file';
}

/** The policy is a custom resource: change it in the cluster. */
export class PolicyFromResourceError extends CodedError {
  override readonly name = 'PolicyFromResourceError';
  readonly code = 'policy_from_resource';
}

/** Replicas share their targets, and this policy would be known to one of them alone. */
export class PolicyNotSharedError extends CodedError {
  override readonly name = 'PolicyNotSharedError';
  readonly code = 'policy_not_shared';
}

/** The namespace belongs to another tenant, or to none. */
export class NamespaceOfAnotherTenantError extends CodedError {
  override readonly name = 'NamespaceOfAnotherTenantError';
  readonly code = 'namespace_of_another_tenant';
}
