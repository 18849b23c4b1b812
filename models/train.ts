/**
 * Trains the shipped network again, from ../shared/data and generated series. Run: npm run train:regressor -- [--seed 1]
 * [--rows 120000] [--epochs 20] [--units 64] [--without crane-k8s,azure-vm] [--out models]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatModel, WEIGHTS_FILE } from '../src/forecast/regressor/model-file.ts';
import { SHIPPED, trainAcrossSets } from './train-network.ts';

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: String(SHIPPED.seed) },
    rows: { type: 'string', default: String(SHIPPED.rows) },
    epochs: { type: 'string', default: String(SHIPPED.epochs) },
    units: { type: 'string', default: String(SHIPPED.units) },
    without: { type: 'string', default: '' },
    out: { type: 'string', default: new URL('.', import.meta.url).pathname },
  },
});

const { file, validation, epochs } = await trainAcrossSets({
  seed: Number(flags.seed),
  rows: Number(flags.rows),
  epochs: Number(flags.epochs),
  units: Number(flags.units),
  without: flags.without.split(',').filter((set) => set !== ''),
  say: console.log,
});
const bytes = formatModel(file);
mkdirSync(flags.out, { recursive: true });
writeFileSync(join(flags.out, 'model.json'), bytes.model);
writeFileSync(join(flags.out, WEIGHTS_FILE), bytes.weights);
const parameters = file.weights.reduce((sum, { values }) => sum + values.length, 0);
const { user, system } = process.cpuUsage();
console.log(
  `version ${file.version}: ${parameters} weights, ${epochs} epochs, validation loss ${validation.toFixed(4)}, ${((user + system) / 1e6).toFixed(0)} s of CPU; written to ${flags.out}`,
);
