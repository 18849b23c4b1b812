import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings } from '../config/load.ts';
import type { Alert } from '../model/alert.ts';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { appendSeries } from '../storage/append-series.ts';
import { systemClock } from '../system-clock.ts';
import { createLogger } from '../telemetry/logger.ts';
import { waitFor } from '../testing/control-plane.ts';
import { openParts } from './parts.ts';
import { openRules } from './rules.ts';

test('an alert that fires is told with all that is known of it, and so is its end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-told-rules-'));
  writeFileSync(
    join(folder, 'rules.yaml'),
    `groups: [{name: g, interval: 1s, rules: [{alert: High, expr: load > 10, labels: {severity: warning},
      annotations: {summary: 'it is {{ $value }}', runbook_url: 'https://runbooks.example/high'}}]}]`,
  );
  const file = join(folder, 'foresail.yaml');
  writeFileSync(
    file,
    'rules: {files: [rules.yaml]}\nexternalLabels: {cluster: eu}\nexternalUrl: https://foresail.example/\nkubernetes: "off"\n',
  );
  const settings = loadSettings({ file, flags: { data: join(folder, 'data') }, env: {} });
  const parts = await openParts({ settings, clock: systemClock, log: createLogger('silent') });
  const told: Alert[] = [];
  const stop = new AbortController();
  let refuses = true;
  const rules = openRules(parts, async (tenant, alerts) => {
    expect(tenant).toBe(DEFAULT_TENANT);
    // What could not be told is told again.
    if (refuses) {
      refuses = false;
      throw new Error('not now');
    }
    told.push(...alerts);
  });
  const load = async (value: number) =>
    await appendSeries(parts.storage.tenant(DEFAULT_TENANT), [
      {
        labels: labelsOf({ __name__: 'load', job: 'a' }),
        times: Float64Array.of(systemClock.now()),
        values: Float64Array.of(value),
      },
    ]);
  const ended = rules.run(stop.signal);
  await load(12);
  await waitFor('the alert', async () => told.length > 0);
  expect(told[0]).toEqual({
    labels: labelsOf({ alertname: 'High', cluster: 'eu', job: 'a', severity: 'warning' }),
    annotations: { runbook_url: 'https://runbooks.example/high', summary: 'it is 12' },
    startsAt: expect.any(Number),
    // Where the rule fails from now on, it is over by then.
    endsAt: expect.any(Number),
    generatorUrl: 'https://foresail.example/graph?g0.expr=load%20%3E%2010&g0.tab=1',
  });
  await load(3);
  await waitFor('its end', async () => told.at(-1)!.endsAt! <= systemClock.now());
  expect(told.at(-1)).toMatchObject({ startsAt: told[0]!.startsAt, labels: told[0]!.labels });
  stop.abort();
  await ended;
  await parts.close();
  rmSync(folder, { recursive: true });
});
