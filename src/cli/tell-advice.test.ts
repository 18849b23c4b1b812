import { expect, test } from 'vitest';
import { tellAdvice } from './tell-advice.ts';

const outcome = (podHoursPerDay: number, minutesOverPerDay: number) => ({ podHoursPerDay, minutesOverPerDay });

test('tellAdvice() tells the replay, the target, the settings and the requests', () => {
  const text = tellAdvice({
    namespace: 'shop',
    policy: 'web',
    replay: {
      ...{ from: 1_800_000_000, to: 1_800_086_400, perReplica: 10, bounds: { min: 2, max: 60 }, demoted: 0.05 },
      hpaTarget: { ratio: 0.6, why: '60 % of the cpu request' },
      ...{ asIs: outcome(500, 0.2), alone: outcome(490, 12) },
    },
    target: {
      ...{ text: 'raise it', suggested: 0.8 },
      tried: [
        { ratio: 0.6, ...outcome(500, 0.2), isKept: true },
        { ratio: 0.8, ...outcome(400, 0.4), isKept: true },
        { ratio: 0.85, ...outcome(390, 9), isKept: false },
      ],
    },
    findings: [{ kind: 'risk', setting: 'spec.maxReplicas', present: '20', suggested: '34', text: 'raise it to 34' }],
    requests: {
      containers: [
        {
          ...{ container: 'app', memory: null, days: 8 },
          cpu: { request: 1, target: 0.239, lower: 0.2, upper: null, verdict: 'lower', text: 'lower it' },
        },
      ],
      ...{ message: null, hpaTarget: { text: 'and the target with it' } },
    },
  });
  expect(text.split('\n')).toEqual([
    'shop/web',
    '  replayed 2027-01-15T08:00:00Z to 2027-01-16T08:00:00Z, 2 to 60 replicas that carry 10 each',
    '  with the floor: 500.0 pod-hours and 0.2 minutes over capacity a day',
    '  the HPA alone:  490.0 pod-hours and 12.0 minutes over capacity a day',
    '  its target: 60 % (60 % of the cpu request)',
    '  the forecast was not trusted for 5 % of the time',
    '',
    'how full the HPA lets replicas become',
    '  raise it',
    '  TARGET  POD-HOURS/DAY  MINUTES OVER/DAY',
    '  60 %            500.0               0.2             now',
    '  80 %            400.0               0.4         advised',
    '  85 %            390.0               9.0  too often over',
    '',
    'settings of the HPA that work against the forecast',
    '  risk: spec.maxReplicas: 20, better 34',
    '    raise it to 34',
    '',
    'requests',
    '  CONTAINER  ASKS FOR  TARGET  LOWER  UPPER  ADVICE  SEEN',
    '  app cpu       1000m    239m   200m      -   lower  8.0d',
    '  app cpu: lower it',
    '  and the target with it',
  ]);
});

test('what is not known is told with its reason', () => {
  const unknown = { message: 'the test knows nothing' };
  const nothing = { replay: unknown, target: unknown, findings: unknown, requests: unknown };
  expect(tellAdvice({ namespace: 'shop', policy: 'web', ...nothing }).match(/the test knows nothing/g)).toHaveLength(4);
});
