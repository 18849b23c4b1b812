import { expect, test } from 'vitest';
import { bestThreshold, normalizedScore, PROFILES, rawScore } from './nab-score.ts';

/** A hundred rows with one window, rows 50 to 59, and detections at these rows. */
function fileOf(...rows: number[]) {
  const scores = new Float64Array(100);
  for (const row of rows) scores[row] = 1;
  return { scores, windows: [[50, 59]] as const };
}

test.each([
  { rows: [50], want: 1 },
  { rows: [], want: -1 },
  { rows: [50, 55], want: 1 },
  // Probation.
  { rows: [3, 50], want: 1 },
  { rows: [20, 50], want: 1 - 0.11 },
  // Long behind the window as bad as before it.
  { rows: [99, 50], want: 1 - 0.11 },
])('rawScore() of detections at $rows is $want', ({ rows, want }) => {
  expect(rawScore(fileOf(...rows), 0.5, PROFILES.standard)).toBeCloseTo(want, 10);
});

test('rawScore() takes off less for late detections, and for false ones just behind a window', () => {
  const late = rawScore(fileOf(59), 0.5, PROFILES.standard);
  expect(late).toBeGreaterThan(0);
  expect(late).toBeLessThan(rawScore(fileOf(55), 0.5, PROFILES.standard));
  const behind = rawScore(fileOf(50, 60), 0.5, PROFILES.standard);
  expect(behind).toBeGreaterThan(1 - 0.11);
  expect(behind).toBeLessThan(1);
});

test('normalizedScore() is 0 for silence and 100 for what is perfect', () => {
  for (const profile of Object.values(PROFILES)) {
    expect(normalizedScore([fileOf(), fileOf()], 0.5, profile)).toBe(0);
    expect(normalizedScore([fileOf(50), fileOf(50)], 0.5, profile)).toBeCloseTo(100, 10);
  }
});

test('bestThreshold() leaves false detections below it', () => {
  const file = fileOf(50);
  file.scores[20] = 0.6;
  expect(bestThreshold([file], PROFILES.standard)).toEqual({ threshold: 1, score: expect.closeTo(100, 10) });
});
