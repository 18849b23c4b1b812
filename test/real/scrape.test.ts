import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import {
  findControlPlane,
  freePorts,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { startProgram } from '../program.ts';
import { scrapeConfigOf, startExporters } from '../scrape-targets.ts';

/* A real Prometheus and the real program scrape the same targets by the same configuration. */

const INSTALL = resolve('../shared/bin/install');
const missing = existsSync(INSTALL)
  ? existsSync('dist/main.js')
    ? undefined
    : 'there is no dist/main.js: run npm run build'
  : 'there is no ../shared/bin: it has the Prometheus of today';

interface Pair extends AsyncDisposable {
  readonly foresail: string;
  readonly prometheus: string;
}

async function startPair(folder: string, config: string): Promise<Pair> {
  const { stdout } = await promisify(execFile)(INSTALL);
  await writeFile(join(folder, 'prometheus.yml'), config);
  await writeFile(join(folder, 'foresail.yaml'), 'kubernetes: off\nscrape: {file: prometheus.yml}\n');
  const [port] = await freePorts(1);
  const flags = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/prom`];
  const reference: ChildProcess = spawn(
    join(stdout.trim(), 'prometheus'),
    [...flags, `--web.listen-address=127.0.0.1:${port}`],
    { stdio: 'ignore' },
  );
  const program = await startProgram(['--config', join(folder, 'foresail.yaml')]);
  const prometheus = `http://127.0.0.1:${port}`;
  await waitFor('Prometheus to be ready', async () => (await fetch(`${prometheus}/-/ready`)).ok);
  return {
    foresail: program.url,
    prometheus,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      reference.kill('SIGTERM');
      await (reference.exitCode ?? once(reference, 'exit'));
    },
  };
}

/** Values by label set; of series that tell of the scrape itself only where they are the same for both. */
async function seriesOf(server: string, query: string): Promise<Readonly<Record<string, string>>> {
  const response = await fetch(`${server}/api/v1/query?${new URLSearchParams({ query })}`);
  const { data } = (await response.json()) as {
    data: { result: readonly { metric: Record<string, string>; value: [number, string] }[] };
  };
  const entries = data.result.map(({ metric, value }): [string, string] => [
    JSON.stringify(Object.entries(metric).sort()),
    metric['__name__'] === 'scrape_duration_seconds' ? 'some' : value[1],
  ]);
  return Object.fromEntries(entries.sort());
}

interface Shown {
  readonly activeTargets: readonly Record<string, unknown>[];
  readonly droppedTargets: readonly { readonly discoveredLabels: Record<string, string> }[];
}

/** Prometheus 3.15 says by these how it scrapes histograms. */
const OF_HISTOGRAMS = new Set([
  '__always_scrape_classic_histograms__',
  '__convert_classic_histograms_to_nhcb__',
  '__scrape_native_histograms__',
]);

/** What both must agree on. */
async function targetsOf(server: string) {
  const { data } = (await (await fetch(`${server}/api/v1/targets`)).json()) as { data: Shown };
  const key = (value: unknown) => JSON.stringify(value);
  const sorted = (value: object) =>
    Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !OF_HISTOGRAMS.has(name))
        .sort(),
    );
  const active = data.activeTargets.map(
    ({ discoveredLabels, labels, scrapePool, scrapeUrl, health, scrapeInterval, scrapeTimeout }) => ({
      discoveredLabels: sorted(discoveredLabels as object),
      labels: sorted(labels as object),
      ...{ scrapePool, scrapeUrl, health, scrapeInterval, scrapeTimeout },
    }),
  );
  const dropped = data.droppedTargets.map(({ discoveredLabels }) => sorted(discoveredLabels));
  const byText = (a: unknown, b: unknown) => (key(a) < key(b) ? -1 : 1);
  return { active: active.sort(byText), dropped: dropped.sort(byText) };
}

