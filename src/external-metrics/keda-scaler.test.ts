import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Client, credentials, loadPackageDefinition, type ServiceClientConstructor, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { generate } from 'selfsigned';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { EXTERNAL_SCALER } from './external-scaler-contract.ts';
import { externalScaler, type KedaScaler, serveKedaScaler } from './keda-scaler.ts';
import type { ScalerQuestion, ScalerReading } from './scaler-answers.ts';

const PUBLISHED = resolve('../shared/kubernetes/keda/externalscaler.proto');
const WEB = { name: 'web', namespace: 'shop', scalerMetadata: { policy: 'web' } };
const peak = (value: number) => ({ kind: 'trusted', peak: value }) as const;
const BUSY: ScalerReading = {
  kind: 'policy',
  demands: [
    { name: 'rps', perReplica: 90, forecast: peak(450.5) },
    { name: 'jobs', perReplica: 0.5, forecast: peak(0) },
  ],
};
const IDLE: ScalerReading = { kind: 'policy', demands: [{ name: 'rps', perReplica: 90, forecast: peak(0) }] };
const STALE = 'the forecast of rps is 1h old, and 15m is the limit';
const UNTRUSTED: ScalerReading = {
  kind: 'policy',
  demands: [{ name: 'rps', perReplica: 90, forecast: { kind: 'untrusted', message: STALE } }],
};

