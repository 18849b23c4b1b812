import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { renderManifests } from '../../deploy/render.ts';
import { type KubeApi, openKubeApi } from '../../src/kube/api.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { atOnce, policy } from './shop-objects.ts';

const runFile = promisify(execFile);
const assets = await findControlPlane();
const helm = await findHelm();
const NO_HELM = 'there is no helm: set HELM to its path, or have ../shared/bin';
const MANIFESTS = 'deploy/manifests';
const CHART = 'deploy/helm/foresail';
const ACCOUNT = 'system:serviceaccount:foresail:foresail';
const KEDA = resolve('../shared/kubernetes/keda/keda.sh_scaledobjects.yaml');
/** The same policy of what is written down as many clusters have: who did what, without bodies. */
const AUDIT = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
};

test('deploy/manifests is what `npm run manifests` writes', ({ skip }) => {
  if (helm === undefined) skip(NO_HELM);
  for (const [name, text] of Object.entries(renderManifests(helm!))) {
    expect(readFileSync(join(MANIFESTS, name), 'utf8'), name).toBe(text);
  }
});

test.skipIf(helm === undefined).each([
  { name: 'as it is', flags: [] },
  {
    name: 'with all that can be switched on',
    flags: [
      '--set',
      'externalMetrics.enabled=true,rbac.scaleTargets[0].apiGroup=argoproj.io,rbac.scaleTargets[0].resource=rollouts',
      '--set-json',
      'service.extraPorts=[{"name":"keda-scaler","port":6001,"targetPort":6001}]',
    ],
  },
  {
    name: 'with three replicas over an engine',
    flags: [
      '--set',
      'replicas=3,persistence.enabled=false,engine.enabled=true,engine.writeUrl=http://vm:8428/api/v1/write,engine.queryUrl=http://vm:8428,engine.existingSecret=vm',
    ],
  },
  {
    name: 'with all that can be switched off',
    flags: [
      '--set',
      'rbac.create=false,serviceAccount.create=false,persistence.enabled=false,podDisruptionBudget.enabled=false,crds.install=false',
      '--set-json',
      'authentication.tokens=[]',
    ],
  },
])('helm lint passes $name', async ({ flags }) => {
  await runFile(helm!, ['lint', '--strict', '--kube-version', '1.34.0', CHART, ...flags]);
});

test('the Dockerfile copies what there is, and what its ignore file lets through', () => {
  const lines = readFileSync('deploy/Dockerfile', 'utf8').split('\n');
  const ignored = readFileSync('deploy/Dockerfile.dockerignore', 'utf8').split('\n');
  const copied = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(' ').slice(1, -1));
  expect(copied.filter((path) => !existsSync(path) || !ignored.includes(`!${path}`))).toEqual([]);
  expect(ignored.filter((line) => line.startsWith('!') && !copied.includes(line.slice(1)))).toEqual([]);
});

