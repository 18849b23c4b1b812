import { MINUTE, SECOND } from '../model/time.ts';
import { findSettings } from './advice/findings.ts';
import { hpaTargetOf } from './advice/hpa-target.ts';
import { openReplays, outcomeOf, type Replays, type Variant } from './advice/replays.ts';
import { adviseRequests } from './advice/requests.ts';
import { adviseTarget } from './advice/target.ts';
import type { Advice, AdviceInput, DemandHistory, HpaTarget, MakeForecaster, Unknown } from './advice/types.ts';
import type { ScalingPolicy } from './policy.ts';
import { p95Of } from './simulation/spread.ts';

/** The autoscaler looks this often. */
const SYNC_MS = 15 * SECOND;
/** Less says nothing of a day. */
const LEAST_REPLAYED_MS = 30 * MINUTE;

/**
 * What a policy's workload and its HPA could have set better: what is told of replicas comes from replaying the policy's
 * own history through the simulator, once as things are and once for each change. Nothing is changed.
 */
export function advise(input: AdviceInput, makeForecaster: MakeForecaster): Advice {
  const { policy, autoscaler, requests, history, startUpMs } = input;
  const target = hpaTargetOf(policy, autoscaler);
  const playable = playableHistory(policy, history);
  const played = playable.kind === 'unknown' ? playable : playAsIs(input, playable, target, makeForecaster);
  const leadTimeMs = policy.leadTime.kind === 'given' ? policy.leadTime.ms : p95Of(startUpMs) + SYNC_MS;
  const isPlayed = played.kind !== 'unknown';
  const findings =
    autoscaler.kind === 'unknown'
      ? autoscaler
      : findSettings(
          { policy, autoscaler, requests, history: playable, target, leadTimeMs },
          isPlayed ? played : undefined,
        );
  return {
    replay: isPlayed ? played.replay : played,
    target: isPlayed ? adviseTarget(policy, { now: target, ...played }, played.replays) : played,
    findings,
    requests: adviseRequests({ ...input, podHoursPerDay: isPlayed ? played.asIs.podHoursPerDay : null }),
  };
}

/** Why a history cannot be replayed, where it cannot. */
function playableHistory(policy: ScalingPolicy, history: DemandHistory | Unknown): DemandHistory | Unknown {
  if (history.kind === 'unknown') return history;
  const unknown = (message: string): Unknown => ({ kind: 'unknown', message });
  const { rows, from } = history;
  const { name, perReplica } = policy.demands[0]!;
  if (perReplica === undefined) return unknown(`what a replica carries of ${name} is neither given nor learned yet`);
  const [first, last] = [rows.times[0], rows.times.at(-1)];
  if (first === undefined || last === undefined) return unknown(`the demand ${name} has no samples`);
  if (!(first < from) || last - from < LEAST_REPLAYED_MS) {
    return unknown(`the history of ${name} is shorter than what would be replayed`);
  }
  if (rows.values.some((value) => value < 0)) return unknown(`the demand ${name} is negative at times`);
  return history;
}

function playAsIs(input: AdviceInput, history: DemandHistory, hpaTarget: HpaTarget, makeForecaster: MakeForecaster) {
  const { policy, autoscaler } = input;
  const bounds = autoscaler.kind === 'unknown' ? policy.replicas : autoscaler.bounds;
  const behavior = autoscaler.kind === 'unknown' ? undefined : autoscaler.behavior;
  const present: Variant = {
    autoscaler: { bounds, ...(behavior !== undefined && { behavior }) },
    ratio: hpaTarget.ratio,
  };
  const replays: Replays = openReplays(input, history, makeForecaster);
  const [asIs, alone] = [replays.withFloor(present), replays.alone(present)];
  const { from, to, demoted } = asIs;
  const replay = {
    ...{ kind: 'replayed' as const, from, to, bounds, hpaTarget, demoted },
    ...{ perReplica: policy.demands[0]!.perReplica!, asIs: outcomeOf(asIs), alone: outcomeOf(alone) },
  };
  return { kind: 'played' as const, replays, present, asIs, alone, replay };
}
