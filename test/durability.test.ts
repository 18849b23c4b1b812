import { expect, test } from 'vitest';
import { generator, killAgainAndAgain } from './kills/kill-load.ts';

/** More of them for a longer look: `npm run torture -- kills`. */
const KILLS = Number(process.env['DURABILITY_KILLS'] ?? 2);
const SEED = Number(process.env['DURABILITY_SEED'] ?? 1);
/** Stores of their own side by side, each with its share of the kills: most of a life is waiting for a start. */
const CHAINS = 2;

test(
  `${KILLS} kills at random moments lose no acknowledged sample, and invent none`,
  async () => {
    const chains = Array.from({ length: CHAINS }, (_, chain) =>
      killAgainAndAgain(Math.ceil((KILLS - chain) / CHAINS), generator(SEED + chain)),
    );
    const outcomes = await Promise.all(chains);
    const read = outcomes.reduce((sum, outcome) => sum + outcome.read, 0);
    const retries = outcomes.reduce((sum, outcome) => sum + outcome.retries, 0);
    // Every life but those that end before they answer has acknowledged a request of 120 samples.
    expect(read).toBeGreaterThanOrEqual(KILLS * 100);
    process.stdout.write(`${KILLS} kills: ${read} acknowledged samples read back, ${retries} requests sent again\n`);
  },
  // A life is the program's start and a fraction of a second; a busy machine takes many times as long.
  60_000 + KILLS * 30_000,
);
