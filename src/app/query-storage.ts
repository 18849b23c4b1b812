import type { PolicyStore } from '../config/policy-store.ts';
import { withForecastSeries } from '../forecasts/forecast-series.ts';
import type { ForecastStore } from '../forecasts/forecast-store.ts';
import { demandLabels } from '../loops/demand-series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Evaluator, SeriesReader, Storage } from '../storage/storage.ts';

export interface QueryStorageDeps {
  readonly storage: Storage;
  readonly forecasts: ForecastStore;
  readonly policies: Pick<PolicyStore, 'list'>;
  readonly evaluator: (reader: Pick<SeriesReader, 'select'>) => Evaluator;
}

/** What people's queries are answered from: a tenant's series, and those that come of its forecasts. */
export function queryStorage({ storage, forecasts, policies, evaluator }: QueryStorageDeps) {
  return {
    tenant(tenant: TenantId): SeriesReader & Evaluator {
      const demands = async () =>
        (await policies.list())
          .filter((stored) => stored.tenant === tenant)
          .flatMap(({ policy }) =>
            policy.demands.map((spec) => ({
              key: { namespace: policy.namespace, policy: policy.name, demand: spec.name },
              workload: policy.target.name,
              recorded: demandLabels(policy, spec),
            })),
          );
      const reader = withForecastSeries(storage.tenant(tenant), { ...forecasts.tenant(tenant), demands });
      return { ...reader, ...evaluator(reader) };
    },
  };
}
