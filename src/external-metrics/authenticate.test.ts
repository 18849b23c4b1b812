import { X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, MINUTE, SECOND } from '../model/time.ts';
import { openAuthentication } from './authenticate.ts';
import type { KubernetesCall } from './kubernetes.ts';
import { parseTrust } from './trust.ts';

const NOW = Date.UTC(2026, 10, 21, 9);
const SPOOFED = {
  'x-remote-user': ['root'],
  'x-remote-group': ['system:masters', 'ops'],
  'x-remote-extra-a%2Fb': ['c'],
};

interface Pair {
  readonly cert: string;
  readonly private: string;
}

async function authority(name: string, notAfter = NOW + DAY): Promise<Pair> {
  return await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(NOW - DAY),
    notAfterDate: new Date(notAfter),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
}

interface Leaf {
  readonly subject: readonly (readonly ['commonName' | 'organizationName', string])[];
  readonly usage?: 'clientAuth' | 'serverAuth';
  readonly notAfter?: number;
  readonly ca?: boolean;
}

async function issue(
  by: Pair,
  { subject, usage = 'clientAuth', notAfter = NOW + DAY, ca = false }: Leaf,
): Promise<Pair> {
  return await generate(
    subject.map(([name, value]) => ({ name, value })),
    {
      keyType: 'ec',
      algorithm: 'sha256',
      ca: { cert: by.cert, key: by.private },
      notBeforeDate: new Date(NOW - DAY),
      notAfterDate: new Date(notAfter),
      extensions: [
        { name: 'basicConstraints', cA: ca, critical: true },
        ca ? { name: 'keyUsage', keyCertSign: true } : { name: 'extKeyUsage', [usage]: true },
      ],
    },
  );
}

const proxy = [['commonName', 'front-proxy-client']] as const;
const alice = [
  ['organizationName', 'dev'],
  ['organizationName', 'ops'],
  ['commonName', 'alice'],
] as const;

