import fc from 'fast-check';
import { type FuzzedDecoder, fuzz } from '../src/testing/fuzz/fuzz.ts';
import { queryDecoder } from '../src/testing/fuzz/query-decoder.ts';
import { storeDecoders } from '../src/testing/fuzz/store-decoders.ts';
import { textDecoders } from '../src/testing/fuzz/text-decoders.ts';
import { wireDecoders } from '../src/testing/fuzz/wire-decoders.ts';
import { PLANS_IN_SEQUENCE, torturePlans } from '../src/testing/plan-torture.ts';
import { blow, torture } from '../src/testing/scale-torture.ts';
import { killWhileCounting } from '../test/kills/cost-kills.ts';
import { generator, killAgainAndAgain } from '../test/kills/kill-load.ts';
import { killWhileTelling } from '../test/kills/notification-kills.ts';
import { describeMismatch, runDifferential } from '../test/real/promql-differential.ts';
import { findPrometheus, NO_PROMETHEUS } from '../test/real/promql-pair.ts';

/**
 * What must never happen, for longer than in the tests.
 *
 * - `npm run torture -- [plans] [COUNT] [SEED] [FROM]`: random plans in closed loops, 10 million by default. Prints how
 *   far it is; FROM goes on where an earlier run of the same seed was stopped.
 * - `npm run torture -- loop [RUNS] [SEED]`: the whole scale loop, 5000 sequences of up to 120 blows by default.
 *
 * - `npm run torture -- kills [COUNT] [SEED] [FROM]`: kill -9 of the built program under every protocol, imports,
 *   deletions and snapshots, 1000 by default, a new store after every 25; FROM goes on after so many. No acknowledged sample is lost,
 *   none invented, and every start is clean.
 *
 * - `npm run torture -- fuzz [COUNT] [SEED] [FROM]`: mutated bodies for every decoder, a million by default; FROM goes on
 *   after so many. Nothing crashes, reads what is around its bytes or takes memory out of proportion, and a store in the
 *   same memory keeps its samples. Prints how far it is, and in the end the slowest input of each decoder.
 *
 * - `npm run torture -- promql [COUNT] [SEED] [FROM]`: random PromQL, 20000 questions by default, to the built program and
 *   to a real Prometheus with the same data. Differing answers are printed, made as small as they go; FROM goes on.
 *
 * - `npm run torture -- queries [COUNT] [SEED] [FROM]`: mutated queries, a million by default, parsed and evaluated on a
 *   small store. As with fuzz, and none takes longer than a second of the processor.
 *
 * - `npm run torture -- notifications [COUNT] [SEED]`: kill -9 of the built program while alerts fire and resolve against
 *   a webhook that fails now and then, 200 by default. None is lost, and none comes again under another key.
 *
 * - `npm run torture -- cost [COUNT] [SEED]`: kill -9 of the built program while it makes hours of spend and judges a
 *   budget, 200 by default. No hour is lost, counted twice or estimated, and no step of the budget is told anew as another.
 *
 * Every run of a seed is the same, as far as the machine lets the moments of kills be. A law that is broken ends it with exit code 1.
 */
const [first = 'plans', ...rest] = process.argv.slice(2);
const isNamed = ['plans', 'loop', 'kills', 'fuzz', 'promql', 'queries', 'notifications', 'cost'].includes(first);
const what = isNamed ? first : 'plans';
const [count, seed, from] = (isNamed ? rest : [first, ...rest]).map(Number);

const usage = (): never => {
  const kinds =
    '[plans] [COUNT] [SEED] [FROM] | loop [RUNS, up to 1000000] [SEED] | kills [COUNT] [SEED] [FROM] | fuzz [COUNT] [SEED] [FROM] | promql [COUNT] [SEED] [FROM] | queries [COUNT] [SEED] [FROM] | notifications [COUNT] [SEED] | cost [COUNT] [SEED]';
  console.error(`usage: npm run torture -- ${kinds}`);
  process.exit(2);
};
if ([count, seed, from].some((value) => value !== undefined && !(Number.isInteger(value) && value >= 0))) usage();

const someSeed = seed ?? Date.now() % 2 ** 31;
if (what === 'plans') plans(count ?? 10_000_000, someSeed, from ?? 0);
else if (what === 'kills') await kills(count ?? 1000, someSeed, from ?? 0);
else if (what === 'fuzz') await fuzzAll(count ?? 1_000_000, someSeed, from ?? 0);
else if (what === 'promql') await promql(count ?? 20_000, someSeed, from ?? 0);
else if (what === 'notifications') await notifications(count ?? 200, someSeed);
else if (what === 'cost') await costs(count ?? 200, someSeed);
else if (what === 'queries') await queries(count ?? 1_000_000, someSeed, from ?? 0);
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

