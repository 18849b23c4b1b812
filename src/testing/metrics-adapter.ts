import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Another adapter of external metrics, as small as one can be: it has one metric, and believes one token. */
export interface MetricsAdapter extends AsyncDisposable {
  /** `https://localhost:8443` */
  readonly url: string;
  /** Path and query of each request that it answered, in their order. */
  readonly asked: readonly string[];
}

export interface MetricsAdapterOptions {
  readonly cert: string;
  readonly key: string;
  readonly token: string;
  readonly metric: string;
  readonly value: string;
}

const GROUP_VERSION = 'external.metrics.k8s.io/v1beta1';

export async function startMetricsAdapter(options: MetricsAdapterOptions): Promise<MetricsAdapter> {
  const { cert, key, token, metric, value } = options;
  const asked: string[] = [];
  const server = createServer({ cert, key }, ({ url = '', headers }, response) => {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const refuse = (code: number, reason: string, message: string) =>
      answer(code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code });
    asked.push(url);
    if (headers.authorization !== `Bearer ${token}`) return refuse(401, 'Unauthorized', 'Unauthorized');
    const [path] = url.split('?');
    if (path === `/apis/${GROUP_VERSION}`) {
      const resources = [{ name: metric, namespaced: true, kind: 'ExternalMetricValueList', verbs: ['get'] }];
      return answer(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: GROUP_VERSION, resources });
    }
    if (!path!.endsWith(`/${metric}`)) return refuse(404, 'NotFound', `the other adapter has no ${path}`);
    const items = [{ metricName: metric, metricLabels: {}, timestamp: new Date().toISOString(), value }];
    answer(200, { kind: 'ExternalMetricValueList', apiVersion: GROUP_VERSION, metadata: {}, items });
  });
  await new Promise<void>((listening) => server.listen(0, 'localhost', listening));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}
