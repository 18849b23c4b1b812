import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { policyDefinitionFile } from '../../scaling-policies/crd.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { policy } from './shop-objects.ts';

const assets = await findControlPlane();
const EXAMPLE = readFileSync('scaling-policies/example.yaml', 'utf8');

/** What the API server itself says of policies, before Foresail has seen them. */
describe('the CustomResourceDefinition on a real API server', () => {
  let plane: ControlPlane;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    plane = await startControlPlane(assets);
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '--server-side', '-f', '-'], policyDefinitionFile());
    await plane.kubectl(['wait', '--for=condition=Established', 'crd/scalingpolicies.foresail.dev', '--timeout=30s']);
  });
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
  });

  const apply = (document: string | object) => plane.kubectl(['apply', '--validate=strict', '-f', '-'], document);
  const changed = (change: object) => {
    const document = shopPolicy('cart');
    return { ...document, spec: { ...document.spec, ...change } };
  };

  test('the schema is structural, and nothing of it is refused or passed over', async () => {
    const definition = JSON.parse(
      await plane.kubectl(['get', 'crd', 'scalingpolicies.foresail.dev', '-o', 'json']),
    ) as { spec: { versions: { schema: object }[] }; status: { conditions: { type: string; status: string }[] } };
    const conditions = Object.fromEntries(definition.status.conditions.map(({ type, status }) => [type, status]));
    expect(conditions).toMatchObject({ Established: 'True', NamesAccepted: 'True' });
    expect(conditions['NonStructuralSchema']).toBeUndefined();
    const [version] = (parseYaml(policyDefinitionFile()) as typeof definition).spec.versions;
    expect(definition.spec.versions[0]!.schema).toEqual(version!.schema);
  });

  test('the example applies as it stands, and the defaults are filled in', async () => {
    await apply(EXAMPLE);
    const { spec } = JSON.parse(await plane.kubectl(['-n', 'shop', 'get', 'sp', 'checkout', '-o', 'json'])) as {
      spec: object;
    };
    expect(spec).toMatchObject({
      mode: 'observe',
      paused: false,
      leadTime: '3m',
      forecast: { quantile: 0.95, horizon: '2h', seasons: 'auto', events: [{ demandFactor: 3 }] },
    });
    await apply(shopPolicy('short'));
    const short = JSON.parse(await plane.kubectl(['-n', 'shop', 'get', 'sp', 'short', '-o', 'json'])) as object;
    expect(short).toMatchObject({
      spec: {
        mode: 'observe',
        takeOver: 'once',
        target: { kind: 'HorizontalPodAutoscaler' },
        leadTime: 'auto',
        ramp: { maxUpPerMinute: '100%', maxDownPerMinute: '25%', holdDown: '3m' },
        safety: { minHistory: '2d', maxForecastAge: '15m' },
        schedules: [],
      },
    });
  });

  test.each([
    {
      name: 'several demands',
      change: { demand: ['a', 'b'].map((name) => ({ name, query: 'up', capacity: { perReplica: 1 } })) },
    },
    { name: 'seasons by name', change: { forecast: { seasons: ['1d', '1w'] } } },
    {
      name: 'windows in short',
      change: { forecast: { exclude: [{ start: '2026-08-03', end: '2026-08-04T12:00+02:00' }] } },
    },
    { name: 'schedules', change: { schedules: [{ cron: '0 7 * * 1-5', duration: '3h', min: 6 }] } },
  ])('takes $name', async ({ change }) => {
    await apply(changed(change));
  });

  test.each([
    {
      name: 'min above max',
      change: { replicas: { min: 5, max: 2 } },
      want: 'spec.replicas: Invalid value: expected min to be at most max',
    },
    { name: 'no replicas', change: { replicas: undefined }, want: 'spec.replicas: Required value' },
    {
      name: 'a mode that is none',
      change: { mode: 'act' },
      want: 'spec.mode: Unsupported value: "act": supported values: "observe", "enforce"',
    },
    {
      name: 'a lead time that is none',
      change: { leadTime: 'soon' },
      want: 'expected auto or a duration such as 30s, 5m or 28d',
    },
    {
      name: 'a horizon that is none',
      change: { forecast: { horizon: '2 hours' } },
      want: 'spec.forecast.horizon: Invalid value: expected a duration',
    },
    { name: 'a percentage that is none', change: { ramp: { maxUpPerMinute: '50' } }, want: 'spec.ramp.maxUpPerMinute' },
    {
      name: 'a cron that is none',
      change: { schedules: [{ cron: 'every day', duration: '1h', min: 3 }] },
      want: 'expected a cron expression of five fields',
    },
    {
      name: 'an event with factor and floor',
      change: { forecast: { events: [{ ...SALE, demandFactor: 2, floor: 3 }] } },
      want: 'expected exactly one of demandFactor and floor',
    },
    {
      name: 'an event with neither',
      change: { forecast: { events: [SALE] } },
      want: 'expected exactly one of demandFactor and floor',
    },
    {
      name: 'a window that ends before it starts',
      change: { forecast: { exclude: [{ start: SALE.end, end: SALE.start }] } },
      want: 'expected end to be later than start',
    },
    {
      name: 'a window without a time',
      change: { forecast: { exclude: [{ start: 'today', end: SALE.end }] } },
      want: 'expected a time such as',
    },
    { name: 'a key that there is not', change: { leadtime: '3m' }, want: 'unknown field "spec.leadtime"' },
    {
      name: 'a key of a sort that there is not',
      change: { ramp: { maxUp: '50%' } },
      want: 'unknown field "spec.ramp.maxUp"',
    },
  ])('refuses $name, in words', async ({ change, want }) => {
    const message = await apply(changed(change)).then(() => 'taken', String);
    expect(message.replace(/Invalid value: (?:"(?:[^"\\]|\\.)*"|null|\{[^:]*\}): /g, 'Invalid value: ')).toContain(
      want,
    );
  });
});

