import fc from 'fast-check';
import { quantile as referenceQuantile } from 'simple-statistics';
import { expect, test } from 'vitest';
import { choleskyInPlace, solveCholesky } from './cholesky.ts';
import { fftInPlace, maskedAutocorrelation } from './fft.ts';
import { loess, loessAt, loessOfStrided, prepareLoess } from './loess.ts';
import { addRow, normalEquations, solveRidgeInPlace } from './normal-equations.ts';
import { addProducts, addSquares, addWeighted } from './outer-products.ts';
import { appendSorted, quantile, quantileSorted, selectInPlace, sortedWindow } from './quantile.ts';

function expectClose(got: Float64Array, want: ArrayLike<number>, digits: number): void {
  for (let i = 0; i < want.length; i++) expect(got[i]).toBeCloseTo(want[i]!, digits);
}

test('choleskyInPlace() factors the textbook matrix (Wikipedia, Cholesky decomposition)', () => {
  const a = Float64Array.of(4, 12, -16, 12, 37, -43, -16, -43, 98);
  expect(choleskyInPlace(a, 3)).toBe(true);
  expect([a[0], a[3], a[4], a[6], a[7], a[8]]).toEqual([2, 6, 1, -8, 5, 3]);
  const b = Float64Array.of(4 - 32, 12 - 86, -16 + 196);
  solveCholesky(a, 3, b);
  expectClose(b, [1, 0, 2], 9);
});

test('choleskyInPlace() refuses a matrix that is not positive definite', () => {
  expect(choleskyInPlace(Float64Array.of(1, 2, 2, 1), 2)).toBe(false);
  expect(choleskyInPlace(Float64Array.of(Number.NaN), 1)).toBe(false);
});

test('quantile() is type 7, as R has it: quantile(c(1, 2, 4, 8, 16), c(0.1, 0.5, 0.9)) is 1.4, 4, 12.8', () => {
  const values = Float64Array.of(16, 1, 8, Number.NaN, 2, 4);
  expect([0.1, 0.5, 0.9].map((q) => quantile(values, q))).toEqual([1.4, 4, 12.8]);
  expect(quantile(new Float64Array(0), 0.5)).toBeNaN();
  expect(referenceQuantile([1, 2, 4, 8, 16], 0.5)).toBe(4);
});

test('a quantile is monotone in q and lies among the values', () => {
  const doubles = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }), { minLength: 1 });
  fc.assert(
    fc.property(
      doubles,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, a, b) => {
        const sorted = Float64Array.from(values).sort();
        const [low, high] = [Math.min(a, b), Math.max(a, b)].map((q) => quantileSorted(sorted, sorted.length, q));
        expect(low).toBeLessThanOrEqual(high! + 1e-6);
        expect(low).toBeGreaterThanOrEqual(sorted[0]!);
        expect(high).toBeLessThanOrEqual(sorted.at(-1)!);
      },
    ),
  );
});

test('selectInPlace() is what sorting finds at that rank', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1 }), fc.nat(), (values, any) => {
      const k = any % values.length;
      expect(selectInPlace(Float64Array.from(values), values.length, k)).toBe(values.toSorted((a, b) => a - b)[k]);
    }),
  );
  expect(selectInPlace(new Float64Array(2), 0, 0)).toBeNaN();
});

test('a sorted window holds the last values, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 5 })), fc.integer({ min: 1, max: 8 }), (values, capacity) => {
      const window = sortedWindow(capacity);
      for (const value of values) appendSorted(window, value);
      const want = values.slice(-capacity).sort((a, b) => a - b);
      expect([...window.sorted.subarray(0, window.count)]).toEqual(want);
    }),
  );
});

test('fftInPlace() of 1, 2, 3, 4 is 10, -2+2i, -2, -2-2i, and its inverse gives four times the input', () => {
  const re = Float64Array.of(1, 2, 3, 4);
  const im = new Float64Array(4);
  fftInPlace(re, im);
  expectClose(re, [10, -2, -2, -2], 12);
  expectClose(im, [0, 2, 0, -2], 12);
  fftInPlace(re, im, true);
  expectClose(re, [4, 8, 12, 16], 12);
});

