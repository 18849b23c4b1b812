import { openWatchedShop, type Told } from '../test/real/watched-shop.ts';

/** `npx tsx bench/notice.ts [RUNS]`: seconds from demand that doubles until each receiver has been told, on the real program. */

const runs = Number(process.argv[2] ?? 3);
const WAIT_MS = 120_000;

async function until(look: () => boolean | Promise<boolean>): Promise<number> {
  const end = Date.now() + WAIT_MS;
  while (Date.now() < end) {
    if (await look()) return Date.now();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Number.NaN;
}

for (let run = 1; run <= runs; run++) {
  const shop = await openWatchedShop();
  if (shop === undefined) throw new Error('there is no Alertmanager: install the package prometheus-alertmanager');
  const ask = async (url: string) => (await (await fetch(url)).json()) as never;
  await until(async () => {
    const { data } = (await ask(`${shop.program.url}/api/v1/watches`)) as { data: { state: string }[] };
    return data[0]?.state === 'ready';
  });
  // Another moment between two evaluations each time.
  await new Promise((resolve) => setTimeout(resolve, 5000 + run * 1300));
  const doubled = shop.double();
  const held = until(async () => ((await ask(`${shop.alertmanagerUrl}/api/v2/alerts`)) as unknown[]).length > 0);
  const first = (told: readonly Told[]) => until(() => told.length > 0);
  const [alertmanager, mail, webhook] = await Promise.all([held, first(shop.mails), first(shop.hooks)]);
  const seconds = (at: number) => ((at - doubled) / 1000).toFixed(1);
  console.log(
    `run ${run}: Alertmanager ${seconds(alertmanager)} s, webhook ${seconds(webhook)} s, mail ${seconds(mail)} s after the demand doubled (scraped each 2 s, judged each 5 s, groupWait 1 s)`,
  );
  await shop[Symbol.asyncDispose]();
}
