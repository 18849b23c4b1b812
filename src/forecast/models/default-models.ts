import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { holtWinters } from './holt-winters.ts';
import { intermittent } from './intermittent.ts';
import { lastValue } from './last-value.ts';
import type { Model, ModelContext } from './model.ts';
import { mstl } from './mstl.ts';
import { network } from './network.ts';
import { profile } from './profile.ts';
import { rhythm } from './rhythm.ts';
import { type RidgeMember, ridges } from './ridge.ts';
import { sameLastSeason } from './same-last-season.ts';
import { seasonAndLevel } from './season-and-level.ts';
import { smoothed } from './smoothed.ts';
import { theta } from './theta.ts';
import { windowRidge } from './window-ridge.ts';

/** A window of lags is worth its cubic cost up to here: a week of hours. */
const MOST_WINDOW_LAGS = 192;

/** Steps in a day from which a ridge of the last days has enough rows. */
const ROWS_FOR_A_RECENT_RIDGE = 96;

/**
 * A history from which the network is not asked. Of traces that it never saw it takes 13 % off the error at a day of
 * history, 1 % at two days, and nothing at two weeks, where it would cost a third of a cold fit.
 */
const LONG_HISTORY_MS = 14 * DAY;

/** The experts of the mix. The last value comes first: it answers alone until anything was scored. */
export function defaultModels(context: ModelContext): readonly Model[] {
  const { cycles, stepMs, historyLength } = context;
  const [first, second] = cycles;
  // Neighbouring rows of a fine step say nearly the same: about six thousand are enough.
  const rowStride = Math.max(1, Math.round(historyLength / 6000));
  const members: RidgeMember[] = [{ name: 'ridge' }];
  // Where a day has many rows, a second ridge lives in the present: a row is worth half by the next day.
  if (first !== undefined && first >= ROWS_FOR_A_RECENT_RIDGE) members.push({ name: 'ridge-recent', keptPerDay: 0.6 });
  const models: Model[] = [lastValue(), smoothed(), ...ridges(context, members, { rowStride })];
  if (first !== undefined) {
    models.push(sameLastSeason('yesterday', first), seasonAndLevel(first, context));
    const halfWidth = Math.max(0, Math.round((5 * MINUTE) / stepMs / 2));
    models.push(profile('profile', second ?? first, first, halfWidth));
    // On the level of the last hour the shape of a day holds at once after a shift of level.
    models.push(profile('shape', first, Math.max(2, Math.round(HOUR / stepMs)), halfWidth));
  }
  if (second !== undefined) models.push(sameLastSeason('last-week', second));
  const lags = second ?? first ?? 0;
  if (first !== undefined && lags <= MOST_WINDOW_LAGS && historyLength >= 2.5 * lags) {
    models.push(
      windowRidge(context, { name: 'window-ridge', lags, centre: first, lambda: 0.006 }),
      windowRidge(context, { name: 'window-ridge-stiff', lags, centre: lags, lambda: 0.06 }),
    );
  }
  // Measured at steps of an hour: on the traces MAE over the last value's 0.477 without, 0.465 with both.
  if (first !== undefined && first < ROWS_FOR_A_RECENT_RIDGE) {
    models.push(holtWinters(context, first), theta(second ?? first, smoothedFor(context, first)));
  }
  const [rhythmic, longer] = context.rhythms ?? [];
  if (rhythmic !== undefined) models.push(rhythm('rhythm', rhythmic, first));
  if (longer !== undefined) models.push(rhythm('rhythm-longer', longer, first));
  if (context.sparse === true) models.push(intermittent(first ?? 24));
  if (context.regressor !== undefined && historyLength * stepMs < LONG_HISTORY_MS) {
    models.push(network(context, context.regressor));
  }
  return models;
}

/** Experts that take part only where `ForecasterOptions.models` names them. */
export function modelsByName(context: ModelContext): readonly Model[] {
  const [first] = context.cycles;
  return first === undefined ? [] : [mstl(context.cycles, smoothedFor(context, first))];
}

/** Steps ahead at which the shares of smoothing are chosen: the middle of the horizon, a day at most. */
function smoothedFor({ knots }: ModelContext, day: number): number {
  return Math.max(1, Math.min(day, Math.ceil(knots[knots.length - 1]! / 2)));
}
