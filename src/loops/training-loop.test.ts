import { beforeAll, expect, test } from 'vitest';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import { type OwnModel, SHIPPED_VERSION, type VersionScores } from '../forecast/regressor/model-version.ts';
import type { TrainRequest, TrainResult } from '../forecast/regressor/train-job.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryStorage } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { simClock } from '../testing/sim-clock.ts';
import { readModelBytes, SHIPPED_MODEL } from '../workers/load-regressor.ts';
import { demandLabels } from './demand-series.ts';
import { openTrainingLoop } from './training-loop.ts';

const T0 = 20_000 * DAY;
const STEP = 30 * MINUTE;
const A = parseTenant('a');
const SCORES = { candidate: 0.2, current: 0.21, lastValue: 0.3, series: 1, rows: 10, epochs: 1 };

let bytes: ModelBytes;
beforeAll(async () => {
  bytes = await readModelBytes(SHIPPED_MODEL);
});

const trained = (isBetter: boolean): TrainResult => ({
  kind: 'trained',
  version: 'd',
  bytes,
  scores: SCORES,
  isBetter,
});

test('trains an hour after the start, takes the better version up, and trains again by the schedule', async () => {
  const world = await openWorld({ train: async () => trained(true) });
  await world.run(59 * MINUTE);
  expect(world.requests).toEqual([]);
  await world.run(2 * HOUR);
  expect(world.requests).toHaveLength(1);
  expect(world.requests[0]).toMatchObject({ epochs: 5, from: 'current', rows: 4 * 144 });
  expect(world.inUse.get(A)?.version).toBe('v1');
  expect(world.kept).toMatchObject([{ against: SHIPPED_VERSION, occasion: 'never-trained', scores: SCORES }]);
  await world.run(DAY + HOUR);
  expect(world.kept).toMatchObject([{}, { against: 'v1', occasion: 'schedule' }]);
  expect(world.inUse.get(A)?.version).toBe('v2');
  expect(world.telemetry.counts.get('trainings{outcome=taken-up,occasion=schedule}')).toBe(1);
});

test('a version that is no better is kept and not taken up', async () => {
  const world = await openWorld({ train: async () => trained(false) });
  await world.run(2 * HOUR);
  expect([world.kept.length, world.pointer(), world.inUse.get(A)]).toEqual([1, SHIPPED_VERSION, undefined]);
  expect(world.telemetry.counts.get('trainings{outcome=not-better,occasion=never-trained}')).toBe(1);
});

test('a version that is better than one that somebody went back from meanwhile is not taken up', async () => {
  const world = await openWorld({
    train: async () => {
      world.pointTo('v7');
      return trained(true);
    },
  });
  await world.run(62 * MINUTE);
  expect([world.kept.length, world.pointer()]).toEqual([1, 'v7']);
});