/** What is in deploy/, applied to a real API server, and the program under the rights that it gives. */
describe('deploy/ on a real API server', () => {
  let plane: ControlPlane;
  let folder: string;
  let audit: string;
  let program: RunningProgram | undefined;
  let account: KubeApi & AsyncDisposable;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-deploy-'));
    audit = join(folder, 'audit.log');
    await writeFile(join(folder, 'audit.json'), JSON.stringify(AUDIT));
    const flags = [`--audit-policy-file=${join(folder, 'audit.json')}`, `--audit-log-path=${audit}`];
    plane = await startControlPlane(assets, { flags: { 'kube-apiserver': flags } });
  });
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
    await account?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const apply = (document: string | object) => plane.kubectl(['apply', '--validate=strict', '-f', '-'], document);

  test('the plain files apply as they stand, with the server’s strict validation', async () => {
    await plane.kubectl(['apply', '--validate=strict', '-f', MANIFESTS]);
    const files = readdirSync(MANIFESTS).filter((name) => name.endsWith('.yaml'));
    expect(files).toEqual(['00-namespace.yaml', '10-scalingpolicies.yaml', '20-foresail.yaml']);
    expect(await plane.kubectl(['-n', 'foresail', 'get', 'deploy,svc,pdb,pvc,sa,cm', '-o', 'name'])).toContain(
      'deployment.apps/foresail',
    );
    await plane.kubectl(['wait', '--for=condition=Established', 'crd/scalingpolicies.foresail.dev', '--timeout=30s']);
  });

  test('its pod is one that a namespace of the restricted sort takes', async () => {
    const documents = parseAllDocuments(readFileSync(join(MANIFESTS, '20-foresail.yaml'), 'utf8')).map((d) => d.toJS());
    const { spec } = documents.find((document) => document?.kind === 'Deployment').spec.template;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'trial', namespace: 'foresail' }, spec };
    expect(await plane.kubectl(['create', '--dry-run=server', '-f', '-'], pod)).toContain('pod/trial created');
    const open = { ...pod, spec: { ...spec, securityContext: {} } };
    await expect(plane.kubectl(['create', '--dry-run=server', '-f', '-'], open)).rejects.toThrow(
      'violates PodSecurity',
    );
  });

  test('the chart applies under another name beside them, external metrics and all', async ({ skip }) => {
    if (helm === undefined) skip(NO_HELM);
    const words = [
      'template',
      'trial',
      CHART,
      '-n',
      'trial',
      '--kube-version',
      '1.34.0',
      '--set',
      'externalMetrics.enabled=true',
    ];
    const { stdout } = await runFile(helm!, words, { maxBuffer: 16 * 1024 * 1024 });
    await plane.kubectl(['create', 'namespace', 'trial']);
    const applied = await apply(stdout);
    for (const object of [
      'deployment.apps/trial-foresail',
      'service/trial-foresail',
      'poddisruptionbudget.policy/trial-foresail',
      'apiservice.apiregistration.k8s.io/v1beta1.external.metrics.k8s.io',
      'customresourcedefinition.apiextensions.k8s.io/scalingpolicies.foresail.dev',
    ]) {
      expect(applied).toContain(object);
    }
    await plane.kubectl(
      ['delete', '--wait=false', '-f', '-'],
      stdout
        .split(/^---$/m)
        .filter((text) => !text.includes('CustomResourceDefinition'))
        .join('---\n'),
    );
  });

  test('under its own account the program does all of its work, and nothing is forbidden', async () => {
    const token = (await plane.kubectl(['-n', 'foresail', 'create', 'token', 'foresail', '--duration=1h'])).trim();
    const kubeconfig = join(folder, 'account.json');
    const admin = JSON.parse(await readFile(plane.kubeconfig, 'utf8')) as object;
    await writeFile(kubeconfig, JSON.stringify({ ...admin, users: [{ name: 'admin', user: { token } }] }));
    account = await openKubeApi({ kubeconfig });
    await plane.kubectl(['create', 'namespace', 'shop']);
    for (const kind of ['Deployment', 'StatefulSet', 'ReplicaSet']) await apply(workload(kind));
    const keda = existsSync(KEDA);
    if (keda) {
      await plane.kubectl(['apply', '--server-side', '-f', KEDA]);
      await plane.kubectl(['wait', '--for=condition=Established', 'crd/scaledobjects.keda.sh', '--timeout=30s']);
      await waitFor('ScaledObjects to be served', async () => (await apply(scaledObject())) !== '');
      await apply(hpaOfKeda(await field('scaledobject/queue', '.metadata.uid')));
    }
    const settings = `kubernetes: {kubeconfig: ${kubeconfig}}\ncoordination: {kind: lease, namespace: foresail, leaseDuration: 5s}\nloops: {scale: 1s}\n`;
    await writeFile(join(folder, 'foresail.yaml'), settings);
    program = await startProgram(['--config', join(folder, 'foresail.yaml')]);

    const names = ['deployment', 'statefulset', 'replicaset'];
    for (const name of names) await apply(policy(name, { target: { name }, ...atOnce(6) }));
    if (keda) await apply(policy('queue', { target: { kind: 'ScaledObject', name: 'queue' }, ...atOnce(6) }));
    for (const name of names) {
      await waitFor(`the floor of ${name}`, async () => (await field(`hpa/${name}`, '.spec.minReplicas')) === '6');
    }
    if (keda) {
      await waitFor(
        'the floor of queue',
        async () => (await field('scaledobject/queue', '.spec.minReplicaCount')) === '6',
      );
    }
    const told = [...names, ...(keda ? ['queue'] : [])];
    for (const name of told) {
      await waitFor(`the status of ${name}`, async () => (await field(`sp/${name}`, '.status.floor')) === '6');
    }
    expect(await plane.kubectl(['-n', 'shop', 'describe', 'hpa', 'deployment'])).toContain('TookOver');
    // What all replicas are to know stands in ConfigMaps of its namespace.
    const silenced = await fetch(`${program.url}/api/v2/silences`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        matchers: [{ name: 'namespace', value: 'shop', isRegex: false, isEqual: true }],
        startsAt: new Date().toISOString(),
        endsAt: new Date(Date.now() + 3_600_000).toISOString(),
        createdBy: 'a person',
        comment: 'planned work',
      }),
    });
    expect([silenced.status, (await silenced.text()).includes('silenceID')]).toEqual([200, true]);
    for (const name of told) await plane.kubectl(['-n', 'shop', 'delete', 'sp', name]);
    for (const name of names) {
      await waitFor(
        `the release of ${name}`,
        async () => (await field(`hpa/${name}`, '.spec.minReplicas')) === '2',
        150_000,
      );
    }
    await waitFor('the watch to be written down', async () => (await calls()).some(({ verb }) => verb === 'watch'));
    // Its lease is given back at the end.
    await program[Symbol.asyncDispose]();
    expect(await plane.kubectl(['-n', 'foresail', 'get', 'leases', '-o', 'name'])).toBe('');
    expect((await calls()).filter(({ code }) => code === 403)).toEqual([]);
  });

  test('each right that it has was used, and was needed', async () => {
    const rulesOf = async (...which: readonly string[]) =>
      (JSON.parse(await plane.kubectl(['get', ...which, '-o', 'json'])) as { rules: Rule[] }).rules;
    const rules = [
      ...(await rulesOf('clusterrole', 'foresail')),
      ...(await rulesOf('-n', 'foresail', 'role', 'foresail-leases')),
    ];
    const used = new Set((await calls()).map(({ verb, group, resource }) => `${verb} ${group}/${resource}`));
    const unused = rules.flatMap(rightsOf).filter((right) => !used.has(right));
    expect(unused).toEqual(
      existsSync(KEDA) ? [] : ['get', 'list', 'patch'].map((verb) => `${verb} keda.sh/scaledobjects`),
    );
  });

  test.each([
    { name: 'secrets', path: '/api/v1/namespaces/shop/secrets' },
    { name: 'nodes', path: '/api/v1/nodes' },
    { name: 'config maps of others', path: '/api/v1/namespaces/kube-system/configmaps' },
    { name: 'workloads', path: '/apis/apps/v1/namespaces/shop/deployments/deployment' },
    {
      name: 'scaling a workload',
      path: '/apis/apps/v1/namespaces/shop/deployments/deployment/scale',
      patch: { spec: { replicas: 9 } },
    },
    {
      name: 'changing a policy',
      path: '/apis/foresail.dev/v1alpha1/namespaces/shop/scalingpolicies/any',
      patch: { spec: { mode: 'enforce' } },
    },
    { name: 'leases of others', path: '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases' },
    { name: 'roles', path: '/apis/rbac.authorization.k8s.io/v1/clusterroles' },
  ])('what is beyond its work is forbidden: $name', async ({ path, patch }) => {
    const call =
      patch === undefined
        ? { method: 'GET' as const, path }
        : { method: 'PATCH' as const, path, body: patch, contentType: 'application/merge-patch+json' };
    expect(await account.request(call)).toMatchObject({ status: 403, body: { reason: 'Forbidden' } });
  });

  /** What jsonpath says of an object in the namespace shop. */
  const field = async (object: string, path: string) =>
    await plane.kubectl(['-n', 'shop', 'get', object, '-o', `jsonpath={${path}}`]);

  /** What the account asked for, by the API server's own record. */
  async function calls() {
    const lines = (await readFile(audit, 'utf8')).trim().split('\n');
    return lines.flatMap((line) => {
      const { user, verb, objectRef, responseStatus, stage } = JSON.parse(line) as AuditEvent;
      if (user.username !== ACCOUNT || objectRef?.resource === undefined) return [];
      const { apiGroup: group = '', resource, subresource } = objectRef;
      const name = subresource === undefined ? resource : `${resource}/${subresource}`;
      return [{ verb, group, resource: name, code: responseStatus?.code ?? 0, stage }];
    });
  }
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly stage: string;
  readonly objectRef?: { readonly apiGroup?: string; readonly resource?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
}

