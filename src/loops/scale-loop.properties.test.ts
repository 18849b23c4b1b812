import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blow, torture } from '../testing/scale-torture.ts';

/** CI makes 200. */
const RUNS = Math.ceil(Number(process.env['PROPERTY_RUNS'] ?? 100) / 2);

/** The laws of architecture 3.4, for any sequence of what may happen. `npm run torture` does the same for longer. */
test('the scale loop keeps its laws on every write, whatever happens around it', async () => {
  await expect(
    fc.assert(fc.asyncProperty(fc.array(blow, { minLength: 5, maxLength: 40 }), torture), { numRuns: RUNS, seed: 3 }),
  ).resolves.toBeUndefined();
});
