import { Option } from 'commander';
import type { Regressor } from '../forecast/regressor/regressor.ts';
import { loadRegressorFrom, SHIPPED_MODEL } from '../workers/load-regressor.ts';

/** `--no-network`: forecasts without the network, to compare with. */
export function networkOption(): Option {
  return new Option('--no-network', 'leave the pre-trained network out');
}

/** The network that comes with the program. Where it cannot be used, forecasts go on without it, and standard error says why. */
export async function regressorOption(wanted: boolean): Promise<{ readonly regressor?: Regressor }> {
  if (!wanted) return {};
  const loaded = await loadRegressorFrom(SHIPPED_MODEL);
  if (loaded.kind === 'unusable') {
    console.error(`${loaded.message} (${loaded.code}); forecasts are made without the network`);
    return {};
  }
  if (loaded.note !== undefined) console.error(loaded.note);
  return { regressor: loaded.regressor };
}
