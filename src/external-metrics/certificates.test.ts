import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY } from '../model/time.ts';
import { bundleWith, reconcileApiService } from './api-service.ts';
import { CertificateError } from './errors.ts';
import type { KubernetesAnswer, KubernetesCall } from './kubernetes.ts';
import { AUTHORITY_PREFIX, selfMadeCertificates } from './self-made.ts';
import { certificateFiles } from './serving-certificate.ts';
import { certificatesIn } from './trust.ts';

const NOW = Date.UTC(2026, 10, 21, 9);
const DNS_NAMES = ['foresail.foresail.svc', 'foresail.foresail.svc.cluster.local'];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-certificates-'));
  return () => rm(folder, { recursive: true, force: true });
});

describe('selfMadeCertificates()', () => {
  test('makes an authority and a certificate of it for the Service, and keeps both, for its own account alone', async () => {
    const read = selfMadeCertificates({ folder, dnsNames: DNS_NAMES });
    const made = await read(NOW);
    const [own, authority] = [new X509Certificate(made.cert), new X509Certificate(made.authority!)];
    expect(own.verify(authority.publicKey)).toBe(true);
    expect(own.subjectAltName).toBe(DNS_NAMES.map((name) => `DNS:${name}`).join(', '));
    expect(authority.subject).toContain(AUTHORITY_PREFIX);
    expect(made.expiresAt).toBe(NOW + 90 * DAY);
    for (const name of ['ca.key', 'tls.key']) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    expect(await read(NOW + 59 * DAY)).toEqual(made);
    expect(await selfMadeCertificates({ folder, dnsNames: DNS_NAMES })(NOW)).toEqual(made);
  });

  test.each([
    { name: 'the certificate when a third of its time is left', at: 61 * DAY, authority: 'kept' },
    { name: 'both when a third of the authority’s time is left', at: 244 * DAY, authority: 'new' },
    { name: 'both after a long sleep', at: 1000 * DAY, authority: 'new' },
    { name: 'both where a clock was set back by years', at: -1000 * DAY, authority: 'new' },
  ])('renews $name', async ({ at, authority }) => {
    const read = selfMadeCertificates({ folder, dnsNames: DNS_NAMES });
    const before = await read(NOW);
    const after = await read(NOW + at);
    expect(after.cert).not.toBe(before.cert);
    expect(after.authority === before.authority ? 'kept' : 'new').toBe(authority);
    expect(after.expiresAt).toBe(NOW + at + 90 * DAY);
  });

  test.each([
    { name: 'a key that is damaged', file: 'tls.key', text: 'nonsense' },
    { name: 'a certificate that is cut off', file: 'tls.crt', text: '-----BEGIN CERTIFICATE-----\nMII' },
    { name: 'an authority’s key that is gone', file: 'ca.key', text: '' },
  ])('makes anew $name', async ({ file, text }) => {
    const read = selfMadeCertificates({ folder, dnsNames: DNS_NAMES });
    const before = await read(NOW);
    await writeFile(join(folder, file), text);
    const after = await read(NOW);
    expect(after.cert).not.toBe(before.cert);
    expect(new X509Certificate(after.cert).verify(new X509Certificate(after.authority!).publicKey)).toBe(true);
  });

  test('makes a certificate anew for another Service', async () => {
    const before = await selfMadeCertificates({ folder, dnsNames: DNS_NAMES })(NOW);
    const after = await selfMadeCertificates({ folder, dnsNames: ['other.place.svc'] })(NOW);
    expect(after.authority).toBe(before.authority);
    expect(new X509Certificate(after.cert).checkHost('other.place.svc')).toBeDefined();
  });
});

describe('certificateFiles()', () => {
  test('reads what stands there now, and refuses halves of two pairs', async () => {
    await selfMadeCertificates({ folder, dnsNames: DNS_NAMES })(NOW);
    const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
    const read = certificateFiles(files);
    const first = await read(NOW);
    expect(first).toMatchObject({ authority: undefined, expiresAt: NOW + 90 * DAY });
    await writeFile(files.key, await readFile(join(folder, 'ca.key'), 'utf8'));
    await expect(read(NOW)).rejects.toThrow('the key is not that of the certificate');
    await rm(files.key);
    await expect(read(NOW)).rejects.toThrow(CertificateError);
    const withAuthority = certificateFiles({
      cert: join(folder, 'ca.crt'),
      key: join(folder, 'ca.key'),
      ca: join(folder, 'ca.crt'),
    });
    expect((await withAuthority(NOW)).authority).toBe(await readFile(join(folder, 'ca.crt'), 'utf8'));
  });
});

