import { expect, test } from 'vitest';
import { formatFixed, formatFloat, formatGeneral } from './format-float.ts';

// Of two that are equally near Go takes the even one.
test.each([
  [125, 2, '1.2e+02'],
  [135, 2, '1.4e+02'],
  [-125, 2, '-1.2e+02'],
  [0.5, 2, '0.5'],
  [0.125, 2, '0.12'],
  [0.375, 2, '0.38'],
  [2.5, 1, '2'],
  [3.5, 1, '4'],
  [126, 2, '1.3e+02'],
  [9.95, 2, '9.9'],
  [99.5, 2, '1e+02'],
  [1e-7, 2, '1e-07'],
  [0, 2, '0'],
] as const)('%d with %d digits is %s', (value, digits, want) => {
  expect(formatGeneral(value, digits)).toBe(want);
});

test.each([
  [1e6, '1e+06', '1000000', '1000000.000000'],
  [0.0001, '0.0001', '0.0001', '0.000100'],
  [0.00001, '1e-05', '0.00001', '0.000010'],
  [-0, '-0', '-0', '-0.000000'],
  [Number.POSITIVE_INFINITY, '+Inf', '+Inf', '+Inf'],
  [Number.NaN, 'NaN', 'NaN', 'NaN'],
] as const)('%d is %s, %s and %s', (value, general, float, fixed) => {
  expect([formatGeneral(value), formatFloat(value), formatFixed(value)]).toEqual([general, float, fixed]);
});