test('a failure is counted with its reason, and tried again after 10 and 20 minutes', async () => {
  const world = await openWorld({
    train: async () => {
      throw Object.assign(new Error('no memory'), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
    },
  });
  await world.run(HOUR + 2 * MINUTE);
  expect(world.requests).toHaveLength(1);
  await world.run(10 * MINUTE);
  expect(world.requests).toHaveLength(2);
  await world.run(15 * MINUTE);
  expect(world.requests).toHaveLength(2);
  await world.run(6 * MINUTE);
  expect(world.requests).toHaveLength(3);
  expect(world.telemetry.counts.get('trainingFailures{reason=ERR_WORKER_OUT_OF_MEMORY}')).toBe(3);
  expect(world.telemetry.counts.get('trainings{outcome=failed,occasion=retry}')).toBe(2);
});

test('a training that never ends is ended after an hour', async () => {
  const world = await openWorld({
    train: (_request, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  await world.run(2 * HOUR + 2 * MINUTE);
  expect(world.telemetry.counts.get('trainingFailures{reason=TrainingTooLongError}')).toBe(1);
});

test('demands that are not two days long are not learnt from', async () => {
  const world = await openWorld({ train: async () => trained(true), historyMs: 1.5 * DAY });
  await world.run(2 * HOUR);
  expect(world.requests).toEqual([]);
  expect(world.telemetry.counts.get('trainings{outcome=too-little,occasion=never-trained}')).toBe(1);
});

test('drift of most demands brings the next training forward', async () => {
  const world = await openWorld({ train: async () => trained(true) });
  await world.run(2 * HOUR);
  for (const id of ['a/1', 'a/2', 'a/3', 'a/3']) world.loop.drifted(A, id);
  await world.run(4 * HOUR);
  expect(world.kept.map(({ occasion }) => occasion)).toEqual(['never-trained', 'drift']);
});

test('one tenant after the other, the one that waited longest first', async () => {
  const tenants = ['a', 'b', 'c'].map(parseTenant);
  let atOnce = 0;
  const world = await openWorld({
    tenants,
    train: async () => {
      expect(++atOnce).toBe(1);
      await world.clock.sleep(10 * MINUTE);
      atOnce--;
      return trained(false);
    },
  });
  await world.run(HOUR + 40 * MINUTE);
  expect(world.trainedTenants).toEqual(tenants);
});

test('switched off, nothing is trained, and what others put in force is taken up; what is damaged is not', async () => {
  const world = await openWorld({ train: async () => trained(true), everyMs: undefined });
  await world.run(MINUTE);
  world.pointTo('v3');
  await world.run(2 * MINUTE);
  expect(world.inUse.get(A)?.version).toBe('v3');
  world.pointTo('damaged');
  await world.run(5 * MINUTE);
  expect(world.inUse.get(A)?.version).toBe('v3');
  expect(world.telemetry.counts.get('networkUnusable{code=unusable_model}')).toBe(1);
  world.pointTo(SHIPPED_VERSION);
  await world.run(2 * MINUTE);
  expect([world.inUse.get(A), world.requests]).toEqual([undefined, []]);
});

interface WorldOptions {
  readonly train: (request: TrainRequest, signal: AbortSignal) => Promise<TrainResult>;
  readonly tenants?: readonly TenantId[];
  readonly historyMs?: number;
  readonly everyMs?: number | undefined;
}

/** Demands of three days that are recorded, one for each tenant, and a training that is told what comes of it. */
async function openWorld({ train, tenants = [A], historyMs = 3 * DAY, ...options }: WorldOptions) {
  const clock = simClock(T0);
  const telemetry = recordedTelemetry();
  const storage = memoryStorage();
  const policy = policyOf();
  const times = Float64Array.from({ length: historyMs / STEP }, (_, i) => T0 - historyMs + i * STEP);
  const labels = demandLabels(policy, policy.demands[0]!);
  for (const tenant of tenants) {
    await storage.tenant(tenant).backfill([{ labels, times, values: times.map((t) => 10 + Math.sin(t / 1e7)) }]);
  }
  const requests: TrainRequest[] = [];
  const kept: VersionScores[] = [];
  const trainedTenants: TenantId[] = [];
  const inUse = new Map<string, OwnModel>();
  let pointer = SHIPPED_VERSION;
  const loop = openTrainingLoop({
    clock,
    telemetry,
    policies: async () => tenants.map((tenant) => ({ tenant, policy })),
    tenants: async () => tenants,
    storageOf: storage.tenant,
    versionsOf: (tenant) => ({
      list: async () => kept.map((scores, i) => ({ name: `v${i + 1}`, isCurrent: false, scores })),
      current: async () => pointer,
      read: async (name) => (name === 'damaged' ? { ...bytes, weights: bytes.weights.slice(8) } : bytes),
      async add(_bytes, scores, makeCurrent) {
        kept.push(scores);
        trainedTenants.push(tenant);
        if (makeCurrent) pointer = `v${kept.length}`;
        return `v${kept.length}`;
      },
    }),
    networks: {
      versionOf: (tenant) => inUse.get(tenant)?.version ?? SHIPPED_VERSION,
      takeUp: ({ tenant, own }) => void (own === undefined ? inUse.delete(tenant) : inUse.set(tenant, own)),
    },
    train: (request, { signal }) => {
      requests.push(request);
      return train(request, signal);
    },
    everyMs: 'everyMs' in options ? options.everyMs : DAY,
    epochs: 5,
  });
  const stop = new AbortController();
  let isRunning = false;
  return {
    ...{ clock, telemetry, loop, requests, kept, trainedTenants, inUse },
    pointer: () => pointer,
    pointTo: (name: string) => {
      pointer = name;
    },
    async run(ms: number) {
      if (!isRunning) void loop.run(stop.signal);
      isRunning = true;
      await clock.advance(ms);
    },
  };
}

function policyOf(): ScalingPolicy {
  return parsedPolicy('web', {
    target: { name: 'web' },
    demand: { name: 'web_rps', query: 'rps', step: '30m', history: '7d', capacity: { perReplica: 10 } },
    replicas: { min: 1, max: 50 },
  });
}
