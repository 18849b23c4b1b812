import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LabelSelectorError, parseLabelSelector, selects } from './label-selector.ts';

const LABELS = { policy: 'checkout', quantile: '0.95', tier: '3', empty: '' };

/** Semantics as in k8s.io/apimachinery/pkg/labels, whose test tables cover the same forms. */
test.each([
  { text: '', want: true },
  { text: '  ', want: true },
  { text: 'policy=checkout', want: true },
  { text: 'policy==checkout', want: true },
  { text: ' policy = checkout ', want: true },
  { text: 'policy=cart', want: false },
  { text: 'missing=x', want: false },
  { text: 'policy!=cart', want: true },
  { text: 'policy!=checkout', want: false },
  { text: 'missing!=x', want: true },
  { text: 'policy in (cart,checkout)', want: true },
  { text: 'policy in(cart, checkout)', want: true },
  { text: 'policy in (cart)', want: false },
  { text: 'missing in (x)', want: false },
  { text: 'empty in ()', want: true },
  { text: 'empty in (a,)', want: true },
  { text: 'policy notin (cart,basket)', want: true },
  { text: 'policy notin (cart,checkout)', want: false },
  { text: 'missing notin (x)', want: true },
  { text: 'policy', want: true },
  { text: 'missing', want: false },
  { text: '!policy', want: false },
  { text: '!missing', want: true },
  { text: '! missing', want: true },
  { text: 'empty=', want: true },
  { text: 'empty=,policy=checkout', want: true },
  { text: 'policy=', want: false },
  { text: 'tier>2', want: true },
  { text: 'tier>3', want: false },
  { text: 'tier<4', want: true },
  { text: 'quantile>0', want: false },
  { text: 'missing<4', want: false },
  { text: 'policy=checkout,quantile=0.95', want: true },
  { text: 'policy=checkout,quantile=0.5', want: false },
  { text: 'policy in (cart,checkout),quantile notin (0.5,0.9),!missing,tier', want: true },
  { text: 'foresail.dev/policy!=x', want: true },
  { text: 'in in (in)', want: false },
  { text: 'notin', want: false },
  { text: 'toString', want: false },
])('selects() $text is $want', ({ text, want }) => {
  expect(selects(parseLabelSelector(text), LABELS)).toBe(want);
});

test.each([
  { text: ',', expected: 'expected a label key, found ","' },
  { text: 'a,', expected: 'expected a label key, found the end' },
  { text: ',a', expected: 'expected a label key, found ","' },
  { text: '!', expected: 'expected a label key, found the end' },
  { text: '!a=b', expected: 'expected a comma or the end, found "="' },
  { text: '=b', expected: 'expected a label key, found "="' },
  { text: 'a b', expected: 'expected one of = == != in notin < > ,, found "b"' },
  { text: 'a=b c', expected: 'expected a comma or the end, found "c"' },
  { text: 'a=b=c', expected: 'expected a comma or the end, found "="' },
  { text: 'a===b', expected: 'expected a comma or the end, found "="' },
  { text: 'a=(b)', expected: 'expected a comma or the end, found "("' },
  { text: 'a in b', expected: 'expected (, found "b"' },
  { text: 'a in (b', expected: 'expected , or ), found the end' },
  { text: 'a in (b c)', expected: 'expected , or ), found "c"' },
  { text: 'a in', expected: 'expected (, found the end' },
  { text: 'a>b', expected: 'expected an integer, found "b"' },
  { text: 'a<', expected: 'expected an integer, found the end' },
  { text: '-a=b', expected: 'expected a label key, found "-a"' },
  { text: 'A.b/c/d=e', expected: 'expected a label key, found "A.b/c/d"' },
  { text: 'a=-b', expected: 'expected a label value, found "-b"' },
  { text: `a=${'b'.repeat(64)}`, expected: 'expected a label value' },
  { text: 'a="b"', expected: 'expected a label value' },
])('parseLabelSelector() refuses $text', ({ text, expected }) => {
  expect(() => parseLabelSelector(text)).toThrow(LabelSelectorError);
  expect(() => parseLabelSelector(text)).toThrow(expected);
});

describe('parseLabelSelector() of any text', () => {
  test('is a selector or a LabelSelectorError, and nothing else', () => {
    const pieces = fc.constantFrom('a', 'in', 'notin', '(', ')', ',', '=', '==', '!=', '!', '<', '>', ' ', '1', 'é');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            selects(parseLabelSelector(text), LABELS);
          } catch (error) {
            expect(error).toBeInstanceOf(LabelSelectorError);
          }
        },
      ),
    );
  });

  test('splits what is selected into = and !=', () => {
    const value = fc.stringMatching(/^[a-z0-9]{1,5}$/);
    fc.assert(
      fc.property(value, value, (one, other) => {
        const by = (operator: string) => selects(parseLabelSelector(`k${operator}${one}`), { k: other });
        expect(by('=')).toBe(one === other);
        expect(by('!=')).toBe(!by('='));
      }),
    );
  });
});