test('maskedAutocorrelation() equals the sum over known pairs, gaps left out', () => {
  const value = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constant(Number.NaN));
  fc.assert(
    fc.property(fc.array(value, { minLength: 6, maxLength: 40 }), (values) => {
      const known = values.filter((x) => !Number.isNaN(x));
      const mean = known.reduce((a, b) => a + b, 0) / known.length;
      const variance = known.reduce((sum, x) => sum + (x - mean) ** 2, 0) / known.length;
      fc.pre(variance > 0.1);
      const acf = maskedAutocorrelation(Float64Array.from(values), 5);
      for (let lag = 0; lag <= 5; lag++) {
        const pairs = values
          .slice(lag)
          .map((x, i) => (x - mean) * (values[i]! - mean))
          .filter((x) => !Number.isNaN(x));
        if (pairs.length > 0)
          expect(acf[lag]).toBeCloseTo(pairs.reduce((a, b) => a + b, 0) / pairs.length / variance, 8);
        else expect(acf[lag]).toBeNaN();
      }
    }),
  );
});

test('loess() follows a straight line exactly, ends and outside included', () => {
  const line = Float64Array.from({ length: 30 }, (_, i) => 3 + 2 * i);
  const fitted = loess(line, 7, 1, 3);
  expectClose(fitted, line, 9);
  expect(loessAt(line, -1, 7, 1)).toBeCloseTo(1, 9);
  expect(loessAt(line, 30, 7, 1)).toBeCloseTo(63, 9);
});

test.each([{ span: 5 }, { span: 15 }, { span: 41 }])('loessOfStrided() is loess() of every third value, span $span', ({
  span,
}) => {
  const y = Float64Array.from({ length: 60 }, (_, i) => Math.sin(i) + i / 10);
  const weights = y.map((_, i) => (i % 7 === 0 ? 0 : 0.5 + (i % 3)));
  const own = y.filter((_, i) => i % 3 === 1);
  const ownWeights = weights.filter((_, i) => i % 3 === 1);
  const fitted = loessOfStrided(prepareLoess(20, span, 2), y, 1, 3, weights);
  expectClose(fitted.subarray(1, 21), loess(own, span, 1, 2, ownWeights), 9);
  expect(fitted[0]).toBeCloseTo(loessAt(own, -1, span, 1, ownWeights), 9);
  expect(fitted[21]).toBeCloseTo(loessAt(own, 20, span, 1, ownWeights), 9);
});

test('solveRidgeInPlace() finds the coefficients of exact data, row by row', () => {
  const equations = normalEquations(3);
  for (let t = 0; t < 50; t++) {
    const x = Float64Array.of(1, Math.sin(t), Math.cos(t * t));
    addRow(equations, x, 5 + 2 * x[1]! - 3 * x[2]!);
  }
  const solution = equations.moment.slice();
  expect(solveRidgeInPlace(equations.gram.slice(), solution, 1e-9)).toBe(true);
  expectClose(solution, [5, 2, -3], 5);
});

test.each([1, 3, 4, 6, 9])('eight rows of %d values are added as one by one would be', (m) => {
  const n = 2;
  const rowLength = m + n + 1;
  const a = Float64Array.from({ length: 8 * m }, (_, i) => (i * i) % 7);
  const b = Float64Array.from({ length: 8 * n }, (_, i) => (3 * i) % 5);
  const sumOver = (term: (row: number) => number) => [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, row) => sum + term(row), 0);
  const products = new Float64Array(m * rowLength).fill(1);
  addProducts(products, rowLength, { a, m, b, n });
  addSquares(products, rowLength, n, a, m);
  const weighted = new Float64Array(m + 1);
  addWeighted(weighted, 1, a, m, Float64Array.of(1, 0, -2, 3, 0, 0, 0, 5));
  for (let i = 0; i < m; i++) {
    const own = (row: number) => a[row * m + i]!;
    for (let j = 0; j < n; j++) {
      expect(products[i * rowLength + j]).toBe(1 + sumOver((row) => own(row) * b[row * n + j]!));
    }
    for (let j = 0; j <= i; j++) {
      expect(products[i * rowLength + n + j]).toBe(1 + sumOver((row) => own(row) * a[row * m + j]!));
    }
    expect(products[(i + 1) * rowLength - 1]).toBe(1);
    expect(weighted[i + 1]).toBe(own(0) - 2 * own(2) + 3 * own(3) + 5 * own(7));
  }
});
