/**
 * Evidence against "nothing has changed", gathered one observation after another: the CUSUM of likelihood ratios, or of
 * bets, whose mean is at most 1 while nothing has. It begins at 1, and what speaks for no change never counts below
 * that, so that a change is not hidden by the good times before it.
 *
 * Where it is judged to be enough at `limit`, false alarms are at least `limit` observations apart in the mean (Lorden,
 * "Procedures for reacting to a change in distribution", 1971, for likelihood ratios; Shin, Ramdas and Rinaldo,
 * "E-detectors", 2022, for bets). It stops growing there: what has been enough for long is taken back as fast as what
 * has just become enough.
 */
export function gathered(evidence: number, factor: number, limit: number): number {
  return Math.min(limit, Math.max(1, evidence) * factor);
}
