import { expect, test } from 'vitest';
import { type AccuracyRow, tellAccuracy } from './tell-accuracy.ts';

const HORIZON = {
  ...{ horizon: 'peak', aheadSeconds: 480, errorVsLast: 0.604, errorVsSeason: null },
  ...{ coverage: 0.951, central: 0.94, bias: -0.021 },
};
const ROW: AccuracyRow = {
  ...{ namespace: 'shop', policy: 'web', demand: 'rps', state: 'trusted', since: 1_700_000_000, reason: null },
  ...{ errorVsNaive: 0.7, limit: 1, recent: [{ ...HORIZON, horizon: 'first', aheadSeconds: 60 }, HORIZON] },
};

test('tellAccuracy() shows a row a horizon, and why a forecast is demoted', () => {
  const reason = { code: 'WorseThanNaive', text: 'the forecast of rps was lately 1.2 times as wrong as a naive one' };
  const demoted: AccuracyRow = { ...ROW, policy: 'api', state: 'demoted', reason, errorVsNaive: 1.2, recent: [] };
  expect(`\n${tellAccuracy([demoted, ROW], 5)}\n`).toBe(`
POLICY        HORIZON   VS LAST  VS YESTERDAY  COVERED  CENTRAL    BIAS  GATE  STATE
shop/api rps  none yet        -             -        -        -       -  1.20  demoted since 2023-11-14T22:13:20Z (WorseThanNaive)
shop/web rps  first 1m     0.60             -   95.1 %   94.0 %  -2.1 %  0.70  trusted since 2023-11-14T22:13:20Z
              peak 8m      0.60             -   95.1 %   94.0 %  -2.1 %

shop/api rps: the forecast of rps was lately 1.2 times as wrong as a naive one
and 3 more: --limit 0 shows all
`);
});

test('tellAccuracy() of nothing', () => {
  expect(tellAccuracy([], 0)).toBe('there is no policy to tell of');
});
