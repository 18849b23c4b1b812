import { expect, test } from 'vitest';
import type { Anomaly } from '../anomaly/anomaly.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { openAnomalyStore } from './anomaly-store.ts';

test('many anomalies are read with rests: others get their turns', async () => {
  const store = openAnomalyStore(memoryKeyValue()).tenant(DEFAULT_TENANT);
  const now = 20_000 * DAY;
  const peak = {
    at: now,
    value: 9,
    expected: 1,
    lower: 0,
    upper: 2,
    score: 0.9,
    direction: 'up',
    part: 'jump',
  } as const;
  const demand = { namespace: 'shop', policy: 'web', workload: 'web', demand: 'rps' };
  const anomalies = Array.from({ length: 1000 }, (_, i): Anomaly => {
    const since = now - i * MINUTE;
    return {
      ...{
        id: `${since.toString(36)}-a`,
        watch: 'rps',
        labels: [],
        demand,
        stepMs: MINUTE,
        since,
        lastAt: since,
        peak,
      },
      ...{ severity: 'incident', confirmed: true, endedAt: now, end: 'quiet', incident: '', feedback: undefined },
    };
  });
  await store.put(anomalies);
  let [turns, isOver] = [0, false];
  const turn = () => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const found = await store.confirmed(demand, { start: now - DAY, end: now });
  isOver = true;
  expect(found).toHaveLength(1000);
  expect(turns).toBeGreaterThan(3);
});