async function kills(most: number, seeded: number, start: number): Promise<void> {
  const KILLS_OF_A_STORE = 25;
  console.log(`${most} kills, seed ${seeded}${start > 0 ? `, from ${start}` : ''}`);
  const total = { kills: 0, read: 0, retries: 0, deletions: 0, snapshots: 0 };
  let next = start - (start % KILLS_OF_A_STORE);
  const chain = async () => {
    while (next < most) {
      const from = next;
      next += KILLS_OF_A_STORE;
      const share = Math.min(KILLS_OF_A_STORE, most - from);
      const outcome = await killAgainAndAgain(share, generator(seeded + from)).catch((error: unknown) => {
        next = most;
        throw new Error(`the store of kills ${from} to ${from + share}, seed ${seeded}`, { cause: error });
      });
      total.kills += share;
      for (const count of ['read', 'retries', 'deletions', 'snapshots'] as const) total[count] += outcome[count];
      const { read, retries, deletions, snapshots } = total;
      const found = `${read} acknowledged samples read back, ${retries} requests sent again`;
      const done = `${deletions} deletions, ${snapshots} snapshots`;
      console.log(`kills ${from} to ${from + share} of ${most}; ${total.kills} in all: ${found}, ${done}`);
    }
  };
  // Two stores side by side: most of a life is waiting for a start.
  await Promise.all([chain(), chain()]);
}

async function fuzzAll(most: number, seeded: number, start: number): Promise<void> {
  const decoders = [...(await wireDecoders(seeded)), ...textDecoders(), ...(await storeDecoders())];
  await fuzzed(decoders, { most, seeded, start });
}

async function queries(most: number, seeded: number, start: number): Promise<void> {
  const LONGEST_MS = 1_000;
  const slowest = await fuzzed([await queryDecoder(seeded)], { most, seeded, start });
  if ([...slowest.values()].some(({ ms }) => ms > LONGEST_MS)) process.exitCode = 1;
}

async function fuzzed(
  decoders: readonly FuzzedDecoder[],
  { most, seeded, start }: { readonly most: number; readonly seeded: number; readonly start: number },
) {
  console.log(`${most} inputs, seed ${seeded}${start > 0 ? `, from ${start}` : ''}`);
  const every = Math.max(2_000, Math.round(most / 20 / 2_000) * 2_000);
  const { inputs, read, slowest } = await fuzz(decoders, {
    count: most,
    seed: seeded,
    from: start,
    onProgress: (done) => done % every === 0 && console.log(`${done} of ${most}`),
  });
  console.log(`${inputs} inputs for ${decoders.length} decoders kept every law; ${read} were read to their end`);
  for (const [name, { ms, input, bytes }] of slowest) {
    console.log(`  ${name}: the slowest took ${ms.toFixed(0)} ms of CPU (input ${input}, ${bytes} bytes)`);
  }
  return slowest;
}

async function notifications(most: number, seeded: number): Promise<void> {
  console.log(`${most} kills, seed ${seeded}`);
  try {
    const { alerts, messages, repeats, refused } = await killWhileTelling(most, generator(seeded), (done) => {
      if (done % 10 === 0) console.log(`${done} of ${most}`);
    });
    const again = `${repeats} came again under their own key, ${refused} were not taken at first`;
    console.log(`${most} kills: ${alerts} alerts in ${messages} messages, none lost, none under another key; ${again}`);
  } catch (error) {
    console.log((error as Error).message);
    process.exitCode = 1;
  }
}

async function costs(most: number, seeded: number): Promise<void> {
  console.log(`${most} kills, seed ${seeded}`);
  try {
    const { hours, alerts, messages } = await killWhileCounting(most, generator(seeded), (done) => {
      if (done % 10 === 0) console.log(`${done} of ${most}`);
    });
    const told = `${alerts} alerts in ${messages} messages, each with one beginning`;
    console.log(`${most} kills: ${hours} hours of spend, each once and to the millionth; ${told}`);
  } catch (error) {
    console.log((error as Error).message);
    process.exitCode = 1;
  }
}

async function promql(most: number, seeded: number, start: number): Promise<void> {
  const found = await findPrometheus();
  if (found === undefined || !found.today) {
    console.error(
      found === undefined ? NO_PROMETHEUS : 'this Prometheus is older than 3.x: ../shared/bin has one of today',
    );
    process.exitCode = 2;
    return;
  }
  console.log(`${most} questions, seed ${seeded}${start > 0 ? `, from ${start}` : ''}`);
  const every = Math.max(100, Math.round(most / 20));
  const { asked, refused, empty, mismatches } = await runDifferential(found, {
    count: most,
    seed: seeded,
    from: start,
    onMismatch: (mismatch) => console.log(describeMismatch(mismatch)),
    onProgress: (done) => done % every === 0 && console.log(`${done} of ${most}`),
  });
  const said = `${refused} refused by both, ${empty} with an empty answer`;
  console.log(`${asked} questions, ${said}: ${mismatches.length} answered otherwise`);
  process.exitCode = mismatches.length > 0 ? 1 : 0;
}
