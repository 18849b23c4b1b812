import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, WEEK } from '../../model/time.ts';
import { fitForecaster } from '../forecaster.ts';
import { defaultModels, modelsByName } from './default-models.ts';
import { checkModelNames, MODEL_NAMES, UnknownModelError } from './model-names.ts';

test('MODEL_NAMES has every model that any series can have', () => {
  const steps = Int32Array.of(1, 2, 3);
  const regressor = {
    ...{ inputs: 1, steps: [1], quantiles: [0.5], version: 'v', backend: 'none' },
    predict: () => new Float32Array(0),
  };
  const named = [5 * MINUTE, HOUR].flatMap((stepMs) => {
    const cycles = [DAY / stepMs, WEEK / stepMs];
    const context = {
      stepMs,
      knots: steps,
      maxGap: 1,
      cycles,
      historyLength: (13 * DAY) / stepMs,
      sparse: true,
      rhythms: [7, 11],
    };
    const longer = { ...context, historyLength: (28 * DAY) / stepMs };
    return [...defaultModels({ ...context, regressor }), ...defaultModels(longer), ...modelsByName(context)];
  });
  expect([...new Set(named.map(({ name }) => name))].sort()).toEqual([...MODEL_NAMES].sort());
});

test.each([
  { name: 'a swapped letter', given: 'rigde', hint: 'did you mean "ridge"?' },
  { name: 'an underscore', given: 'holt_winters', hint: 'did you mean "holt-winters"?' },
  { name: 'nothing like any', given: 'prophet9000', hint: 'there is no model "prophet9000" (there are last-value, ' },
])('a model name with $name is an error that names it and the nearest', ({ given, hint }) => {
  expect(() => checkModelNames(['ridge', given])).toThrow(UnknownModelError);
  expect(() => checkModelNames([given])).toThrow(hint);
  expect(() => checkModelNames([given])).toThrow(JSON.stringify(given));
  const series = { start: 0, stepMs: HOUR, values: Float64Array.from({ length: 100 }, (_, t) => t % 24) };
  expect(() => fitForecaster(series, { horizonSteps: 3, peakWindowMs: HOUR, models: [given] })).toThrow(hint);
});
