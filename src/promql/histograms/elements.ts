import type { HistogramValue } from '../../model/histogram-value.ts';
import type { Annotations } from '../annotations.ts';
import { operate } from '../arithmetic.ts';
import { type BinaryExpr, isComparison } from '../ast.ts';
import { added, type Combined, subtracted } from './add.ts';
import { sameHistogram } from './equal.ts';
import { compacted, divided, multiplied, withHint } from './scale.ts';
import { trimmed } from './trim.ts';

/** What a cell of a vector may hold. */
export type Element = number | HistogramValue;

/** The value of an operation; of a comparison the left side, and whether it is true. */
export interface Operated {
  readonly value: Element;
  readonly met: boolean;
}

/** Undefined where the kinds do not go together, which the annotations tell. */
export type ElementOperation = (a: Element, b: Element) => Operated | undefined;

/** An operation between elements of any kind. */
export function elementOperation({ op, span }: BinaryExpr, annotations: Annotations): ElementOperation {
  const isTrim = op === '</' || op === '>/';
  const ofFloats = isTrim ? undefined : operate(op);
  const comparison = isComparison(op);
  const unfit = (a: Element, b: Element): undefined => {
    const kinds = `${kindOf(a)} ${op} ${kindOf(b)}`;
    annotations.info(`incompatible sample types encountered for binary operator "${op}": ${kinds}`, span);
    return undefined;
  };
  const told = (combined: Combined | undefined, name: string): Combined | undefined => {
    if (combined === undefined) {
      annotations.warn(`incompatible bucket layout encountered for binary operator ${op}`, span);
      return undefined;
    }
    if (combined.mismatched) annotations.info(mismatchedBuckets(name), span);
    if (!combined.collides) return combined;
    annotations.warn(conflictingResets(name), span);
    return undefined;
  };
  const value = (result: HistogramValue): Operated => ({ value: compacted(result), met: true });
  return (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') {
      if (ofFloats === undefined) return unfit(a, b);
      const result = ofFloats(a, b);
      return comparison ? { value: a, met: result === 1 } : { value: result, met: true };
    }
    if (typeof a === 'number') return op === '*' && typeof b !== 'number' ? value(multiplied(b, a)) : unfit(a, b);
    if (typeof b === 'number') {
      if (op === '*') return value(multiplied(a, b));
      if (op === '/') return value(divided(a, b));
      if (isTrim) return { value: trimmed(a, b, op === '</' ? 'below' : 'above'), met: true };
      return unfit(a, b);
    }
    switch (op) {
      case '+': {
        const sum = told(added(a, b), 'addition');
        return sum && value(sum.value);
      }
      case '-': {
        const difference = told(subtracted(a, b), 'subtraction');
        return difference && value(withHint(difference.value, 'gauge'));
      }
      case '==':
        return { value: a, met: sameHistogram(a, b) };
      case '!=':
        return { value: a, met: !sameHistogram(a, b) };
      default:
        return unfit(a, b);
    }
  };
}

export function mismatchedBuckets(during: string): string {
  return `mismatched custom buckets were reconciled during ${during}`;
}

export function conflictingResets(during: string): string {
  return `conflicting counter resets during histogram ${during}`;
}

function kindOf(element: Element): string {
  return typeof element === 'number' ? 'float' : 'histogram';
}
