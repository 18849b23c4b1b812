import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { foresailDashboard } from '../dashboards/foresail.ts';
import { referencePages } from '../docs/reference-pages.ts';
import { policyDefinitionFile } from '../scaling-policies/crd.ts';
import { policySchema } from '../scaling-policies/schema.ts';
import { checkSettings } from '../src/config/check-settings.ts';
import { parsePolicy } from '../src/scaling/policy.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

test.each([
  { file: 'scaling-policies/policy.schema.json', source: policySchema },
  { file: 'dashboards/foresail.json', source: foresailDashboard },
])('$file is what `npm run generate` writes', ({ file, source }) => {
  expect(JSON.parse(read(file))).toEqual(JSON.parse(JSON.stringify(source())));
});

test('the CustomResourceDefinition is what `npm run generate` writes', () => {
  expect(read('deploy/helm/foresail/files/scalingpolicies.yaml')).toBe(policyDefinitionFile());
});

test.each([
  '20-foresail.yaml',
  'external-metrics/20-foresail.yaml',
])('the settings in deploy/manifests/%s are right', (file) => {
  const objects = parseAllDocuments(read(`deploy/manifests/${file}`)).map((document) => document.toJS());
  const { data } = objects.find((object) => object?.kind === 'ConfigMap');
  expect(checkSettings(parseYaml(data['foresail.yaml'])).problems).toEqual([]);
});

test('docs/reference has what `npm run generate` writes', async () => {
  for (const [file, text] of Object.entries(await referencePages())) expect(read(`docs/reference/${file}`)).toBe(text);
});

describe('every metric that is named exists', async () => {
  const exist = new Set((await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name));

  test.each([
    'dashboards/foresail.json',
    ...['foresail', 'workloads'].flatMap((name) => [`alerts/${name}.yaml`, `alerts/${name}.test.yaml`]),
  ])('in %s', (file) => {
    const named = [...new Set(read(file).match(/\bforesail_\w+/g))];
    expect(named.length).toBeGreaterThan(0);
    const missing = named.filter((name) => !exist.has(name) && !exist.has(name.replace(/_(bucket|count|sum)$/, '')));
    expect(missing).toEqual([]);
  });

  test.each(['foresail', 'workloads'])('every alert of alerts/%s.yaml has a test', (name) => {
    const { groups } = parseYaml(read(`alerts/${name}.yaml`)) as { groups: { rules: { alert: string }[] }[] };
    const tested = read(`alerts/${name}.test.yaml`);
    const untested = groups
      .flatMap(({ rules }) => rules)
      .filter(({ alert }) => !tested.includes(`alertname: ${alert}`));
    expect(untested).toEqual([]);
  });
});

describe('every policy in scaling-policies/ is one', () => {
  const files = [
    'example.yaml',
    ...readdirSync(new URL('../scaling-policies/demo', import.meta.url)).map((f) => `demo/${f}`),
  ];
  test.each(files)('%s', (file) => {
    for (const document of parseAllDocuments(read(`scaling-policies/${file}`))) {
      expect(parsePolicy(document.toJS())).toMatchObject({ mode: file.startsWith('demo/') ? 'enforce' : 'observe' });
    }
  });
});
