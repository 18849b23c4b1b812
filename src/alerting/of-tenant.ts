import { labelsOf } from '../model/labels.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Message, MessageAlert } from './message.ts';

type Pairs = Readonly<Record<string, string>>;

/**
 * An alert that says whose it is, for those who know no tenants: by a label, whose own value, that the alert itself said,
 * is believed nowhere, and kept as `exported_tenant`.
 */
export function alertOfTenant(alert: MessageAlert, tenant: string): MessageAlert {
  const labels = withTenant(alert.labels, tenant);
  // Named by its labels: two tenants' alerts with the same labels are two.
  return { ...alert, labels, fingerprint: fingerprintOf(labelsOf(labels)) };
}

/** All alerts of a message, and what they have in common. */
export function messageOfTenant(message: Message): Message {
  const { tenant, groupLabels, commonLabels, alerts } = message;
  return {
    ...message,
    // What the group is by is no label of the alert any more where that is `tenant`.
    groupLabels: groupLabels['tenant'] === undefined ? groupLabels : withTenant(groupLabels, tenant),
    commonLabels: withTenant(commonLabels, tenant),
    alerts: alerts.map((alert) => alertOfTenant(alert, tenant)),
  };
}

function withTenant({ tenant: own, ...labels }: Pairs, tenant: string): Pairs {
  return { ...labels, ...(own !== undefined && { exported_tenant: own }), tenant };
}
