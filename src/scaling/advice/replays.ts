import { DAY, MINUTE } from '../../model/time.ts';
import { type AutoscalerSettings, type SimulationReport, simulate } from '../simulate.ts';
import { type RecordedForecasts, recordForecasts } from '../simulation/recorded-forecasts.ts';
import type { StrategyName } from '../simulation/strategies.ts';
import type { AdviceInput, DemandHistory, MakeForecaster, Outcome } from './types.ts';

/** One way to set the HPA and the policy's maximum. */
export interface Variant {
  readonly autoscaler: AutoscalerSettings;
  readonly ratio: number;
  /** The policy's own maximum, where another one is tried. */
  readonly policyMax?: number;
}

export interface Replayed extends Outcome {
  /** Share of each half of the time in which demand was over capacity, 0 to 1. */
  readonly overOfHalves: readonly [number, number];
  readonly demoted: number;
  readonly from: number;
  readonly to: number;
}

/** Replays the policy's own history under a variant; forecasts are made once. */
export interface Replays {
  /** Under the policy's floor. */
  withFloor(variant: Variant): Replayed;
  alone(variant: Variant): Replayed;
}

/** Rows that are late may not be known yet when the judged time begins. */
const LATE_MS = 10 * MINUTE;

export function openReplays(
  { policy, startUpMs }: Pick<AdviceInput, 'policy' | 'startUpMs'>,
  { rows, from }: DemandHistory,
  makeForecaster: MakeForecaster,
): Replays {
  let recorded: RecordedForecasts | undefined;
  const run = (strategy: StrategyName, { autoscaler, ratio, policyMax }: Variant): Replayed =>
    replayed(
      simulate({
        ...{ rows, from, startUpMs, autoscaler, hpaTarget: ratio, strategies: [strategy] },
        policy: { ...policy, replicas: { ...policy.replicas, max: policyMax ?? policy.replicas.max } },
        forecaster: (history, windowMs) => {
          recorded ??= recordForecasts(rows, from - LATE_MS, (start) => {
            const forecaster = makeForecaster(policy, start, windowMs);
            return { append: forecaster.append, readEach: () => [forecaster.read()] };
          });
          return recorded.replay(0)(history);
        },
      }),
    );
  return { withFloor: (variant) => run('foresail', variant), alone: (variant) => run('reactive', variant) };
}

function replayed({ from, to, perReplica, results }: SimulationReport): Replayed {
  const { overCapacity, podHours, demoted, timeline } = results[0]!;
  const days = (to - from) / DAY;
  const isOver = Array.from(timeline.demand, (demand, i) => demand > timeline.ready[i]! * perReplica);
  const half = Math.floor(isOver.length / 2);
  const share = (part: readonly boolean[]) => part.filter(Boolean).length / Math.max(1, part.length);
  return {
    ...{ from, to, demoted },
    podHoursPerDay: podHours / days,
    minutesOverPerDay: (overCapacity * DAY) / MINUTE,
    overOfHalves: [share(isOver.slice(0, half)), share(isOver.slice(half))],
  };
}

export function difference(a: Outcome, b: Outcome): Outcome {
  return {
    podHoursPerDay: a.podHoursPerDay - b.podHoursPerDay,
    minutesOverPerDay: a.minutesOverPerDay - b.minutesOverPerDay,
  };
}

export function outcomeOf({ podHoursPerDay, minutesOverPerDay }: Outcome): Outcome {
  return { podHoursPerDay, minutesOverPerDay };
}
