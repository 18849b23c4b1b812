import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { servesTenant } from '../alerting/receiver.ts';
import { loadSettings } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'foresail-alerting-settings-'));
mkdirSync(join(folder, 'secrets'));
for (const name of ['pagerduty', 'teams-url', 'smtp', 'ca.pem', 'hook-token']) {
  writeFileSync(join(folder, 'secrets', name), `of ${name}\n`);
}
const env = Object.fromEntries(
  ['SLACK_URL', 'PAGERDUTY_KEY', 'ALERTMANAGER_PASSWORD', 'HOOK_KEY', 'ACME_SLACK'].map((name) => [name, `of ${name}`]),
);

function load(text: string) {
  const file = join(folder, 'foresail.yaml');
  writeFileSync(file, text);
  return loadSettings({ file, env }).alerting;
}

describe('every example of docs/how-to/alert-receivers.md loads', () => {
  const page = readFileSync(new URL('../../docs/how-to/alert-receivers.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)]
    .map(([, text]) => text!)
    .filter((text) => text.includes('receivers:'));

  test('there are some', () => expect(examples.length).toBeGreaterThanOrEqual(8));
  test.each(examples)('%s', (text) => {
    const { receivers } = load(text);
    expect(receivers.flatMap(({ integrations }) => integrations).length).toBeGreaterThan(0);
  });
});

test('without receivers nothing is told, and all else has a default', () => {
  expect(load('')).toMatchObject({ receivers: [], route: undefined, flapping: { starts: 4 }, queueLength: 10_000 });
});

test('a route inherits what it leaves out', () => {
  const { route } = load(`alerting:
  receivers: [{name: a}, {name: b}]
  route: {receiver: a, groupBy: [x], groupWait: 0s, repeatInterval: 1d, routes: [{receiver: b, groupBy: ['...']}, {groupInterval: 1m}]}`);
  expect(route).toMatchObject({ groupWaitMs: 0, groupIntervalMs: 300_000 });
  expect(route!.routes).toMatchObject([
    { receiver: 'b', groupBy: 'all', groupWaitMs: 0, repeatIntervalMs: 86_400_000 },
    { receiver: 'a', groupBy: ['x'], groupIntervalMs: 60_000 },
  ]);
});

test('with tenancy on a receiver serves those that it names, else all', () => {
  const receivers = 'receivers: [{name: a, tenants: [acme]}], route: {receiver: a}';
  const [on] = load(`tenancy: {mode: on}\nalerting: {${receivers}}`).receivers;
  expect(['acme', 'globex'].map((tenant) => servesTenant(on!, tenant))).toEqual([true, false]);
});

test.each([
  { name: 'no route', text: 'receivers: [{name: a}]', want: /alerting\.route: missing/ },
  {
    name: 'a receiver that is not there',
    text: 'receivers: [{name: a}], route: {receiver: b}',
    want: /no receiver "b"/,
  },
  { name: 'two of one name', text: 'receivers: [{name: a}, {name: a}], route: {receiver: a}', want: /there twice/ },
  { name: 'a matcher', text: 'inhibitRules: [{sourceMatchers: ["a"]}]', want: /sourceMatchers.*expected a matcher/ },
  {
    name: 'matchers at the top',
    text: 'receivers: [{name: a}], route: {receiver: a, matchers: [a=b]}',
    want: /every alert/,
  },
  { name: 'a secret as a text', text: 'receivers: [{name: a, slackConfigs: [{apiUrl: "https://x"}]}]', want: /apiUrl/ },
  {
    name: 'an empty secret',
    text: 'receivers: [{name: a, slackConfigs: [{apiUrl: {env: NONE}}]}], route: {receiver: a}',
    want: /NONE is empty/,
  },
  {
    name: 'a user in an address',
    text: 'receivers: [{name: a, webhookConfigs: [{url: "http://u:p@x/"}]}], route: {receiver: a}',
    want: /no user/,
  },
])('refuses $name, and says where', ({ text, want }) => {
  expect(() => load(`alerting: {${text}}`)).toThrow(want);
  expect(() => load(`alerting: {${text}}`)).toThrow(/foresail\.yaml:1:/);
});
