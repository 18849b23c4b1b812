import type { Label } from '../../model/labels.ts';
import type { SampledSeries } from '../../model/series.ts';
import type { TenantId } from '../../model/tenant.ts';
import type { BackfillOutcome, Evaluator, SeriesReader, TenantStorage } from '../../storage/storage.ts';
import type { EngineStorage } from '../engine-storage.ts';
import { EngineRefusedError } from '../errors.ts';
import { openKnownSeriesOf } from '../known-series.ts';
import type { Letter } from '../letter.ts';
import { pendingWriter, withLabel } from '../pending-writer.ts';
import { type InfluxClientOptions, openInfluxClient } from './influx-client.ts';
import { pointsOf } from './influx-points.ts';
import { influxReader } from './influx-reader.ts';

/** How an InfluxDB tells tenants apart. */
export type InfluxTenantBy =
  /** There is one tenant. */
  | { readonly kind: 'none' }
  /** Each has a database, `<database>_<tenant>`, made when it is first written to. */
  | { readonly kind: 'database' }
  /** All are in one, and every point carries a tag. */
  | { readonly kind: 'tag'; readonly name: string };

export interface InfluxOptions extends InfluxClientOptions {
  readonly database: string;
  readonly tenantBy: InfluxTenantBy;
  /** Who may have data. */
  readonly tenants: readonly TenantId[];
  /** InfluxDB answers no PromQL: expressions are evaluated here, over what it selects. */
  readonly evaluator: (reader: Pick<SeriesReader, 'select'>) => Evaluator;
  /** What the engine did not take, or has no place for: the others of its letter are stored. */
  readonly onRefused?: (samples: number, error: EngineRefusedError) => void;
  /** Where what others send is kept until the engine has it. Undefined: they wait for the engine. */
  readonly queue?: (tenant: TenantId, letter: Letter) => Promise<void>;
}

/** Points of one request: a megabyte or so. InfluxDB takes 25 MB. */
const POINTS_AT_ONCE = 5000;

/**
 * Samples in an InfluxDB 1.x: nothing is kept here. `commit` resolves once the engine has answered 2xx. A sample at a
 * time that has another one takes its place there: what was written last counts.
 */
export async function openInflux(options: InfluxOptions): Promise<EngineStorage> {
  const { database, tenantBy, tenants, evaluator, onRefused = () => {}, queue } = options;
  const client = await openInfluxClient(options);

  function placeOf(id: TenantId): { readonly database: string; readonly tag: Label | undefined } {
    return {
      database: tenantBy.kind === 'database' ? `${database}_${id}` : database,
      tag: tenantBy.kind === 'tag' ? [tenantBy.name, id] : undefined,
    };
  }

  /** @returns How many were not taken. */
  async function write(at: { readonly database: string }, series: readonly SampledSeries[]): Promise<number> {
    const { points, outOfRange } = pointsOf(series);
    let lost = outOfRange;
    if (outOfRange > 0) {
      const why = 'InfluxDB knows the times from 1677 to 2262';
      onRefused(outOfRange, new EngineRefusedError(`cannot write to the InfluxDB: ${why}`));
    }
    for (let from = 0; from < points.length; from += POINTS_AT_ONCE) {
      const { refused, why } = await client.write(at.database, points.slice(from, from + POINTS_AT_ONCE));
      lost += refused;
      if (refused > 0) onRefused(refused, new EngineRefusedError(why));
    }
    return lost;
  }

  function tenant(id: TenantId): TenantStorage {
    const at = placeOf(id);
    const reader = influxReader(client, at.database, at.tag);
    return {
      ...reader,
      ...evaluator(reader),
      ...pendingWriter(async ({ series }) => void (await write(at, series)), { enforced: at.tag, named: true }),
      async backfill(runs): Promise<BackfillOutcome> {
        const { tag } = at;
        const tagged = tag === undefined ? runs : runs.map((run) => ({ ...run, labels: withLabel(run.labels, tag) }));
        const lost = await write(at, tagged);
        const all = runs.reduce((sum, { times }) => sum + times.length, 0);
        return { appended: all - lost, duplicates: 0, conflicts: 0, outOfBounds: lost };
      },
    };
  }

  const knownOf = openKnownSeriesOf();

  return {
    tenant,
    receiver: {
      tenant(id) {
        const at = placeOf(id);
        const send = async (letter: Letter) => {
          if (queue === undefined) await write(at, letter.series);
          else if (letter.series.length > 0) await queue(id, letter);
        };
        return { ...tenant(id), ...pendingWriter(send, { enforced: at.tag, known: knownOf(id), named: true }) };
      },
    },
    deliver: async (id, { series }) => void (await write(placeOf(id), series)),
    tenants: async () => tenants,
    problems: client.problems,
    async probe(signal) {
      const { database: first } = placeOf(tenants[0]!);
      await Promise.allSettled([client.query(first, { text: 'SHOW RETENTION POLICIES', placeholders: {} }, signal)]);
    },
    async [Symbol.asyncDispose]() {},
  };
}
