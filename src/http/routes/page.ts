import type { Router } from 'express';
import type { TenantId } from '../../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import type { HttpDeps, WorkloadView } from '../deps.ts';
import { page } from '../page/page.ts';
import type { WorkloadCard } from '../page/workload-card.ts';
import { mount } from '../route.ts';

export type PageRouteDeps = Pick<
  HttpDeps,
  | 'callerOf'
  | 'status'
  | 'workloads'
  | 'picture'
  | 'forecasts'
  | 'decisions'
  | 'replay'
  | 'version'
  | 'startedAt'
  | 'now'
>;

const DECISIONS = 6;
const SMALLEST_STEP_MS = 5 * MINUTE;

/** `GET /`: the page. */
export function pageRoute(router: Router, deps: PageRouteDeps): void {
  mount(router, '/', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const now = deps.now();
      const [status, workloads, replay] = await Promise.all([
        deps.status(tenant),
        deps.workloads(tenant),
        deps.replay(tenant),
      ]);
      const cards = await Promise.all(workloads.map((workload) => cardOf(workload, tenant, now, deps)));
      const { version, startedAt } = deps;
      const content = page({ version, uptimeMs: now - startedAt, tenant, status, cards, replay });
      response.set('Cache-Control', 'no-store').type('html').send(content.text);
    },
  });
}

async function cardOf(
  workload: WorkloadView,
  tenant: TenantId,
  now: number,
  deps: PageRouteDeps,
): Promise<WorkloadCard> {
  const { policy } = workload;
  const stepMs = Math.max(SMALLEST_STEP_MS, policy.demands[0]?.stepMs ?? 0);
  const past = { start: now - DAY, end: now };
  const [picture, forecasts, decisions] = await Promise.all([
    deps.picture(tenant, policy, past, stepMs),
    deps.forecasts(tenant, policy),
    deps.decisions(tenant, policy.namespace, policy.name, { limit: DECISIONS }),
  ]);
  // A long horizon would squeeze the past: the page shows no more than a quarter of a day ahead.
  const range = { start: past.start, end: now + Math.min(policy.horizonMs, 6 * HOUR) };
  const { forecast, errorVsNaive = null } = forecasts[0] ?? {};
  return { workload, picture, forecast, errorVsNaive, decisions, now, range, stepMs };
}
