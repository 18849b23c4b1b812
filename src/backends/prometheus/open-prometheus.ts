import type { TenantId } from '../../model/tenant.ts';
import type { TenantStorage } from '../../storage/storage.ts';
import type { EngineStorage } from '../engine-storage.ts';
import { openKnownSeriesOf } from '../known-series.ts';
import { type Letter, letterOf } from '../letter.ts';
import { pendingWriter } from '../pending-writer.ts';
import { type EngineClientOptions, openEngineClient } from './engine-client.ts';
import { engineEvaluator } from './engine-evaluator.ts';
import { engineReader } from './engine-reader.ts';
import { apiOf, secondsText } from './query-api.ts';
import { engineBackfiller, type LabelBytes, type OnRefused, remoteWriter } from './remote-writer.ts';
import { placeOf, type TenantBy } from './tenant-place.ts';

export interface PrometheusOptions extends EngineClientOptions {
  /** Where samples are sent by remote write 1.0: the whole address. */
  readonly write: string;
  /** What stands before `/api/v1/query`. */
  readonly query: string;
  readonly tenantBy: TenantBy;
  /** Who may have data. */
  readonly tenants: readonly TenantId[];
  /** What the engine did not take: samples of the past, and those of letters whose others it took. */
  readonly onRefused?: OnRefused;
  /** Where what others send is kept until the engine has it. Undefined: they wait for the engine. */
  readonly queue?: (tenant: TenantId, letter: Letter) => Promise<void>;
}

/**
 * Samples in an engine that speaks Prometheus's remote write and HTTP API: nothing is kept here. `commit` resolves once
 * the engine has answered 2xx; how long after that samples are found, and what a crash of it costs, is the engine's.
 */
export function openPrometheus(options: PrometheusOptions): EngineStorage {
  const { write, query, tenantBy, tenants, onRefused = () => {}, queue } = options;
  const client = openEngineClient(options);
  const place = (tenant: TenantId) => placeOf(tenant, tenantBy, write, query);

  function tenant(id: TenantId): TenantStorage {
    const at = place(id);
    const ask = apiOf(client, at);
    const send = remoteWriter(client, at);
    return {
      ...pendingWriter(send, { enforced: at.label, takesAttachments: true }),
      ...engineBackfiller(send, at, onRefused),
      ...engineReader(ask, at.label),
      ...engineEvaluator(ask, at.label),
    };
  }

  const kept: LabelBytes = new WeakMap();
  const knownOf = openKnownSeriesOf();

  return {
    tenant,
    receiver: {
      tenant(id) {
        const at = place(id);
        const send = queue === undefined ? remoteWriter(client, at, kept) : (letter: Letter) => queue(id, letter);
        const writer = { enforced: at.label, known: knownOf(id), takesAttachments: true };
        return { ...tenant(id), ...pendingWriter(send, writer) };
      },
    },
    deliver: (id, letter) => remoteWriter(client, place(id), kept).sifting(onRefused)(letter),
    tenants: async () => tenants,
    problems: client.problems,
    async probe(signal) {
      const at = place(tenants[0]!);
      await Promise.allSettled([
        remoteWriter(client, at)(letterOf([])),
        apiOf(client, at)(
          '/api/v1/query',
          [
            ['query', 'vector(1)'],
            ['time', secondsText(options.clock.now())],
          ],
          { signal },
        ),
      ]);
    },
    async [Symbol.asyncDispose]() {},
  };
}
