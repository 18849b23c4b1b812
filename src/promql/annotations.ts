import { positionOf, type Span } from './span.ts';

/** Collects what a query's author should know. A text is kept once, at the first place that it arose. */
export interface Annotations {
  warn(message: string, span: Span): void;
  /** `details` follow the message but do not make it another one. */
  info(message: string, span: Span, details?: string): void;
}

export interface CollectedAnnotations extends Annotations {
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** As Prometheus writes them: `PromQL warning: … (1:5)`. */
export function collectAnnotations(query: string): CollectedAnnotations {
  const seen = new Set<string>();
  const warnings: string[] = [];
  const infos: string[] = [];
  const add = (list: string[], text: string, span: Span, details = ''): void => {
    if (seen.has(text)) return;
    seen.add(text);
    const { line, column } = positionOf(query, span);
    list.push(`${text}${details} (${line}:${column})`);
  };
  return {
    warnings,
    infos,
    warn: (message, span) => add(warnings, `PromQL warning: ${message}`, span),
    info: (message, span, details) => add(infos, `PromQL info: ${message}`, span, details),
  };
}
