/** The parts of the built program, for tests that start it in their own process, with a clock of their own. */
const DIST = new URL('../dist/', import.meta.url);

export const { startApp } = (await import(new URL('app.js', DIST).href)) as typeof import('../src/app.ts');
export const { createLogger } = (await import(
  new URL('telemetry/logger.js', DIST).href
)) as typeof import('../src/telemetry/logger.ts');
