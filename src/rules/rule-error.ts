/** A rule cannot be evaluated at one time. The message says why, in Prometheus's words. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
}
