import { positionOf, type Span } from './span.ts';

/** What follows an annotation's text. One that arises again adds to it. */
export interface Details<T = unknown> {
  readonly value: T;
  readonly text: string;
  with(other: T): Details<T>;
}

/** Collects what a query's author should know. A text is kept once, at the last place that it arose, as in Prometheus. */
export interface Annotations {
  warn(message: string, span: Span): void;
  /** `details` follow the message but do not make it another one. */
  info<T>(message: string, span: Span, details?: Details<T>): void;
}

export interface CollectedAnnotations extends Annotations {
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** As Prometheus writes them: `PromQL warning: … (1:5)`. */
export function collectAnnotations(query: string): CollectedAnnotations {
  const warnings = new Map<string, Kept>();
  const infos = new Map<string, Kept>();
  const add = (to: Map<string, Kept>, text: string, span: Span, details?: Details): void => {
    const before = to.get(text)?.details;
    to.set(text, { span, details: joinedDetails(before, details) });
  };
  const texts = (all: ReadonlyMap<string, Kept>): readonly string[] =>
    [...all].map(([text, { span, details }]) => {
      const { line, column } = positionOf(query, span);
      return `${text}${details?.text ?? ''} (${line}:${column})`;
    });
  return {
    get warnings() {
      return texts(warnings);
    },
    get infos() {
      return texts(infos);
    },
    warn: (message, span) => add(warnings, `PromQL warning: ${message}`, span),
    info: (message, span, details) => add(infos, `PromQL info: ${message}`, span, details as Details | undefined),
  };
}

/** Of what arises again. */
export function joinedDetails(before: Details | undefined, details: Details | undefined): Details | undefined {
  return details === undefined ? before : (before?.with(details.value) ?? details);
}

interface Kept {
  readonly span: Span;
  readonly details: Details | undefined;
}
