import type { Message } from '../alerting/message.ts';
import type { Millis } from '../model/time.ts';
import type { TextDeps } from './text.ts';

/** One attempt. */
export interface Sending {
  readonly message: Message;
  /** Of this message to this integration: the same at every attempt. */
  readonly id: string;
  readonly now: Millis;
  readonly signal: AbortSignal;
  readonly text: TextDeps;
}
