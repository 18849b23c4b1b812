import fc from 'fast-check';
import { blow, torture } from '../src/testing/scale-torture.ts';

/**
 * The property test of the scale loop for longer: `npm run torture -- [RUNS] [SEED]`, 5000 sequences of up to 120 blows
 * by default. Prints the seed, with which every run is the same again; a law that is broken ends it with exit code 1.
 */
const runs = Number(process.argv[2] ?? 5000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
if (!(Number.isInteger(runs) && runs > 0 && runs <= 1_000_000 && Number.isInteger(seed))) {
  console.error('usage: npm run torture -- [RUNS, up to 1000000] [SEED]');
  process.exit(2);
}

console.log(`${runs} sequences, seed ${seed}`);
let done = 0;
const law = fc.asyncProperty(fc.array(blow, { minLength: 5, maxLength: 120 }), async (blows) => {
  await torture(blows);
  if (++done % 500 === 0) console.log(`${done} of ${runs}`);
});
const result = await fc.check(law, { numRuns: runs, seed, interruptAfterTimeLimit: 3_600_000 });
console.log(
  result.failed
    ? `${result.errorInstance}\n${fc.defaultReportMessage(result)}`
    : `${result.numRuns} sequences kept every law`,
);
process.exitCode = result.failed ? 1 : 0;
