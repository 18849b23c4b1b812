import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SettingsError } from './errors.ts';
import { loadSettings } from './load.ts';
import { parseSize } from './scrape-schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'foresail-scrape-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(yaml: string) {
  const file = join(folder, 'foresail.yaml');
  writeFileSync(file, yaml);
  return loadSettings({ file, env: {} }).scrape;
}

function problems(yaml: string): readonly string[] {
  try {
    load(yaml);
    return [];
  } catch (error) {
    if (error instanceof SettingsError)
      return error.message.split('\n').map((line) => line.replaceAll(`${folder}/`, ''));
    throw error;
  }
}

const job = (lines: string) => `scrape:\n  scrape_configs:\n    - job_name: a\n${lines.replace(/^/gm, '      ')}\n`;

test('no section: nothing is scraped', () => {
  expect(load('listen: 127.0.0.1:0\n')).toEqual({ jobs: [], passedOver: [] });
});

test('defaults are those of Prometheus', () => {
  const [only] = load(job('static_configs: [{targets: ["x:1"], labels: {zone: 7}}]')).jobs;
  expect(only).toMatchObject({
    name: 'a',
    tenant: 'default',
    intervalMs: 60_000,
    timeoutMs: 10_000,
    metricsPath: '/metrics',
    scheme: 'http',
    honorLabels: false,
    honorTimestamps: true,
    trackTimestampsStaleness: false,
    protocols: ['OpenMetricsText1.0.0', 'OpenMetricsText0.0.1', 'PrometheusText1.0.0', 'PrometheusText0.0.4'],
    limits: { bodyBytes: 0, samples: 0, labels: 0, labelNameLength: 0, labelValueLength: 0, targets: 0 },
    discoveries: [
      { kind: 'static', groups: [{ source: '0', targets: [{ __address__: 'x:1' }], labels: { zone: '7' } }] },
    ],
  });
});

test('a job takes from global what it does not say, and files are beside the settings', () => {
  const [first, second] = load(`
scrape:
  tenant: default
  global: {scrape_interval: 5s, sample_limit: 10, body_size_limit: 1KB}
  scrape_configs:
    - job_name: a
      sample_limit: 20
      basic_auth: {username: u, password_file: secret}
      file_sd_configs: [{files: ['targets/*.json']}]
      http_sd_configs: [{url: 'http://x/y', authorization: {credentials: t}}]
      kubernetes_sd_configs: [{role: pod, namespaces: {names: [shop]}}]
      relabel_configs:
        - {source_labels: [__address__], regex: 80, replacement: 1, target_label: port}
        - {action: hashmod, modulus: 8, target_label: shard}
    - {job_name: b, scrape_interval: 1m, scrape_timeout: 30s, tls_config: {min_version: TLS12, ca_file: ca.crt}}
`).jobs;
  expect(first).toMatchObject({
    intervalMs: 5_000,
    timeoutMs: 5_000,
    limits: { samples: 20, bodyBytes: 1024 },
    access: { basicAuth: { username: { text: 'u' }, password: { path: join(folder, 'secret') } } },
    discoveries: [
      { kind: 'file', files: [join(folder, 'targets/*.json')], refreshMs: 300_000 },
      { kind: 'http', refreshMs: 60_000, access: { authorization: { type: 'Bearer', credentials: { text: 't' } } } },
      { kind: 'kubernetes', role: 'pod', namespaces: ['shop'] },
    ],
    relabelRules: [
      { action: 'replace', regex: '80', replacement: '1', targetLabel: 'port', separator: ';' },
      { action: 'hashmod', modulus: 8, regex: '(.*)' },
    ],
  });
  expect(second).toMatchObject({
    intervalMs: 60_000,
    timeoutMs: 30_000,
    limits: { samples: 10 },
    access: { tls: { minVersion: 'TLSv1.2', ca: { path: join(folder, 'ca.crt') } } },
  });
});

