import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { memoryKeyValue } from '../testing/http-deps.ts';
import { policyFileReader } from './policy-files.ts';
import { policyResourceReader, type ResourceInCluster } from './policy-resources.ts';
import { openPolicyStore } from './policy-store.ts';

const ACME = 'acme' as TenantId;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-policies-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const policy = (name: string, namespace = 'shop', max = 60) => ({
  apiVersion: 'foresail.dev/v1alpha1',
  kind: 'ScalingPolicy',
  metadata: { name, namespace },
  spec: { target: { name }, demand: { query: 'up', capacity: { perReplica: 1 } }, replicas: { min: 2, max } },
});

function open(
  tenancy = { on: false, namespaces: new Map<string, TenantId>() },
  keyValue = memoryKeyValue(),
  cluster: { resources: readonly ResourceInCluster[]; unread: string | undefined } = {
    resources: [],
    unread: undefined,
  },
) {
  const checkQuery = (text: string) => {
    if (text !== 'up') throw new RangeError('not PromQL');
  };
  const readFiles = policyFileReader([folder], { checkQuery });
  const readResources = policyResourceReader(() => cluster, { checkQuery });
  return openPolicyStore({ keyValue, readFiles, readResources, checkQuery, tenancy });
}

const write = (file: string, ...documents: object[]) =>
  writeFileSync(join(folder, file), documents.map((document) => JSON.stringify(document)).join('\n---\n'));
const names = async (store: ReturnType<typeof open>) =>
  (await store.list()).map(({ policy: p, source }) => `${p.namespace}/${p.name} ${source.kind} ${p.replicas.max}`);

test('a file wins over HTTP, which cannot change it', async () => {
  const store = open();
  await store.put(DEFAULT_TENANT, 'shop', 'cart', policy('cart', 'shop', 10));
  expect(await names(store)).toEqual(['shop/cart http 10']);
  write('a.yaml', policy('cart'), policy('search'));
  expect(await names(store)).toEqual(['shop/cart file 60', 'shop/search file 60']);
  await expect(store.put(DEFAULT_TENANT, 'shop', 'cart', policy('cart'))).rejects.toMatchObject({
    code: 'policy_from_file',
  });
  await expect(store.remove(DEFAULT_TENANT, 'shop', 'cart')).rejects.toMatchObject({ code: 'policy_from_file' });
  rmSync(join(folder, 'a.yaml'));
  expect(await names(store)).toEqual(['shop/cart http 10']);
});

test('a file that breaks keeps its last right policies and says what is wrong', async () => {
  const store = open();
  write('a.yaml', policy('cart'));
  expect(await names(store)).toEqual(['shop/cart file 60']);
  writeFileSync(join(folder, 'a.yaml'), '{broken');
  expect(await names(store)).toEqual(['shop/cart file 60']);
  expect(await store.problems()).toEqual([expect.stringContaining('a.yaml:1:')]);
});

test('a policy in two files is the first one', async () => {
  const store = open();
  write('a.yaml', policy('cart', 'shop', 1 + 1));
  write('b.yaml', policy('cart'));
  expect(await names(store)).toEqual(['shop/cart file 2']);
  expect(await store.problems()).toEqual([expect.stringContaining('which wins')]);
});

test('a namespace belongs to one tenant', async () => {
  const store = open({ on: true, namespaces: new Map([['shop', ACME]]) });
  write('a.yaml', policy('cart'), policy('cart', 'lost'));
  expect((await store.list()).map(({ tenant }) => tenant)).toEqual(['acme']);
  expect(await store.problems()).toEqual([expect.stringContaining('the namespace lost belongs to no tenant')]);
  expect(await store.read(DEFAULT_TENANT, 'shop', 'cart')).toBeUndefined();
  const foreign = store.put('other' as TenantId, 'shop', 'new', policy('new'));
  await expect(foreign).rejects.toMatchObject({ code: 'namespace_of_another_tenant' });
});

