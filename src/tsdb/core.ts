import { readFile } from 'node:fs/promises';
import type { OtlpCore } from '../wire/otlp-core.ts';
import type { SampleTextCore } from '../wire/sample-text.ts';
import type { WireCore } from '../wire/wire-core.ts';
import type { LabelExports } from './label-texts.ts';
import type { LiveExports } from './live-samples.ts';

/** What `assembly/` exports. Addresses and lengths are bytes in `memory`, which moves when it grows. */
export interface CoreExports extends LiveExports, LabelExports, WireCore, OtlpCore, SampleTextCore {}

/** Beside the compiled program; `npm run build` puts it there, also for what runs from the sources. */
const FILE = new URL('../../dist/assembly/core.wasm', import.meta.url);

/** Compiled once; every store has an instance of its own. */
let compiled: Promise<WebAssembly.Module> | undefined;

/** The hot paths of ingest and store, in memory of their own. One for each store. */
export async function loadCore(): Promise<CoreExports> {
  compiled ??= compile();
  const { exports } = await WebAssembly.instantiate(await compiled, {});
  return exports as unknown as CoreExports;
}

async function compile(): Promise<WebAssembly.Module> {
  const bytes = await readFile(FILE).catch((cause: unknown) => {
    throw new Error(`cannot read ${FILE.pathname}: "npm run build" makes it`, { cause });
  });
  return await WebAssembly.compile(bytes);
}
