import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { openWatchedShop, SIGNING_KEY, type WatchedShop } from './watched-shop.ts';

/** Demand doubles: who is told of it, and what each can read. */

interface HeldAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly status: { readonly state: string };
}

const PATIENCE_MS = 240_000;

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
}

async function watchIsReady({ program }: WatchedShop): Promise<true | undefined> {
  const { data } = (await (await fetch(`${program.url}/api/v1/watches`)).json()) as { data: { state: string }[] };
  return data[0]?.state === 'ready' ? true : undefined;
}

async function heldAlerts({ alertmanagerUrl }: WatchedShop): Promise<readonly HeldAlert[]> {
  return (await (await fetch(`${alertmanagerUrl}/api/v2/alerts`)).json()) as readonly HeldAlert[];
}

test('demand that doubles is told to Alertmanager, by mail and to a webhook that checks its signature, and so is its end', async ({
  skip,
}) => {
  const opened = await openWatchedShop();
  if (opened === undefined) {
    return skip('there is no Alertmanager: install the package prometheus-alertmanager of Debian');
  }
  await using shop = opened;
  await until('the watch has learnt', () => watchIsReady(shop));
  expect(await heldAlerts(shop)).toEqual([]);
  shop.double();

  const held = await until('Alertmanager has the alert', async () => (await heldAlerts(shop))[0]);
  expect(held.labels).toMatchObject({ alertname: 'ForesailAnomaly', severity: 'critical', app: 'checkout' });
  expect(held.annotations['summary']).toContain('checkout');
  expect(held.annotations['description']).toMatch(/was expected/);
  expect(Number(held.annotations['value'])).toBeGreaterThan(1.5 * Number(held.annotations['expected']));
  expect(held.annotations['runbook_url']).toContain('foresailanomaly');
  const picture = await fetch(held.annotations['picture']!.replace(/^https?:\/\/[^/]+/, shop.program.url));
  expect(await picture.text()).toContain('<svg');

  const mail = await until('the mail is there', async () => shop.mails[0]);
  expect(mail.text).toMatch(/^To: ops@example\.com$/m);
  expect(mail.text).toMatch(/ForesailAnomaly/);

  const hook = await until('the webhook was called', async () => shop.hooks[0]);
  const seconds = hook.headers['x-foresail-timestamp'];
  const signed = createHmac('sha256', SIGNING_KEY).update(`${seconds}.${hook.text}`).digest('hex');
  expect(hook.headers['x-foresail-signature']).toBe(`v1=${signed}`);
  expect(JSON.parse(hook.text)).toMatchObject({
    status: 'firing',
    alerts: [{ status: 'firing', labels: { alertname: 'ForesailAnomaly', app: 'checkout' } }],
  });

  shop.halve();
  await until('the webhook is told of the end', async () => {
    return shop.hooks.find(({ text }) => (JSON.parse(text) as { status: string }).status === 'resolved');
  });
  await until('Alertmanager holds it no more', async () => ((await heldAlerts(shop)).length === 0 ? true : undefined));
  expect(shop.program.output()).not.toContain(SIGNING_KEY);
});
