import { DAY, HOUR, type Millis, SECOND } from '../model/time.ts';
import type { OutgoingSeries } from '../wire/encode-write-request.ts';
import { type RemoteWriteOptions, remoteWrite } from './remote-write.ts';
import { type DemoWorkload, RequestCounter, SCRAPE_MS } from './workloads.ts';

export interface LoadOptions extends RemoteWriteOptions {
  readonly workloads: readonly DemoWorkload[];
  readonly firstStart: Millis;
}

export interface Loaded {
  /** Samples that this start added. */
  readonly samples: number;
  /** The time of the newest sample that was there before, or null where the store was empty. */
  readonly continuedFrom: Millis | null;
  /** The time of the newest sample now. */
  readonly newest: Millis;
}

const HISTORY_MS = 28 * DAY;
/** Of one request: some 9,000 samples. */
const SLICE = 12 * HOUR;

/** Sends what the store lacks: four weeks at the first start, the time that the demo was off at a later one. */
export async function sendHistory(
  options: LoadOptions,
  onProgress: (samples: number, total: number) => void,
): Promise<Loaded> {
  const now = options.clock.now();
  const continuedFrom = await newestStored(options, now);
  const start = Math.ceil(Math.max(now - HISTORY_MS, (continuedFrom ?? 0) + 1) / SCRAPE_MS) * SCRAPE_MS;
  const end = Math.floor(now / SCRAPE_MS) * SCRAPE_MS;
  const total = Math.max(0, (end - start) / SCRAPE_MS + 1) * options.workloads.length * 2;
  const read = scraper(options);
  let samples = 0;
  for (let from = start; from <= end; from += SLICE) {
    const series = read(from, Math.min(end, from + SLICE - SCRAPE_MS));
    await remoteWrite(series, options);
    samples += series.reduce((sum, { values }) => sum + values.length, 0);
    onProgress(samples, total);
  }
  return { samples, continuedFrom, newest: Math.max(end, continuedFrom ?? 0) };
}

/** Scrapes and sends every 30 seconds until aborted. Scrapes that a sleeping machine missed are sent when it wakes. */
export async function sendLive(
  options: LoadOptions & { readonly after: Millis; readonly gauges: (t: Millis) => readonly OutgoingSeries[] },
): Promise<void> {
  const { clock, signal } = options;
  const read = scraper(options);
  let next = Math.floor(options.after / SCRAPE_MS) * SCRAPE_MS + SCRAPE_MS;
  while (!signal.aborted) {
    const now = clock.now();
    if (now < next) {
      await clock.sleep(next - now, signal);
      continue;
    }
    const end = Math.min(Math.floor(now / SCRAPE_MS) * SCRAPE_MS, next + SLICE);
    const series = read(next, end);
    await remoteWrite([...series, ...options.gauges(end)], options);
    next = end + SCRAPE_MS;
  }
}

type Scrape = (from: Millis, to: Millis) => OutgoingSeries[];

function scraper({ workloads, firstStart }: LoadOptions): Scrape {
  const counters = workloads.map((workload) => ({ workload, counter: new RequestCounter(workload, firstStart) }));
  return (from, to) =>
    counters.flatMap(({ workload, counter }) => {
      const count = Math.floor((to - from) / SCRAPE_MS) + 1;
      const times = Float64Array.from({ length: count }, (_, i) => from + i * SCRAPE_MS);
      const ok = new Float64Array(count);
      const failed = new Float64Array(count);
      times.forEach((t, i) => {
        const counts = counter.at(t);
        ok[i] = counts.ok;
        failed[i] = counts.failed;
      });
      return [
        { labels: labelsOf(workload, '200'), times, values: ok },
        { labels: labelsOf(workload, '500'), times, values: failed },
      ];
    });
}

/** Sorted by name, as remote write wants them. */
function labelsOf({ app, namespace }: DemoWorkload, code: string): OutgoingSeries['labels'] {
  return [
    ['__name__', 'http_requests_total'],
    ['app', app],
    ['code', code],
    ['instance', `${app}.${namespace}:8080`],
    ['job', 'foresail-demo'],
    ['namespace', namespace],
  ];
}

/** How far back to look for the newest sample, in turn: most starts follow soon after a stop. */
const LOOK_BACK = ['10m', '1d', '28d'];

/** The newest time up to which every one of the demo's series is stored, or null where one has nothing. */
async function newestStored({ url, workloads, signal }: LoadOptions, now: Millis): Promise<Millis | null> {
  for (const range of LOOK_BACK) {
    const newest: number[] = [];
    for (const { app, namespace } of workloads) {
      const selector = `http_requests_total{job="foresail-demo",app="${app}",namespace="${namespace}"}[${range}]`;
      const query = new URLSearchParams({ query: selector, time: String(now / SECOND) });
      const response = await fetch(`${url}/api/v1/query?${query}`, { signal });
      if (!response.ok) throw new Error(`cannot read what is stored: the server answered ${response.status}`);
      const answer = (await response.json()) as MatrixAnswer;
      for (const { values } of answer.data.result) newest.push((values.at(-1)?.[0] ?? 0) * SECOND);
    }
    if (newest.length === workloads.length * 2) return Math.min(...newest);
  }
  return null;
}

interface MatrixAnswer {
  readonly data: { readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[] };
}
