import { beforeAll, expect, test } from 'vitest';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { jobDoer } from './jobs.ts';
import { readModelBytes, SHIPPED_MODEL } from './load-regressor.ts';

const STEP = 5 * MINUTE;
const values = Float64Array.from({ length: 288 }, (_, t) => 100 + 30 * Math.sin(t / 30) + 3 * Math.sin(t * t));
const series = { start: 0, stepMs: STEP, values };
const FORECAST = {
  kind: 'forecast' as const,
  ...{ times: values.map((_, i) => i * STEP), values, stepMs: STEP },
  models: ['network'],
  ...{ horizonSteps: 12, quantiles: [0.5], seasons: 'auto' as const },
};
const PREVIEW = {
  kind: 'preview' as const,
  policy: parsedPolicy('web', {
    target: { name: 'web' },
    demand: { query: 'rps', step: '5m', capacity: { perReplica: 10 } },
    replicas: { min: 1, max: 50 },
  }),
  ...{ demands: [series], judgedMs: 2 * HOUR, startUpMs: 3 * MINUTE },
};

let bytes: ModelBytes;
beforeAll(async () => {
  bytes = await readModelBytes(SHIPPED_MODEL);
});

test.each([
  { name: 'none at all', shipped: false, own: undefined, has: false },
  { name: 'the shipped one', shipped: true, own: undefined, has: true },
  { name: "the tenant's own, with no shipped one", shipped: false, own: 'whole', has: true },
  { name: "the shipped one where the tenant's own is damaged", shipped: true, own: 'damaged', has: true },
])('a forecast and a preview have the network: $name', async ({ shipped, own, has }) => {
  const doJob = jobDoer(shipped ? bytes : undefined);
  const weights = own === 'damaged' ? bytes.weights.slice(8) : bytes.weights;
  const model = own === undefined ? undefined : { version: 'v1', bytes: { ...bytes, weights } };
  const forecast = await doJob(FORECAST, model);
  expect(forecast.kind === 'forecast' && forecast.forecast.model.includes('network')).toBe(has);
  const { demands } = await doJob(PREVIEW, model);
  expect(demands[0]?.kind === 'preview' && demands[0].model.includes('network')).toBe(has);
});
