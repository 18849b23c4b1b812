import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { queryDecoder } from './query-decoder.ts';

/** A million of them: `npm run torture -- queries`. */
const INPUTS = Number(process.env['FUZZ_INPUTS'] ?? 700);

test(`${INPUTS} mutated queries are refused, or evaluated within their limits`, async () => {
  const { inputs, read } = await fuzz([await queryDecoder(1)], { count: INPUTS, seed: 1 });
  expect(inputs).toBe(INPUTS);
  // Mutations that nobody evaluates would prove nothing.
  expect(read).toBeGreaterThan(INPUTS / 10);
});
