import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Request, Router } from 'express';
import { spendGroups } from '../../cost/group.ts';
import type { SpendHour } from '../../cost/spend.ts';
import type { Caller } from '../../model/caller.ts';
import type { TenantId } from '../../model/tenant.ts';
import { DAY, HOUR, type Millis, type TimeRange } from '../../model/time.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { durationOf, instantOf, onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export interface CostSpendDeps {
  readonly callerOf: (request: Request) => Caller;
  readonly now: () => Millis;
  readonly currency: string;
  readonly spendOf: (tenant: TenantId, range: TimeRange) => Promise<readonly SpendHour[]>;
  readonly upTo: (tenant: TenantId) => Promise<Millis>;
  readonly unpriced: (tenant: TenantId) => readonly string[];
}

const LONGEST_MS = 400 * DAY;
/** Hours that are added up without a rest. */
const AT_ONCE = 1000;
const BY = ['namespace', 'workload', 'policy', 'region', 'plan'];

/** `GET /api/v1/cost/spend?start=&end=&by=namespace,workload&step=1d`: what was spent, in groups and steps. */
export function costSpendRoute(router: Router, deps: CostSpendDeps): void {
  mount(router, '/api/v1/cost/spend', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['start', 'end', 'by', 'step', 'namespace', 'workload']);
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
      const hours = (await deps.spendOf(tenant, { start, end })).filter(
        (of) => (namespace === null || of.namespace === namespace) && (workload === null || of.workload === workload),
      );
      const [grouped, whole] = [spendGroups(by, { start, stepMs }), spendGroups([], { start, stepMs })];
      for (let i = 0; i < hours.length; i += AT_ONCE) {
        const some = hours.slice(i, i + AT_ONCE);
        grouped.add(some);
        whole.add(some);
        await yieldTurn();
      }
      const [groups, [total]] = [grouped.told(), whole.told()];
      const upTo = await deps.upTo(tenant);
      sendData(response, {
        currency: deps.currency,
        ...{ start: start / 1000, end: end / 1000, upTo: Math.min(upTo, end) / 1000 },
        total: total?.total ?? { replicaHours: 0, cost: 0, estimated: 0, idle: null },
        groups: groups.map(({ steps, ...group }) => ({
          ...group,
          steps: steps.map((step) => ({ ...step, start: step.start / 1000 })),
        })),
        unpriced: deps.unpriced(tenant),
      });
    },
  });
}
