import type { StoredPolicy } from '../config/policy-store.ts';
import { findsForecasts, withForecastSeries } from '../forecasts/forecast-series.ts';
import type { ForecastStore } from '../forecasts/forecast-store.ts';
import { demandLabels } from '../loops/demand-series.ts';
import type { StepRange } from '../model/query-result.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import { childrenOf, type Expr, type VectorSelector } from '../promql/ast.ts';
import { parseQuery } from '../promql/parse.ts';
import { selectorsOf } from '../promql/selectors.ts';
import type { AttachmentReader, Evaluator, QuerySource, SeriesReader, Storage } from '../storage/storage.ts';
import { withinLookback } from './within-lookback.ts';

/** As the engines have it where they are told nothing else. */
const LOOKBACK_MS = 5 * MINUTE;

export interface QueryStorageDeps {
  readonly storage: Storage;
  readonly forecasts: ForecastStore;
  readonly policies: { list(): Promise<readonly Pick<StoredPolicy, 'tenant' | 'policy'>[]> };
  /** Of a tenant's queries, which take its turns. */
  readonly evaluator: (reader: QuerySource, tenant: TenantId) => Evaluator;
  /** Before when a tenant's queries see nothing. Undefined: they see all. */
  readonly sinceOf?: (tenant: TenantId) => (() => Millis) | undefined;
  /** Whether samples are in an engine that answers whole expressions itself. */
  readonly hasEngine: boolean;
}

/** What people's queries are answered from: a tenant's series, and those that come of its forecasts. */
export function queryStorage(deps: QueryStorageDeps) {
  const { storage, forecasts, policies, evaluator, sinceOf, hasEngine } = deps;
  return {
    tenant(
      tenant: TenantId,
    ): SeriesReader & Evaluator & Pick<AttachmentReader, 'exemplars'> & Partial<Pick<AttachmentReader, 'histograms'>> {
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
      const stored = storage.tenant(tenant);
      const since = sinceOf?.(tenant);
      const all = {
        ...withForecastSeries(stored, { ...forecasts.tenant(tenant), demands }),
        exemplars: stored.exemplars,
      };
      const reader = since === undefined ? all : withinLookback(all, since);
      const here = evaluator(reader, tenant);
      if (!hasEngine) return { ...reader, ...here };
      // The engine has no forecasts, and knows best about all else.
      const answerer = async (expression: string, range: StepRange, lookbackMs?: number): Promise<Evaluator> => {
        // The engine would look further back than the tenant may.
        if (since !== undefined && looksBefore(since(), expression, range, lookbackMs)) return here;
        const selectors = selectorsIn(expression);
        if (selectors === undefined) return stored;
        const demanded = selectors.length === 0 ? [] : await demands();
        const isHere = selectors.length === 0 || selectors.some(({ matchers }) => findsForecasts(matchers, demanded));
        return isHere ? here : stored;
      };
      return {
        ...reader,
        instant: async (expression, time, options) => {
          const range = { start: time, end: time, stepMs: 1 };
          return await (await answerer(expression, range, options?.lookbackMs)).instant(expression, time, options);
        },
        range: async (expression, range, options) =>
          await (await answerer(expression, range, options?.lookbackMs)).range(expression, range, options),
      };
    },
  };
}

/** Whether what a query looks at may begin before a time. What is not PromQL, or not to be judged, may. */
function looksBefore(time: Millis, query: string, range: StepRange, lookbackMs = LOOKBACK_MS): boolean {
  try {
    const needs = selectorsOf(parseQuery(query), range, { query, lookbackMs, subqueryStepMs: MINUTE });
    return needs.some(({ range: { start } }) => start < time);
  } catch {
    return true;
  }
}

/** Undefined where the text is not PromQL: an engine may have words of its own. */
function selectorsIn(expression: string): readonly VectorSelector[] | undefined {
  let expr: Expr;
  try {
    expr = parseQuery(expression);
  } catch {
    return undefined;
  }
  const within = (part: Expr): readonly VectorSelector[] =>
    part.kind === 'selector' ? [part] : childrenOf(part).flatMap(within);
  return within(expr);
}
