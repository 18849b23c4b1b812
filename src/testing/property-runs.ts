/** Runs of the longest properties: CI makes 400. */
export const PROPERTY_RUNS = Number(process.env['PROPERTY_RUNS'] ?? 100);
