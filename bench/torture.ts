import fc from 'fast-check';
import { PLANS_IN_SEQUENCE, torturePlans } from '../src/testing/plan-torture.ts';
import { blow, torture } from '../src/testing/scale-torture.ts';

/**
 * The laws of what the planner must never do, for longer than in the tests.
 *
 * - `npm run torture -- [plans] [COUNT] [SEED] [FROM]`: random plans in closed loops, 10 million by default. Prints how
 *   far it is; FROM goes on where an earlier run of the same seed was stopped.
 * - `npm run torture -- loop [RUNS] [SEED]`: the whole scale loop, 5000 sequences of up to 120 blows by default.
 *
 * Every run of a seed is the same. A law that is broken ends it with exit code 1.
 */
const [first = 'plans', ...rest] = process.argv.slice(2);
const isNamed = first === 'plans' || first === 'loop';
const what = isNamed ? first : 'plans';
const [count, seed, from] = (isNamed ? rest : [first, ...rest]).map(Number);

const usage = (): never => {
  console.error('usage: npm run torture -- [plans] [COUNT] [SEED] [FROM] | loop [RUNS, up to 1000000] [SEED]');
  process.exit(2);
};
if ([count, seed, from].some((value) => value !== undefined && !(Number.isInteger(value) && value >= 0))) usage();

const someSeed = seed ?? Date.now() % 2 ** 31;
if (what === 'plans') plans(count ?? 10_000_000, someSeed, from ?? 0);
else await loop(count ?? 5000, someSeed);

function plans(most: number, seeded: number, start: number): void {
  console.log(`${most} plans, seed ${seeded}${start > 0 ? `, from ${start}` : ''}`);
  const every = Math.max(1, Math.round(most / PLANS_IN_SEQUENCE / 20));
  const before = process.cpuUsage();
  const firstSequence = Math.floor(start / PLANS_IN_SEQUENCE);
  const sequences = Math.ceil(most / PLANS_IN_SEQUENCE);
  const spent = () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  for (let i = firstSequence; i < sequences; i++) {
    try {
      // Neighbouring seeds of the generator are unrelated, so sequences may be numbered.
      torturePlans((Math.imul(seeded, 2_654_435_761) + i) >>> 0);
    } catch (error) {
      console.log(`after ${i * PLANS_IN_SEQUENCE} plans: ${(error as Error).message}`);
      process.exitCode = 1;
      return;
    }
    if ((i + 1) % every === 0) console.log(`${(i + 1) * PLANS_IN_SEQUENCE} of ${most}, ${spent().toFixed(0)} s of CPU`);
  }
  const done = (sequences - firstSequence) * PLANS_IN_SEQUENCE;
  console.log(`${done} plans kept every law: ${Math.round(done / spent())} plans for each second of CPU`);
}

async function loop(runs: number, seeded: number): Promise<void> {
  if (runs < 1 || runs > 1_000_000) usage();
  console.log(`${runs} sequences, seed ${seeded}`);
  let done = 0;
  const law = fc.asyncProperty(fc.array(blow, { minLength: 5, maxLength: 120 }), async (blows) => {
    await torture(blows);
    if (++done % 500 === 0) console.log(`${done} of ${runs}`);
  });
  const result = await fc.check(law, { numRuns: runs, seed: seeded, interruptAfterTimeLimit: 3_600_000 });
  console.log(
    result.failed
      ? `${result.errorInstance}\n${fc.defaultReportMessage(result)}`
      : `${result.numRuns} sequences kept every law`,
  );
  process.exitCode = result.failed ? 1 : 0;
}
