import { expect, test } from 'vitest';
import { PLANS_IN_SEQUENCE, torturePlans } from '../testing/plan-torture.ts';

/** A fast sample of `npm run torture`, which tries 10 million. */
test('planReplicas() keeps every law of architecture 3.4 in random closed loops', () => {
  for (let i = 0; i < 10_000 / PLANS_IN_SEQUENCE; i++) expect(() => torturePlans(i)).not.toThrow();
});