function rightsOf({ apiGroups, resources, verbs }: Rule): readonly string[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
  );
}

async function findHelm(): Promise<string | undefined> {
  const given = process.env['HELM'];
  if (given !== undefined) return given;
  const install = resolve('../shared/bin/install');
  if (!existsSync(install)) return undefined;
  return join((await runFile(install, { timeout: 600_000 })).stdout.trim(), 'helm');
}

/** A workload of two replicas by the name of its kind, and its HPA. */
function workload(kind: string) {
  const name = kind.toLowerCase();
  const metadata = { name, namespace: 'shop' };
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'example.com/main:1' }] },
  };
  const spec = { replicas: 2, selector: { matchLabels: { app: name } }, template };
  const scaleTargetRef = { apiVersion: 'apps/v1', kind, name };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'apps/v1', kind, metadata, spec: kind === 'StatefulSet' ? { ...spec, serviceName: name } : spec },
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata,
        spec: { scaleTargetRef, minReplicas: 2, maxReplicas: 40 },
      },
    ],
  };
}

/** What KEDA makes of it; no KEDA runs here. */
function hpaOfKeda(uid: string) {
  const owner = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'queue', uid, controller: true };
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'keda-hpa-queue', namespace: 'shop', ownerReferences: [owner] },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'deployment' },
      minReplicas: 2,
      maxReplicas: 40,
    },
  };
}

function scaledObject() {
  return {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: { name: 'queue', namespace: 'shop' },
    spec: {
      scaleTargetRef: { name: 'deployment' },
      minReplicaCount: 2,
      maxReplicaCount: 40,
      triggers: [
        { type: 'cron', metadata: { timezone: 'UTC', start: '0 6 * * *', end: '0 20 * * *', desiredReplicas: '3' } },
      ],
    },
  };
}
