import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { policyDefinitionFile } from '../../scaling-policies/crd.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
} from '../../src/testing/control-plane.ts';

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
    const document = policy('cart');
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
    await apply(policy('short'));
    const short = JSON.parse(await plane.kubectl(['-n', 'shop', 'get', 'sp', 'short', '-o', 'json'])) as object;
    expect(short).toMatchObject({
      spec: {
        mode: 'observe',
        takeOver: 'once',
        target: { kind: 'HorizontalPodAutoscaler' },
        leadTime: 'auto',
        ramp: { maxUpPerMinute: '50%', maxDownPerMinute: '10%', holdDown: '10m' },
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

const SALE = { name: 'sale', start: '2026-11-27T00:00:00Z', end: '2026-11-28T00:00:00Z' };

function policy(name: string) {
  return {
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      target: { name },
      demand: { query: 'sum(demand)', capacity: { perReplica: 1 } },
      replicas: { min: 1, max: 40 },
    },
  };
}