describe('authenticate()', () => {
  const certs: Record<string, X509Certificate> = {};
  let trust: ReturnType<typeof parseTrust>;
  const calls: KubernetesCall[] = [];

  beforeAll(async () => {
    const [clients, front, strangers] = await Promise.all(
      ['clients', 'front', 'strangers'].map((name) => authority(name)),
    );
    const between = await issue(clients!, { subject: [['commonName', 'between']], ca: true });
    const made = {
      proxy: issue(front!, { subject: proxy }),
      otherName: issue(front!, { subject: alice }),
      fakeProxy: issue(strangers!, { subject: proxy }),
      clientProxy: issue(clients!, { subject: proxy }),
      alice: issue(clients!, { subject: alice }),
      nameless: issue(clients!, { subject: [['organizationName', 'system:masters']] }),
      server: issue(clients!, { subject: alice, usage: 'serverAuth' }),
      expired: issue(clients!, { subject: alice, notAfter: NOW - 1000 }),
      chained: issue(between, { subject: alice }),
      between: Promise.resolve(between),
      clients: Promise.resolve(clients!),
    };
    for (const [name, pair] of Object.entries(made)) certs[name] = new X509Certificate((await pair).cert);
    trust = parseTrust(configMap(clients!.cert, front!.cert));
  });

  const configMap = (clients: string, front: string) => ({
    data: {
      'client-ca-file': clients,
      'requestheader-client-ca-file': front,
      'requestheader-allowed-names': '["front-proxy-client"]',
      'requestheader-username-headers': '["X-Remote-User"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    },
  });

  const open = (now = () => NOW) => openAuthentication({ trust: () => trust, now, ask: review });
  const review = async (call: KubernetesCall) => {
    calls.push(call);
    const { token } = (call.body as { spec: { token: string } }).spec;
    if (token === 'down') return { status: 500, body: { message: 'etcd is away' } };
    const status =
      token === 'good' ? { authenticated: true, user: { username: 'robot', uid: 'u-1', groups: ['bots'] } } : {};
    return { status: 201, body: { status } };
  };
  const authorization = (token: string) => ({ authorization: [`Bearer ${token}`] });

  test.each([
    {
      name: 'the proxy speaks for whom it names',
      chain: ['proxy'],
      headers: SPOOFED,
      want: 'root: system:masters, ops, system:authenticated',
    },
    {
      name: 'the proxy before the token',
      chain: ['proxy'],
      headers: { ...SPOOFED, ...authorization('good') },
      want: 'root: system:masters, ops, system:authenticated',
    },
    { name: 'a proxy that names nobody is nobody', chain: ['proxy'], headers: {}, want: 401 },
    {
      name: 'a proxy that names nobody may have a token',
      chain: ['proxy'],
      headers: authorization('good'),
      want: 'robot: bots, system:authenticated',
    },
    { name: 'an empty user is nobody', chain: ['proxy'], headers: { 'x-remote-user': ['  '] }, want: 401 },
    { name: 'the proxy’s authority, but another name', chain: ['otherName'], headers: SPOOFED, want: 401 },
    { name: 'the proxy’s name, but a stranger’s authority', chain: ['fakeProxy'], headers: SPOOFED, want: 401 },
    {
      name: 'the proxy’s name from the clients’ authority is a client',
      chain: ['clientProxy'],
      headers: SPOOFED,
      want: 'front-proxy-client: system:authenticated',
    },
    {
      name: 'a client stays itself under spoofed headers',
      chain: ['alice'],
      headers: SPOOFED,
      want: 'alice: dev, ops, system:authenticated',
    },
    {
      name: 'a client before the token',
      chain: ['alice'],
      headers: authorization('good'),
      want: 'alice: dev, ops, system:authenticated',
    },
    {
      name: 'a client by way of another authority',
      chain: ['chained', 'between'],
      headers: {},
      want: 'alice: dev, ops, system:authenticated',
    },
    { name: 'a client whose way is not shown', chain: ['chained'], headers: {}, want: 401 },
    { name: 'a certificate for servers', chain: ['server'], headers: {}, want: 401 },
    { name: 'an expired certificate', chain: ['expired'], headers: {}, want: 401 },
    { name: 'an authority itself', chain: ['clients'], headers: {}, want: 401 },
    { name: 'a certificate without a name', chain: ['nameless'], headers: {}, want: 401 },
    {
      name: 'a bad certificate, but a good token',
      chain: ['fakeProxy'],
      headers: { ...SPOOFED, ...authorization('good') },
      want: 'robot: bots, system:authenticated',
    },
    { name: 'a token', chain: [], headers: authorization('good'), want: 'robot: bots, system:authenticated' },
    {
      name: 'a token under spoofed headers',
      chain: [],
      headers: { ...SPOOFED, ...authorization('good') },
      want: 'robot: bots, system:authenticated',
    },
    { name: 'a token that nobody knows', chain: [], headers: authorization('bad'), want: 401 },
    { name: 'a token while nobody answers', chain: [], headers: authorization('down'), want: 503 },
    { name: 'headers and nothing else', chain: [], headers: SPOOFED, want: 'system:anonymous: system:unauthenticated' },
    { name: 'nothing', chain: [], headers: {}, want: 'system:anonymous: system:unauthenticated' },
    {
      name: 'another scheme',
      chain: [],
      headers: { authorization: ['Basic Z29vZA=='] },
      want: 'system:anonymous: system:unauthenticated',
    },
  ])('$name', async ({ chain, headers, want }) => {
    const found = await open()({ chain: chain.map((name) => certs[name]!), headers });
    if (found.kind === 'refused') expect(found.answer.status).toBe(want);
    else expect(`${found.identity.user}: ${found.identity.groups.join(', ')}`).toBe(want);
  });

  test('extra fields and the uid come from the proxy alone, their keys decoded', async () => {
    const headers = { ...SPOOFED, 'x-remote-uid': ['42'] };
    expect(await open()({ chain: [certs['proxy']!], headers })).toMatchObject({
      identity: { uid: '42', extra: { 'a/b': ['c'] } },
    });
    expect(await open()({ chain: [certs['alice']!], headers })).toEqual({
      kind: 'known',
      identity: { user: 'alice', groups: ['dev', 'ops', 'system:authenticated'], extra: {} },
    });
  });

  test('nobody may claim to be among all the authenticated, or to be anonymous', async () => {
    const headers = { 'x-remote-user': ['eve'], 'x-remote-group': ['system:unauthenticated', 'system:authenticated'] };
    expect(await open()({ chain: [certs['proxy']!], headers })).toMatchObject({
      identity: { groups: ['system:authenticated'] },
    });
  });

  test('a token is asked for once in ten seconds, and again after', async () => {
    let now = NOW;
    const authenticate = open(() => now);
    calls.length = 0;
    const ask = () => authenticate({ chain: [], headers: authorization('good') });
    await Promise.all([ask(), ask()]);
    now += 9 * SECOND;
    await ask();
    expect(calls).toHaveLength(1);
    now += 2 * SECOND;
    await ask();
    expect(calls).toHaveLength(2);
  });

  test('authorities that were taken away are no longer believed, nor certificates that expire meanwhile', async () => {
    let now = NOW;
    const authenticate = open(() => now);
    const chain = [certs['alice']!];
    expect(await authenticate({ chain, headers: {} })).toMatchObject({ kind: 'known' });
    const before = trust;
    trust = parseTrust({ data: {} });
    expect(await authenticate({ chain, headers: SPOOFED })).toMatchObject({ kind: 'refused' });
    trust = before;
    now += DAY + MINUTE;
    expect(await authenticate({ chain, headers: {} })).toMatchObject({ kind: 'refused' });
  });
});

test.each([
  { name: 'names that are no list', data: { 'requestheader-allowed-names': '"x"' } },
  { name: 'broken JSON', data: { 'requestheader-username-headers': '[' } },
  {
    name: 'a broken authority',
    data: { 'client-ca-file': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
  },
])('parseTrust() refuses $name, so that what was read before stays', ({ data }) => {
  expect(() => parseTrust({ data })).toThrow();
});
