import { formatDuration, formatInstant, MINUTE } from '../model/time.ts';
import { obstacleText } from './capacity.ts';
import type { Demotion, Plan, PlanInput, Reason } from './plan-types.ts';

/** A reason as a person would tell it. One sentence, without the full stop. */
export function reasonText(reason: Reason): string {
  switch (reason.code) {
    case 'ForecastPeak': {
      const { demand, peak, quantile, windowMs, replicas, model } = reason;
      const chance = `${formatNumber(quantile * 100)} % sure, by ${model}`;
      return `${demand} is forecast to reach at most ${formatNumber(peak)} within ${formatDuration(windowMs)} (${chance}): that takes ${count(replicas)}${loaded(reason)}`;
    }
    case 'CurrentDemand':
      return `${reason.demand} is at ${formatNumber(reason.value)} now, more than its forecast: that takes ${count(reason.replicas)}${loaded(reason)}`;
    case 'CapacityNotLearned': {
      const why = reason.why === null ? 'nobody has tried yet' : obstacleText(reason.why);
      return `what a replica carries of ${reason.demand} is not learned (${why}): the given ${formatNumber(reason.perReplica)} is used`;
    }
    case 'ObjectiveQuantile': {
      const { demand, quantile, share, overMs } = reason;
      const used = overMs === null ? '' : `; ${formatDuration(wholeMinutes(overMs))} were this month`;
      return `the objective lets ${demand} be over capacity ${formatNumber(100 * share)} % of the time (a minute short is worth ${formatNumber(1 / share - 1)} idle ones${used}): that takes its quantile ${Number(quantile.toFixed(3))}`;
    }
    case 'CostBudget': {
      const over = { warn: 'near the budget', critical: 'close to the budget', capped: 'over the cap' }[reason.state];
      return `${spending(reason)}: ${over}, and nothing is changed for it`;
    }
    case 'CostCap': {
      const { wanted, replicas, max } = reason;
      const floor = wanted > replicas ? `, and the floor asks for ${replicas} in place of ${wanted}` : '';
      return `${spending(reason)}, over the cap: no more than ${count(max)} may run, which is no less than run now${floor}`;
    }
    case 'DeclaredEvent': {
      const why = reason.factor === null ? '' : `, ${formatNumber(reason.factor)} times the forecast demand`;
      return `the declared event "${reason.event}"${why} takes ${count(reason.replicas)}`;
    }
    case 'Schedule':
      return `the schedule "${reason.cron}" asks for ${count(reason.replicas)}`;
    case 'Demoted':
      return `${demotionText(reason.demotion)}; the reactive autoscaler decides, over a floor of ${reason.replicas} that is held and then released slowly`;
    case 'ForecastTrusted': {
      const { demand, forMs, demotedBy, errorVsNaive } = reason;
      const figure =
        errorVsNaive === null ? '' : `; its error is ${formatNumber(errorVsNaive)} times that of a naive one`;
      return `the forecast of ${demand} is trusted from now on, after ${formatDuration(wholeMinutes(forMs))} of ${demotedBy}${figure}`;
    }
    case 'HoldDown':
      return `a floor stays for a while after its last reason: held at ${reason.replicas} until ${formatInstant(reason.until)}`;
    case 'ScaleUpLimit':
      return `${count(reason.wanted)} would be too large a step up at once: ${reason.replicas} for now`;
    case 'ScaleDownLimit':
      return `${count(reason.wanted)} would be too large a step down at once: ${reason.replicas} for now`;
    case 'TooFewReplicas':
      return `${reason.wanted} is less than the policy's minimum: raised to ${reason.replicas}`;
    case 'TooManyReplicas':
      return `${reason.wanted} is more than the policy or the autoscaler allows: cut to ${reason.replicas}`;
    case 'OriginalMinimum':
      return `${reason.wanted} is less than the minimum that the owner set: raised to ${reason.replicas}`;
    case 'ScaledToZero':
      return 'the workload is scaled to zero, and its autoscaler is off with it: nothing is changed';
    case 'Maintenance':
      return `the maintenance window "${reason.cron}" is open: nothing is changed`;
    case 'TargetPaused':
      return `the annotation ${reason.annotation} of the target pauses it: the floor stays at ${reason.replicas}${reason.wanted === reason.replicas ? '' : `, not ${reason.wanted}`}`;
    case 'Paused':
      return `the policy is paused: the minimum goes back to the original, ${reason.replicas} now`;
    case 'Released':
      return `the target is released: the minimum goes back to the original, ${reason.replicas} now`;
    case 'DesiredWithinRange':
      return `a floor of ${reason.replicas} is within every limit`;
  }
}

