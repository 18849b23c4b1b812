import type { DemandKey, ForecastStatus } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import {
  type BoardChange,
  type ForecastValues,
  forecastValues,
  type PlanValues,
  type PolicyKey,
  planValues,
  saysTheSame,
} from './board-values.ts';

/** What the passes see, told to the board wherever it is. */
export interface BoardFeed {
  /** A pass planned for a policy. */
  planned(draft: DecisionDraft): void;
  /** Another process acts on it: what its last pass came to. No later than what is known already, it changes nothing. */
  plannedElsewhere(plan: PlanValues): void;
  /** The same reader, whose answers are told where they are new. */
  watching(tenant: TenantId, forecasts: ForecastReader): ForecastReader;
  /** Has policies forgotten that are no longer in force. */
  keepOnly(policies: readonly { readonly tenant: TenantId; readonly policy: PolicyName }[]): void;
  /** All that a board has to be told that knows nothing yet. */
  all(): readonly BoardChange[];
}

interface ForecastReader {
  readonly latest: (key: DemandKey) => Promise<ForecastStatus | undefined>;
}

interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

interface Known {
  readonly of: PolicyKey;
  plan: PlanValues | undefined;
  readonly forecasts: Map<string, ForecastValues>;
}

export function openBoardFeed(tell: (change: BoardChange) => void): BoardFeed {
  const known = new Map<string, Known>();

  function knownOf({ tenant, namespace, policy }: PolicyKey): Known {
    const key = keyOf(tenant, namespace, policy);
    const found = known.get(key) ?? { of: { tenant, namespace, policy }, plan: undefined, forecasts: new Map() };
    known.set(key, found);
    return found;
  }

  function forecastRead(of: PolicyKey, demand: string, status: ForecastStatus | undefined): void {
    const { forecasts } = knownOf(of);
    const before = forecasts.get(demand);
    if (status?.kind !== 'forecast') {
      if (forecasts.delete(demand)) tell({ kind: 'forecast', of, demand, forecast: undefined });
      return;
    }
    if (before !== undefined && saysTheSame(before, status.forecast)) return;
    const forecast = forecastValues(status.forecast);
    forecasts.set(demand, forecast);
    tell({ kind: 'forecast', of, demand, forecast });
  }

  function planned(plan: PlanValues): void {
    knownOf(plan).plan = plan;
    tell({ kind: 'plan', plan });
  }

  return {
    planned(draft) {
      if (draft.mode !== 'release') planned(planValues(draft));
    },

    plannedElsewhere(plan) {
      const { plan: before } = knownOf(plan);
      if (before === undefined || before.plannedAt < plan.plannedAt) planned(plan);
    },

    watching: (tenant, forecasts) => ({
      latest: async (key) => {
        const status = await forecasts.latest(key);
        const { namespace, policy, demand } = key;
        forecastRead({ tenant, namespace, policy }, demand, status);
        return status;
      },
    }),

    keepOnly(policies) {
      const kept = new Set(policies.map(({ tenant, policy }) => keyOf(tenant, policy.namespace, policy.name)));
      for (const [key, { of }] of known) {
        if (kept.has(key)) continue;
        known.delete(key);
        tell({ kind: 'drop', of });
      }
    },

    all: () =>
      [...known.values()].flatMap(({ of, plan, forecasts }): BoardChange[] => [
        ...[...forecasts].map(([demand, forecast]) => ({ kind: 'forecast', of, demand, forecast }) as const),
        ...(plan === undefined ? [] : [{ kind: 'plan', plan } as const]),
      ]),
  };
}

function keyOf(tenant: string, namespace: string, policy: string): string {
  return `${tenant}/${namespace}/${policy}`;
}
