import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlPlane } from '../../src/testing/control-plane.ts';

/** What the API server's audit log tells of one write to an HPA. */
export interface AuditedWrite {
  readonly at: number;
  readonly user: string;
  readonly name: string;
  readonly status: number;
  /** The minimum that was asked for. Undefined where the write named none. */
  readonly min: number | undefined;
}

/** Flags that make the API server log each write to an HPA, with what was asked for. */
export async function auditFlags(folder: string): Promise<readonly string[]> {
  const policy = join(folder, 'audit.json');
  const resources = [{ group: 'autoscaling', resources: ['horizontalpodautoscalers'] }];
  const rules = [{ level: 'Request', verbs: ['patch'], resources, omitStages: ['RequestReceived'] }, { level: 'None' }];
  await writeFile(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${auditLog(folder)}`, '--audit-log-mode=blocking-strict'];
}

/** The writes to HPAs so far, in the order in which the API server finished them. */
export async function auditedWrites(folder: string): Promise<readonly AuditedWrite[]> {
  const text = await readFile(auditLog(folder), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '' && line.endsWith('}'))
    .map((line) => JSON.parse(line) as AuditEvent)
    .map(({ user, objectRef, requestObject, responseStatus, stageTimestamp }) => ({
      at: Date.parse(stageTimestamp),
      user: user.username.split(':').at(-1)!,
      name: objectRef.name,
      status: responseStatus?.code ?? 0,
      min: requestObject?.spec?.minReplicas,
    }));
}

/** A kubeconfig of a service account of its own that may do what Foresail does, so that its writes can be told. */
export async function kubeconfigOf(plane: ControlPlane, folder: string, name: string): Promise<string> {
  await plane.kubectl(['-n', 'shop', 'create', 'serviceaccount', name]);
  await plane.kubectl([
    'create',
    'clusterrolebinding',
    name,
    '--clusterrole=foresail',
    `--serviceaccount=shop:${name}`,
  ]);
  const token = (await plane.kubectl(['-n', 'shop', 'create', 'token', name])).trim();
  const config = JSON.parse(await readFile(plane.kubeconfig, 'utf8'));
  config.users[0].user = { token };
  const path = join(folder, `${name}.json`);
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** The rights that enforcing and sharing take. */
export const FORESAIL_ROLE = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'foresail' },
  rules: [
    { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: ['get', 'list', 'patch'] },
    { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get'] },
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
    { apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch', 'create', 'patch'] },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['list', 'create', 'patch', 'delete'] },
  ],
};

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly objectRef: { readonly name: string };
  readonly requestObject?: { readonly spec?: { readonly minReplicas?: number } };
  readonly responseStatus?: { readonly code?: number };
  readonly stageTimestamp: string;
}

function auditLog(folder: string): string {
  return join(folder, 'audit.log');
}
