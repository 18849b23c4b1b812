import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { EmailIntegration } from '../alerting/receiver.ts';
import type { CostReport } from '../cost/cost-report.ts';
import { periodAt, periodBefore } from '../cost/report-period.ts';
import { showback } from '../cost/showback.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, parseInstant } from '../model/time.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memorySharedRecords } from '../testing/memory-shared-records.ts';
import { simClock } from '../testing/sim-clock.ts';
import { mailOf, type ReportMailParts, runReportMails } from './cost-report-mail.ts';
import { reportSender } from './cost-report-sender.ts';
import type { ReportQuestion } from './cost-report-types.ts';

const SHOP = 'shop' as TenantId;
const mails: { readonly to: readonly string[]; readonly text: string }[] = [];
let refuse = false;
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  onData(stream, session, done) {
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    stream.on('end', () => {
      if (refuse) return done(Object.assign(new Error('not now'), { responseCode: 451 }));
      mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text });
      return done();
    });
  },
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
});
afterAll(async () => await new Promise<void>((resolve) => server.close(() => resolve())));
beforeEach(() => {
  mails.length = 0;
  refuse = false;
});

const ALONE = { membership: undefined, shared: undefined };

function reportOf(tenant: TenantId, { period: kind, at }: Pick<ReportQuestion, 'period' | 'at'>): CostReport {
  const period = periodAt(kind, at);
  const spend = [{ hour: period.start, namespace: '<b>shop', workload: 'web', policy: undefined, region: '' }].map(
    (of) =>
      ({ ...of, labels: {}, replicaHours: 2, cost: 1234.5, estimated: 0, idle: undefined, plan: 'on-demand' }) as const,
  );
  const rule = { unallocated: 'none', idle: 'own' } as const;
  const before = { period: periodBefore(period), spend: [] };
  const told = showback({ period, until: period.end, currency: 'EUR', digits: 2, rule, spend, before });
  return { tenant, madeAt: period.end, showback: told, savings: null };
}

function world(start: string, coordination: ReportMailParts['coordination'] = ALONE) {
  const { port } = server.server.address() as AddressInfo;
  const email: EmailIntegration = {
    ...{ id: 'email[0]', kind: 'email', sendResolved: true, timeoutMs: 5000, maxPerMinute: 60 },
    ...{ to: ['cfo@example.com'], from: 'foresail@example.com', smarthost: { host: '127.0.0.1', port } },
    ...{ hello: undefined, authUsername: undefined, authPassword: undefined, security: 'none', headers: {} },
    tls: { ca: undefined, serverName: undefined, insecureSkipVerify: false },
    ...{ subject: undefined, html: undefined, text: undefined },
  };
  const clock = simClock(parseInstant(start));
  const telemetry = recordedTelemetry();
  const parts: ReportMailParts = {
    ...{ clock, telemetry, keyValue: memoryKeyValue(), metrics: createMetrics({ version: 'test', ofProcess: false }) },
    settings: { cost: { reports: [{ period: 'weekly', tenant: SHOP, receivers: ['finance'] }] } },
    coordination,
  };
  const receivers = [{ name: 'finance', tenants: ['shop'], integrations: [email] }];
  const sender = reportSender({ alerting: { receivers } as never })!;
  let sending = 0;
  const sendReport: typeof sender = async (...of) => {
    sending++;
    await sender(...of).finally(() => {
      sending--;
    });
  };
  const run = async (upTo: () => number, ms: number) => {
    const stop = new AbortController();
    const deps = { reportOf: async (...of: Parameters<typeof reportOf>) => reportOf(...of), sendReport };
    const done = runReportMails(parts, { ...deps, upTo: async () => upTo() }, stop.signal);
    for (let passed = 0; passed < ms; passed += HOUR) {
      await clock.advance(HOUR);
      // The mail goes over a real socket.
      while (sending > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stop.abort();
    await done;
  };
  return { clock, run, telemetry, sendReport };
}

test('a report is mailed once, after its period ended and its spend was made, with page and table attached', async () => {
  const { clock, run } = world('2026-11-21T12:00Z');
  await run(() => clock.now() - 2 * HOUR, 3 * DAY);
  // A restart sends none of it again.
  await run(() => clock.now(), DAY);
  expect(mails).toHaveLength(1);
  expect(mails[0]!.to).toEqual(['cfo@example.com']);
  const { text } = mails[0]!;
  expect(text).toContain('Subject: Costs of shop, week 2026-W47: EUR 1,234.50');
  expect(text).toMatch(/Message-ID: <costs-shop-2026-W47\.finance\.\d+@example\.com>/i);
  for (const name of ['costs-shop-2026-W47.html', 'costs-shop-2026-W47.csv']) expect(text).toContain(name);
});

test('what cannot be sent is tried again, and counted', async () => {
  const { clock, run, telemetry } = world('2026-11-22T22:00Z');
  refuse = true;
  await run(() => clock.now(), 4 * HOUR);
  expect(mails).toHaveLength(0);
  expect(telemetry.complaints).toContain('a cost report could not be sent');
  refuse = false;
  await run(() => clock.now(), 2 * HOUR);
  expect(mails).toHaveLength(1);
});

test('of several replicas one mails it, and another that takes over does not, even with an empty folder', async () => {
  const { records } = memorySharedRecords();
  const acting = { one: true, two: false };
  const replica = (name: keyof typeof acting) =>
    world('2026-11-22T22:00Z', {
      membership: { tenureOf: () => (acting[name] ? '1.1' : undefined) } as never,
      shared: records,
    });
  const [one, two] = [replica('one'), replica('two')];
  await one.run(() => one.clock.now(), 3 * HOUR);
  expect(mails).toHaveLength(1);
  Object.assign(acting, { one: false, two: true });
  await two.run(() => two.clock.now(), DAY);
  expect(mails).toHaveLength(1);
});

test('a report goes to no receiver of another tenant', async () => {
  const { sendReport } = world('2026-11-22T22:00Z');
  const mail = mailOf(reportOf(SHOP, { period: 'week', at: parseInstant('2026-11-18') }), 'finance');
  await expect(sendReport('other' as TenantId, 'finance', mail, new AbortController().signal)).rejects.toThrow(
    'no such receiver',
  );
  expect(mails).toHaveLength(0);
});

test('names from elsewhere are escaped on the page, and start no formula in the table', () => {
  const mail = mailOf(reportOf(SHOP, { period: 'week', at: parseInstant('2026-11-18') }), 'finance');
  expect(mail.html).toContain('&lt;b&gt;shop');
  expect(mail.html).not.toContain('<svg');
  expect(mail.attachments[0]!.content).toContain('<svg');
  expect(mail.attachments[1]!.content.split('\r\n')[0]).toMatch(/^tenant,period,start,end,currency,table/);
});
