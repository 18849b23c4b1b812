import { describe, expect, test } from 'vitest';
import { type BoundsObject, carriesAnnotation, OWNERSHIP_ANNOTATION } from './bounds-object.ts';
import { controllerOf } from './controller.ts';
import { hpaNameOf, pauseOf } from './scaled-object.ts';

const KEDA_LABELS = { 'app.kubernetes.io/managed-by': 'keda-operator', 'app.kubernetes.io/part-of': 'web' };
const KEDA = { kind: 'ScaledObject', name: 'web' };

describe('controllerOf()', () => {
  test.each([
    { name: 'nobody', metadata: { name: 'web' }, want: null },
    {
      name: 'an owner that is no controller',
      metadata: { name: 'web', ownerReferences: [{ kind: 'Release', name: 'a' }] },
      want: null,
    },
    {
      name: 'the controller of any kind',
      metadata: { name: 'web', ownerReferences: [{ kind: 'Scaler', name: 'a', controller: true }] },
      want: { kind: 'Scaler', name: 'a' },
    },
    {
      name: 'KEDA, by reference',
      metadata: { name: 'keda-hpa-web', ownerReferences: [{ ...KEDA, controller: true }] },
      want: KEDA,
    },
    { name: 'KEDA, by its labels alone', metadata: { name: 'keda-hpa-web', labels: KEDA_LABELS }, want: KEDA },
    {
      name: 'KEDA, by its label and the name',
      metadata: { name: 'keda-hpa-web', labels: { 'app.kubernetes.io/managed-by': 'keda-operator' } },
      want: KEDA,
    },
    {
      name: 'KEDA, where the labels of the ScaledObject were copied over its own',
      metadata: {
        name: 'keda-hpa-web',
        labels: { 'app.kubernetes.io/managed-by': 'Helm' },
        ownerReferences: [{ ...KEDA, controller: true }],
      },
      want: KEDA,
    },
    {
      name: 'crane, by its label',
      metadata: { name: 'ehpa-web', labels: { 'autoscaling.crane.io/effective-hpa-uid': '1-2' } },
      want: { kind: 'EffectiveHorizontalPodAutoscaler', name: 'web' },
    },
  ])('finds $name', ({ metadata, want }) => {
    expect(controllerOf(metadata)).toEqual(want);
  });
});

test('carriesAnnotation() does not believe an annotation that KEDA copied to its HPA', () => {
  const annotations = { [OWNERSHIP_ANNOTATION]: '{}' };
  const object = (kind: BoundsObject['kind'], labels = {}) => ({
    kind,
    metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1', annotations, labels },
    spec: { scaleTargetRef: { name: 'web' } },
  });
  expect(carriesAnnotation(object('HorizontalPodAutoscaler', KEDA_LABELS))).toBe(false);
  expect(carriesAnnotation(object('HorizontalPodAutoscaler'))).toBe(true);
  expect(carriesAnnotation(object('ScaledObject', KEDA_LABELS))).toBe(true);
});

describe('pauseOf()', () => {
  test.each([
    { name: 'nothing', annotations: {}, want: undefined },
    { name: 'paused', annotations: { paused: 'true' }, want: 'all' },
    { name: 'paused: false', annotations: { paused: 'false' }, want: undefined },
    { name: 'paused: any other text', annotations: { paused: 'maintenance' }, want: 'all' },
    { name: 'paused-replicas', annotations: { 'paused-replicas': '0' }, want: 'all' },
    {
      name: 'paused-replicas over paused: false',
      annotations: { paused: 'false', 'paused-replicas': '3' },
      want: 'all',
    },
    { name: 'paused-scale-in', annotations: { 'paused-scale-in': 'true' }, want: 'down' },
    { name: 'paused-scale-out', annotations: { 'paused-scale-out': 'true' }, want: 'up' },
    { name: 'both ways', annotations: { 'paused-scale-in': '1', 'paused-scale-out': 't' }, want: 'all' },
  ] as const)('$name stops $want', ({ annotations, want }) => {
    const named = Object.fromEntries(
      Object.entries(annotations).map(([name, text]) => [`autoscaling.keda.sh/${name}`, text]),
    );
    const metadata = { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1', annotations: named };
    expect(pauseOf({ metadata })?.stops).toBe(want);
  });
});

test.each([
  { name: 'KEDA’s own name', spec: {}, status: {}, want: 'keda-hpa-web' },
  {
    name: 'as given',
    spec: { advanced: { horizontalPodAutoscalerConfig: { name: 'mine' } } },
    status: {},
    want: 'mine',
  },
  { name: 'as made', spec: {}, status: { hpaName: 'made' }, want: 'made' },
])('hpaNameOf() $name', ({ spec, status, want }) => {
  const object = {
    kind: 'ScaledObject',
    metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1' },
    spec: { scaleTargetRef: { name: 'web' }, ...spec },
    status,
  } as const;
  expect(hpaNameOf(object)).toBe(want);
});
