import { DAY, MINUTE } from '../../model/time.ts';
import type { ScalingPolicy } from '../policy.ts';
import { settingFor } from './hpa-target.ts';
import { outcomeOf, type Replayed, type Replays, type Variant } from './replays.ts';
import type { HpaTarget, TargetAdvice, Unknown } from './types.ts';
import { formatMinutes, formatShare, signedHours } from './words.ts';

/** Targets that are tried, as shares of what a replica carries: beyond 0.95 nothing is left for the time until the next look. */
const STEP = 0.05;
const HIGHEST = 0.95;
const LOWEST = 0.3;
/** What `foresail tune` accepts, for a policy without an objective. */
const ACCEPTED_SHARE = 0.001;
/** With the forecast untrusted for more of the time than this, the replay says little of the floor. */
const MOST_DEMOTED = 0.2;
/** A change that saves less is not worth it. */
const LEAST_SAVING = 0.005;

/**
 * The highest target that the HPA could have had over the replayed time with the floor under it: demand is over
 * capacity for no more of either half than is accepted, or than it is as things are. A target at which it is over for
 * longer ends the search, so what is suggested was not singled out among worse neighbours.
 */
export function adviseTarget(
  policy: ScalingPolicy,
  { now, present, asIs }: { readonly now: HpaTarget; readonly present: Variant; readonly asIs: Replayed },
  replays: Replays,
): TargetAdvice | Unknown {
  if (asIs.demoted > MOST_DEMOTED) {
    const message = `the forecast was not trusted for ${formatShare(asIs.demoted)} of the time that was replayed: its floor cannot carry another target yet`;
    return { kind: 'unknown', message };
  }
  const { objective } = policy;
  const limit = objective === undefined ? ACCEPTED_SHARE : objective.overCapacityMs / objective.periodMs;
  const keeps = (run: Replayed, orAsNow: boolean) =>
    run.overOfHalves.every((share, i) => share <= Math.max(limit, orAsNow ? asIs.overOfHalves[i]! : 0));
  const isKept = keeps(asIs, false);
  const tried = [{ ratio: now.ratio, run: asIs }];
  const look = (ratio: number) => {
    const run = replays.withFloor({ ...present, ratio });
    tried.push({ ratio, run });
    return run;
  };
  let chosen = tried[0]!;
  for (let ratio = next(now.ratio, 1); ratio <= HIGHEST + 1e-9; ratio = next(ratio, 1)) {
    const run = look(ratio);
    if (!keeps(run, true)) break;
    if (run.podHoursPerDay < chosen.run.podHoursPerDay * (1 - LEAST_SAVING)) chosen = { ratio, run };
  }
  if (!isKept && chosen.ratio === now.ratio) {
    for (let ratio = next(now.ratio, -1); ratio >= LOWEST - 1e-9; ratio = next(ratio, -1)) {
      const run = look(ratio);
      // Where fewer minutes over capacity cannot be bought, it is not the target that is wrong.
      if (!keeps(run, false) && run.minutesOverPerDay > 0.9 * chosen.run.minutesOverPerDay) break;
      chosen = { ratio, run };
      if (keeps(run, false)) break;
    }
  }
  const alone = replays.alone({ ...present, ratio: chosen.ratio });
  const saves = 1 - chosen.run.podHoursPerDay / asIs.podHoursPerDay;
  const kind = chosen.ratio > now.ratio ? 'raise' : chosen.ratio < now.ratio ? 'lower' : 'keep';
  return {
    kind,
    suggested: chosen.ratio,
    setting: settingFor(now, chosen.ratio),
    saves,
    tried: tried
      .sort((a, b) => a.ratio - b.ratio)
      .map(({ ratio, run }) => ({ ratio, ...outcomeOf(run), isKept: keeps(run, true) })),
    alone: outcomeOf(alone),
    limit,
    text: textOf({ kind, now, asIs, limit }, chosen, alone),
  };
}

/** The next multiple of the step above or below. */
function next(ratio: number, direction: 1 | -1): number {
  const steps = ratio / STEP;
  const to = direction === 1 ? Math.floor(steps + 1e-6) + 1 : Math.ceil(steps - 1e-6) - 1;
  return Number((to * STEP).toFixed(2));
}

interface Told {
  readonly kind: TargetAdvice['kind'];
  readonly now: HpaTarget;
  readonly asIs: Replayed;
  readonly limit: number;
}

function textOf({ kind, now, asIs, limit }: Told, { ratio, run }: { ratio: number; run: Replayed }, alone: Replayed) {
  const accepted = `${formatMinutes((limit * DAY) / MINUTE)} a day`;
  const over = (outcome: Replayed) => formatMinutes(outcome.minutesOverPerDay);
  if (kind === 'keep') {
    return `keep ${formatShare(now.ratio)}: with the floor, demand is over capacity for ${over(asIs)} a day, and no other target that was replayed is both cheaper and within ${accepted}`;
  }
  const { setting } = { setting: settingFor(now, ratio) };
  const where = now.metric === null || setting === null ? '' : ` (${now.metric.path}: ${setting})`;
  const change = signedHours(run.podHoursPerDay - asIs.podHoursPerDay);
  return `${kind} it from ${formatShare(now.ratio)} to ${formatShare(ratio)}${where}: ${change} a day, and demand is over capacity for ${over(run)} a day (now ${over(asIs)}); while the forecast is not trusted the HPA alone would be over for ${over(alone)} a day`;
}
