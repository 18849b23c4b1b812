import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A target for a scraper, on a free port of the loopback. */
export interface MovingExporter extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
}

const PATHS = ['/', '/cart', '/pay'];
const CODES = ['200', '500'];
const BOUNDS = ['0.05', '0.1', '0.25', '0.5', '1', '+Inf'];

/** Serves counters, gauges and a classic histogram in text exposition, with values that move at every scrape. */
export async function movingExporter(): Promise<MovingExporter> {
  let scrapes = 0;
  const server = createServer((_, response) => {
    scrapes++;
    response.setHeader('Content-Type', 'text/plain; version=0.0.4');
    response.end(exposition(scrapes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What the n-th scrape sees. Counters of one path start over now and then, as after a restart. */
function exposition(n: number): string {
  const lines = ['# TYPE shop_requests_total counter'];
  PATHS.forEach((path, p) => {
    CODES.forEach((code, c) => {
      const since = p === 2 ? n % 40 : n;
      const value = since * (7 + 5 * p) * (c === 0 ? 10 : 0.3) + (p + 1) * Math.floor(since / 7);
      lines.push(`shop_requests_total{path="${path}",code="${code}"} ${value}`);
    });
  });
  lines.push('# TYPE shop_temperature gauge');
  PATHS.forEach((path, p) => {
    lines.push(`shop_temperature{path="${path}"} ${20 + 6.1 * p + 5 * Math.sin(n / (5 + p))}`);
  });
  lines.push('# TYPE shop_latency_seconds histogram');
  PATHS.forEach((path, p) => {
    let count = 0;
    BOUNDS.forEach((le, b) => {
      count += Math.floor((n * (BOUNDS.length - b) * (p + 2)) / (2 + b));
      lines.push(`shop_latency_seconds_bucket{path="${path}",le="${le}"} ${count}`);
    });
    lines.push(
      `shop_latency_seconds_sum{path="${path}"} ${count * 0.21}`,
      `shop_latency_seconds_count{path="${path}"} ${count}`,
    );
  });
  return `${lines.join('\n')}\n`;
}
