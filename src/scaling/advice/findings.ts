import { formatInstant } from '../../model/time.ts';
import { DEFAULT_FLAGS, type ScalingRules } from '../hpa/types.ts';
import type { ScalingPolicy } from '../policy.ts';
import { difference, type Replayed, type Replays, type Variant } from './replays.ts';
import { riseBeyond } from './rise.ts';
import type {
  AutoscalerReading,
  DemandHistory,
  Effect,
  Finding,
  HpaTarget,
  RequestsReading,
  Unknown,
} from './types.ts';
import { formatMinutes, formatShare, signedHours } from './words.ts';

/** What is wrong with one setting, before it is known what another value would change. */
type Suspicion = Omit<Finding, 'effect'> & { readonly change?: (variant: Variant) => Variant };

export interface Suspected {
  readonly policy: ScalingPolicy;
  readonly autoscaler: AutoscalerReading;
  readonly requests: RequestsReading | Unknown;
  readonly history: DemandHistory | Unknown;
  readonly target: HpaTarget;
  /** From a decision to a ready pod. */
  readonly leadTimeMs: number;
}

export interface ReplayedAsIs {
  readonly replays: Replays;
  readonly present: Variant;
  readonly asIs: Replayed;
  readonly alone: Replayed;
}

/** A cost that is a smaller share of the pod-hours than this is not told. */
const LEAST_SAVING = 0.005;
/** A saving may not be bought with more than this. */
const MOST_MINUTES_BOUGHT = 0.5;
/** Kubernetes's default of the scale-down window, s. */
const DEFAULT_DOWN_WINDOW = 300;
/** A window shorter than a metric's own minute takes every dip of it for the end of the load, s. */
const SHORT_DOWN_WINDOW = 60;

/**
 * The HPA's own settings that work against the forecast, each with what the suggested value would have changed over the
 * replayed time. A setting that only costs is told where the replay says that changing it pays; a risk always.
 */
export function findSettings(suspected: Suspected, replayed: ReplayedAsIs | undefined): readonly Finding[] {
  const suspicions = [
    ...requestsMissing(suspected),
    ...maxBelowPeak(suspected),
    ...scaleUp(suspected),
    ...tolerance(suspected),
    ...scaleDown(suspected),
    ...minAboveNeed(suspected),
  ];
  const findings = suspicions.map(({ change, ...finding }): Finding => {
    const effect = change === undefined || replayed === undefined ? null : effectOf(change, replayed);
    const told = effect === null ? '' : `; ${effectText(effect, suspected)}`;
    return { ...finding, effect, text: `${finding.text}${told}` };
  });
  return findings.filter((finding) => finding.kind === 'risk' || pays(finding, replayed)).sort(worstFirst);
}

function effectOf(change: (variant: Variant) => Variant, { replays, present, asIs, alone }: ReplayedAsIs): Effect {
  const changed = change(present);
  return {
    ...difference(replays.withFloor(changed), asIs),
    alone: difference(replays.alone(changed), alone),
  };
}

function pays({ effect }: Finding, replayed: ReplayedAsIs | undefined): boolean {
  if (effect === null || replayed === undefined) return false;
  const least = LEAST_SAVING * replayed.asIs.podHoursPerDay;
  return effect.podHoursPerDay < -least && effect.minutesOverPerDay <= MOST_MINUTES_BOUGHT;
}

function worstFirst(a: Finding, b: Finding): number {
  const minutes = ({ effect }: Finding) =>
    effect === null ? 0 : effect.minutesOverPerDay + effect.alone.minutesOverPerDay;
  const rank = ({ kind, effect }: Finding) => (kind === 'cost' ? 2 : effect === null ? 0 : 1);
  return rank(a) - rank(b) || minutes(a) - minutes(b);
}

