import { CodedError } from '../model/errors.ts';

/** The command line cannot be carried out as it stands: exit code 2 and one line that says what to change. */
export class UsageError extends CodedError {
  override readonly name = 'UsageError';
  readonly code = 'usage';
}
