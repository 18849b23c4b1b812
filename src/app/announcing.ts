import { runLoop } from '../loops/run-loop.ts';
import { openScalerAlerts } from '../loops/scaler-alerts.ts';
import type { TellAlerts } from '../model/alert.ts';
import { SECOND } from '../model/time.ts';
import { targetOf } from '../observe/observe.ts';
import type { Parts } from './parts.ts';
import type { WorkloadPasses } from './workload-passes.ts';

/** Those who take alerts in want to hear of them every minute. */
const EVERY_MS = 30 * SECOND;

/** Ties the scaler's own alerts to the parts. Nothing moves before `run`. */
export function openAnnouncing(
  { settings, clock, telemetry, keyValue, policies, coordination }: Parts,
  passes: Pick<WorkloadPasses, 'draftOf' | 'lastNotesOf'>,
  tell: TellAlerts,
) {
  const { membership } = coordination;
  const alerts = openScalerAlerts({
    ...{ now: clock.now, telemetry, keyValue, url: settings.externalUrl, tell },
    async views() {
      const { policies: inForce, unreadable, broken } = await policies.inForce();
      const views = inForce.map(({ tenant, policy }) => ({
        ...{ tenant, policy, last: passes.draftOf(tenant, policy), notes: passes.lastNotesOf(tenant, policy) },
        acts: membership === undefined || membership.tenureOf(targetOf(policy)) !== undefined,
      }));
      return { views, isComplete: unreadable.length === 0 && broken.length === 0 };
    },
  });
  return {
    routes: [],
    run: (signal: AbortSignal): Promise<void> =>
      runLoop({ name: 'scaler-alerts', intervalMs: EVERY_MS, clock, telemetry }, alerts.pass, signal),
  };
}
