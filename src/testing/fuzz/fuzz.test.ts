import { expect, test } from 'vitest';
import { type FuzzedDecoder, fuzz } from './fuzz.ts';
import { storeDecoders } from './store-decoders.ts';
import { textDecoders } from './text-decoders.ts';
import { wireDecoders } from './wire-decoders.ts';

/** A million of them: `npm run torture -- fuzz`. */
const INPUTS = Number(process.env['FUZZ_INPUTS'] ?? 700);

test(`${INPUTS} mutated bodies crash no decoder, and are read as what they are alone`, async () => {
  const decoders = [...(await wireDecoders(1)), ...textDecoders(), ...(await storeDecoders())];
  const { inputs, read } = await fuzz(decoders, { count: INPUTS, seed: 1 });
  expect(inputs).toBe(INPUTS);
  // Mutations that nobody reads would prove nothing.
  expect(read).toBeGreaterThan(INPUTS / 10);
});

const ODD = 0x2a;
const decoderThat = (decode: FuzzedDecoder['decode'], rest: Partial<FuzzedDecoder> = {}): FuzzedDecoder => ({
  name: 'planted',
  bodies: [Uint8Array.of(ODD)],
  decode,
  ...rest,
});

/** Laws that a planted fault must break. */
test.each([
  { name: 'a crash', decoder: decoderThat(() => (undefined as unknown as string).length), says: /threw TypeError/ },
  {
    name: 'endless recursion',
    decoder: decoderThat(
      function again(bytes, behind): unknown {
        return [again(bytes, behind)];
      },
      { refuses: () => true },
    ),
    says: /threw RangeError: Maximum call stack/,
  },
  { name: 'a read behind the end', decoder: decoderThat((_, behind) => behind[0]), says: /other bytes are around it/ },
  {
    name: 'memory out of proportion',
    decoder: decoderThat(() => new Float64Array(8 << 20).length),
    says: /bytes of the heap/,
  },
  {
    name: 'a store that is harmed',
    decoder: decoderThat(() => 1, { verify: () => Promise.reject(new Error('lost')) }),
    says: /left something damaged/,
  },
])('fuzz() finds $name', async ({ decoder, says }) => {
  await expect(fuzz([decoder], { count: 5, seed: 1 })).rejects.toThrow(says);
});
