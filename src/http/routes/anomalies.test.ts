import type { AddressInfo } from 'node:net';
import express from 'express';
import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { type AnomalyRouteDeps, anomalyRoutes } from './anomalies.ts';

async function detect(body: string): Promise<{ readonly status: number; readonly text: string }> {
  const app = express();
  const deps: Partial<AnomalyRouteDeps> = {
    callerOf: () => ({ tenant: DEFAULT_TENANT, role: 'reader' }) as never,
    ...{ now: () => 0, requestBytes: 1024 * 1024, offsetOf: () => () => 0, pause: () => () => undefined },
  };
  anomalyRoutes(app, deps as AnomalyRouteDeps);
  const told: express.ErrorRequestHandler = (error: Error, _request, response, _next) => {
    response.status(400).send(error.message);
  };
  app.use(told);
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/api/v1/detect`;
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/csv' } });
    return { status: answer.status, text: await answer.text() };
  } finally {
    server.close();
  }
}

const rows = (count: number) =>
  `series,timestamp,value\n${Array.from({ length: count }, (_, i) => `s${i},1,2`).join('\n')}`;

test('rows of thousands of series are scored, and of more series than there is room for they are refused', async () => {
  expect(JSON.parse((await detect(rows(5000))).text).data).toHaveLength(5000);
  expect(await detect(rows(5001))).toEqual({
    status: 400,
    text: 'cannot score the rows: expected 5000 series at most',
  });
});