function effectText(effect: Effect, { policy }: Suspected): string {
  const over = (minutes: number) => {
    if (Math.abs(minutes) < 0.05) return 'no other minutes over capacity';
    return `${formatMinutes(Math.abs(minutes))} over capacity ${minutes < 0 ? 'less' : 'more'}`;
  };
  const { alone } = effect;
  const cost = policy.costBudget;
  const money =
    cost === undefined || Math.abs(effect.podHoursPerDay) < 0.05
      ? ''
      : ` (${(Math.abs(effect.podHoursPerDay) * cost.perReplicaHour).toFixed(2)} ${cost.currency})`;
  return `changed, a day has ${signedHours(effect.podHoursPerDay)}${money} and ${over(effect.minutesOverPerDay)}, and while the forecast is not trusted ${over(alone.minutesOverPerDay)}`;
}

function requestsMissing({ autoscaler, requests }: Suspected): readonly Suspicion[] {
  if (requests.kind === 'unknown') return [];
  return autoscaler.metrics.flatMap((metric, i): readonly Suspicion[] => {
    const isResource = metric.type === 'Resource' || metric.type === 'ContainerResource';
    if (!isResource || !('averageUtilization' in metric.target)) return [];
    const { name } = metric;
    if (name !== 'cpu' && name !== 'memory') return [];
    const counted = requests.containers.filter((one) => metric.type === 'Resource' || one.name === metric.container);
    const without = counted.filter((one) => one[name] === null).map((one) => one.name);
    if (without.length === 0) return [];
    const who = without.length === 1 ? `the container ${without[0]} asks` : `the containers ${without.join(', ')} ask`;
    return [
      {
        code: 'RequestsMissing',
        kind: 'risk',
        setting: `spec.metrics[${i}]`,
        present: `${name} at ${metric.target.averageUtilization} % of the request`,
        suggested: `a ${name} request for ${without.join(', ')}`,
        text: `${who} for no ${name}, so the HPA cannot compute its utilization and only the floor scales: give ${without.length === 1 ? 'it' : 'them'} a request`,
      },
    ];
  });
}

function maxBelowPeak({ policy, autoscaler, history }: Suspected): readonly Suspicion[] {
  const demand = policy.demands[0]!;
  if (history.kind === 'unknown' || demand.perReplica === undefined) return [];
  const seen = replayedPart(history);
  const largest = (values: Float64Array) => values.reduce((a, b) => Math.max(a, b), 0);
  const [past, ahead] = [largest(seen.values), largest(history.ahead?.values ?? new Float64Array())];
  const needed = Math.ceil(Math.max(past, ahead) / (demand.perReplica * demand.fill) - 1e-9);
  const inForce = Math.min(autoscaler.bounds.max, policy.replicas.max);
  if (needed <= inForce) return [];
  const isHpas = autoscaler.bounds.max < needed;
  const isPolicys = policy.replicas.max < needed;
  const what = ahead > past ? 'the forecast reaches' : 'the demand reached';
  const names = [...(isHpas ? ['spec.maxReplicas'] : []), ...(isPolicys ? ['policy.spec.replicas.max'] : [])];
  const present = [...(isHpas ? [autoscaler.bounds.max] : []), ...(isPolicys ? [policy.replicas.max] : [])];
  return [
    {
      code: 'MaxBelowPeak',
      kind: 'risk',
      setting: names.join(' and '),
      present: [...new Set(present)].join(' and '),
      suggested: String(needed),
      text: `${what} ${Number(Math.max(past, ahead).toPrecision(4))}, which takes ${needed} replicas, and at most ${inForce} may run: raise ${names.join(' and ')} to ${needed} or more`,
      change: (variant) => ({
        ...variant,
        autoscaler: {
          ...variant.autoscaler,
          bounds: { ...variant.autoscaler.bounds, max: Math.max(needed, variant.autoscaler.bounds.max) },
        },
        policyMax: Math.max(needed, policy.replicas.max),
      }),
    },
  ];
}

