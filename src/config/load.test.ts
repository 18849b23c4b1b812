import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commentedSettings } from './commented-file.ts';
import { SettingsError } from './errors.ts';
import { loadSettings } from './load.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const NO_ENV = { HOME: '/nonexistent' };

function load(text: string, flags = {}, env: Record<string, string> = NO_ENV) {
  const file = join(folder, 'foresail.yaml');
  writeFileSync(file, text);
  return loadSettings({ file, flags, env });
}

function problemsIn(text: string, flags = {}, env: Record<string, string> = NO_ENV): string[] {
  try {
    load(text, flags, env);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.message.replaceAll(`${folder}/`, '').split('\n');
  }
}

test('loadSettings() has external metrics off, or with a default for all of them and absolute paths', () => {
  expect(load('').externalMetrics).toBeUndefined();
  expect(load('externalMetrics: {}').externalMetrics).toEqual({
    listen: { host: '0.0.0.0', port: 8443 },
    service: { namespace: 'foresail', name: 'foresail', port: 443 },
    apiService: 'keep',
    certificates: 'selfMade',
    upstream: undefined,
  });
  const certificates = 'certificates: {cert: tls.crt, key: /k/tls.key}';
  expect(load(`externalMetrics: {${certificates}, upstream: {url: 'https://x.y.svc'}}`).externalMetrics).toMatchObject({
    certificates: { cert: join(folder, 'tls.crt'), key: '/k/tls.key', ca: undefined },
    upstream: { url: 'https://x.y.svc', ca: undefined, skipVerify: false },
  });
  expect(problemsIn("externalMetrics: {upstream: {url: 'http://x'}}")).toHaveLength(1);
});

test('loadSettings() without a file has a default for everything', () => {
  const settings = loadSettings({ env: NO_ENV });
  expect(settings.listen).toEqual({ host: '127.0.0.1', port: 7070 });
  expect(settings.kubernetes).toEqual({ kind: 'off' });
  expect(settings.authentication).toEqual({ kind: 'none' });
  expect(settings.loops.scaleMs).toBe(15_000);
  expect(settings.limits.queryPoints).toBe(11_000);
});

test('foresail init writes a file that loads to the defaults', () => {
  const defaults = loadSettings({ env: NO_ENV });
  const loaded = load(commentedSettings());
  expect({ ...loaded, dataFolder: '' }).toEqual({ ...defaults, dataFolder: '' });
  expect(loaded.dataFolder).toBe(join(folder, 'data'));
});

