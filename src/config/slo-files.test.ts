import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { parseQuery } from '../promql/parse.ts';
import { checkFile } from './check-file.ts';
import { rightPolicy } from './check-policy.ts';
import { checkSettings } from './check-settings.ts';
import { parseSloFile } from './slo-files.ts';
import { formatLocated } from './yaml-document.ts';

const DEPS = { checkQuery: (expression: string) => void parseQuery(expression) };

const problemsOf = (text: string) => parseSloFile(text, 'slos.yaml', DEPS).problems.map(formatLocated);

test('objectives with their defaults', () => {
  const text = 'slos: [{name: answers, objective: 99.9, sli: {errors: sum(failed), total: sum(asked)}}]';
  expect(parseSloFile(text, 'slos.yaml', DEPS)).toEqual({
    problems: [],
    slos: [
      {
        ...{ name: 'answers', objective: 99.9, window: '30d', labels: {} },
        sli: { errors: 'sum(failed)', total: 'sum(asked)' },
        alerting: {
          page: { enabled: true, labels: {}, annotations: {} },
          ticket: { enabled: true, labels: {}, annotations: {} },
        },
      },
    ],
  });
});

test.each([
  { name: 'PromQL that is none', line: 'sli: {ratio: "sum("}', at: 'slos.yaml:4:9: slos[0].sli.ratio: ' },
  {
    name: 'errors alone',
    line: 'sli: {errors: a}',
    at: 'slos.yaml:4:3: slos[0].sli: expected errors and total, or ratio alone',
  },
  { name: 'all of them', line: 'sli: {errors: a, total: b, ratio: c}', at: 'slos.yaml:4:3: slos[0].sli: expected' },
  {
    name: 'a window that is too short',
    line: 'window: 1h',
    at: 'slos.yaml:4:3: slos[0].window: expected a duration of 1d to 90d',
  },
  {
    name: 'a label that is taken',
    line: 'labels: {slo: x}',
    at: 'slos.yaml:4:3: slos[0].labels: expected names of labels',
  },
  { name: 'a word that is not known', line: 'objektive: 1', at: 'slos.yaml:4:3: slos[0].objektive: ' },
])('$name has its place', ({ line, at }) => {
  const sli = line.startsWith('sli') ? '' : '\n  sli: {ratio: a}';
  const problems = problemsOf(`slos:\n- name: answers\n  objective: 99\n  ${line}${sli}\n`);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(at);
});

test('a name that is there twice, and an objective of everything', () => {
  const one = '{name: a, objective: 99, sli: {ratio: x}}';
  expect(problemsOf(`slos:\n- ${one}\n- ${one}\n`)).toEqual([
    'slos.yaml:3:4: slos[1].name: expected a name of its own, got "a" again',
  ]);
  expect(problemsOf('slos: [{name: a, objective: 100, sli: {ratio: x}}]')).toHaveLength(1);
});

test('`foresail check` knows a file of objectives, and those of a policy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-slos-'));
  const file = join(folder, 'slos.yaml');
  writeFileSync(file, 'slos: [{name: a, objective: 99, sli: {ratio: x}}, {name: b, objective: 90, sli: {ratio: y}}]');
  expect(checkFile(file, DEPS)).toEqual({ file, found: ['2 objectives'], problems: [] });
  rmSync(folder, { recursive: true });

  const policy = (ratio: string) =>
    parseYaml(`
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {kind: HorizontalPodAutoscaler, name: checkout}
  demand: {query: 'sum(rate(asked[5m]))', capacity: {perReplica: 10}}
  replicas: {min: 1, max: 10}
  slos: [{name: answers, objective: 99, sli: {ratio: '${ratio}'}}]
`);
  expect(rightPolicy(policy('failing'), DEPS).document.spec.slos).toMatchObject([{ name: 'answers' }]);
  expect(() => rightPolicy(policy('sum('), DEPS)).toThrow('spec.slos[0].sli.ratio');
});

test('whose rules are is checked with the settings', () => {
  const rules = { files: ['a.yaml', { tenant: 'shop', files: ['b.yaml'] }] };
  expect(checkSettings({ rules }).problems).toMatchObject([
    { path: ['rules', 'files', 1, 'tenant'], message: 'expected "default" while tenancy.mode is off, got "shop"' },
  ]);
  expect(checkSettings({ rules, tenancy: { mode: 'on' } }).problems).toEqual([]);
  expect(checkSettings({ rules: { evaluationInterval: '10ms' } }).problems).toHaveLength(1);
});