describe('serveKedaScaler()', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(reading: ScalerReading, Client = externalScaler()) {
    const world = { reading, asked: [] as ScalerQuestion[], calls: [] as string[] };
    const scaler: KedaScaler = await serveKedaScaler({
      host: '127.0.0.1',
      port: 0,
      read: async (question) => {
        world.asked.push(question);
        return world.reading;
      },
      onCall: (method, code) => world.calls.push(`${method} ${code}`),
    });
    const client = new Client(scaler.address, credentials.createInsecure());
    closing.push(
      () => scaler[Symbol.asyncDispose](),
      () => client.close(),
    );
    return { world, scaler, client };
  }

  test('answers all that KEDA asks of a policy', async () => {
    const { world, client } = await open(BUSY);
    const asked = { ...WEB, scalerMetadata: { policy: 'checkout', quantile: '0.8', scalerAddress: 'a:1' } };
    expect(await call(client, 'IsActive', asked)).toEqual({ result: true });
    expect(await call(client, 'GetMetricSpec', asked)).toEqual({
      metricSpecs: [
        { metricName: 'foresail-checkout-rps', targetSize: 90, targetSizeFloat: 90 },
        { metricName: 'foresail-checkout-jobs', targetSize: 1, targetSizeFloat: 0.5 },
      ],
    });
    const request = { scaledObjectRef: asked, metricName: 'foresail-checkout-rps' };
    expect(await call(client, 'GetMetrics', request)).toEqual({
      metricValues: [{ metricName: 'foresail-checkout-rps', metricValue: 451, metricValueFloat: 450.5 }],
    });
    expect(world.asked).toHaveLength(3);
    expect(world.asked[0]).toMatchObject({ namespace: 'shop', policy: 'checkout', quantile: 0.8 });
    expect(world.calls).toEqual(['IsActive OK', 'GetMetricSpec OK', 'GetMetrics OK']);
  });

  test.each([
    { name: 'no demand', reading: IDLE, metadata: {}, want: false },
    { name: 'a demand', reading: BUSY, metadata: {}, want: true },
    { name: 'less than the activation', reading: BUSY, metadata: { activationDemand: '500' }, want: false },
    { name: 'more than the activation', reading: BUSY, metadata: { activationDemand: '450' }, want: true },
  ])('IsActive is $want for $name; the policy has the name of the ScaledObject unless it says', async ({
    reading,
    metadata,
    want,
  }) => {
    const { client, world } = await open(reading);
    expect(await call(client, 'IsActive', { ...WEB, scalerMetadata: metadata })).toEqual({ result: want });
    expect(world.asked[0]).toMatchObject({ policy: 'web' });
  });

  test.each([
    {
      name: 'no such policy',
      reading: { kind: 'unknown-policy', message: 'there is no policy shop/web' },
      metadata: {},
      want: { code: status.NOT_FOUND, details: 'there is no policy shop/web' },
    },
    {
      name: 'a quantile that is none',
      reading: IDLE,
      metadata: { quantile: '95%' },
      want: {
        code: status.INVALID_ARGUMENT,
        details: 'expected quantile to be a number from 0.01 to 0.99, got "95%"',
      },
    },
  ] as const)('refuses every call about $name, with the reason', async ({ reading, metadata, want }) => {
    const { client, world } = await open(reading);
    const asked = { ...WEB, scalerMetadata: metadata };
    for (const method of ['IsActive', 'GetMetricSpec']) {
      await expect(call(client, method, asked)).rejects.toMatchObject(want);
    }
    const request = { scaledObjectRef: asked, metricName: 'foresail-web-rps' };
    await expect(call(client, 'GetMetrics', request)).rejects.toMatchObject(want);
    await expect(nextOf(client, 'StreamIsActive', asked)()).rejects.toMatchObject(want);
    expect(world.calls).not.toContain('IsActive OK');
  });

  test('refuses the value of a stale forecast, and still says what a replica carries', async () => {
    const { client } = await open(UNTRUSTED);
    const want = { code: status.FAILED_PRECONDITION, details: STALE };
    await expect(call(client, 'IsActive', WEB)).rejects.toMatchObject(want);
    const request = { scaledObjectRef: WEB, metricName: 'foresail-web-rps' };
    await expect(call(client, 'GetMetrics', request)).rejects.toMatchObject(want);
    await expect(nextOf(client, 'StreamIsActive', WEB)()).rejects.toMatchObject(want);
    expect(await call(client, 'GetMetricSpec', WEB)).toMatchObject({ metricSpecs: [{ targetSizeFloat: 90 }] });
  });

  test('refuses the target too where what a replica carries is not learned yet', async () => {
    const forecast = { kind: 'untrusted', message: STALE } as const;
    const { client } = await open({ kind: 'policy', demands: [{ name: 'rps', perReplica: null, forecast }] });
    await expect(call(client, 'GetMetricSpec', WEB)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'what a replica carries of rps is not learned yet',
    });
  });

  test('refuses a metric that the policy does not have, and a call that names no ScaledObject', async () => {
    const { client } = await open(IDLE);
    await expect(call(client, 'GetMetrics', { scaledObjectRef: WEB, metricName: 'other' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: 'there is no metric other: this policy has foresail-web-rps',
    });
    await expect(call(client, 'GetMetrics', { metricName: 'other' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  test('streams the state at once and then every change, of the activity and of the targets', async () => {
    const { world, scaler, client } = await open(IDLE);
    const active = nextOf(client, 'StreamIsActive', WEB);
    const specs = nextOf(client, 'StreamMetricSpec', WEB);
    expect(await active()).toEqual({ result: false });
    expect(await specs()).toMatchObject({ metricSpecs: [{ targetSizeFloat: 90 }] });
    await scaler.refresh();
    world.reading = BUSY;
    await scaler.refresh();
    expect(await active()).toEqual({ result: true });
    expect(await specs()).toMatchObject({ metricSpecs: [{ targetSizeFloat: 90 }, { targetSizeFloat: 0.5 }] });
    world.reading = UNTRUSTED;
    await scaler.refresh();
    await expect(active()).rejects.toMatchObject({ code: status.FAILED_PRECONDITION, details: STALE });
  });

  test.skipIf(!existsSync(PUBLISHED))('is understood by a client made from the published contract', async () => {
    const definition = loadSync(PUBLISHED, { longs: Number, defaults: true });
    const { externalscaler } = loadPackageDefinition(definition) as never as {
      externalscaler: { ExternalScaler: ServiceClientConstructor };
    };
    const { client } = await open(BUSY, externalscaler.ExternalScaler);
    expect(await call(client, 'IsActive', WEB)).toEqual({ result: true });
    const request = { scaledObjectRef: WEB, metricName: 'foresail-web-rps' };
    expect(await call(client, 'GetMetrics', request)).toMatchObject({ metricValues: [{ metricValueFloat: 450.5 }] });
    const ours = Object.keys(EXTERNAL_SCALER.nested.externalscaler.nested.ExternalScaler.methods);
    expect(Object.keys(externalscaler.ExternalScaler.service).sort()).toEqual(ours.sort());
  });
});

describe('serveKedaScaler() over TLS', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresail-scaler-'));
    const authority: Parameters<typeof generate>[1] = {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [{ name: 'basicConstraints', cA: true }],
    };
    for (const name of ['ca', 'other-ca', 'client-ca']) await keep(name, `${name}.test`, authority);
    for (const [name, ca] of [
      ['server', 'ca'],
      ['client', 'client-ca'],
      ['stranger', 'other-ca'],
    ] as const) {
      await keep(name, `${name}.test`, {
        keyType: 'ec',
        algorithm: 'sha256',
        ca: { cert: read(`${ca}.crt`), key: read(`${ca}.key`) },
        extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
      });
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const file = (name: string) => join(folder, name);
  const read = (name: string) => readFileSync(file(name), 'utf8');
  async function keep(name: string, commonName: string, how: Parameters<typeof generate>[1]): Promise<void> {
    const made = await generate([{ name: 'commonName', value: commonName }], how);
    await writeFile(file(`${name}.crt`), made.cert);
    await writeFile(file(`${name}.key`), made.private);
  }

  const SECRET = { root: 'ca', client: undefined as string | undefined };
  test.each([
    { name: 'a caller that believes the authority is answered', caller: SECRET, clientCa: false, want: 'answered' },
    {
      name: 'one that believes another is not',
      caller: { ...SECRET, root: 'other-ca' },
      clientCa: false,
      want: 'refused',
    },
    { name: 'one that does not encrypt is not', caller: undefined, clientCa: false, want: 'refused' },
    {
      name: 'with clientCa, one with a certificate of it is answered',
      caller: { ...SECRET, client: 'client' },
      clientCa: true,
      want: 'answered',
    },
    { name: 'with clientCa, one without is not', caller: SECRET, clientCa: true, want: 'refused' },
    {
      name: 'with clientCa, one of another authority is not',
      caller: { ...SECRET, client: 'stranger' },
      clientCa: true,
      want: 'refused',
    },
  ])('$name', async ({ caller, clientCa, want }) => {
    const calls: string[] = [];
    await using scaler = await serveKedaScaler({
      host: 'localhost',
      port: 0,
      tls: { cert: file('server.crt'), key: file('server.key'), ...(clientCa && { clientCa: file('client-ca.crt') }) },
      read: async () => BUSY,
      onCall: (method, code) => calls.push(`${method} ${code}`),
    });
    const pem = (name: string) => Buffer.from(read(name));
    const channel =
      caller === undefined
        ? credentials.createInsecure()
        : caller.client === undefined
          ? credentials.createSsl(pem(`${caller.root}.crt`))
          : credentials.createSsl(pem(`${caller.root}.crt`), pem(`${caller.client}.key`), pem(`${caller.client}.crt`));
    const client = new (externalScaler())(scaler.address, channel);
    try {
      const answer = call(client, 'IsActive', WEB);
      if (want === 'answered') expect(await answer).toEqual({ result: true });
      else await expect(answer).rejects.toMatchObject({ code: status.UNAVAILABLE });
      expect(calls).toEqual(want === 'answered' ? ['IsActive OK'] : []);
    } finally {
      client.close();
    }
  });
});

type Unary = (request: unknown, done: (error: Error | null, answer: unknown) => void) => void;

function call(client: Client, method: string, request: object): Promise<unknown> {
  return new Promise((done, failed) => {
    (client as unknown as Record<string, Unary>)[method]!(request, (error, answer) =>
      error === null ? done(answer) : failed(error),
    );
  });
}

/** Asks for the next message of a stream. */
function nextOf(client: Client, method: string, request: object): () => Promise<unknown> {
  const stream = (client as unknown as Record<string, (request: unknown) => AsyncIterable<unknown>>)[method]!(request);
  const messages = stream[Symbol.asyncIterator]();
  return async () => (await messages.next()).value;
}
