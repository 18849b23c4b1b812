import type { Request, Router } from 'express';
import type { Expr } from '../../promql/ast.ts';
import { parseQuery } from '../../promql/parse.ts';
import { prettyExpr } from '../../promql/pretty.ts';
import { describeTree } from '../../promql/tree.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { parametersOf, requiredText } from '../parameters.ts';
import { mountQuery } from '../route.ts';
import { asParameter } from './query.ts';

export type QueryTextRouteDeps = Pick<HttpDeps, 'callerOf' | 'limits'>;

/** `GET|POST /api/v1/format_query` and `/api/v1/parse_query`: about a query's text, without running it. */
export function queryTextRoutes(router: Router, { callerOf, limits }: QueryTextRouteDeps): void {
  const parsed = (request: Request): Promise<Expr> => {
    callerOf(request);
    const text = requiredText(parametersOf(request), 'query');
    return asParameter('query', async () => parseQuery(text));
  };
  mountQuery(router, '/api/v1/format_query', limits.requestBytes, async (request, response) => {
    sendData(response, prettyExpr(await parsed(request)));
  });
  mountQuery(router, '/api/v1/parse_query', limits.requestBytes, async (request, response) => {
    sendData(response, describeTree(await parsed(request)));
  });
}
