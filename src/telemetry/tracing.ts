import { type Attributes, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

const TRACER = 'foresail';

/**
 * Runs `action` inside a span, which ends with it and records its error. Does nothing of the kind while no
 * OpenTelemetry SDK is registered (docs/how-to/tracing.md says how to register one).
 */
export function withSpan<T>(name: string, attributes: Attributes, action: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer(TRACER).startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await action(span);
    } catch (error) {
      span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: String((error as Error).message ?? error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
