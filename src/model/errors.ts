/**
 * An error that a client may branch on. Every `code` has an entry in docs/errors.md (a test checks that).
 * Messages say what could not be done, then why.
 */
export abstract class CodedError extends Error {
  /** Stable id, snake case. Never changes meaning once released. */
  abstract readonly code: string;
}
