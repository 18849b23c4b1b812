import type { Announcement } from '../scaling/cluster.ts';
import type { Plan, PlanInput } from '../scaling/plan-types.ts';
import { reasonText } from '../scaling/reasons.ts';

/**
 * What people are told when a policy stops trusting a forecast that it trusted, and when it trusts it again. A policy
 * that has not trusted its forecast yet is learning, which is no news.
 */
export function trustAnnouncements({ memory }: PlanInput, plan: Plan): readonly Announcement[] {
  const announcements: Announcement[] = [];
  for (const reason of plan.reasons) {
    if (reason.code === 'Demoted' && memory.trust?.[reason.demotion.demand]?.demotedBy === null) {
      announcements.push({ type: 'Warning', reason: 'ForecastDemoted', message: reasonText(reason) });
    }
    const isNews = reason.code === 'ForecastTrusted' && !LEARNING.includes(reason.demotedBy);
    if (isNews) announcements.push({ type: 'Normal', reason: 'ForecastTrusted', message: reasonText(reason) });
  }
  return announcements;
}

const LEARNING: readonly string[] = ['InsufficientHistory', 'ForecastMissing', 'CapacityUnknown'];
