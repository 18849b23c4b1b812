import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';

/* What the chart lets the program see of a cluster that it finds targets in: no more than the roles that are named take. */

const run = promisify(execFile);
const install = resolve('../shared/bin/install');
const helm =
  process.env['HELM'] ?? (existsSync(install) ? join((await run(install)).stdout.trim(), 'helm') : undefined);

interface Made {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

const KINDS = ['pods', 'services', 'endpointslices', 'nodes'];

/** `where: resource verbs`, of the kinds that are discovered; without what the program may by itself. */
async function rightsOf(values: readonly string[]): Promise<readonly string[]> {
  const flags = values.flatMap((value) => ['--set', value]);
  const { stdout } = await run(helm!, ['template', 'f', 'deploy/helm/foresail', '--kube-version', '1.31.0', ...flags]);
  const made = parseAllDocuments(stdout).map((document) => document.toJS() as Made | null);
  const rights = made.flatMap((object) =>
    (object?.rules ?? []).flatMap(({ resources, verbs }) =>
      resources
        .filter((resource) => KINDS.includes(resource))
        .map((resource) => `${object!.metadata.namespace ?? '*'}: ${resource} ${verbs.join(' ')}`),
    ),
  );
  return rights.filter((right) => right !== '*: pods list').sort();
}

describe.skipIf(helm === undefined)('the chart gives discovery', () => {
  test.each([
    { name: 'nothing unless it is asked for', values: [], want: [] },
    { name: 'pods', values: ['rbac.scrape.roles={pod}'], want: ['*: pods list watch'] },
    { name: 'services', values: ['rbac.scrape.roles={service}'], want: ['*: services list watch'] },
    {
      name: 'endpoint slices with what stands behind them',
      values: ['rbac.scrape.roles={endpointslice}'],
      want: ['*: endpointslices list watch', '*: pods list watch', '*: services list watch'],
    },
    { name: 'nodes', values: ['rbac.scrape.roles={node}'], want: ['*: nodes list watch'] },
    {
      name: 'pods of two namespaces alone, and nodes, which are in none',
      values: ['rbac.scrape.roles={pod,node}', 'rbac.scrape.namespaces={shop,web}'],
      want: ['*: nodes list watch', 'shop: pods list watch', 'web: pods list watch'],
    },
    {
      name: 'no empty role where nodes alone are found',
      values: ['rbac.scrape.roles={node}', 'rbac.scrape.namespaces={shop}'],
      want: ['*: nodes list watch'],
    },
  ])('$name', async ({ values, want }) => {
    expect(await rightsOf(values)).toEqual(want);
  });
});
