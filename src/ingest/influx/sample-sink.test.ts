import { expect, test } from 'vitest';
import { pendingWriter } from '../../backends/pending-writer.ts';
import { labelValue } from '../../model/labels.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../../model/tenant.ts';
import { openIntake } from '../intake.ts';
import { type SampleSink, type SinkDeps, sinkByLabel, sinkOf } from './sample-sink.ts';

const ACME = parseTenant('acme');
const RULE = { label: 'team', keep: true, namespaces: undefined };
const BY_LABEL = (deps: SinkDeps) => sinkByLabel(RULE, { tenant: DEFAULT_TENANT, anyTenant: true }, deps);

test.each<{ readonly name: string; readonly sink: (deps: SinkDeps) => SampleSink; readonly want: readonly string[] }>([
  { name: 'sinkOf()', sink: (deps) => sinkOf(DEFAULT_TENANT, deps), want: ['default a', 'default b', 'default c'] },
  { name: 'sinkByLabel()', sink: BY_LABEL, want: ['acme b', 'default a', 'default c'] },
])('$name commits what it appended where each writer commits its own, as those of engines do', async ({
  sink,
  want,
}) => {
  const sent: string[] = [];
  const storage = {
    tenant: (tenant: TenantId) =>
      pendingWriter(async ({ series }) => {
        for (const { labels } of series) sent.push(`${tenant} ${labelValue(labels, '__name__')}`);
      }),
  };
  const to = sink({ storage, intake: openIntake({ now: () => 0 }), counts: new Map() });
  const sample = (name: string, team: string) => {
    const labels = [['__name__', name] as const, ...(team === '' ? [] : [['team', team] as const])];
    return { labels, time: 1, value: 2, line: 1 };
  };
  expect(await to.append([sample('a', ''), sample('b', ACME)])).toEqual([]);
  expect(await to.append([sample('c', '')])).toEqual([]);
  expect(sent).toEqual([]);
  await to.commit();
  expect(sent.sort()).toEqual(want);
});
