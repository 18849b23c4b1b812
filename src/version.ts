import { createRequire } from 'node:module';

/** The program's version, from its package. */
export const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { readonly version: string };
