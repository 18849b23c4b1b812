import type { Room } from '../numeric/together.ts';
import {
  type ConformalScratch,
  type ConformalState,
  conformalState,
  type Footing,
  type Scored,
  scoreConformal,
} from './intervals.ts';
import type { Transform } from './transform.ts';

/**
 * How the quantiles of a forecast compare with those that the same machinery makes around naive forecasts. A naive
 * forecast with honest intervals is what a model has to beat; one without any is beaten by every margin. Plain data.
 */
export interface Skill {
  readonly kept: number;
  readonly naives: readonly ConformalState[];
  /** Fading sums of losses: the forecast's, then each naive one's. */
  readonly losses: Float64Array;
}

/** Days after which a loss counts little more than a third: a forecast that stops working is seen within a day. */
const MEMORY_DAYS = 2;

export function createSkill(
  naives: number,
  {
    stride,
    day,
    residuals,
    scratch,
    room,
  }: {
    readonly stride: number;
    readonly day: number;
    readonly residuals: number;
    readonly scratch: ConformalScratch;
    readonly room: Room;
  },
): Skill {
  return {
    kept: Math.exp(-stride / (MEMORY_DAYS * day)),
    naives: Array.from({ length: naives }, () => conformalState(residuals, scratch, room)),
    losses: room.doubles(1 + naives),
  };
}

/** Takes a truth in, once the forecast itself was scored at it. The naive forecasts are in model space. */
export function compare(
  { kept, naives, losses }: Skill,
  own: Scored | undefined,
  transform: Transform,
  footing: Footing,
  truth: { readonly z: number; readonly y: number; readonly naives: readonly number[] },
): void {
  if (own !== undefined) losses[0] = losses[0]! * kept + own.loss;
  for (let i = 0; i < naives.length; i++) {
    const { spreadZ, spreadY } = footing;
    const scored = scoreConformal(naives[i]!, transform, { z: truth.naives[i]!, spreadZ, spreadY }, truth, true);
    if (own !== undefined) losses[i + 1] = losses[i + 1]! * kept + (scored?.loss ?? 0);
  }
}

/** The forecast's loss over that of the best naive one; NaN where nothing was compared, or a naive one was never wrong. */
export function skillOf({ losses }: Skill): number {
  const [own, ...others] = losses;
  const best = Math.min(...others);
  return best > 0 ? own! / best : Number.NaN;
}
