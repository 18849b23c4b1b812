/** Runs of the longest properties every day: CI makes 400. */
export const PROPERTY_RUNS = Number(process.env['PROPERTY_RUNS'] ?? 60);