test('the same series, values, staleness and targets as a real Prometheus', async ({ skip }) => {
  if (missing !== undefined) return skip(missing);
  const folder = await mkdtemp(join(tmpdir(), 'foresail-real-scrape-'));
  try {
    await using exporters = await startExporters(folder);
    await writeFile(join(folder, 'token'), 't0ken\n');
    await writeFile(join(folder, 'targets.json'), JSON.stringify([{ targets: [exporters.plain], labels: { v: '1' } }]));
    await using pair = await startPair(folder, scrapeConfigOf(exporters));
    const all = '{__name__=~".+", job!=""}';
    const same = async () => {
      const [want, got] = await Promise.all([seriesOf(pair.prometheus, all), seriesOf(pair.foresail, all)]);
      return { want, got, agree: JSON.stringify(want) === JSON.stringify(got) };
    };
    const settle = async (what: string) => {
      await waitFor(what, async () => (await same()).agree, 40_000).catch(() => {});
      const { want, got } = await same();
      expect(got, what).toEqual(want);
      return want;
    };
    await waitFor('both to scrape all jobs', async () => {
      const ups = await Promise.all([pair.prometheus, pair.foresail].map((server) => seriesOf(server, 'up')));
      return ups.every((found) => Object.keys(found).length === 13);
    });
    const first = await settle('the first scrapes');
    expect(Object.keys(first).length).toBeGreaterThan(100);
    expect(await targetsOf(pair.foresail)).toEqual(await targetsOf(pair.prometheus));

    exporters.extra = 'passing{le="1"} 1\n# TYPE other summary\nother{quantile="0.50"} 2\n';
    await waitFor('a new series', async () => Object.keys(await seriesOf(pair.prometheus, 'passing')).length > 0);
    await settle('new series');
    exporters.extra = '';
    await waitFor('its end', async () => Object.keys(await seriesOf(pair.prometheus, 'passing')).length === 0);
    await settle('series that ended');
    await writeFile(join(folder, 'targets.json'), '[]');
    await waitFor(
      'the end of a target',
      async () => Object.keys(await seriesOf(pair.prometheus, 'up{job="by-file"}')).length === 0,
    );
    await settle('a target that is gone');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('the same targets of a cluster as a real Prometheus', async ({ skip }) => {
  const assets = await findControlPlane();
  if (missing !== undefined) return skip(missing);
  if (assets === undefined) return skip(NO_CONTROL_PLANE);
  const folder = await mkdtemp(join(tmpdir(), 'foresail-real-discovery-'));
  try {
    await using plane = await startControlPlane(assets, { controllers: true });
    for (const object of CLUSTER) await plane.kubectl(['create', '-f', '-'], object);
    await waitFor('pods to run', async () => {
      const phases = await plane.kubectl(['get', 'pods', '-n', 'shop', '-o', 'jsonpath={.items[*].status.phase}']);
      return phases.split(' ').filter((phase) => phase === 'Running').length >= 3;
    });
    const jobs = (['pod', 'endpointslice', 'service', 'node'] as const).map(
      (role) => `  - job_name: ${role}
    scrape_interval: 1h
    kubernetes_sd_configs:
      - {role: ${role}, kubeconfig_file: ${plane.kubeconfig}${role === 'pod' ? ', attach_metadata: {node: true}, namespaces: {names: [shop]}' : ''}}
    relabel_configs: [{action: drop, regex: .*, source_labels: [job]}]
`,
    );
    await using pair = await startPair(folder, `scrape_configs:\n${jobs.join('')}`);
    const agree = async () => {
      const [want, got] = await Promise.all([targetsOf(pair.prometheus), targetsOf(pair.foresail)]);
      return JSON.stringify(want) === JSON.stringify(got) && want.dropped.length > 8;
    };
    await waitFor('the same targets', agree, 60_000).catch(() => {});
    expect(await targetsOf(pair.foresail)).toEqual(await targetsOf(pair.prometheus));

    await plane.kubectl(['scale', 'deployment', '-n', 'shop', 'web', '--replicas=1']);
    await plane.kubectl(['delete', 'service', '-n', 'shop', 'outside']);
    await waitFor(
      'the same targets after a change',
      async () => {
        const { dropped } = await targetsOf(pair.prometheus);
        return !dropped.some((labels) => labels['__meta_kubernetes_service_name'] === 'outside') && (await agree());
      },
      120_000,
    ).catch(() => {});
    expect(await targetsOf(pair.foresail)).toEqual(await targetsOf(pair.prometheus));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

const labels = { app: 'web', 'app.kubernetes.io/part-of': 'shop' };

const CLUSTER: readonly object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels, annotations: { 'prometheus.io/scrape': 'true' } },
        spec: {
          initContainers: [{ name: 'prepare', image: 'prepare:1' }],
          containers: [
            {
              name: 'web',
              image: 'web:1',
              ports: [
                { name: 'http', containerPort: 8080 },
                { name: 'metrics', containerPort: 9090 },
              ],
            },
            { name: 'sidecar', image: 'sidecar:1' },
          ],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', labels },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'outside', namespace: 'shop', annotations: { why: 'elsewhere' } },
    spec: { type: 'ExternalName', externalName: 'elsewhere.example', ports: [{ port: 443 }] },
  },
];
