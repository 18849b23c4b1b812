import type { Announcement } from '../scaling/cluster.ts';
import { kindOf } from './bounds-kind.ts';
import type { BoundsObject } from './bounds-object.ts';

/** The longest note that the API server takes. */
const MAX_NOTE = 1024;

/** What an event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion?: string;
}

/** An events.k8s.io/v1 Event about a target, as `kubectl describe` shows it there. */
export function eventOf({ kind, metadata }: BoundsObject, announcement: Announcement, at: Date) {
  const { namespace, name, uid, resourceVersion } = metadata;
  const regarding = { apiVersion: kindOf({ kind }).apiVersion, kind, namespace, name, uid, resourceVersion };
  return eventAbout(regarding, 'ScaleBounds', announcement, at);
}

/** @param action What Foresail did, or was about to do: one word, CamelCase. */
export function eventAbout(regarding: Regarding, action: string, { type, reason, message }: Announcement, at: Date) {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { generateName: `${regarding.name.slice(0, 200).replace(/\.$/, '')}-`, namespace: regarding.namespace },
    eventTime: at.toISOString().replace('Z', '000Z'),
    type,
    reason,
    action,
    note: message.length > MAX_NOTE ? `${message.slice(0, MAX_NOTE - 1)}…` : message,
    reportingController: 'foresail.dev/foresail',
    reportingInstance: 'foresail',
    regarding,
  };
}
