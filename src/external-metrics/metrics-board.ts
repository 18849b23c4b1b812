import type { DemandKey, ForecastStatus } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { type LabelSelector, selects } from './label-selector.ts';
import {
  METRICS,
  type MetricName,
  type PolicyMemory,
  planMaxAgeMs,
  type ReadValue,
  readingsOf,
  type UnservableValue,
} from './metrics.ts';

/** What the passes saw last, for requests to be answered from memory. */
export interface MetricsBoard {
  /** A pass planned for a policy. */
  planned(draft: DecisionDraft): void;
  /** The same reader, whose answers are remembered. */
  watching(tenant: TenantId, forecasts: ForecastReader): ForecastReader;
  /** Forgets policies that are no longer in force. */
  keepOnly(policies: readonly { readonly tenant: TenantId; readonly policy: PolicyName }[]): void;
  select(namespace: string, metric: string, selector: LabelSelector): Selection;
}

interface ForecastReader {
  readonly latest: (key: DemandKey) => Promise<ForecastStatus | undefined>;
}

interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

export type Selection =
  | { readonly kind: 'values'; readonly values: readonly ReadValue[] }
  /** Not one of ours. */
  | { readonly kind: 'unknown-metric' }
  | { readonly kind: 'nothing-selected'; readonly message: string }
  /** A part of what was selected must not be served: a sum without it would be too low, unseen. */
  | { readonly kind: 'unservable'; readonly because: UnservableValue };

export interface MetricsBoardOptions {
  readonly now: () => Millis;
  readonly passIntervalMs: number;
}

export function openMetricsBoard({ now, passIntervalMs }: MetricsBoardOptions): MetricsBoard {
  const byNamespace = new Map<string, Map<string, PolicyMemory>>();
  const forecastsOf = new Map<string, Map<string, ForecastStatus>>();
  const maxPlanAgeMs = planMaxAgeMs(passIntervalMs);

  function statuses(tenant: TenantId, namespace: string, policy: string): Map<string, ForecastStatus> {
    const key = `${tenant}/${namespace}/${policy}`;
    const known = forecastsOf.get(key) ?? new Map<string, ForecastStatus>();
    forecastsOf.set(key, known);
    return known;
  }

  return {
    planned(draft) {
      if (draft.mode === 'release') return;
      const { namespace, policy } = draft;
      const tenant = draft.tenant as TenantId;
      const policies = byNamespace.get(namespace) ?? new Map<string, PolicyMemory>();
      byNamespace.set(namespace, policies);
      policies.set(policy, { tenant, draft, forecasts: statuses(tenant, namespace, policy) });
    },

    watching: (tenant, forecasts) => ({
      latest: async (key) => {
        const status = await forecasts.latest(key);
        const known = statuses(tenant, key.namespace, key.policy);
        if (status === undefined) known.delete(key.demand);
        else known.set(key.demand, status);
        return status;
      },
    }),

    keepOnly(policies) {
      const kept = new Set(policies.map(({ tenant, policy }) => `${tenant}/${policy.namespace}/${policy.name}`));
      for (const name of forecastsOf.keys()) if (!kept.has(name)) forecastsOf.delete(name);
      for (const [namespace, memories] of byNamespace) {
        for (const [policy, { tenant }] of memories) {
          if (!kept.has(`${tenant}/${namespace}/${policy}`)) memories.delete(policy);
        }
        if (memories.size === 0) byNamespace.delete(namespace);
      }
    },

    select(namespace, metric, selector) {
      if (!Object.hasOwn(METRICS, metric)) return { kind: 'unknown-metric' };
      // The HPA adds up what it is given: all quantiles of a forecast together would mean nothing.
      const ofOwnQuantile = !selector.some(({ key }) => key === 'quantile');
      const how = { now: now(), maxPlanAgeMs, ofOwnQuantile };
      const policies = [...(byNamespace.get(namespace)?.values() ?? [])];
      const values: ReadValue[] = [];
      for (const memory of policies) {
        for (const reading of readingsOf(metric as MetricName, memory, how)) {
          if (!selectsReading(selector, reading)) continue;
          if (reading.kind === 'none') return { kind: 'unservable', because: reading };
          values.push(reading);
        }
      }
      if (values.length > 0) return { kind: 'values', values };
      return { kind: 'nothing-selected', message: nothingSelected(namespace, metric, selector, policies) };
    },
  };
}

/** What there is no value of has no quantile either: it is selected by its other labels. */
function selectsReading(selector: LabelSelector, { kind, labels }: ReadValue | UnservableValue): boolean {
  const asked = kind === 'none' ? selector.filter(({ key }) => key !== 'quantile') : selector;
  return selects(asked, labels);
}

const NAMED_AT_MOST = 10;

function nothingSelected(
  namespace: string,
  metric: string,
  selector: LabelSelector,
  policies: readonly PolicyMemory[],
): string {
  if (policies.length === 0) {
    return `there is no ${metric} in the namespace ${namespace}: no policy there was planned for yet`;
  }
  const names = policies
    .map(({ draft }) => draft.policy)
    .sort()
    .slice(0, NAMED_AT_MOST);
  const more = policies.length > names.length ? `, and ${policies.length - names.length} more` : '';
  const asked = selector.map(({ key, values }) => (values.length > 0 ? `${key} (${values.join(', ')})` : key));
  return `no ${metric} in the namespace ${namespace} has the labels that were asked for: ${asked.join(', ')}; its policies are ${names.join(', ')}${more}`;
}
