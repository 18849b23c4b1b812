import { expect, test } from 'vitest';
import { thetaAhead } from './theta.ts';

// statsmodels 0.15.0: ThetaModel(y, period=8, deseasonalize=True, use_test=False, method='additive').fit().forecast(10, theta=2)
// on y = 10 + 0.1 t + 3 sin(2 pi t / 8) + ((7919 t mod 13) - 6) / 5, t = 0 to 63: its slope, alpha, level and seasons.
test('thetaAhead() agrees with statsmodels to 1e-9', () => {
  const fit = { slope: 0.10344387755102041, alpha: 0.7087237014511608 };
  const seasons = [
    0.046428571428569154, 2.2141774864167814, 3.139285714285714, 2.2838203435596465, -0.023214285714283016,
    -2.144534629273928, -3.0232142857142854, -2.4927489149882147,
  ];
  const want = [
    17.088133089060406, 19.307603942824127, 20.28443410946857, 19.480690677518012, 17.225377987019595,
    15.15577958223546, 14.328821864570614, 14.911009174072191, 17.50190859926449, 19.72137945302821,
  ];
  for (const [i, value] of want.entries()) {
    expect(thetaAhead(fit, 16.96872552924806, 64, i + 1) + seasons[i % 8]!).toBeCloseTo(value, 9);
  }
});
