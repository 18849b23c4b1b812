import type { Request, Router } from 'express';
import type { BudgetView } from '../../cost/budget.ts';
import { localDate } from '../../cost/period.ts';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { sendData } from '../envelope.ts';
import { onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export interface CostBudgetsDeps {
  readonly callerOf: (request: Request) => Caller;
  readonly currency: string;
  readonly budgetsOf: (tenant: TenantId) => readonly BudgetView[];
}

/** `GET /api/v1/cost/budgets`: how the tenant's cost budgets stand, as of the last full hour. */
export function costBudgetsRoute(router: Router, { callerOf, currency, budgetsOf }: CostBudgetsDeps): void {
  mount(router, '/api/v1/cost/budgets', {
    GET: (request, response) => {
      const { tenant } = callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['name']);
      const name = parameters.get('name');
      const found = budgetsOf(tenant).filter(({ budget }) => name === null || budget.name === name);
      sendData(
        response,
        found.map((each) => answerOf(each, currency)),
      );
    },
  });
}

function answerOf(
  { budget, period, upTo, verdict, since, estimated, made, ceilings }: BudgetView,
  currency: string,
): object {
  const { name, match, timeZone, amount, warn, critical, cap, onCap } = budget;
  const { step, by, spent, projected, lower, upper, crossing, leavesAt } = verdict;
  return {
    ...{ name, match, period: budget.period, timeZone, amount, currency, warn, critical, cap, onCap },
    start: period.start / 1000,
    end: period.end / 1000,
    upTo: upTo / 1000,
    state: step,
    since: since / 1000,
    by: step === 'within' ? null : by,
    leavesAt: leavesAt === null ? null : leavesAt / 1000,
    ...{ spent, estimated, projected, lower, upper },
    projectedBy: made,
    crossing: crossing === null ? null : { at: crossing / 1000, day: localDate(crossing, timeZone) },
    ceilings: Object.entries(ceilings).map(([policy, replicas]) => ({ policy, replicas })),
  };
}
