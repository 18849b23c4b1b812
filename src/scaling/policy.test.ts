import { describe, expect, test } from 'vitest';
import { parsePolicy } from './policy.ts';

const documentOf = (forecast: object) => ({
  apiVersion: 'foresail.dev/v1alpha1',
  kind: 'ScalingPolicy',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    target: { name: 'web' },
    replicas: { min: 1, max: 9 },
    demand: { query: 'up', capacity: { perReplica: 10 } },
    forecast,
  },
});

describe('parsePolicy() holidays and calendars', () => {
  test.each(['DE', 'DE-BY', 'US', 'GB-SCT', 'DE-BY-A'])('takes the region %s', (holidays) => {
    expect(parsePolicy(documentOf({ holidays }))).toMatchObject({ holidays });
  });

  test.each([
    {
      forecast: { holidays: 'Bavaria' },
      path: ['holidays'],
      want: 'expected a region such as DE, DE-BY or US, got "Bavaria"',
    },
    { forecast: { holidays: 'de-by' }, path: ['holidays'], want: 'got "de-by"' },
    {
      forecast: { calendars: ['a.ics', '../b.ics'] },
      path: ['calendars', 1],
      want: 'such as holidays.ics, got "../b.ics"',
    },
    { forecast: { calendars: ['/etc/passwd'] }, path: ['calendars', 0], want: 'got "/etc/passwd"' },
    { forecast: { calendars: ['.ics'] }, path: ['calendars', 0], want: 'got ".ics"' },
  ])('refuses $forecast', ({ forecast, path, want }) => {
    expect(() => parsePolicy(documentOf(forecast))).toThrow(
      expect.objectContaining({
        issues: [
          expect.objectContaining({ path: ['spec', 'forecast', ...path], message: expect.stringContaining(want) }),
        ],
      }),
    );
  });

  test('leaves both out of a policy that has none, so that records of before stay equal', () => {
    expect(parsePolicy(documentOf({}))).not.toHaveProperty('calendars');
    expect(parsePolicy(documentOf({ calendars: ['Urlaub Süd.ics'] }))).toMatchObject({ calendars: ['Urlaub Süd.ics'] });
  });
});

describe('parsePolicy() of a target', () => {
  const minimum = (min: number, kind: string) => {
    const { spec, ...rest } = documentOf({});
    return { ...rest, spec: { ...spec, target: { kind, name: 'web' }, replicas: { min, max: 9 } } };
  };

  test('takes a ScaledObject, and for it alone a minimum of zero', () => {
    expect(parsePolicy(minimum(0, 'ScaledObject'))).toMatchObject({
      target: { kind: 'ScaledObject', name: 'web' },
      replicas: { min: 0 },
    });
    expect(() => parsePolicy(minimum(0, 'HorizontalPodAutoscaler'))).toThrow('0 is for a ScaledObject');
  });
});
