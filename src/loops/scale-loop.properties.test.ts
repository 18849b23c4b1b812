import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { blow, torture } from '../testing/scale-torture.ts';

/** The laws of architecture 3.4, for any sequence of what may happen. `npm run torture` does the same for longer. */
test('the scale loop keeps its laws on every write, whatever happens around it', async () => {
  await expect(
    fc.assert(fc.asyncProperty(fc.array(blow, { minLength: 5, maxLength: 40 }), torture), {
      numRuns: PROPERTY_RUNS / 2,
      seed: 3,
    }),
  ).resolves.toBeUndefined();
});