describe('reconcileApiService()', () => {
  const service = { namespace: 'foresail', name: 'foresail', port: 443 };
  const ours = { namespace: 'foresail', name: 'foresail', port: 443 };
  let authorities: readonly string[];
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'foresail-authorities-'));
    const made = ['a', 'b'].map(async (name, i) => {
      return (await selfMadeCertificates({ folder: join(home, name), dnsNames: DNS_NAMES })(NOW + i * 1000)).authority!;
    });
    authorities = await Promise.all(made);
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const found = (spec: object, metadata: object = {}): KubernetesAnswer => ({
    status: 200,
    body: { metadata: { resourceVersion: '7', ...metadata }, spec },
  });

  async function reconcile(read: KubernetesAnswer, authority: string | undefined, write = 200) {
    const writes: KubernetesCall[] = [];
    const ask = async (call: KubernetesCall): Promise<KubernetesAnswer> => {
      if (call.method === 'GET') return read;
      writes.push(call);
      return { status: write, body: { message: 'no' } };
    };
    const state = await reconcileApiService({ ask, service, authority, now: NOW });
    return { state, writes };
  }

  test('makes it where there is none', async () => {
    const { state, writes } = await reconcile({ status: 404, body: {} }, authorities[0], 201);
    expect(state).toEqual({ kind: 'ours', done: 'made' });
    expect(writes).toMatchObject([{ method: 'POST', body: { spec: { service, caBundle: base64(authorities[0]!) } } }]);
  });

  test('writes its authority beside those of other replicas, for what it read, and then nothing more', async () => {
    const read = found({ service: ours, caBundle: base64(authorities[0]!), insecureSkipTLSVerify: true });
    const { state, writes } = await reconcile(read, authorities[1]);
    expect(state).toEqual({ kind: 'ours', done: 'bundle-written' });
    const body = writes[0]!.body as { metadata: object; spec: { caBundle: string; insecureSkipTLSVerify: null } };
    expect(body).toMatchObject({ metadata: { resourceVersion: '7' }, spec: { insecureSkipTLSVerify: null } });
    for (const authority of authorities) {
      expect(await reconcile(found({ service: ours, caBundle: body.spec.caBundle }), authority)).toEqual({
        state: { kind: 'ours', done: 'nothing' },
        writes: [],
      });
    }
  });

  test.each([
    {
      name: 'another service',
      spec: { service: { namespace: 'keda', name: 'keda-metrics' } },
      says: 'the service keda/keda-metrics',
    },
    {
      name: 'the same name elsewhere',
      spec: { service: { namespace: 'x', name: 'foresail' } },
      says: 'the service x/foresail',
    },
    { name: 'no service', spec: { service: null }, says: 'the API server itself' },
  ])('leaves that of $name alone, and says whose it is', async ({ spec, says }) => {
    const metadata = {
      annotations: { 'meta.helm.sh/release-name': 'keda', 'meta.helm.sh/release-namespace': 'keda' },
      managedFields: [{ manager: 'helm' }, { manager: 'kube-apiserver', subresource: 'status' }],
    };
    const { state, writes } = await reconcile(found(spec, metadata), authorities[0]);
    expect(writes).toEqual([]);
    expect(state.kind).toBe('others');
    expect(state).toMatchObject({
      message: expect.stringContaining(
        `belongs to ${says} (Helm release keda/keda; written by helm) and is left alone`,
      ),
    });
  });

  test('writes nothing without an authority of its own', async () => {
    expect(await reconcile({ status: 404, body: {} }, undefined)).toMatchObject({
      state: { kind: 'missing' },
      writes: [],
    });
    expect(await reconcile(found({ service: ours, caBundle: 'x' }), undefined)).toEqual({
      state: { kind: 'ours', done: 'nothing' },
      writes: [],
    });
  });

  test('a change in between is a conflict, and a refusal an error in the API server’s words', async () => {
    expect((await reconcile(found({ service: ours }), authorities[0], 409)).state.kind).toBe('conflict');
    expect((await reconcile({ status: 404, body: {} }, authorities[0], 409)).state.kind).toBe('conflict');
    await expect(reconcile(found({ service: ours }), authorities[0], 403)).rejects.toThrow(
      'cannot write the bundle of the APIService v1beta1.external.metrics.k8s.io: no',
    );
    await expect(reconcile({ status: 403, body: {} }, authorities[0])).rejects.toThrow('cannot read');
  });

  test('bundleWith() keeps no stranger, nobody who expired, and nothing that cannot be read', async () => {
    const serving = await readFile(join(home, 'a', 'tls.crt'), 'utf8');
    const count = (bundle: string, now = NOW) =>
      certificatesIn(bundleWith(authorities[0]!, base64(bundle), now)).length;
    expect(count('')).toBe(1);
    expect(count(authorities.join(''))).toBe(2);
    expect(count(serving)).toBe(1);
    expect(count(authorities.join(''), NOW + 400 * DAY)).toBe(1);
    expect(count('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).toBe(1);
  });
});
