import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { makeAuthority, makeClient } from '../src/testing/control-plane.ts';

/** Small real HTTP servers to scrape. */
export interface Exporters extends AsyncDisposable {
  /** `HOST:PORT` of each. */
  readonly plain: string;
  readonly basic: string;
  readonly bearer: string;
  readonly tls: string;
  readonly openMetrics: string;
  readonly broken: string;
  /** Lists `plain` as a target, for http_sd. */
  readonly inventory: string;
  /** What `plain` exposes beside the rest; a test changes it. */
  extra: string;
}

const TEXT = `# HELP shop_requests_total Requests.
# TYPE shop_requests_total counter
shop_requests_total{code="200",path="/"} 10
shop_requests_total{code="500",path="/pay"} 2
# TYPE shop_latency_seconds histogram
shop_latency_seconds_bucket{le="1"} 3
shop_latency_seconds_bucket{le="+Inf"} 4
shop_latency_seconds_sum 2.5
shop_latency_seconds_count 4
# TYPE shop_heat gauge
shop_heat{job="oven",zone="a\\"b"} NaN
shop_heat{job="grill"} -Inf
{"shop.power","my.unit"="W"} 1e3
go_threads 7
`;

const OPEN_METRICS = `# TYPE shop_hits counter
# HELP shop_hits Hits.
shop_hits_total{path="/"} 5 # {trace_id="x"} 1
shop_hits_created{path="/"} 1520872607.5
# TYPE shop_info info
shop_info{version="1"} 1
# EOF
`;

/** Certificates are made in `folder`: `ca.crt`, and `scraper.crt` with its key for clients. */
export async function startExporters(folder: string): Promise<Exporters> {
  await makeCertificates(folder);
  const servers: Server[] = [];
  const state = { extra: '' };
  const start = async (server: Server) => {
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const text: RequestListener = (request, response) => {
    const body = `${TEXT}${state.extra}`;
    const packed = /gzip/.test(String(request.headers['accept-encoding']));
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    if (packed) response.setHeader('content-encoding', 'gzip');
    response.end(packed ? gzipSync(body) : body);
  };
  const guarded =
    (authorization: string): RequestListener =>
    (request, response) => {
      if (request.headers.authorization === authorization) return text(request, response);
      response.writeHead(401).end();
    };
  const plain = await start(createServer(text));
  const file = (name: string) => readFile(join(folder, name));
  const [cert, key, ca] = await Promise.all([file('server.crt'), file('server.key'), file('ca.crt')]);
  const tls = createTlsServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, text);
  const json =
    (body: object): RequestListener =>
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
  return {
    plain,
    basic: await start(createServer(guarded(`Basic ${Buffer.from('scraper:s3cret').toString('base64')}`))),
    bearer: await start(createServer(guarded('Bearer t0ken'))),
    tls: await start(tls as unknown as Server),
    openMetrics: await start(
      createServer((_request, response) => {
        response.setHeader('content-type', 'application/openmetrics-text; version=1.0.0; charset=utf-8');
        response.end(OPEN_METRICS);
      }),
    ),
    broken: await start(
      createServer((_request, response) => {
        response.setHeader('content-type', 'text/plain; version=0.0.4');
        response.end('fine 1\nbroken{ 2\n');
      }),
    ),
    inventory: await start(createServer(json([{ targets: [plain], labels: { found: 'by-http' } }]))),
    get extra() {
      return state.extra;
    },
    set extra(lines: string) {
      state.extra = lines;
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
    },
  };
}

async function makeCertificates(folder: string): Promise<void> {
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
  const { writeFile } = await import('node:fs/promises');
  const openssl = (words: string) => promisify(execFile)('openssl', words.split(' '), { cwd: folder });
  await writeFile(join(folder, 'client.ext'), 'extendedKeyUsage=clientAuth\n');
  await writeFile(join(folder, 'server.ext'), 'subjectAltName=DNS:exporter.test,IP:127.0.0.1\n');
  await makeAuthority(folder, 'ca');
  await makeClient(folder, 'scraper', 'ca', '/CN=scraper');
  await openssl('req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=exporter.test');
  await openssl(
    'x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt',
  );
}

/** A configuration of Prometheus that scrapes all of them every second; `targets.json` in the folder names `plain`. */
export function scrapeConfigOf(exporters: Exporters): string {
  return `global:
  scrape_interval: 1s
  scrape_timeout: 900ms
  evaluation_interval: 1m
scrape_configs:
  - job_name: plain
    static_configs:
      - {targets: ["${exporters.plain}"], labels: {zone: here}}
    params: {module: [a, b]}
    relabel_configs:
      - {source_labels: [__address__], regex: '(.*):\\d+', target_label: host}
      - {source_labels: [__param_module], target_label: module}
      - {action: hashmod, source_labels: [host], modulus: 16, target_label: shard}
    metric_relabel_configs:
      - {action: drop, source_labels: [__name__], regex: go_.*}
      - {action: labeldrop, regex: code}
  - job_name: honored
    honor_labels: true
    static_configs: [{targets: ["${exporters.plain}"]}]
  - job_name: basic
    basic_auth: {username: scraper, password: s3cret}
    static_configs: [{targets: ["${exporters.basic}"]}]
  - job_name: basic-wrong
    basic_auth: {username: scraper, password: wrong}
    static_configs: [{targets: ["${exporters.basic}"]}]
  - job_name: bearer
    authorization: {credentials_file: token}
    static_configs: [{targets: ["${exporters.bearer}"]}]
  - job_name: tls
    scheme: https
    tls_config: {ca_file: ca.crt, cert_file: scraper.crt, key_file: scraper.key, server_name: exporter.test}
    static_configs: [{targets: ["${exporters.tls}"]}]
  - job_name: tls-unknown
    scheme: https
    tls_config: {cert_file: scraper.crt, key_file: scraper.key}
    static_configs: [{targets: ["${exporters.tls}"]}]
  - job_name: openmetrics
    static_configs: [{targets: ["${exporters.openMetrics}"]}]
  - job_name: broken
    static_configs: [{targets: ["${exporters.broken}"]}]
  - job_name: limited
    sample_limit: 3
    static_configs: [{targets: ["${exporters.plain}"]}]
  - job_name: by-file
    file_sd_configs: [{files: [targets.json], refresh_interval: 5s}]
  - job_name: by-http
    http_sd_configs: [{url: 'http://${exporters.inventory}/', refresh_interval: 5s}]
  - job_name: dropped
    static_configs: [{targets: ["${exporters.plain}", "127.0.0.1:1"]}]
    relabel_configs: [{action: drop, source_labels: [__address__], regex: '.*:1'}]
`;
}