function scaleUp({ policy, autoscaler, history, target, leadTimeMs }: Suspected): readonly Suspicion[] {
  const rules = autoscaler.behavior?.scaleUp;
  if (rules === undefined) return [];
  const base = { kind: 'risk' as const };
  const suspicions: Suspicion[] = [];
  if (rules.selectPolicy === 'Disabled') {
    return [
      {
        ...base,
        code: 'ScaleUpDisabled',
        setting: 'spec.behavior.scaleUp.selectPolicy',
        present: 'Disabled',
        suggested: 'Max',
        text: 'the HPA never scales up: what the forecast does not foresee meets the floor and nothing else',
        change: withScaleUp(({ selectPolicy: _, ...others }) => others),
      },
    ];
  }
  const window = rules.stabilizationWindowSeconds ?? 0;
  if (window > 0) {
    suspicions.push({
      ...base,
      code: 'ScaleUpWindow',
      setting: 'spec.behavior.scaleUp.stabilizationWindowSeconds',
      present: String(window),
      suggested: '0',
      text: `the HPA waits ${window} s before it believes a rise, on top of the time that pods take to start: set it to 0, the floor already keeps replicas from going up and down`,
      change: withScaleUp((others) => ({ ...others, stabilizationWindowSeconds: 0 })),
    });
  }
  const { perReplica } = policy.demands[0]!;
  if (rules.policies === undefined || history.kind === 'unknown' || perReplica === undefined) return suspicions;
  const needs = replayedPart(history, history.ahead);
  const inReplicas = needs.values.map((value) => Math.ceil(value / (perReplica * target.ratio) - 1e-9));
  const paced: ScalingRules = { ...rules, stabilizationWindowSeconds: 0 };
  const rise = riseBeyond({ times: needs.times, values: inReplicas }, paced, leadTimeMs);
  if (rise === undefined) return suspicions;
  const minutes = formatMinutes(leadTimeMs / 60_000);
  suspicions.push({
    ...base,
    code: 'ScaleUpPolicies',
    setting: 'spec.behavior.scaleUp.policies',
    present: rules.policies
      .map(({ type, value, periodSeconds }) => `${value} ${type === 'Pods' ? 'pods' : '%'} in ${periodSeconds} s`)
      .join(', '),
    suggested: '100 % or 4 pods in 15 s, the larger',
    text: `the steepest rise takes ${rise.to} replicas within ${minutes} of ${rise.from} (at ${formatInstant(rise.at)}), and these policies allow ${rise.allowed} by then; a raised floor uses their allowance up as well`,
    change: withScaleUp(({ policies: _, selectPolicy: __, ...others }) => others),
  });
  return suspicions;
}

function tolerance({ autoscaler, target }: Suspected): readonly Suspicion[] {
  const up = autoscaler.behavior?.scaleUp?.tolerance ?? DEFAULT_FLAGS.tolerance;
  const until = target.ratio * (1 + up);
  if (until < 1) return [];
  const isTargets = target.ratio >= 1 / 1.01;
  const least = Math.max(0.01, Math.floor((95 / target.ratio - 100) * 1) / 100);
  return [
    {
      code: 'ToleranceHidesRises',
      kind: 'risk',
      setting: isTargets ? (target.metric?.path ?? 'spec.metrics') : 'spec.behavior.scaleUp.tolerance',
      present: isTargets ? formatShare(target.ratio) : String(up),
      suggested: isTargets ? formatShare(0.9) : String(least),
      text: `the HPA wants replicas ${formatShare(target.ratio)} full and ignores ${formatShare(up)} more: it does not move before they carry ${formatShare(until)} of what they can`,
      change: isTargets
        ? (variant) => ({ ...variant, ratio: 0.9 })
        : withScaleUp((others) => ({ ...others, tolerance: least })),
    },
  ];
}

