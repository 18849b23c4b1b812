/**
 * What loops tell of themselves. The names of counts, gauges and timings are those of `createMetrics`, so the
 * composition root passes them on without a table; `span` is `withSpan`; `log` is a pino logger.
 */
export interface LoopTelemetry {
  span<T>(name: string, attributes: Readonly<Record<string, string>>, action: () => Promise<T>): Promise<T>;
  count(name: LoopCount, labels?: Readonly<Record<string, string>>): void;
  gauge(name: LoopGauge, labels: Readonly<Record<string, string>>, value: number): void;
  time(name: LoopTiming, labels: Readonly<Record<string, string>>, seconds: number): void;
  readonly log: LoopLog;
}

export type LoopCount =
  | 'loopPasses'
  | 'loopSkips'
  | 'loopFailures'
  | 'forecastsFitted'
  | 'refits'
  | 'statesDiscarded'
  | 'forecastsFailed'
  | 'demotions'
  | 'decisions'
  | 'boundsWrites'
  | 'statusWrites'
  | 'trainings'
  | 'trainingFailures'
  | 'networkUnusable'
  | 'anomalies'
  | 'watchSkips';
export type LoopGauge =
  | 'loopLastPass'
  | 'floor'
  | 'ceiling'
  | 'wanted'
  | 'leadTime'
  | 'demoted'
  | 'trainingEpoch'
  | 'networkLoss'
  | 'watchedSeries'
  | 'anomaliesNow';
export type LoopTiming = 'loopSeconds' | 'forecastSeconds' | 'watchSeconds';

export interface LoopLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A short stable word for an error, as a metric's label: its code where it has one. */
export function reasonOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : 'unknown';
}