test.each([
  {
    name: 'a query that is none',
    change: { demand: { query: 'x(', capacity: { perReplica: 1 } } },
    want: 'spec.demand.query: not PromQL',
  },
  {
    name: 'a cron that is none',
    change: { schedules: [{ cron: 'every day', duration: '1h', min: 3 }] },
    want: 'spec.schedules[0].cron',
  },
  {
    name: 'a window that ends before it starts',
    change: { forecast: { exclude: [{ start: '2026-01-02', end: '2026-01-01' }] } },
    want: 'spec.forecast.exclude[0].end: expected end to be later than start',
  },
  {
    name: 'two demands of one name',
    change: { demand: [0, 1].map(() => ({ name: 'd', query: 'up', capacity: { perReplica: 1 } })) },
    want: 'spec.demand[1].name',
  },
])('put() refuses $name', async ({ change, want }) => {
  const document = policy('cart');
  const put = open().put(DEFAULT_TENANT, 'shop', 'cart', { ...document, spec: { ...document.spec, ...change } });
  await expect(put).rejects.toThrow(want);
});

test.each([
  { name: 'a typing error', text: '{broken' },
  { name: 'a key that is unknown to this version', text: JSON.stringify({ ...policy('cart'), extra: 1 }) },
  { name: 'nothing at all, as of a write that was cut off', text: '' },
])('inForce() says that policies are unreadable: a file with $name at a start', async ({ text }) => {
  writeFileSync(join(folder, 'a.yaml'), text);
  const { policies, unreadable } = await open().inForce();
  expect(policies).toEqual([]);
  expect(unreadable).toEqual([expect.stringContaining('a.yaml:1:')]);
});

test('inForce() knows a policy that was taken out of its file, or commented out, from one that cannot be read', async () => {
  const store = open();
  write('a.yaml', policy('cart'), policy('search'));
  await store.list();
  write('a.yaml', policy('cart'));
  expect((await store.inForce()).unreadable).toEqual([]);
  writeFileSync(join(folder, 'a.yaml'), '# no policy any more\n');
  expect(await store.inForce()).toEqual({ policies: [], unreadable: [], broken: [] });
});

test('a policy that breaks beside others in its file stays in its last right form', async () => {
  const store = open();
  write('a.yaml', policy('cart'), policy('search'));
  await store.list();
  write('a.yaml', { ...policy('cart'), extra: 1 }, policy('search', 'shop', 70));
  expect(await names(store)).toEqual(['shop/cart file 60', 'shop/search file 70']);
  expect((await store.inForce()).unreadable).toHaveLength(1);
});

test('a stored policy that this version refuses is unreadable until it is put again or removed', async () => {
  const keyValue = memoryKeyValue();
  const store = open(undefined, keyValue);
  const put = (name: string, text: string) =>
    keyValue.write([{ key: `policy/${DEFAULT_TENANT}/shop/${name}`, value: new TextEncoder().encode(text) }]);
  await put('cart', JSON.stringify({ ...policy('cart'), extra: 1 }));
  await put('torn', '{"apiVersion":');
  await store.put(DEFAULT_TENANT, 'shop', 'search', policy('search'));
  expect(await names(store)).toEqual(['shop/search http 60']);
  expect((await store.inForce()).unreadable).toEqual([
    expect.stringContaining('shop/cart'),
    expect.stringContaining('torn'),
  ]);
  await store.put(DEFAULT_TENANT, 'shop', 'cart', policy('cart'));
  expect(await store.remove(DEFAULT_TENANT, 'shop', 'torn')).toBe(true);
  expect((await store.inForce()).unreadable).toEqual([]);
});

test('a stored policy that a file hides is not missed, though it cannot be read', async () => {
  const keyValue = memoryKeyValue();
  const store = open(undefined, keyValue);
  const key = `policy/${DEFAULT_TENANT}/shop/cart`;
  await keyValue.write([{ key, value: new TextEncoder().encode('{') }]);
  write('a.yaml', policy('cart'));
  expect((await store.inForce()).unreadable).toEqual([]);
});

const resource = (name: string, max = 60, generation = 1, namespace = 'shop'): ResourceInCluster => {
  const { apiVersion, spec } = policy(name, namespace, max);
  return { namespace, name, uid: `uid-${namespace}-${name}`, generation, apiVersion, spec };
};