function scaleDown({ autoscaler }: Suspected): readonly Suspicion[] {
  const rules = autoscaler.behavior?.scaleDown;
  if (rules === undefined) return [];
  const suspicions: Suspicion[] = [];
  const window = rules.stabilizationWindowSeconds ?? DEFAULT_DOWN_WINDOW;
  const base = {
    setting: 'spec.behavior.scaleDown.stabilizationWindowSeconds',
    present: String(window),
    suggested: String(DEFAULT_DOWN_WINDOW),
    change: withScaleDown((others) => ({ ...others, stabilizationWindowSeconds: DEFAULT_DOWN_WINDOW })),
  };
  if (window < SHORT_DOWN_WINDOW) {
    suspicions.push({
      ...base,
      code: 'ScaleDownWindowShort',
      kind: 'risk',
      text: `with a window of ${window} s the HPA takes replicas above the floor away at the first dip, and they start anew when the load is back: set it to ${DEFAULT_DOWN_WINDOW}`,
    });
  }
  if (window > DEFAULT_DOWN_WINDOW) {
    suspicions.push({
      ...base,
      code: 'ScaleDownWindowLong',
      kind: 'cost',
      text: `the HPA keeps replicas for ${window} s after they are needed, and the floor already holds what is needed again soon: ${DEFAULT_DOWN_WINDOW} is enough`,
    });
  }
  if (rules.selectPolicy === 'Disabled' || rules.policies !== undefined) {
    suspicions.push({
      code: 'ScaleDownPolicies',
      kind: 'cost',
      setting:
        rules.selectPolicy === 'Disabled' ? 'spec.behavior.scaleDown.selectPolicy' : 'spec.behavior.scaleDown.policies',
      present:
        rules.selectPolicy === 'Disabled'
          ? 'Disabled'
          : rules
              .policies!.map(
                ({ type, value, periodSeconds }) => `${value} ${type === 'Pods' ? 'pods' : '%'} in ${periodSeconds} s`,
              )
              .join(', '),
      suggested: '100 % in 15 s, after the window',
      text: 'the HPA lets go of replicas more slowly than it could: the floor and the window already keep those that are needed again soon',
      change: withScaleDown(({ policies: _, selectPolicy: __, ...others }) => others),
    });
  }
  return suspicions;
}

function minAboveNeed({ policy, autoscaler }: Suspected): readonly Suspicion[] {
  const { min } = autoscaler.bounds;
  const least = Math.max(1, policy.replicas.min);
  if (min <= least) return [];
  return [
    {
      code: 'MinAboveNeed',
      kind: 'cost',
      setting: 'spec.minReplicas',
      present: String(min),
      suggested: String(least),
      text: `the HPA's own minimum of ${min} is the lower bound of every floor: ${least}, the policy's own minimum, lets the floor follow the demand down`,
      change: (variant) => ({
        ...variant,
        autoscaler: { ...variant.autoscaler, bounds: { ...variant.autoscaler.bounds, min: least } },
      }),
    },
  ];
}

function withScaleUp(change: (rules: ScalingRules) => ScalingRules): NonNullable<Suspicion['change']> {
  return (variant) => {
    const { behavior } = variant.autoscaler;
    return {
      ...variant,
      autoscaler: { ...variant.autoscaler, behavior: { ...behavior, scaleUp: change(behavior?.scaleUp ?? {}) } },
    };
  };
}

function withScaleDown(change: (rules: ScalingRules) => ScalingRules): NonNullable<Suspicion['change']> {
  return (variant) => {
    const { behavior } = variant.autoscaler;
    return {
      ...variant,
      autoscaler: { ...variant.autoscaler, behavior: { ...behavior, scaleDown: change(behavior?.scaleDown ?? {}) } },
    };
  };
}

/** What is replayed, and what is forecast next. */
function replayedPart({ rows, from }: DemandHistory, ahead?: DemandHistory['ahead']) {
  const first = rows.times.findIndex((time) => time >= from);
  const [times, values] = [rows.times.subarray(Math.max(0, first)), rows.values.subarray(Math.max(0, first))];
  if (ahead === undefined) return { times, values };
  return {
    times: Float64Array.of(...times, ...ahead.times),
    values: Float64Array.of(...values, ...ahead.values),
  };
}
