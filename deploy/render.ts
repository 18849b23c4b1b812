import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The chart as plain files, for `kubectl apply -f deploy/manifests`. Needs helm on the PATH, or its path in HELM. */
export function renderManifests(helm: string): Readonly<Record<string, string>> {
  const chart = (...flags: string[]) =>
    execFileSync(helm, ['template', 'foresail', fileURLToPath(CHART), '--namespace', 'foresail', ...flags, ...PLAIN], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).replaceAll(/^ *app\.kubernetes\.io\/managed-by: Helm\n/gm, '');
  const definition = readFileSync(new URL('files/scalingpolicies.yaml', CHART), 'utf8');
  return {
    '00-namespace.yaml': MADE + NAMESPACE,
    '10-scalingpolicies.yaml': definition,
    '20-foresail.yaml': MADE + chart(),
    // In place of 20-foresail.yaml; in a folder of its own, so that it is not applied with the others.
    'external-metrics/20-foresail.yaml': MADE + chart('--set', 'externalMetrics.enabled=true'),
  };
}

const CHART = new URL('helm/foresail/', import.meta.url);
const MADE = '# Made by `npm run manifests` from deploy/helm/foresail.\n';
const PLAIN = ['--kube-version', '1.34.0', '--set', 'crds.install=false'];
const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: foresail
  labels:
    app.kubernetes.io/part-of: foresail
    pod-security.kubernetes.io/enforce: restricted
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(renderManifests(process.env['HELM'] ?? 'helm'))) {
    const path = fileURLToPath(new URL(`manifests/${name}`, import.meta.url));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