test('a file wins over a custom resource, and that over HTTP; where they differ, both say so', async () => {
  const cluster = { resources: [resource('cart', 30), resource('search', 30)], unread: undefined };
  const store = open(undefined, undefined, { ...cluster, resources: [] });
  const keyValue = memoryKeyValue();
  await open(undefined, keyValue).put(DEFAULT_TENANT, 'shop', 'cart', policy('cart', 'shop', 10));
  await open(undefined, keyValue).put(DEFAULT_TENANT, 'shop', 'search', policy('search', 'shop', 30));
  const both = open(undefined, keyValue, cluster);
  expect(await names(store)).toEqual([]);
  expect(await names(both)).toEqual(['shop/cart resource 30', 'shop/search resource 30']);
  expect((await both.list()).map(({ problems }) => problems)).toEqual([
    ['a policy of this name that was sent by HTTP differs: the custom resource wins'],
    undefined,
  ]);
  expect(await both.resources()).toMatchObject([
    { kind: 'accepted', conflict: expect.any(String) },
    { kind: 'accepted' },
  ]);
  write('a.yaml', policy('cart', 'shop', 20), policy('search', 'shop', 30));
  expect(await names(both)).toEqual(['shop/cart file 20', 'shop/search file 30']);
  expect(await both.resources()).toMatchObject([
    { kind: 'overridden', message: expect.stringContaining('a.yaml too, which wins') },
    { kind: 'accepted', message: expect.stringContaining('says the same') },
  ]);
  expect((await both.list())[0]!.problems).toEqual([
    expect.stringContaining('a custom resource of this name differs'),
    expect.stringContaining('sent by HTTP differs'),
  ]);
});

test('HTTP cannot change a custom resource, and can remove what it hides', async () => {
  const keyValue = memoryKeyValue();
  await open(undefined, keyValue).put(DEFAULT_TENANT, 'shop', 'cart', policy('cart', 'shop', 10));
  const store = open(undefined, keyValue, { resources: [resource('cart')], unread: undefined });
  const refused = { code: 'policy_from_resource' };
  await expect(store.put(DEFAULT_TENANT, 'shop', 'cart', policy('cart'))).rejects.toMatchObject(refused);
  expect(await store.remove(DEFAULT_TENANT, 'shop', 'cart')).toBe(true);
  await expect(store.remove(DEFAULT_TENANT, 'shop', 'cart')).rejects.toMatchObject(refused);
  expect(await names(store)).toEqual(['shop/cart resource 60']);
});

test('a custom resource that breaks stays in its last right form; one that never was right is broken by name', async () => {
  const cluster = { resources: [resource('cart')], unread: undefined as string | undefined };
  const store = open(undefined, undefined, cluster);
  expect(await names(store)).toEqual(['shop/cart resource 60']);
  const broken = { ...resource('cart', 60, 2), spec: { ...(resource('cart').spec as object), leadTime: 'soon' } };
  cluster.resources = [broken, { ...broken, name: 'new', uid: 'uid-new' }];
  expect(await store.inForce()).toMatchObject({
    policies: [{ source: { kind: 'resource' }, problems: [expect.stringContaining('generation 1')] }],
    unreadable: [],
    broken: ['shop/new'],
  });
  expect(await store.problems()).toHaveLength(2);
  cluster.resources = [];
  expect(await store.inForce()).toEqual({ policies: [], unreadable: [], broken: [] });
  cluster.unread = 'not listed yet';
  expect((await store.inForce()).unreadable).toEqual(['not listed yet']);
});

test('a custom resource in a namespace of no tenant is not in force', async () => {
  const cluster = { resources: [resource('cart'), resource('cart', 60, 1, 'lost')], unread: undefined };
  const store = open({ on: true, namespaces: new Map([['shop', ACME]]) }, undefined, cluster);
  expect((await store.list()).map(({ tenant }) => tenant)).toEqual(['acme']);
  expect((await store.resources()).map(({ kind }) => kind)).toEqual(['accepted', 'no-tenant']);
});
