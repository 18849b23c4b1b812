import type { Request, Router } from 'express';
import { spendGroups } from '../../cost/group.ts';
import type { SpendHour } from '../../cost/spend.ts';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { DAY, HOUR, type Millis, type TimeRange } from '../../model/time.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { durationOf, instantOf, limitOf, onlyParameters, type Parameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export interface CostSpendDeps {
  readonly callerOf: (request: Request) => Caller;
  readonly now: () => Millis;
  readonly currency: string;
  /** Hands over what was spent, bit by bit. */
  readonly eachSpend: (
    tenant: TenantId,
    range: TimeRange,
    take: (hours: readonly SpendHour[]) => void,
  ) => Promise<void>;
  readonly upTo: (tenant: TenantId) => Promise<Millis>;
  readonly unpriced: (tenant: TenantId) => readonly string[];
}

const LONGEST_MS = 400 * DAY;
/** Groups of an answer, and steps of all its groups together. */
const LIMIT = { usual: 500, most: 10_000, steps: 100_000 } as const;
const BY = ['namespace', 'workload', 'policy', 'region', 'plan'];

/** `GET /api/v1/cost/spend?start=&end=&by=namespace,workload&step=1d`: what was spent, in groups (the dearest first) and steps. */
export function costSpendRoute(router: Router, deps: CostSpendDeps): void {
  mount(router, '/api/v1/cost/spend', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['start', 'end', 'by', 'step', 'namespace', 'workload', 'limit', 'offset']);
      const wholeHour = (at: Millis) => Math.floor(at / HOUR) * HOUR;
      const end = wholeHour(instantOf(parameters, 'end', deps.now()));
      const start = wholeHour(instantOf(parameters, 'start', end - 30 * DAY));
      if (start >= end) throw new BadParameterError('end', 'expected an hour after start at least');
      if (end - start > LONGEST_MS) throw new BadParameterError('start', 'expected 400 days at most');
      const by = (parameters.get('by') ?? 'namespace,workload').split(',').filter((name) => name !== '');
      const wrong = by.find((name) => !BY.includes(name) && !/^label:\w+$/.test(name));
      if (wrong !== undefined) throw new BadParameterError('by', `expected ${BY.join(', ')} or label:NAME`);
      const stepMs = durationOf(parameters, 'step') ?? DAY;
      if (stepMs < HOUR || stepMs % HOUR !== 0) throw new BadParameterError('step', 'expected whole hours');
      const [namespace, workload] = [parameters.get('namespace'), parameters.get('workload')];
      const { offset, limit } = pageOf(parameters, Math.ceil((end - start) / stepMs));
      const [grouped, whole] = [spendGroups(by, { start, stepMs }), spendGroups([], { start, stepMs: end - start })];
      await deps.eachSpend(tenant, { start, end }, (hours) => {
        const meant = hours.filter(
          (of) => (namespace === null || of.namespace === namespace) && (workload === null || of.workload === workload),
        );
        grouped.add(meant);
        whole.add(meant);
      });
      const { groups, left } = grouped.page({ offset, limit });
      const [total] = whole.told();
      const upTo = await deps.upTo(tenant);
      sendData(response, {
        currency: deps.currency,
        ...{ start: start / 1000, end: end / 1000, upTo: Math.min(upTo, end) / 1000 },
        total: total?.total ?? { replicaHours: 0, cost: 0, estimated: 0, idle: null },
        groups: groups.map(({ steps, ...group }) => ({
          ...group,
          steps: steps.map((step) => ({ ...step, start: step.start / 1000 })),
        })),
        // In the total, and not among the groups.
        left: left.groups === 0 ? null : { ...left, next: offset + limit },
        unpriced: deps.unpriced(tenant),
      });
    },
  });
}

/** @throws {BadParameterError} If the page cannot be. */
function pageOf(parameters: Parameters, steps: number): { readonly offset: number; readonly limit: number } {
  const asked = limitOf(parameters) ?? LIMIT.usual;
  if (asked > LIMIT.most) throw new BadParameterError('limit', `expected ${LIMIT.most} at most`);
  const text = parameters.get('offset') ?? '0';
  if (!/^\d{1,9}$/.test(text)) throw new BadParameterError('offset', 'expected a whole number, 0 or more');
  // Many short steps leave room for fewer groups.
  return { offset: Number(text), limit: Math.max(1, Math.min(asked, Math.floor(LIMIT.steps / steps))) };
}