/** The real program beside it. There are no controllers: nothing but Foresail moves a bound. */
describe('policies as custom resources', () => {
  let plane: ControlPlane;
  let program: RunningProgram;
  let folder: string | undefined;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-custom-resource-'));
    await mkdir(join(folder, 'policies'));
    plane = await startControlPlane(assets);
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '--server-side', '-f', '-'], policyDefinitionFile());
    await plane.kubectl(['wait', '--for=condition=Established', 'crd/scalingpolicies.foresail.dev', '--timeout=30s']);
    for (const name of ['cart', 'search']) await plane.kubectl(['apply', '-f', '-'], workload(name));
    const config = join(folder, 'foresail.yaml');
    await writeFile(
      config,
      `kubernetes: {kubeconfig: ${plane.kubeconfig}}\npolicies: [policies]\nloops: {scale: 1s}\n`,
    );
    program = await startProgram(['--config', config]);
  });
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const apply = (document: object) => plane.kubectl(['apply', '--validate=strict', '-f', '-'], document);
  const read = async (kind: string, name: string) =>
    JSON.parse(await plane.kubectl(['-n', 'shop', 'get', kind, name, '-o', 'json', '--show-managed-fields'])) as {
      metadata: {
        generation: number;
        annotations?: Record<string, string>;
        managedFields: { manager: string; subresource?: string }[];
      };
      spec: { minReplicas: number };
      status?: {
        observedGeneration: number;
        floor?: number;
        conditions: { type: string; status: string; reason: string; message: string }[];
      };
    };
  const minOf = async (name: string) => (await read('hpa', name)).spec.minReplicas;
  const conditionOf = async (name: string, type: string) => {
    const { status } = await read('scalingpolicy', name);
    const found = status?.conditions.find((condition) => condition.type === type);
    return found === undefined ? '' : `${found.status} ${found.reason}: ${found.message}`;
  };
  const enforcing = (name: string, change: object = {}) => {
    const document = shopPolicy(name);
    const ramp = { maxUpPerMinute: '1000%', maxDownPerMinute: '100%', holdDown: '0s' };
    return { ...document, spec: { ...document.spec, mode: 'enforce', replicas: { min: 6, max: 40 }, ramp, ...change } };
  };

  test('kubectl apply enforces, and kubectl get shows mode, floor, current, reason, accuracy and age', async () => {
    await apply(enforcing('cart'));
    await waitFor('the floor', async () => (await minOf('cart')) === 6);
    await waitFor('the status', async () => (await read('scalingpolicy', 'cart')).status?.floor === 6);
    const table = await plane.kubectl(['-n', 'shop', 'get', 'scalingpolicies']);
    const [heads, row] = table
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/).map((cell) => cell.trim()));
    expect(heads).toEqual(['NAME', 'MODE', 'FLOOR', 'CURRENT', 'REASON', 'ACCURACY', 'AGE']);
    expect(row).toEqual([
      'cart',
      'enforce',
      '6',
      '0',
      expect.stringMatching(/^[A-Z]\w+$/),
      'not known yet',
      expect.any(String),
    ]);
    const { metadata, status } = await read('scalingpolicy', 'cart');
    expect(status?.observedGeneration).toBe(metadata.generation);
    expect(await conditionOf('cart', 'Accepted')).toBe('True Valid: the policy is in force');
    expect(metadata.managedFields).toContainEqual(
      expect.objectContaining({ manager: 'foresail-status', operation: 'Apply', subresource: 'status' }),
    );
    await plane.kubectl(['-n', 'shop', 'wait', '--for=condition=Accepted', 'sp/cart', '--timeout=10s']);
    expect(await plane.kubectl(['-n', 'shop', 'describe', 'sp', 'cart'])).toMatch(/Normal +Accepted/);
  });

  test('the status is written only when something changed', async () => {
    const version = async () =>
      ((await read('scalingpolicy', 'cart')).metadata as unknown as { resourceVersion: string }).resourceVersion;
    await waitFor('the decision to settle', async () => {
      const before = await version();
      await new Promise((later) => setTimeout(later, 6_000));
      return (await version()) === before;
    });
    expect(await metric('foresail_policy_status_writes_total{outcome="failed"}')).toBe(0);
  });

  test('what the schema cannot see is refused in a condition, and the last right form stays in force', async () => {
    await apply(enforcing('cart', { demand: { query: 'sum(', capacity: { perReplica: 1 } } }));
    await waitFor('the refusal', async () => (await conditionOf('cart', 'Accepted')).startsWith('False Invalid'));
    expect(await conditionOf('cart', 'Accepted')).toMatch(
      /spec\.demand\.query.*generation 1, the last that was right, stays in force/,
    );
    expect(await minOf('cart')).toBe(6);
    expect(await plane.kubectl(['-n', 'shop', 'describe', 'sp', 'cart'])).toMatch(/Warning +Invalid/);
    await apply(enforcing('cart'));
    await waitFor('the acceptance', async () => (await conditionOf('cart', 'Accepted')).startsWith('True'));
  });

  test('a file wins over a custom resource: its condition, an event and /api/v1/policies say so', async () => {
    const file = join(folder!, 'policies', 'cart.json');
    await writeFile(file, JSON.stringify(enforcing('cart', { replicas: { min: 7, max: 40 } })));
    await waitFor('the file to be in force', async () => (await minOf('cart')) === 7);
    await waitFor('the condition', async () =>
      (await conditionOf('cart', 'Conflicting')).startsWith('True SourcesDiffer'),
    );
    expect(await conditionOf('cart', 'Accepted')).toContain('False OverriddenByFile: the policy stands in the file');
    expect(await plane.kubectl(['-n', 'shop', 'describe', 'sp', 'cart'])).toMatch(/Warning +OverriddenByFile/);
    expect(await policies()).toMatchObject([
      { source: 'file', problems: ['a custom resource of this name differs: the file wins'] },
    ]);
    await rm(file);
    await waitFor('the custom resource to be in force again', async () => (await minOf('cart')) === 6);
    await waitFor('the end of the conflict', async () =>
      (await conditionOf('cart', 'Conflicting')).startsWith('False'),
    );
  });

  test('a custom resource wins over HTTP, which cannot change it', async () => {
    const url = `${program.url}/api/v1/policies/shop/search`;
    const put = (document: object) => fetch(url, { method: 'PUT', body: JSON.stringify(document) });
    expect((await put(enforcing('search', { mode: 'observe' }))).status).toBe(201);
    await apply(enforcing('search'));
    await waitFor('the custom resource to be in force', async () => (await minOf('search')) === 6);
    await waitFor('the condition', async () =>
      (await conditionOf('search', 'Conflicting')).includes('the custom resource wins'),
    );
    expect(await (await put(enforcing('search'))).json()).toMatchObject({ code: 'policy_from_resource' });
    expect((await policies()).find(({ policy: { metadata } }) => metadata.name === 'search')).toMatchObject({
      source: 'resource',
      problems: [expect.stringContaining('sent by HTTP differs')],
    });
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(200);
    await waitFor('the end of the conflict', async () =>
      (await conditionOf('search', 'Conflicting')).startsWith('False'),
    );
    expect(await minOf('search')).toBe(6);
  });

  test('deleting it brings the original bounds back, with nothing of Foresail left', async () => {
    await plane.kubectl(['-n', 'shop', 'delete', 'sp', 'cart']);
    await waitFor('the release', async () => (await minOf('cart')) === 2, 150_000);
    await waitFor(
      'the hand-back',
      async () => !JSON.stringify(await read('hpa', 'cart')).includes('foresail'),
      150_000,
    );
    expect(await minOf('search')).toBe(6);
  });

  async function policies() {
    const answer = (await (await fetch(`${program.url}/api/v1/policies`)).json()) as {
      data: { source: string; problems?: string[]; policy: { metadata: { name: string } } }[];
    };
    return answer.data;
  }

  /** The sum of a metric's samples, of those with the labels where it names any. */
  async function metric(name: string): Promise<number> {
    const lines = (await (await fetch(`${program.url}/metrics`)).text()).split('\n');
    return lines.filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
});

const SALE = { name: 'sale', start: '2026-11-27T00:00:00Z', end: '2026-11-28T00:00:00Z' };

function shopPolicy(name: string) {
  return policy(name, {
    target: { name },
    demand: { query: 'sum(demand)', capacity: { perReplica: 1 } },
    replicas: { min: 1, max: 40 },
  });
}

function workload(name: string) {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name };
  const containers = [{ name: 'main', image: 'example.com/main:1' }];
  const template = { metadata: { labels: { app: name } }, spec: { containers } };
  const metadata = { name, namespace: 'shop' };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: { replicas: 2, selector: { matchLabels: { app: name } }, template },
      },
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata,
        spec: { scaleTargetRef, minReplicas: 2, maxReplicas: 40 },
      },
    ],
  };
}
