import { expect, test } from 'vitest';
import { type SmoothedState, type Smoothing, smoothedAhead, smoothIn } from './holt-winters.ts';

const SERIES = Float64Array.from(
  { length: 64 },
  (_, t) => 10 + 0.1 * t + 3 * Math.sin((2 * Math.PI * t) / 8) + (((t * 7919) % 13) - 6) * 0.2,
);
const SMOOTHING: Smoothing = { level: 0.3, trend: 0.1, season: 0.2, damping: 0.9 };

function started(): SmoothedState {
  return {
    level: 10,
    trend: 0,
    seasonal: Float64Array.from({ length: 8 }, (_, i) => 3 * Math.sin((2 * Math.PI * i) / 8)),
  };
}

// statsmodels 0.15.0: ETSModel(y, error='add', trend='add', damped_trend=True, seasonal='add', seasonal_periods=8,
// initialization_method='known', initial_level=10, initial_trend=0, initial_seasonal=3 sin(2 pi i / 8))
// .smooth([.3, .3 * .1, .2, .9]).forecast(12). ExponentialSmoothing there gives the same but for every eighth step, where
// it forgets the last update of the season.
test('Holt-Winters agrees with statsmodels to 1e-9', () => {
  const state = started();
  for (let t = 0; t < SERIES.length; t++) smoothIn(state, SMOOTHING, t % 8, SERIES[t]!);
  const want = [
    16.547620369577558, 18.755542050216818, 19.755050566007718, 18.65838056358213, 16.39988671634823, 14.60637722912794,
    13.768084058644709, 14.645825896922107, 16.87580160089704, 19.050905158404355, 20.020877363376506,
    18.897624681214037,
  ];
  for (const [i, value] of want.entries()) {
    expect(smoothedAhead(state, SMOOTHING, (64 + i) % 8, i + 1)).toBeCloseTo(value, 9);
  }
});

test('a gap leaves the season as it is, and the trend dies away', () => {
  const state: SmoothedState = { level: 5, trend: 1, seasonal: Float64Array.of(1, -1) };
  for (let t = 0; t < 200; t++) smoothIn(state, SMOOTHING, t % 2, Number.NaN);
  expect([...state.seasonal]).toEqual([1, -1]);
  expect(state.level).toBeCloseTo(5 + 0.9 / 0.1, 6);
});
