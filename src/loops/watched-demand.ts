import type { DemandKey } from '../model/issued-forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import { keyOf, type TenantDemand } from './demand-inputs.ts';
import { type DemandStorage, demandLabels, evaluateDemand, readRecorded } from './demand-series.ts';

export interface WatchedDemandDeps {
  readonly storageOf: (tenant: TenantId) => Pick<DemandStorage, 'range' | 'select'>;
  /** The last step that whoever records the demand has recorded; undefined where nobody does here, or not yet. */
  readonly recordedThrough: (tenant: TenantId, key: DemandKey) => Millis | undefined;
  readonly now: () => Millis;
}

/** Whoever records demands has just begun, too, and is waited for. */
const BEGINNING_MS = MINUTE;
/** A step that is not recorded by then is asked for. */
const MOST_WAIT_MS = 30 * SECOND;

/** Demands as they are recorded, so that a second one who needs them does not ask their queries again. */
export function openWatchedDemands({ storageOf, recordedThrough, now }: WatchedDemandDeps) {
  const began = now();
  return {
    /** Up to which step a demand can be read without asking its query: `due`, once it is recorded or long in coming. */
    ready(demand: TenantDemand, due: Millis): Millis {
      const through = recordedThrough(demand.tenant, keyOf(demand));
      const at = now();
      const since = at - began;
      if (through === undefined) return since >= 0 && since < BEGINNING_MS ? Number.NEGATIVE_INFINITY : due;
      if (through >= due || at - due > demand.spec.stepMs / 4 + MOST_WAIT_MS) return due;
      return through;
    },

    /** As recorded; where a step is not, as the query answers now. Steps without a value are gaps. */
    async read(demand: TenantDemand, range: TimeRange, signal: AbortSignal): Promise<RegularSeries> {
      const { tenant, policy, spec } = demand;
      const storage = storageOf(tenant);
      const recorded = await readRecorded(storage, demandLabels(policy, spec), range, spec.stepMs);
      if (!recorded.values.some(Number.isNaN)) return recorded;
      const { start, stepMs, values } = await evaluateDemand(storage, spec, range, signal);
      // What is recorded stays as it was recorded.
      const joined = values.map((value, i) => (Number.isNaN(recorded.values[i]!) ? value : recorded.values[i]!));
      return { start, stepMs, values: joined };
    },
  };
}
