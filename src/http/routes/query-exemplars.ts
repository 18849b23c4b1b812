import type { Router } from 'express';
import type { Matcher } from '../../model/matcher.ts';
import { SECOND } from '../../model/time.ts';
import { childrenOf, type Expr } from '../../promql/ast.ts';
import { parseQuery } from '../../promql/parse.ts';
import type { SeriesExemplars } from '../../storage/storage.ts';
import type { HttpDeps } from '../deps.ts';
import { formatValue, sendList } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { instantOf, parametersOf, requiredText } from '../parameters.ts';
import { mountQuery } from '../route.ts';
import { asParameter } from './query.ts';

export type QueryExemplarsDeps = Pick<HttpDeps, 'callerOf' | 'storage' | 'limits' | 'queries'>;

/** `GET|POST /api/v1/query_exemplars`: the exemplars of every series that an expression's selectors name. */
export function queryExemplarsRoute(router: Router, { callerOf, storage, limits, queries }: QueryExemplarsDeps): void {
  mountQuery(router, '/api/v1/query_exemplars', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    const text = requiredText(parameters, 'query');
    const start = instantOf(parameters, 'start', Number.NEGATIVE_INFINITY);
    const end = instantOf(parameters, 'end', Number.POSITIVE_INFINITY);
    if (end < start) throw new BadParameterError('end', 'end timestamp must not be before start timestamp');
    const matcherSets = await asParameter('query', async () => selectorsIn(parseQuery(text)));
    await queries.run(
      response,
      { kind: 'labels', tenant, text, range: { start, end } },
      undefined,
      async ({ phase, pause }) => {
        const found =
          matcherSets.length === 0 ? [] : await storage.tenant(tenant).exemplars(matcherSets, { start, end });
        phase('answer');
        await sendList(response, found, { toJson: seriesText, pause });
      },
    );
  });
}

function seriesText({ labels, exemplars }: SeriesExemplars): string {
  return JSON.stringify({
    seriesLabels: Object.fromEntries(labels),
    exemplars: exemplars.map(({ labels: own, value, time }) => ({
      labels: Object.fromEntries(own),
      value: formatValue(value),
      timestamp: time / SECOND,
    })),
  });
}

/** Offsets and `@` do not matter here, as in Prometheus. */
function selectorsIn(expr: Expr): readonly (readonly Matcher[])[] {
  return expr.kind === 'selector' ? [expr.matchers] : childrenOf(expr).flatMap(selectorsIn);
}
