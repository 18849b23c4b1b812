import { RateLimitedError } from '../../model/rate-limited.ts';
import type { TenantId } from '../../model/tenant.ts';
import { type Sender, type TenantRule, tenantOfSeries } from '../tenant-of-series.ts';
import { countPoints, type ResourceGroup } from './split-by-resource.ts';
import type { OtlpSummary } from './tally.ts';

export interface ResourceAppendDeps {
  readonly rule: TenantRule;
  readonly sender: Sender;
  readonly append: (tenant: TenantId, group: ResourceGroup) => Promise<OtlpSummary>;
  /** Points that belong to no tenant, or to one that the sender may not write to, by reason. */
  readonly onDropped: (reason: string, points: number) => void;
}

/**
 * Appends each group to the tenant that its resources name. A tenant over its rate, or a group that may not be sent, takes
 * nothing from the others; they are stored when this answers, and a retry of them is a success.
 * @throws {RateLimitedError} If a tenant was over its rate, after all others were stored.
 */
export async function appendByResource(
  groups: readonly ResourceGroup[],
  { rule, sender, append, onDropped }: ResourceAppendDeps,
): Promise<Pick<OtlpSummary, 'rejectedPoints' | 'deferredPoints' | 'messages'>> {
  const all = { rejectedPoints: 0, deferredPoints: 0, messages: [] as string[] };
  let limited: RateLimitedError | undefined;
  for (const group of groups) {
    const whose = tenantOfSeries(group.value, rule, sender);
    if (whose.kind === 'refused') {
      const points = countPoints(group.decode());
      onDropped(whose.reason, points);
      all.rejectedPoints += points;
      all.messages.push(whose.message);
      continue;
    }
    try {
      const { rejectedPoints, deferredPoints, messages } = await append(whose.tenant, group);
      all.rejectedPoints += rejectedPoints;
      all.deferredPoints += deferredPoints;
      all.messages.push(...messages);
    } catch (error) {
      if (!(error instanceof RateLimitedError)) throw error;
      // The longest wait is the one after which all can be sent again.
      if (limited === undefined || error.retryAfterSeconds > limited.retryAfterSeconds) limited = error;
    }
  }
  if (limited !== undefined) throw limited;
  return { ...all, messages: all.messages.slice(0, 3) };
}
