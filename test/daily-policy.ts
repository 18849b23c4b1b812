import { expect } from 'vitest';
import { DAY, MINUTE } from '../src/model/time.ts';
import type { ServeProcess } from './serve-process.ts';

const STEP = 5 * MINUTE;

/** Gives a server so many days of a daily rhythm in steps of five minutes, and the policy `shop/web` that lives by it. */
export async function startDailyPolicy({ url }: ServeProcess, days: number): Promise<void> {
  const start = Math.floor(Date.now() / MINUTE) * MINUTE - days * DAY;
  const timestamps = Array.from({ length: (days * DAY) / STEP }, (_, i) => start + i * STEP);
  const values = timestamps.map((t) => 100 + 50 * Math.sin((2 * Math.PI * t) / DAY) + 5 * Math.sin(t / 7e5));
  const body = JSON.stringify({ metric: { __name__: 'rps' }, timestamps, values });
  expect((await fetch(`${url}/api/v1/import`, { method: 'POST', body })).status).toBe(200);
  const policy = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  target: {name: web}
  demand: {name: web_rps, query: rps, step: 5m, history: ${days}d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
`;
  expect((await fetch(`${url}/api/v1/policies/shop/web`, { method: 'PUT', body: policy })).status).toBe(201);
}
