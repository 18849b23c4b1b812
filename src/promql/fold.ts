import type { TimeRange } from '../model/time.ts';
import { beginReduction } from './aggregate.ts';
import { type Annotations, type Details, joinedDetails } from './annotations.ts';
import { type AggregateExpr, unwrap, type VectorSelector } from './ast.ts';
import { QueryError } from './errors.ts';
import { evaluateRows } from './evaluate.ts';
import { type Evaluation, type Fold, hold } from './evaluation.ts';
import type { LoadedSeries } from './loaded-series.ts';
import { positionOf, type Span } from './span.ts';
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
  const { annotations, tell } = heldBack();
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
      tell(about.annotations);
      return yield* reduction.finish();
    },
  };
}

/** Annotations to be told later, each once: every cell of every series may have the same. */
function heldBack(): { readonly annotations: Annotations; readonly tell: (to: Annotations) => void } {
  const warnings = new Map<string, Span>();
  const infos = new Map<string, { readonly span: Span; readonly details: Details | undefined }>();
  return {
    annotations: {
      warn: (message, span) => void warnings.set(message, span),
      info(message, span, details) {
        const before = infos.get(message)?.details;
        infos.set(message, { span, details: joinedDetails(before, details as Details | undefined) });
      },
    },
    tell(to) {
      for (const [message, span] of warnings) to.warn(message, span);
      for (const [message, { span, details }] of infos) to.info(message, span, details);
    },
  };
}
