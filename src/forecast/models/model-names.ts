import { CodedError } from '../../model/errors.ts';
import { nearestWord } from '../../model/nearest-word.ts';

/** All models that a series can have; which of them it has depends on its steps, its history and its zeros. */
export const MODEL_NAMES = [
  ...['last-value', 'smoothed', 'yesterday', 'yesterday-and-level', 'last-week', 'profile', 'shape'],
  ...['ridge', 'ridge-recent', 'window-ridge', 'window-ridge-stiff', 'holt-winters', 'theta', 'mstl'],
  ...['rhythm', 'rhythm-longer', 'intermittent', 'network'],
] as const;

/** A model was asked for that nobody has heard of. */
export class UnknownModelError extends CodedError {
  override readonly name = 'UnknownModelError';
  readonly code = 'unknown_model';

  constructor(given: string) {
    const nearest = nearestWord(given, MODEL_NAMES);
    const hint = nearest === undefined ? '' : `; did you mean ${JSON.stringify(nearest)}?`;
    const quoted = JSON.stringify(given.slice(0, 60));
    super(`there is no model ${quoted} (there are ${MODEL_NAMES.join(', ')})${hint}`);
  }
}

/** @throws {UnknownModelError} For the first name that is none. */
export function checkModelNames(names: readonly string[]): void {
  for (const name of names) if (!MODEL_NAMES.some((known) => known === name)) throw new UnknownModelError(name);
}
