import type { Millis } from '../model/time.ts';
import type { HeldAlert } from './held.ts';
import type { GroupPlace } from './route.ts';

/** An alert with all that is known of it now. */
export interface AlertView {
  readonly alert: HeldAlert;
  /** When it ended; undefined while it fires. */
  readonly endsAt: Millis | undefined;
  readonly flapping: boolean;
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly places: readonly GroupPlace[];
}
