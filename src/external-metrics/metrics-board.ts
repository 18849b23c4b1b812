import type { Millis } from '../model/time.ts';
import type { BoardChange, ForecastValues, PlanValues, PolicyKey } from './board-values.ts';
import { type LabelSelector, selects } from './label-selector.ts';
import { METRICS, type MetricName, planMaxAgeMs, type ReadValue, readingsOf, type UnservableValue } from './metrics.ts';

/** What the passes saw last, for requests to be answered from memory. It may be in another thread than the passes are. */
export interface MetricsBoard {
  /** Takes up what a feed tells, in its order. */
  apply(change: BoardChange): void;
  select(namespace: string, metric: string, selector: LabelSelector): Selection;
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

/** What is known of one policy; without a plan it has no metrics. */
interface PolicyMemory {
  readonly tenant: string;
  plan: PlanValues | undefined;
  readonly forecasts: Map<string, ForecastValues>;
}

export function openMetricsBoard({ now, passIntervalMs }: MetricsBoardOptions): MetricsBoard {
  /** By namespace, then by policy: a namespace is one tenant's, and what an earlier tenant had there counts no more. */
  const byNamespace = new Map<string, Map<string, PolicyMemory>>();
  const maxPlanAgeMs = planMaxAgeMs(passIntervalMs);

  function memoryOf({ tenant, namespace, policy }: PolicyKey): PolicyMemory {
    const memories = byNamespace.get(namespace) ?? new Map<string, PolicyMemory>();
    byNamespace.set(namespace, memories);
    const found = memories.get(policy);
    if (found?.tenant === tenant) return found;
    const memory = { tenant, plan: undefined, forecasts: new Map<string, ForecastValues>() };
    memories.set(policy, memory);
    return memory;
  }

  function drop({ tenant, namespace, policy }: PolicyKey): void {
    const memories = byNamespace.get(namespace);
    if (memories?.get(policy)?.tenant === tenant) memories.delete(policy);
    if (memories?.size === 0) byNamespace.delete(namespace);
  }

  return {
    apply(change) {
      switch (change.kind) {
        case 'plan':
          memoryOf(change.plan).plan = change.plan;
          return;
        case 'forecast': {
          const { forecasts } = memoryOf(change.of);
          if (change.forecast === undefined) forecasts.delete(change.demand);
          else forecasts.set(change.demand, change.forecast);
          return;
        }
        case 'drop':
          drop(change.of);
          return;
      }
    },

    select(namespace, metric, selector) {
      if (!Object.hasOwn(METRICS, metric)) return { kind: 'unknown-metric' };
      // The HPA adds up what it is given: all quantiles of a forecast together would mean nothing.
      const ofOwnQuantile = !selector.some(({ key }) => key === 'quantile');
      const how = { now: now(), maxPlanAgeMs, ofOwnQuantile };
      const memories = [...(byNamespace.get(namespace)?.values() ?? [])];
      const planned = memories.flatMap(({ plan, forecasts }) => (plan === undefined ? [] : [{ plan, forecasts }]));
      const values: ReadValue[] = [];
      for (const { plan, forecasts } of planned) {
        for (const reading of readingsOf(metric as MetricName, { plan, forecasts }, how)) {
          if (!selectsReading(selector, reading)) continue;
          if (reading.kind === 'none') return { kind: 'unservable', because: reading };
          values.push(reading);
        }
      }
      if (values.length > 0) return { kind: 'values', values };
      return { kind: 'nothing-selected', message: nothingSelected(namespace, metric, selector, planned) };
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
  policies: readonly { readonly plan: PlanValues }[],
): string {
  if (policies.length === 0) {
    return `there is no ${metric} in the namespace ${namespace}: no policy there was planned for yet`;
  }
  const names = policies
    .map(({ plan }) => plan.policy)
    .sort()
    .slice(0, NAMED_AT_MOST);
  const more = policies.length > names.length ? `, and ${policies.length - names.length} more` : '';
  const asked = selector.map(({ key, values }) => (values.length > 0 ? `${key} (${values.join(', ')})` : key));
  return `no ${metric} in the namespace ${namespace} has the labels that were asked for: ${asked.join(', ')}; its policies are ${names.join(', ')}${more}`;
}
