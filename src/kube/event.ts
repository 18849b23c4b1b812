import type { Announcement } from '../scaling/cluster.ts';
import { kindOf } from './bounds-kind.ts';
import type { BoundsObject } from './bounds-object.ts';

/** The longest note that the API server takes. */
const MAX_NOTE = 1024;

/** An events.k8s.io/v1 Event about a target, as `kubectl describe` shows it there. */
export function eventOf({ kind, metadata }: BoundsObject, { type, reason, message }: Announcement, at: Date) {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { generateName: `${metadata.name.slice(0, 200).replace(/\.$/, '')}-`, namespace: metadata.namespace },
    eventTime: at.toISOString().replace('Z', '000Z'),
    type,
    reason,
    action: 'ScaleBounds',
    note: message.length > MAX_NOTE ? `${message.slice(0, MAX_NOTE - 1)}…` : message,
    reportingController: 'foresail.dev/foresail',
    reportingInstance: 'foresail',
    regarding: {
      apiVersion: kindOf({ kind }).apiVersion,
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    },
  };
}
