import { describe, expect, test } from 'vitest';
import { rulesOfHpa } from './autoscaler.ts';
import { requestsOf } from './pods.ts';

const hpa = (spec: object) =>
  rulesOfHpa({
    metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1' },
    spec: { scaleTargetRef: { name: 'web' }, maxReplicas: 9, ...spec },
  });

describe('rulesOfHpa()', () => {
  test.each([
    {
      name: 'resource',
      metric: { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } },
      want: { type: 'Resource', name: 'cpu', target: { averageUtilization: 60 } },
    },
    {
      name: 'an amount of a resource',
      metric: { type: 'Resource', resource: { name: 'memory', target: { averageValue: '512Mi' } } },
      want: { type: 'Resource', name: 'memory', target: { averageValue: 536_870_912 } },
    },
    {
      name: 'resource of a container',
      metric: {
        type: 'ContainerResource',
        containerResource: { name: 'cpu', container: 'app', target: { averageUtilization: 70 } },
      },
      want: { type: 'ContainerResource', name: 'cpu', container: 'app', target: { averageUtilization: 70 } },
    },
    {
      name: 'pods',
      metric: { type: 'Pods', pods: { metric: { name: 'rps' }, target: { averageValue: '500m' } } },
      want: { type: 'Pods', name: 'rps', target: { averageValue: 0.5 } },
    },
    {
      name: 'object',
      metric: { type: 'Object', object: { metric: { name: 'rps' }, target: { value: '2k' } } },
      want: { type: 'Object', name: 'rps', target: { value: 2000 } },
    },
    {
      name: 'external',
      metric: { type: 'External', external: { metric: { name: 'q' }, target: { averageValue: '30', value: '9' } } },
      want: { type: 'External', name: 'q', target: { averageValue: 30 } },
    },
  ])('a metric of $name', ({ metric, want }) => {
    expect(hpa({ metrics: [metric] })).toEqual({ kind: 'read', name: 'web', metrics: [want] });
  });

  test('behavior, with a tolerance as a quantity', () => {
    const scaleUp = {
      stabilizationWindowSeconds: 0,
      selectPolicy: 'Max',
      policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }],
    };
    expect(hpa({ behavior: { scaleUp: { ...scaleUp, tolerance: '50m' }, scaleDown: {} } })).toMatchObject({
      behavior: { scaleUp: { ...scaleUp, tolerance: 0.05 }, scaleDown: {} },
    });
  });

  test('no metric and no behavior, and none that is understood', () => {
    expect(hpa({})).toEqual({ kind: 'read', name: 'web', metrics: [] });
    expect(hpa({ metrics: [{ type: 'Later' }] })).toMatchObject({ kind: 'unknown' });
  });
});

test('requestsOf() reads containers and lasting init containers', () => {
  const resources = { requests: { cpu: '250m', memory: '1Gi' } };
  const spec = {
    containers: [{ name: 'app', resources }, { name: 'bare' }],
    initContainers: [
      { name: 'proxy', restartPolicy: 'Always', resources: { requests: { cpu: '0.1' } } },
      { name: 'migrate', resources },
    ],
  };
  expect(requestsOf({ spec }).containers).toEqual([
    { name: 'app', cpu: 0.25, memory: 1_073_741_824 },
    { name: 'bare', cpu: null, memory: null },
    { name: 'proxy', cpu: 0.1, memory: null },
  ]);
});
