import type { HistogramValue } from '../../model/histogram-value.ts';
import { labelValue, METRIC_NAME } from '../../model/labels.ts';
import type { AggregateExpr } from '../ast.ts';
import type { CallContext } from '../functions/definition.ts';
import { dropHistograms } from '../rows.ts';
import { type Head, HISTOGRAM, type HistogramCells } from '../value.ts';
import { HistogramTotal } from './totals.ts';

/** One group at one step, as far as histograms go. */
interface State {
  readonly total: HistogramTotal;
  /** Histograms of both kinds of buckets: whatever follows is left out. */
  unfit: boolean;
}

/** What an aggregation does with the histograms of its rows. */
export interface HistogramReducer {
  /** Takes histograms out of a row, so that the floats that are left can be reduced as ever. */
  take(base: number, head: Head, present: Uint8Array, histograms: HistogramCells): void;
  /** Puts the results of cells that have histograms, and empties those that have both, or unfit ones. */
  finish(present: Uint8Array, histograms: HistogramCells): void;
}

export function histogramReducer(
  { op, operand }: AggregateExpr,
  { annotations }: Pick<CallContext, 'annotations'>,
): HistogramReducer {
  if (op === 'count' || op === 'group') return countedReducer;
  if (op === 'sum' || op === 'avg') return totalReducer(op === 'avg', operand.span, annotations);
  return {
    take(_, __, present) {
      if (!present.includes(HISTOGRAM)) return;
      dropHistograms(present, 0, present.length);
      annotations.info(ignoredIn(op), operand.span);
    },
    finish() {},
  };
}

export function ignoredIn(op: string): string {
  return `ignored histogram in ${op} aggregation`;
}

/** A histogram counts as a float does. */
const countedReducer: HistogramReducer = {
  take(_, __, present) {
    for (let step = 0; step < present.length; step++) if (present[step] === HISTOGRAM) present[step] = 1;
  },
  finish() {},
};

function totalReducer(
  wantsMean: boolean,
  span: AggregateExpr['span'],
  annotations: CallContext['annotations'],
): HistogramReducer {
  const states = new Map<number, State>();
  const takeOne = (cell: number, histogram: HistogramValue, head: Head): void => {
    const state = states.get(cell);
    if (state === undefined) {
      states.set(cell, { total: new HistogramTotal(histogram, wantsMean), unfit: false });
    } else if (!state.unfit && !state.total.add(histogram)) {
      state.unfit = true;
      const name = labelValue(head.labels, METRIC_NAME);
      annotations.warn(`${MIXED_BUCKETS} ${JSON.stringify(name)}`, span);
    }
  };
  return {
    take(base, head, present, histograms) {
      for (let step = 0; step < present.length; step++) {
        if (present[step] === HISTOGRAM) {
          takeOne(base + step, histograms[step]!, head);
          present[step] = 0;
        } else if (present[step] === 1 && states.get(base + step)?.unfit === true) present[step] = 0;
      }
    },
    finish(present, histograms) {
      for (const [cell, { total, unfit }] of states) {
        if (present[cell] === 1) {
          annotations.warn('encountered a mix of histograms and floats for aggregation', span);
          present[cell] = 0;
        } else if (!unfit) {
          histograms[cell] = total.finish(annotations, span);
          present[cell] = HISTOGRAM;
        }
      }
    },
  };
}

export const MIXED_BUCKETS =
  'vector contains a mix of histograms with exponential and custom buckets schemas for metric name';
