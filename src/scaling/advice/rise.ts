import { MINUTE, type Millis, SECOND } from '../../model/time.ts';
import { scaleUpRules } from '../hpa/normalize.ts';
import type { ScalingRules } from '../hpa/types.ts';

/** Of a demand in replicas: the rise that most exceeds what may be added within the time. */
export interface Rise {
  readonly at: Millis;
  readonly from: number;
  readonly to: number;
  /** Replicas that the policies allow by then. */
  readonly allowed: number;
}

interface Needs {
  readonly times: Float64Array;
  /** Whole replicas. */
  readonly values: Float64Array;
}

const SYNC_MS = 15 * SECOND;
/** Rises are looked at this often. */
const LOOK_MS = MINUTE;

/** The worst rise that the scale-up policies are too slow for, over any `withinMs`. Undefined where they keep up with all. */
export function riseBeyond({ times, values }: Needs, rules: ScalingRules, withinMs: number): Rise | undefined {
  let worst: Rise | undefined;
  let next = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < times.length; i++) {
    const at = times[i]!;
    if (at < next) continue;
    next = at + LOOK_MS;
    const from = Math.max(1, values[i]!);
    let to = from;
    for (let k = i + 1; k < times.length && times[k]! <= at + withinMs; k++) to = Math.max(to, values[k]!);
    if (to === from) continue;
    const allowed = allowedAfter(from, rules, withinMs);
    if (to - allowed > (worst === undefined ? 0 : worst.to - worst.allowed)) worst = { at, from, to, allowed };
  }
  return worst;
}

/** Replicas at most, so long after `from`, with each period used as soon as it begins: no controller is faster. */
function allowedAfter(from: number, rules: ScalingRules, withinMs: number): number {
  const { policies, selectPolicy, stabilizationWindowSeconds } = scaleUpRules(rules);
  const leftMs = withinMs - stabilizationWindowSeconds * 1000;
  if (selectPolicy === 'Disabled' || leftMs < 0) return from;
  const reached = policies.map(({ type, value, periodSeconds }) => {
    const periods = 1 + Math.floor(leftMs / Math.max(SYNC_MS, periodSeconds * 1000));
    if (type === 'Pods') return from + periods * value;
    let replicas = from;
    for (let p = 0; p < periods && replicas < 1e6; p++) replicas = Math.ceil(replicas * (1 + value / 100));
    return replicas;
  });
  return selectPolicy === 'Min' ? Math.min(...reached) : Math.max(...reached);
}