test.each([
  {
    name: 'an unknown key',
    yaml: job('scrape_intervall: 5s'),
    want: [
      /^foresail.yaml:4:7: scrape.scrape_configs\[0\].scrape_intervall: unknown key; did you mean "scrape_interval"\?$/,
    ],
  },
  {
    name: 'a duration',
    yaml: job('scrape_interval: soon'),
    want: [/^foresail.yaml:4:7: .*scrape_interval: expected a duration such as 15s/],
  },
  {
    name: 'a broken expression',
    yaml: job('relabel_configs: [{regex: "(", target_label: x}]'),
    want: [/^foresail.yaml:4:26: .*relabel_configs\[0\].regex: expected a regular expression/],
  },
  {
    name: 'an unknown action',
    yaml: job('relabel_configs: [{action: kep, source_labels: [a]}]'),
    want: [/action: expected .*did you mean "keep"\?$/],
  },
  {
    name: 'no target label',
    yaml: job('relabel_configs: [{source_labels: [a]}]'),
    want: [/relabel_configs\[0\].target_label: missing: expected the name of a label for replace/],
  },
  {
    name: 'no modulus',
    yaml: job('relabel_configs: [{action: hashmod, target_label: a}]'),
    want: [/relabel_configs\[0\].modulus: missing: expected 1 or more for hashmod/],
  },
  {
    name: 'a timeout above the interval',
    yaml: job('scrape_interval: 5s\nscrape_timeout: 6s'),
    want: [/^foresail.yaml:5:7: .*scrape_timeout: expected a timeout of at most the interval: 6s is longer than 5s/],
  },
  {
    name: 'two credentials',
    yaml: job('basic_auth: {username: a}\nbearer_token: b'),
    want: [/^foresail.yaml:5:7: .*bearer_token: expected at most one of basic_auth and bearer_token/],
  },
  {
    name: 'two jobs of one name',
    yaml: `${job('scheme: http')}    - {job_name: a}\n`,
    want: [/job_name: the job "a" is there twice/],
  },
  {
    name: 'another tenant while there is one',
    yaml: job('tenant: acme'),
    want: [/tenant: expected "default" while tenancy.mode is off/],
  },
  {
    name: 'a file and jobs',
    yaml: 'scrape: {file: a.yml, scrape_configs: []}\n',
    want: [/^foresail.yaml:1:10: scrape.file: expected at most one of file and scrape_configs/],
  },
  {
    name: 'a file that is not there',
    yaml: 'scrape: {file: nowhere.yml}\n',
    want: [/nowhere.yml:1:1: cannot be read: ENOENT/],
  },
  {
    name: 'several at once',
    yaml: job('scheme: ftp\nsample_limit: -1'),
    want: [/scheme: expected "http" or "https", got "ftp"/, /sample_limit: expected at least 0, got -1/],
  },
])('$name is refused with its place', ({ yaml, want }) => {
  const found = problems(yaml);
  expect(found).toHaveLength(want.length);
  for (const [i, line] of found.entries()) expect(line).toMatch(want[i]!);
});

test('an existing configuration is read, and what is passed over is named', () => {
  writeFileSync(
    join(folder, 'prometheus.yml'),
    `global:
  scrape_interval: 15s
  evaluation_interval: 1m
  external_labels: {cluster: a}
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop
    proxy_url: http://proxy
    relabel_configs:
    consul_sd_configs: [{server: x}]
    kubernetes_sd_configs: [{role: endpoints}, {role: pod}]
    static_configs: [{targets: [a:1], labels: {proxy_url: mine}}]
`,
  );
  const { jobs, passedOver } = load('scrape: {file: prometheus.yml}\n');
  expect(jobs).toMatchObject([
    {
      name: 'shop',
      intervalMs: 15_000,
      discoveries: [
        { kind: 'static', groups: [{ labels: { proxy_url: 'mine' } }] },
        { kind: 'kubernetes', role: 'pod' },
      ],
    },
  ]);
  expect(passedOver.map((line) => line.replace(`${folder}/`, ''))).toEqual([
    'prometheus.yml:3: evaluation_interval is passed over',
    'prometheus.yml:4: external_labels is passed over',
    'prometheus.yml:5: rule_files is passed over',
    'prometheus.yml:8: proxy_url is passed over',
    'prometheus.yml:10: consul_sd_configs is passed over',
    'prometheus.yml:11: the role endpoints is not discovered',
  ]);
});

test('a fault in an existing configuration is named with its place there', () => {
  writeFileSync(
    join(folder, 'prometheus.yml'),
    'scrape_configs:\n  - job_name: a\n    kubernetes_sd_configs: [{role: endpoints}, {role: pud}]\n  - job: b\n',
  );
  const found = problems('scrape: {file: prometheus.yml}\n');
  expect(found[0]).toMatch(/^prometheus.yml:3:49: .*role: expected .*did you mean "pod"\?/);
  expect(found.some((line) => /^prometheus.yml:4:5: .*unknown key/.test(line))).toBe(true);
});

test.each([
  [0 as const, 0],
  ['10MB', 10 * 2 ** 20],
  ['10MiB', 10 * 2 ** 20],
  ['1.5KB', 1536],
  ['12B', 12],
])('parseSize(%s) is %d', (written, want) => {
  expect(parseSize(written)).toBe(want);
});
