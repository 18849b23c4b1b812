import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatQuantity } from './quantity.ts';

/** Right-hand sides as `resource.NewMilliQuantity(milli, resource.DecimalSI).String()` prints them (Kubernetes 1.34). */
test.each([
  { value: 0, want: '0' },
  { value: 0.0004, want: '0' },
  { value: 0.001, want: '1m' },
  { value: 0.1, want: '100m' },
  { value: 1, want: '1' },
  { value: 1.1, want: '1100m' },
  { value: 2.3, want: '2300m' },
  { value: 12.5, want: '12500m' },
  { value: 12.3456, want: '12346m' },
  { value: 999, want: '999' },
  { value: 1000, want: '1k' },
  { value: 1000.5, want: '1000500m' },
  { value: 1500, want: '1500' },
  { value: 20_000, want: '20k' },
  { value: 1_500_000, want: '1500k' },
  { value: 3_000_000_000, want: '3G' },
  { value: 4e15, want: '4P' },
  { value: 9.2e15, want: undefined },
  { value: -0.001, want: undefined },
  { value: Number.NaN, want: undefined },
  { value: Number.POSITIVE_INFINITY, want: undefined },
])('formatQuantity($value) is $want', ({ value, want }) => {
  expect(formatQuantity(value)).toBe(want);
});

test('formatQuantity() reads back as the value to a thousandth', () => {
  const scale: Record<string, number> = { m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (value) => {
      const [, digits, suffix] = /^(\d+)(\D?)$/.exec(formatQuantity(value)!)!;
      expect(Math.abs(Number(digits) * scale[suffix!]! - value)).toBeLessThanOrEqual(0.000_51 + value * 1e-12);
    }),
  );
});
