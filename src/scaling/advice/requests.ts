import { DAY } from '../../model/time.ts';
import type {
  AutoscalerReading,
  ContainerAdvice,
  RequestsAdvice,
  RequestsReading,
  ResourceAdvice,
  Unknown,
  UsageReading,
} from './types.ts';
import type { ContainerEstimate, Estimate } from './usage.ts';
import { formatAmount, formatShare } from './words.ts';

type Resource = 'cpu' | 'memory';

/**
 * A request that lies this near to the target is left alone: the Vertical Pod Autoscaler's updater does not move pods for
 * less (kubernetes/autoscaler, tag vertical-pod-autoscaler/v1.7.1, pkg/updater/config: `DefaultUpdateThreshold`).
 */
const NEAR = 0.1;

export interface RequestsInput {
  readonly usage: UsageReading | Unknown;
  readonly requests: RequestsReading | Unknown;
  readonly autoscaler: AutoscalerReading | Unknown;
  /** With everything as it is; null without a replay. */
  readonly podHoursPerDay: number | null;
}

/** What each container should ask for. */
export function adviseRequests(input: RequestsInput): RequestsAdvice | Unknown {
  const { usage, requests } = input;
  if (usage.kind === 'unknown') return usage;
  if (usage.containers.length === 0) {
    const { cpu, memory } = usage.queries;
    return { kind: 'unknown', message: `nothing is known of what pods use: neither ${cpu} nor ${memory} has samples` };
  }
  const containers = usage.containers.map((estimate) => containerAdvice(estimate, input));
  const message = requests.kind === 'unknown' ? requests.message : null;
  return { kind: 'advised', containers, message, hpaTarget: targetToKeep(containers, input) };
}

function containerAdvice(estimate: ContainerEstimate, input: RequestsInput): ContainerAdvice {
  const advice = (resource: Resource): ResourceAdvice | null => {
    const one = estimate[resource];
    if (one === null) return null;
    return resourceAdvice(resource, one, requestOf(resource, estimate.container, input), input.podHoursPerDay);
  };
  const { container, spanMs } = estimate;
  return { container, cpu: advice('cpu'), memory: advice('memory'), days: spanMs / DAY };
}

/** Undefined where it is not known; null where it asks for none. Samples of whole pods compare with all containers' sum. */
function requestOf(
  resource: Resource,
  container: string | null,
  { requests }: RequestsInput,
): number | null | undefined {
  if (requests.kind === 'unknown') return undefined;
  if (container !== null) return requests.containers.find(({ name }) => name === container)?.[resource];
  const all = requests.containers.map((one) => one[resource]);
  return all.includes(null) ? null : all.reduce((sum: number, one) => sum + one!, 0);
}

function resourceAdvice(
  resource: Resource,
  estimate: Estimate,
  request: number | null | undefined,
  podHoursPerDay: number | null,
): ResourceAdvice {
  const { target, lower, upper } = estimate;
  const to = formatAmount(resource, target);
  const range = `${formatAmount(resource, lower)} to ${upper === null ? 'any' : formatAmount(resource, upper)}`;
  const plain = { ...estimate, request: request ?? null, savesPerDay: null };
  if (request === undefined) return { ...plain, verdict: 'unknown', text: `ask for ${to} (${range} is as good)` };
  if (request === null)
    return { ...plain, verdict: 'set', text: `it asks for none: ask for ${to} (${range} is as good)` };
  const now = formatAmount(resource, request);
  const isNear = Math.abs(target - request) < NEAR * request;
  const isOutside = request < lower || (upper !== null && request > upper);
  if (isNear && !isOutside) return { ...plain, savesPerDay: 0, verdict: 'keep', text: `keep ${now}` };
  const verdict = target < request ? 'lower' : 'raise';
  const savesPerDay = podHoursPerDay === null ? null : (request - target) * podHoursPerDay;
  const unit = resource === 'cpu' ? 'core-hours' : 'GiB-hours';
  const amount = savesPerDay === null ? 0 : Math.abs(savesPerDay) / (resource === 'cpu' ? 1 : 1024 ** 3);
  const change =
    savesPerDay === null ? '' : `: ${amount.toPrecision(3)} ${unit} a day ${verdict === 'lower' ? 'less' : 'more'}`;
  const worth = isOutside ? `outside ${range}, which is as good` : `within ${range}, which is as good`;
  return { ...plain, savesPerDay, verdict, text: `${verdict} it from ${now} (${worth}) to ${to}${change}` };
}

/**
 * An HPA on utilization divides by the request: with another one the same target means other cores, so it has to move
 * with it. Null where the HPA does not look at CPU utilization, or the request stays.
 */
function targetToKeep(
  containers: readonly ContainerAdvice[],
  { autoscaler, requests }: RequestsInput,
): RequestsAdvice['hpaTarget'] {
  if (autoscaler.kind === 'unknown' || requests.kind === 'unknown') return null;
  const metric = autoscaler.metrics.find((one) => one.type === 'Resource' && one.name === 'cpu');
  if (metric?.type !== 'Resource' || !('averageUtilization' in metric.target)) return null;
  const before = requests.containers.reduce((sum, { cpu }) => sum + (cpu ?? 0), 0);
  const change = containers.reduce((sum, { cpu }) => {
    const isMoved = cpu !== null && cpu.request !== null && (cpu.verdict === 'raise' || cpu.verdict === 'lower');
    return isMoved ? sum + cpu.target - cpu.request! : sum;
  }, 0);
  const present = metric.target.averageUtilization;
  const suggested = Math.round((present * before) / (before + change));
  if (!(before > 0) || suggested === present) return null;
  const text = `the HPA's target of ${present} % is of the request: with the new ones pods are as busy at ${suggested} % (${formatShare((before + change) / before)} of what they ask for now), so change both at once`;
  return { present, suggested, text };
}