/** Why a forecast is not trusted. One sentence, without the full stop. */
export function demotionText(demotion: Demotion): string {
  const { demand } = demotion;
  switch (demotion.code) {
    case 'ForecastMissing':
      return `there is no forecast of ${demand} (${demotion.message})`;
    case 'InsufficientHistory':
      return `${demand} has ${formatDuration(demotion.haveMs)} of history, and ${formatDuration(demotion.needMs)} are needed`;
    case 'ForecastStale': {
      const age =
        demotion.ageMs >= Number.MAX_SAFE_INTEGER ? 'of unknown age' : `${formatDuration(demotion.ageMs)} old`;
      return `the forecast of ${demand} is ${age}, and ${formatDuration(demotion.maxAgeMs)} is the limit`;
    }
    case 'ForecastNotFinite':
      return `the forecast of ${demand} is not a number`;
    case 'WorseThanNaive': {
      const what =
        demotion.live === true ? `the forecasts of ${demand} that were issued were` : `the forecast of ${demand} was`;
      return `${what} lately ${formatNumber(demotion.maeVsLast)} times as wrong as a naive one, and ${formatNumber(demotion.limit)} is the limit`;
    }
    case 'CapacityUnknown': {
      const why = demotion.why === null ? 'nobody has tried to learn it yet' : obstacleText(demotion.why);
      return `what a replica carries of ${demand} is not known (${why})`;
    }
    case 'CoverageBroken': {
      const held = demotion.coverage === null ? 'too seldom' : `${formatNumber(100 * demotion.coverage)} % of the time`;
      return `the 95 % bound of ${demand} held ${held} lately, more often broken than chance explains`;
    }
  }
}

/** A plan for people: what happens, then each reason on its own line. */
export function planText(plan: Plan, input: Pick<PlanInput, 'policy' | 'target'>): string {
  const { policy, target } = input;
  const name = `${policy.namespace}/${policy.target.name}`;
  const verb = policy.mode === 'observe' ? 'would move' : 'moves';
  const first = plan.changed
    ? `${name}: the floor ${verb} from ${target.min} to ${plan.bounds.min} (maximum ${plan.bounds.max})`
    : `${name}: the floor stays at ${plan.bounds.min} (maximum ${plan.bounds.max})`;
  return [first, ...plan.reasons.map((reason) => `  - ${reasonText(reason)}`)].join('\n');
}

function loaded(each: { readonly perReplica: number; readonly fill: number; readonly capacity?: 'learned' }): string {
  const { perReplica, fill, capacity } = each;
  return ` at ${formatNumber(perReplica)} each${capacity === undefined ? '' : ' (learned)'}, filled to ${formatNumber(fill * 100)} %`;
}

const THIS_PERIOD = { weekly: 'this week', monthly: 'this month', quarterly: 'this quarter' } as const;

function spending(cost: {
  readonly budget?: { readonly name: string; readonly period: keyof typeof THIS_PERIOD };
  readonly spent: number;
  readonly projected: number;
  readonly monthly: number;
  readonly currency: string;
}): string {
  const { spent, projected, monthly, currency } = cost;
  const [so, all, budget] = [spent, projected, monthly].map(formatNumber);
  if (cost.budget !== undefined) {
    const { name, period } = cost.budget;
    return `the cost budget ${name}: ${so} ${currency} are spent ${THIS_PERIOD[period]}, and ${all} of ${budget} will be at its end as it goes`;
  }
  return `${so} ${currency} are spent this month, and ${all} of ${budget} will be at its end as it goes`;
}

function wholeMinutes(ms: number): number {
  return Math.round(ms / MINUTE) * MINUTE;
}

function count(replicas: number): string {
  return replicas === 1 ? '1 replica' : `${replicas} replicas`;
}

/** Three significant digits, and whole numbers whole. */
function formatNumber(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