test('foresail init comments every setting and fits 120 columns', () => {
  const lines = commentedSettings().split('\n');
  expect(lines.filter((line) => line.length > 120)).toEqual([]);
  for (const [i, line] of lines.entries()) {
    if (/^\s*\w+:/.test(line)) expect(lines[i - 1], line).toMatch(/^\s*# \S/);
  }
});

test('loadSettings() flags win over the file', () => {
  const settings = load('listen: 127.0.0.1:1\nlog: {level: warn}', { listen: '127.0.0.1:0', logLevel: 'error' });
  expect(settings.listen.port).toBe(0);
  expect(settings.logLevel).toBe('error');
});

test('loadSettings() says how replicas share their targets', () => {
  expect(load('').coordination).toEqual({ kind: 'off' });
  expect(load('coordination: {kind: lease, leaseDuration: 30s}').coordination).toEqual({
    kind: 'lease',
    namespace: 'default',
    group: 'foresail',
    leaseMs: 30_000,
  });
  expect(problemsIn('coordination: {leaseDuration: 2s}').join()).toContain('expected 3s to 5m, got "2s"');
  expect(problemsIn('kubernetes: off\ncoordination: {kind: lease}').join()).toContain('"off" while kubernetes is off');
});

test('loadSettings() reads tokens from the environment and from files', () => {
  writeFileSync(join(folder, 'token'), 'from-file\n');
  const text =
    'listen: 0.0.0.0:7070\nauthentication:\n  tokens:\n  - {name: a, env: T, role: writer}\n  - {name: b, file: token}\n';
  expect(load(text, {}, { ...NO_ENV, T: 'from-env' }).authentication).toEqual({
    kind: 'tokens',
    tokens: [
      { name: 'a', token: 'from-env', tenant: 'default', role: 'writer', anyTenant: false },
      { name: 'b', token: 'from-file', tenant: 'default', role: 'reader', anyTenant: false },
    ],
  });
});

test('loadSettings() resolves an engine: files absolute, how tenants are told only where there are some', () => {
  const engine = "write: {url: 'http://a/w'}, query: {url: 'http://a'}";
  expect(load(`storage: {kind: prometheus, ${engine}, bearerTokenFile: token}`).storage).toEqual({
    kind: 'prometheus',
    writeUrl: 'http://a/w',
    queryUrl: 'http://a',
    tenantBy: { kind: 'none' },
    bearerTokenFile: join(folder, 'token'),
    basicAuth: undefined,
    headers: {},
    timeoutMs: 10_000,
    bufferedSamples: 1_000_000,
    queueBytes: 2 ** 30,
  });
  const tenants = (setting: string) => {
    const { storage } = load(`tenancy: {mode: on}\nstorage: {kind: prometheus, ${engine}${setting}}`);
    return storage.kind === 'prometheus' && storage.tenantBy;
  };
  expect(tenants('')).toEqual({ kind: 'header', name: 'X-Scope-OrgID' });
  expect(tenants(', tenants: {label: org}')).toEqual({ kind: 'label', name: 'org' });
});

test('loadSettings() resolves an InfluxDB', () => {
  const of = (text: string) => load(`storage: {kind: influx, url: 'http://i:8086', ${text}}`).storage;
  expect(of('username: me, passwordFile: secret, queueBytes: 0')).toEqual({
    kind: 'influx',
    url: 'http://i:8086',
    database: 'foresail',
    retentionPolicy: undefined,
    tenantBy: { kind: 'none' },
    username: 'me',
    passwordFile: join(folder, 'secret'),
    timeoutMs: 10_000,
    bufferedSamples: 1_000_000,
    queueBytes: 0,
  });
  const tenants = (setting: string) => {
    const { storage } = load(`tenancy: {mode: on}\nstorage: {kind: influx, url: 'http://i:8086'${setting}}`);
    return storage.kind === 'influx' && storage.tenantBy;
  };
  expect(tenants('')).toEqual({ kind: 'database' });
  expect(tenants(', tenants: {tag: org}')).toEqual({ kind: 'tag', name: 'org' });
  expect(() => of('passwordFile: secret')).toThrow('storage.passwordFile: expected storage.username beside it');
  expect(() => of('database: a/b')).toThrow('storage.database: expected the name of a database');
});

test('loadSettings() finds the cluster', () => {
  writeFileSync(join(folder, 'kubeconfig'), '');
  const path = join(folder, 'kubeconfig');
  expect(load('', {}, { KUBERNETES_SERVICE_HOST: '10.0.0.1' }).kubernetes).toEqual({ kind: 'inCluster' });
  expect(load('', {}, { ...NO_ENV, KUBECONFIG: `/absent:${path}` }).kubernetes).toEqual({ kind: 'kubeconfig', path });
  expect(load('kubernetes: off', {}, { KUBERNETES_SERVICE_HOST: '10.0.0.1' }).kubernetes).toEqual({ kind: 'off' });
  expect(load('kubernetes: {kubeconfig: kubeconfig}').kubernetes).toEqual({ kind: 'kubeconfig', path });
});

test.each([
  {
    name: 'a wrong word',
    text: '# c\n\n\n\n\ntenancy:\n  mode: yes\n',
    want: ['foresail.yaml:7:3: tenancy.mode: expected "on" or "off", got "yes"; did you mean "on"?'],
  },
  {
    name: 'a boolean for a word',
    text: 'tenancy: {mode: true}',
    want: ['foresail.yaml:1:11: tenancy.mode: expected "on" or "off", got true; did you mean "on"?'],
  },
  {
    name: 'an unknown key',
    text: 'tenancy:\n  mod: on\n',
    want: ['foresail.yaml:2:3: tenancy.mod: unknown key (expected mode, from or namespaces); did you mean "mode"?'],
  },
  {
    name: 'all errors at once',
    text: 'loops:\n  scale: soon\nretention: 15\nlimits: {queryPoints: 0, seriesPerTenant: many}\nstorag: x\n',
    want: [
      'foresail.yaml:3:1: retention: expected a text, got 15',
      'foresail.yaml:2:3: loops.scale: expected a duration such as 30s, 5m or 28d, got "soon"',
      'foresail.yaml:4:26: limits.seriesPerTenant: expected a number, got "many"',
      'foresail.yaml:4:10: limits.queryPoints: expected at least 1, got 0',
      'foresail.yaml:5:1: storag: unknown key; did you mean "storage"?',
    ],
  },
  {
    name: 'a union none of whose branches was meant',
    text: 'kubernetes: inclustre',
    want: [
      'foresail.yaml:1:1: kubernetes: expected "auto", "inCluster" or "off" or a mapping, got "inclustre"; did you mean "inCluster"?',
    ],
  },
  {
    name: 'inside the branch of a union that was meant',
    text: 'authentication:\n  tokens:\n    - name: a\n      env: T\n      rol: reader\n',
    want: [
      'foresail.yaml:5:7: authentication.tokens[0].rol: unknown key (expected name, file, env, tenant, role or writes); did you mean "role"?',
    ],
  },
  {
    name: 'an open door',
    text: 'listen: 0.0.0.0:7070',
    want: [
      'foresail.yaml:1:1: listen: 0.0.0.0:7070 can be reached from other machines, and nobody would be asked who they are: set authentication.tokens, or write "authentication: none"',
    ],
  },
  { name: 'an open door that was meant', text: 'listen: 0.0.0.0:7070\nauthentication: none', want: [] },
  {
    name: 'an engine without the tenant in its address',
    text: "tenancy: {mode: on}\nstorage:\n  kind: prometheus\n  tenants: path\n  write: {url: 'http://a/{tenant}/w'}\n  query: {url: 'http://a'}\n",
    want: ['foresail.yaml:6:11: storage.query.url: expected {tenant} in it, since storage.tenants is path'],
  },
  {
    name: 'an engine with a tenant, a user and two credentials too many',
    text: "storage:\n  kind: prometheus\n  bearerTokenFile: t\n  basicAuth: {username: u, passwordFile: p}\n  write: {url: 'http://a/{tenant}/w'}\n  query: {url: 'http://me:pw@a'}\n",
    want: [
      'foresail.yaml:5:11: storage.write.url: expected no {tenant} in it unless storage.tenants is path and tenancy.mode is on',
      'foresail.yaml:6:11: storage.query.url: expected no user in the address: use storage.basicAuth',
      'foresail.yaml:4:3: storage.basicAuth: expected one of bearerTokenFile and basicAuth',
    ],
  },
  {
    name: 'an engine without an address',
    text: 'storage: {kind: prometheus, write: {url: victoria}}',
    want: [
      'foresail.yaml:1:37: storage.write.url: expected an address such as http://victoria-metrics:8428',
      'foresail.yaml:1:1: storage.query: missing: expected a mapping',
    ],
  },
  {
    name: 'an empty token',
    text: 'authentication:\n  tokens:\n    - name: a\n      env: ABSENT\n',
    want: [
      'foresail.yaml:4:7: authentication.tokens[0].env: expected a token, but the environment variable ABSENT is empty',
    ],
  },
  {
    name: 'a tenant while tenancy is off',
    text: 'authentication:\n  tokens:\n    - {name: a, env: T, tenant: acme}\n',
    want: [
      'foresail.yaml:3:25: authentication.tokens[0].tenant: expected "default" while tenancy.mode is off, got "acme"',
    ],
  },
  { name: 'no mapping', text: '- a\n', want: ['foresail.yaml:1:1: expected a mapping, got a list'] },
  {
    name: 'broken YAML',
    text: 'a: [1\nb: 2',
    want: [expect.stringMatching(/^foresail\.yaml:2:1: flow sequence in block collection/)],
  },
  {
    name: 'a key twice',
    text: 'data: a\ndata: b\n',
    want: [expect.stringMatching(/^foresail\.yaml:2:1: map keys must be unique/)],
  },
])('loadSettings() says where and what: $name', ({ text, want }) => {
  expect(problemsIn(text)).toEqual(want);
});

test('loadSettings() names the flag that is wrong', () => {
  expect(problemsIn('', { listen: 'nowhere' })[0]).toMatch(/^--listen:.*expected HOST:PORT/);
});

test.each([
  { name: 'deep nesting', text: '['.repeat(100_000) },
  {
    name: 'an alias bomb',
    text: `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
      .split('')
      .map((k, i) => `${k}: &${k} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)
      .join('\n')}\n`,
  },
])('loadSettings() survives $name', ({ text }) => {
  expect(problemsIn(text)).not.toEqual([]);
});

test('loadSettings() serves the external scaler of KEDA beyond loopback only where callers show who they are', () => {
  expect(loadSettings({ env: NO_ENV }).kedaScaler).toBeUndefined();
  expect(load('kedaScaler: {}').kedaScaler).toEqual({ listen: { host: '127.0.0.1', port: 6001 }, tls: undefined });
  expect(load('kedaScaler: {listen: 0.0.0.0:1, tls: {cert: c, key: k, clientCa: a}}').kedaScaler?.tls).toEqual({
    cert: join(folder, 'c'),
    key: join(folder, 'k'),
    clientCa: join(folder, 'a'),
  });
  expect(load('kedaScaler: {listen: 0.0.0.0:1, authentication: none}').kedaScaler?.listen.host).toBe('0.0.0.0');
  expect(problemsIn('kedaScaler: {listen: 0.0.0.0:1, tls: {cert: c, key: k}}').join()).toContain(
    'kedaScaler.tls.clientCa',
  );
});
