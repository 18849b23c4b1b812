import { readFile } from 'node:fs/promises';
import { type DurableOutbox, openDurableOutbox } from '../backends/durable-outbox.ts';
import type { EngineStorage } from '../backends/engine-storage.ts';
import { EngineAnswerError, type EngineRefusedError } from '../backends/errors.ts';
import { openInflux } from '../backends/influx/open-influx.ts';
import type { Letter } from '../backends/letter.ts';
import { type Outbox, openOutbox } from '../backends/outbox.ts';
import { pendingWriter } from '../backends/pending-writer.ts';
import { openPrometheus } from '../backends/prometheus/open-prometheus.ts';
import type { Settings, StorageSettings } from '../config/load.ts';
import type { Membership } from '../kube/membership.ts';
import type { Clock } from '../model/clock.ts';
import { type Labels, labelValue } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { appendSeries } from '../storage/append-series.ts';
import type { Evaluator, QuerySource, Storage, TenantStorage } from '../storage/storage.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tsdb } from '../tsdb/open-tsdb.ts';

/** Where samples are: here, or in an engine that several replicas share. */
export interface SampleStorage {
  readonly storage: Storage;
  /** What the program derives is written to this one: where replicas share it, by the one that acts alone. */
  readonly own: (tenant: TenantId) => TenantStorage;
  /** Where what others send is written to. */
  readonly receiver: Pick<Storage, 'tenant'>;
  /** Undefined: samples are here. */
  readonly engine: SampleEngine | undefined;
}

export interface SampleEngine {
  /** Whether it answers whole expressions itself. */
  readonly answers: boolean;
  readonly outbox: Outbox;
  /** What others sent. Undefined: they wait for the engine. */
  readonly queue: DurableOutbox | undefined;
  problems(): readonly string[];
  probe(signal?: AbortSignal): Promise<void>;
}

type EngineSettings = Exclude<StorageSettings, { kind: 'embedded' }>;

export interface SampleStorageDeps {
  readonly settings: Settings;
  readonly tsdb: Tsdb;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Undefined: this process alone writes. */
  readonly membership: Pick<Membership, 'tenureOf'> | undefined;
  readonly evaluator: (reader: QuerySource) => Evaluator;
}

export async function openSampleStorage(deps: SampleStorageDeps): Promise<SampleStorage> {
  const { settings, tsdb } = deps;
  if (settings.storage.kind === 'embedded') {
    const { storage } = tsdb;
    return { storage, own: storage.tenant, receiver: storage, engine: undefined };
  }
  return await openEngine(settings.storage, deps);
}

async function openEngine(engine: EngineSettings, deps: SampleStorageDeps): Promise<SampleStorage> {
  const { tsdb, clock, metrics, log, membership } = deps;
  let queue: DurableOutbox | undefined;
  const storage = await openBackend(engine, deps, async (tenant, letter) => {
    // What waited when the process ended was found before anybody can write.
    await queue!.put(tenant, letter);
  });
  if (engine.queueBytes > 0) {
    queue = await openDurableOutbox({
      keyValue: tsdb.keyValue,
      now: clock.now,
      mostBytes: engine.queueBytes,
      send: storage.deliver,
      onDropped(reason, items, error) {
        metrics.droppedSamples.inc({ reason }, items);
        log.warn(
          { err: error, reason, items },
          'samples that were accepted are dropped: the engine will never take them',
        );
      },
    });
  }
  const outbox = openOutbox({
    now: clock.now,
    mostSamples: engine.bufferedSamples,
    async send(tenant, series) {
      const { dropped, refusal } = await appendSeries(storage.tenant(tenant), series);
      for (const [reason, count] of Object.entries(dropped)) metrics.droppedSamples.inc({ reason }, count);
      if (refusal !== undefined) log.warn({ why: refusal }, 'samples of our own cannot be sent to the engine');
    },
    onDropped(reason, samples, error) {
      metrics.droppedSamples.inc({ reason }, samples);
      log.warn({ err: error, reason, samples }, 'samples of our own are dropped');
    },
  });
  const acts = (labels: Labels) =>
    membership === undefined ||
    membership.tenureOf({ namespace: labelValue(labels, 'namespace'), name: labelValue(labels, 'workload') }) !==
      undefined;
  const mine = (series: readonly SampledSeries[]) => series.filter(({ labels }) => acts(labels));
  return {
    storage,
    own(tenant) {
      const whole = storage.tenant(tenant);
      return {
        ...whole,
        ...pendingWriter(async ({ series }) => outbox.put(tenant, mine(series))),
        backfill: (runs, retention) => whole.backfill(mine(runs), retention),
      };
    },
    receiver: storage.receiver,
    engine: { answers: engine.kind === 'prometheus', outbox, queue, problems: storage.problems, probe: storage.probe },
  };
}

async function openBackend(
  engine: EngineSettings,
  { settings, clock, metrics, log, evaluator }: SampleStorageDeps,
  put: (tenant: TenantId, letter: Letter) => Promise<void>,
): Promise<EngineStorage> {
  const common = {
    tenants: tenantsOf(settings),
    clock,
    timeoutMs: engine.timeoutMs,
    onCall(kind: string, outcome: string, seconds: number) {
      metrics.engineRequests.inc({ kind, outcome });
      metrics.engineSeconds.observe({ kind }, seconds);
    },
    onRetry: (kind: string, reason: string) => metrics.engineRetries.inc({ kind, reason }),
    onRefused(samples: number, error: EngineRefusedError) {
      metrics.droppedSamples.inc({ reason: 'engine_refused' }, samples);
      log.warn({ err: error, samples }, 'the engine does not take some samples');
    },
    ...(engine.queueBytes > 0 && { queue: put }),
  };
  if (engine.kind === 'prometheus') {
    return openPrometheus({
      ...common,
      write: engine.writeUrl,
      query: engine.queryUrl,
      tenantBy: engine.tenantBy,
      credentials: () => credentialsOf(engine),
    });
  }
  const { url, database, retentionPolicy, tenantBy, username, passwordFile } = engine;
  return await openInflux({
    ...common,
    ...{ url, database, retentionPolicy, tenantBy, username, evaluator },
    password: async () => (passwordFile === undefined ? '' : await secretOf('passwordFile', passwordFile)),
  });
}

function tenantsOf({ tenancy, authentication }: Settings): readonly TenantId[] {
  if (!tenancy.on) return [DEFAULT_TENANT];
  const tokens = authentication.kind === 'tokens' ? authentication.tokens : [];
  const named = new Set([...tenancy.namespaces.values(), ...tokens.map(({ tenant }) => tenant)]);
  return named.size === 0 ? [DEFAULT_TENANT] : [...named].sort();
}

async function credentialsOf({
  bearerTokenFile,
  basicAuth,
  headers,
}: Extract<StorageSettings, { kind: 'prometheus' }>): Promise<Readonly<Record<string, string>>> {
  if (bearerTokenFile !== undefined) {
    return { ...headers, authorization: `Bearer ${await secretOf('bearerTokenFile', bearerTokenFile)}` };
  }
  if (basicAuth === undefined) return headers;
  const password = await secretOf('basicAuth.passwordFile', basicAuth.passwordFile);
  return {
    ...headers,
    authorization: `Basic ${Buffer.from(`${basicAuth.username}:${password}`).toString('base64')}`,
  };
}

async function secretOf(setting: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new EngineAnswerError(`cannot ask the engine: storage.${setting}: cannot read ${file}: ${why}`, { cause });
  }
}
