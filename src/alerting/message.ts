import type { Millis } from '../model/time.ts';

/** What a receiver is told at one time: a group's alerts that fire, and those that ended since it was told last. */
export interface Message {
  /** The same however often it is sent; no other one has it. */
  readonly id: string;
  readonly tenant: string;
  readonly receiver: string;
  readonly groupKey: string;
  /** `resolved` where none fires any more. */
  readonly status: 'firing' | 'resolved';
  readonly at: Millis;
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly commonLabels: Readonly<Record<string, string>>;
  readonly commonAnnotations: Readonly<Record<string, string>>;
  /** Those that fire first. */
  readonly alerts: readonly MessageAlert[];
  /** Those left out, since there were too many for one message. */
  readonly truncatedAlerts: number;
}

export interface MessageAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: Millis;
  /** Undefined while it lasts. */
  readonly endsAt?: Millis;
  readonly generatorUrl: string;
  readonly fingerprint: string;
}
