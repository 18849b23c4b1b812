import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test, vi } from 'vitest';
import { startProgram } from '../program.ts';
import { openMails, openSink } from '../receivers.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'foresail-alerting-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SECRETS = {
  SIGNING: 'sign-with-this',
  SLACK_PATH: 'T000/B000/secret',
  PAGER: 'routing-key-of-pager',
  MAIL: 'pass-word',
};
let serial = 0;

function settingsFile(alerting: object, more: object = {}): string {
  const file = join(folder, `${serial++}.yaml`);
  writeFileSync(file, JSON.stringify({ kubernetes: 'off', ...more, alerting }));
  return file;
}

const program = (file: string, env: Readonly<Record<string, string>> = {}) => startProgram(['--config', file], [], env);

async function call(url: string, path: string, init: { method?: string; body?: object; tenant?: string } = {}) {
  const response = await fetch(`${url}${path}`, {
    method: init.method ?? (init.body === undefined ? 'GET' : 'POST'),
    headers: {
      'content-type': 'application/json',
      ...(init.tenant !== undefined && { 'x-scope-orgid': init.tenant }),
    },
    ...(init.body !== undefined && { body: JSON.stringify(init.body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

const demand = (labels: object = {}, more: object = {}) => ({
  labels: { alertname: 'Demand', severity: 'critical', namespace: 'shop', ...labels },
  annotations: {
    summary: 'Demand on <checkout> doubled',
    description: '20 requests a second, 10 expected',
    remedy: 'Raise the maximum',
    runbook_url: 'https://runbooks.example/demand',
    picture: 'https://foresail.example/picture.svg',
  },
  ...more,
});

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });
const FAST = { groupWait: '0s', groupInterval: '1s', groupBy: ['alertname'] };

test('an alert reaches a webhook with its signature, Slack, Teams, PagerDuty and a mailbox, and so does its end', async () => {
  await using sink = await openSink();
  await using mails = await openMails({ user: 'foresail', password: SECRETS.MAIL });
  const at = (path: string) => `http://127.0.0.1:${sink.port}${path}`;
  writeFileSync(join(folder, 'slack-url'), `${at('/slack/')}${SECRETS.SLACK_PATH}\n`);
  const define = join(folder, 'texts.tmpl');
  writeFileSync(define, '{{ define "count" }}{{ len .Alerts.Firing }} of {{ len .Alerts }}{{ end }}\n');
  const file = settingsFile({
    templates: [define],
    receivers: [
      {
        name: 'team',
        webhookConfigs: [{ url: at('/hook'), signingKey: { env: 'SIGNING' } }],
        slackConfigs: [
          { apiUrl: { file: 'slack-url' }, title: '{{ template "count" . }} {{ .CommonLabels.namespace }}' },
        ],
        msteamsConfigs: [{ webhookUrl: { env: 'TEAMS' } }],
        pagerdutyConfigs: [{ routingKey: { env: 'PAGER' }, url: at('/pager') }],
        emailConfigs: [
          {
            to: ['ops@example.com', 'boss@example.com'],
            from: 'foresail@example.com',
            smarthost: `127.0.0.1:${mails.port}`,
            authUsername: 'foresail',
            authPassword: { env: 'MAIL' },
            tlsConfig: { insecureSkipVerify: true },
          },
        ],
      },
    ],
    route: { receiver: 'team', ...FAST },
  });
  await using server = await program(file, { ...SECRETS, TEAMS: at('/teams?sig=secret-of-teams') });
  expect((await call(server.url, '/api/v2/alerts', { body: [demand()] })).status).toBe(200);
  await until(() => expect([sink.taken.length, mails.mails.length]).toEqual([4, 1]));
  const of = (path: string) => sink.taken.filter((one) => one.path.startsWith(path));

  const [hook] = of('/hook');
  const seconds = hook!.headers['x-foresail-timestamp'];
  const mac = createHmac('sha256', SECRETS.SIGNING).update(`${seconds}.${hook!.body}`).digest('hex');
  expect(hook!.headers['x-foresail-signature']).toBe(`v1=${mac}`);
  expect(JSON.parse(hook!.body)).toMatchObject({
    version: '4',
    status: 'firing',
    receiver: 'team',
    groupLabels: { alertname: 'Demand' },
    alerts: [{ ...demand(), status: 'firing', endsAt: '0001-01-01T00:00:00Z' }],
  });
  const slack = JSON.parse(of('/slack')[0]!.body);
  expect(of('/slack')[0]!.path).toBe(`/slack/${SECRETS.SLACK_PATH}`);
  expect(slack.attachments[0].title).toBe('1 of 1 shop');
  expect(slack.attachments[0].text).toContain('&lt;checkout&gt;');
  const card = JSON.parse(of('/teams')[0]!.body).attachments[0];
  expect(card.contentType).toBe('application/vnd.microsoft.card.adaptive');
  expect(JSON.stringify(card.content.body)).toContain('20 requests a second, 10 expected');
  const triggered = JSON.parse(of('/pager')[0]!.body);
  expect(triggered).toMatchObject({
    routing_key: SECRETS.PAGER,
    event_action: 'trigger',
    payload: { severity: 'critical' },
  });
  expect(mails.mails[0]).toMatchObject({ to: ['ops@example.com', 'boss@example.com'], secure: true });
  expect(mails.mails[0]!.text).toMatch(/Subject: \[FIRING:1\] Demand on <checkout> doubled/);
  expect(mails.mails[0]!.text).toContain('text/html');

  await call(server.url, '/api/v2/alerts', { body: [demand({}, { endsAt: new Date().toISOString() })] });
  await until(() => expect([sink.taken.length, mails.mails.length]).toEqual([8, 2]));
  expect(JSON.parse(of('/hook')[1]!.body)).toMatchObject({ status: 'resolved', alerts: [{ status: 'resolved' }] });
  expect(JSON.parse(of('/pager')[1]!.body)).toMatchObject({ event_action: 'resolve', dedup_key: triggered.dedup_key });
  expect(mails.mails[1]!.text).toContain('[RESOLVED]');
});

test('a receiver that fails in any way is told again, what it refuses is a dead letter, and no secret is seen', async () => {
  const hidden = 'path-that-nobody-sees';
  await using errors = await openSink((_one, response, nth) => void response.writeHead(nth < 2 ? 500 : 200).end());
  await using busy = await openSink((_one, response, nth) => {
    response.writeHead(nth === 0 ? 429 : 200, nth === 0 ? { 'retry-after': '1' } : {}).end();
  });
  await using cut = await openSink((_one, response, nth) => void (nth === 0 ? response.destroy() : response.end()));
  await using hangs = await openSink((_one, response, nth) => void (nth > 0 && response.end()));
  await using refuses = await openSink(
    (one, response) => void response.writeHead(400).end(`no: ${one.path} ${one.headers.authorization}`),
  );
  await using wrongTls = await openSink(undefined, true);
  await using mails = await openMails({ user: 'u', password: SECRETS.MAIL }, (nth) =>
    nth === 0 ? 451 : nth === 1 ? 550 : undefined,
  );
  const webhook = (name: string, { port }: { readonly port: number }, more: object = {}) => ({
    name,
    webhookConfigs: [{ url: `http://127.0.0.1:${port}/`, timeout: '1s', ...more }],
  });
  const receivers = [
    webhook('errors', errors),
    webhook('busy', busy),
    webhook('cut', cut),
    webhook('hangs', hangs),
    webhook('refuses', refuses, { url: { env: 'REFUSING' }, bearerToken: { env: 'SIGNING' } }),
    webhook('tls', wrongTls, { url: `https://127.0.0.1:${wrongTls.port}/` }),
    {
      name: 'mail',
      emailConfigs: [
        {
          ...{ to: ['a@example.com'], from: 'b@example.com', smarthost: `127.0.0.1:${mails.port}` },
          ...{ authUsername: 'u', authPassword: { env: 'MAIL' }, tlsConfig: { insecureSkipVerify: true } },
        },
      ],
    },
  ];
  const routes = receivers.map(({ name }) => ({ receiver: name, continue: true }));
  const file = settingsFile({ receivers, route: { receiver: 'errors', ...FAST, routes } });
  const REFUSING = `http://127.0.0.1:${refuses.port}/${hidden}`;
  await using server = await program(file, { ...SECRETS, REFUSING });
  await call(server.url, '/api/v2/alerts', { body: [demand()] });
  await until(() => {
    expect([errors, busy, cut, hangs].map(({ taken }) => taken.length)).toEqual([3, 2, 2, 2]);
    for (const { taken } of [errors, busy, cut, hangs]) {
      expect(new Set(taken.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    }
  });
  const letters = async () => (await call(server.url, '/api/v1/alerting/dead-letters')).body.data.deadLetters;
  await until(async () =>
    expect((await letters()).map((one: { receiver: string }) => one.receiver).sort()).toEqual(['mail', 'refuses']),
  );
  expect(refuses.taken).toHaveLength(1);
  expect(wrongTls.taken).toHaveLength(0);
  const { stdout } = await run(process.execPath, [MAIN, 'alert', 'dead-letters', '--url', server.url]);
  expect(stdout).toMatch(/refuses\/webhook\[0\]/);

  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  for (const reason of ['server-error', 'rate-limited', 'connection', 'timeout', 'refused', 'tls']) {
    expect(metrics).toMatch(new RegExp(`foresail_notification_failures_total\\{[^}]*reason="${reason}"\\} [1-9]`));
  }
  expect(metrics).toMatch(/foresail_notification_dead_letters 2/);
  expect(metrics).toMatch(/foresail_notification_queue_length\{receiver="tls"[^}]*\} 1/);

  const seen = [server.output(), metrics, JSON.stringify(await letters()), stdout];
  for (const path of ['/api/v1/status', '/api/v2/status', '/api/v2/alerts']) {
    seen.push(JSON.stringify((await call(server.url, path)).body));
  }
  for (const secret of [hidden, ...Object.values(SECRETS)]) expect(seen.join('\n')).not.toContain(secret);

  expect((await call(server.url, '/api/v1/alerting/dead-letters', { method: 'DELETE' })).body.data).toEqual({
    dropped: 2,
  });
  expect(await letters()).toEqual([]);
});

test('silences, by API and command line; an alert that matches is told to nobody', async () => {
  await using sink = await openSink();
  const file = settingsFile({
    receivers: [{ name: 'team', webhookConfigs: [{ url: `http://127.0.0.1:${sink.port}/` }] }],
    route: { receiver: 'team', ...FAST, groupBy: ['alertname', 'namespace'] },
  });
  await using server = await program(file);
  const foresail = async (...words: string[]) =>
    (await run(process.execPath, [MAIN, 'alert', ...words, '--url', server.url])).stdout;
  expect(await foresail('silence', 'add', 'namespace=shop', '--comment', 'load test')).toMatch(
    /^silence [0-9a-f-]{36} for 2h/,
  );
  await call(server.url, '/api/v2/alerts', { body: [demand(), demand({ namespace: 'media' })] });
  await until(() => expect(sink.taken).toHaveLength(1));
  expect(JSON.parse(sink.taken[0]!.body).groupLabels).toEqual({ alertname: 'Demand', namespace: 'media' });
  expect((await foresail('list')).split('\n')).toHaveLength(3);
  expect((await foresail('list', '--silenced')).split('\n')).toHaveLength(4);
  const [silence] = (await call(server.url, '/api/v2/silences')).body;
  expect(silence).toMatchObject({ comment: 'load test', status: { state: 'active' } });
  await foresail('silence', 'expire', silence.id);
  await until(() => expect(sink.taken).toHaveLength(2));
  expect(await foresail('silence', 'list')).toContain('there are no silences');
  const all = { ...silence, id: undefined, matchers: [{ name: 'x', value: '.*', isRegex: true }] };
  expect(await call(server.url, '/api/v2/silences', { body: all })).toMatchObject({ status: 400 });
  expect(await foresail('test', 'team')).toContain('webhook[0]: taken');
  await expect(foresail('test', 'nobody')).rejects.toThrow(/there is no receiver nobody/);
});

test("a tenant's alerts reach no receiver of another, by any route, and a silence holds for its own tenant alone", async () => {
  await using acme = await openSink();
  await using globex = await openSink();
  const receiver = (name: string, { port }: { readonly port: number }) => ({
    ...{ name, tenants: [name], webhookConfigs: [{ url: `http://127.0.0.1:${port}/` }] },
  });
  const file = settingsFile(
    {
      receivers: [receiver('acme', acme), receiver('globex', globex)],
      route: { receiver: 'acme', ...FAST, routes: [{ receiver: 'globex', matchers: ['severity="critical"'] }] },
    },
    { tenancy: { mode: 'on' } },
  );
  await using server = await program(file);
  await call(server.url, '/api/v2/alerts', { body: [demand({ of: 'acme' })], tenant: 'acme' });
  await call(server.url, '/api/v2/alerts', { body: [demand({ of: 'globex' })], tenant: 'globex' });
  await until(() => expect([acme.taken.length, globex.taken.length]).toEqual([1, 1]));
  expect(JSON.parse(acme.taken[0]!.body).alerts).toMatchObject([{ labels: { of: 'acme' } }]);
  expect(JSON.parse(globex.taken[0]!.body).alerts).toMatchObject([{ labels: { of: 'globex' } }]);
  expect((await call(server.url, '/api/v2/alerts', { tenant: 'acme' })).body).toHaveLength(1);
  expect((await call(server.url, '/api/v2/receivers', { tenant: 'acme' })).body).toEqual([{ name: 'acme' }]);
  const tested = await call(server.url, '/api/v1/alerting/test', { body: { receiver: 'globex' }, tenant: 'acme' });
  expect(tested.status).toBe(404);
});

test('with tenancy on every message says whose it is, and no alert may say another one', async () => {
  await using sink = await openSink();
  await using mails = await openMails({ user: 'foresail', password: SECRETS.MAIL });
  const at = (path: string) => `http://127.0.0.1:${sink.port}${path}`;
  const receivers = [
    {
      ...{ name: 'ops', tenants: 'all', webhookConfigs: [{ url: at('/hook') }] },
      slackConfigs: [{ apiUrl: { env: 'SLACK' } }, { apiUrl: { env: 'OTHER' }, title: 'of {{ .Tenant }}' }],
      msteamsConfigs: [{ webhookUrl: { env: 'TEAMS' } }],
      pagerdutyConfigs: [{ routingKey: { env: 'PAGER' }, url: at('/pager') }],
      emailConfigs: [
        {
          ...{ to: ['ops@example.com'], from: 'f@example.com', smarthost: `127.0.0.1:${mails.port}` },
          ...{ authUsername: 'foresail', authPassword: { env: 'MAIL' }, tlsConfig: { insecureSkipVerify: true } },
        },
      ],
    },
  ];
  const file = settingsFile({ receivers, route: { receiver: 'ops', ...FAST } }, { tenancy: { mode: 'on' } });
  const env = { ...SECRETS, SLACK: at('/slack'), OTHER: at('/other'), TEAMS: at('/teams') };
  await using server = await program(file, env);
  await call(server.url, '/api/v2/alerts', { tenant: 'acme', body: [demand({ tenant: 'rival' })] });
  await until(() => expect([sink.taken.length, mails.mails.length]).toEqual([5, 1]));
  const of = (path: string) => JSON.parse(sink.taken.find((one) => one.path.startsWith(path))!.body);
  const labels = { tenant: 'acme', exported_tenant: 'rival' };
  const hook = of('/hook');
  expect(hook).toMatchObject({ tenant: 'acme', commonLabels: labels, alerts: [{ labels }] });
  const title = '[FIRING:1] acme: Demand on ';
  expect(of('/slack').attachments[0].title).toContain(title);
  expect(of('/other').attachments[0].title).toBe('of acme');
  const card = of('/teams').attachments[0].content.body;
  expect(card[0].text).toContain(title);
  expect(JSON.stringify(card)).toContain('tenant=acme');
  expect(of('/pager').payload).toMatchObject({ custom_details: { tenant: 'acme' } });
  expect(of('/pager').payload.summary).toContain(title);
  expect(mails.mails[0]!.text).toContain(`Subject: ${title}`);
  // Another tenant's alert with the same labels is another alert, to those who go by fingerprints.
  await call(server.url, '/api/v2/alerts', { tenant: 'globex', body: [demand({ tenant: 'rival' })] });
  await until(() => expect(sink.taken.filter(({ path }) => path === '/hook')).toHaveLength(2));
  const [one, two] = sink.taken.filter(({ path }) => path === '/hook').map(({ body }) => JSON.parse(body).alerts[0]);
  expect(one.fingerprint).not.toBe(two.fingerprint);
  // A test says so, too.
  await call(server.url, '/api/v1/alerting/test', { tenant: 'acme', body: { receiver: 'ops' } });
  await until(() => expect(sink.taken.filter(({ path }) => path === '/hook')).toHaveLength(3));
  expect(JSON.parse(sink.taken.findLast(({ path }) => path === '/hook')!.body)).toMatchObject({ tenant: 'acme' });
});

test('no alert of a tenant ends the program, or speaks for another tenant at an Alertmanager', async () => {
  await using sink = await openSink();
  const file = settingsFile(
    {
      receivers: [{ name: 'all', tenants: 'all', alertmanagerConfigs: [{ urls: [`http://127.0.0.1:${sink.port}`] }] }],
      route: { receiver: 'all', ...FAST },
    },
    { tenancy: { mode: 'on' } },
  );
  await using server = await program(file);
  for (const startsAt of ['-1e30', '1e30']) {
    const { status } = await call(server.url, '/api/v2/alerts', { tenant: 'acme', body: [demand({}, { startsAt })] });
    expect(status).toBe(400);
  }
  const silence = { matchers: [{ name: 'a', value: 'b' }], createdBy: 'me', comment: 'why', endsAt: '1e30' };
  expect((await call(server.url, '/api/v2/silences', { tenant: 'acme', body: silence })).status).toBe(400);
  await call(server.url, '/api/v2/alerts', { tenant: 'acme', body: [demand({ tenant: 'rival' })] });
  await until(() => expect(sink.taken).not.toHaveLength(0));
  const [alert] = JSON.parse(sink.taken[0]!.body) as { labels: object }[];
  expect(alert!.labels).toMatchObject({ tenant: 'acme', exported_tenant: 'rival' });
});
