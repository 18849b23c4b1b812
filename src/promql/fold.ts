import type { TimeRange } from '../model/time.ts';
import { beginReduction } from './aggregate.ts';
import type { Annotations } from './annotations.ts';
import { type AggregateExpr, unwrap, type VectorSelector } from './ast.ts';
import { QueryError } from './errors.ts';
import { evaluateRows } from './evaluate.ts';
import { type Evaluation, type Fold, hold } from './evaluation.ts';
import type { LoadedSeries } from './loaded-series.ts';
import { positionOf } from './span.ts';
import type { Grid } from './value.ts';

/** An aggregation that is to take the series of its selector, float samples alone, while they are read for a range. */
export function beginFold(
  whole: AggregateExpr,
  selector: VectorSelector,
  range: TimeRange,
  about: Omit<Evaluation, 'loaded'>,
  grid: Grid,
): Fold {
  const { query } = about;
  /** Its own: what is taken in vain is not held. */
  const account = { held: 0, most: about.account.most };
  const told: ((to: Annotations) => void)[] = [];
  const annotations: Annotations = {
    warn: (message, span) => told.push((to) => to.warn(message, span)),
    info: (message, span, details) => told.push((to) => to.info(message, span, details)),
  };
  /** The series that is taken now stands for all. */
  const series: LoadedSeries[] = [{ labels: [], chunks: [] }];
  const loaded: Evaluation['loaded'] = new Map([[selector, { series, range, ofPoints: false, mixed: false }]]);
  const expr = { ...whole, operand: unwrap(whole.operand) };
  const work = evaluateRows(expr.operand, { ...about, account, annotations, loaded }, grid);
  let made = work.next();
  while (made.done !== true) made = work.next();
  const reduction = beginReduction(expr, made.value, undefined, {
    ...{ grid, annotations },
    error: (span, message) => new QueryError('execution', message, positionOf(query, span)),
    hold: (cells) => hold(cells, whole.span, { query, account }),
  });
  return {
    take(each) {
      series[0] = each;
      reduction.take(0);
    },
    *finish() {
      hold(account.held, whole.span, about);
      for (const tell of told) tell(about.annotations);
      return yield* reduction.finish();
    },
  };
}
