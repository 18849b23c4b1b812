import type { LoopTelemetry } from '../loops/telemetry.ts';

export interface RecordedTelemetry extends LoopTelemetry {
  /** Counts by name and labels: `loopSkips{loop=scale,reason=conflict}`. */
  readonly counts: ReadonlyMap<string, number>;
  /** What was logged as a warning or an error. */
  readonly complaints: readonly string[];
}

/** Keeps what loops count and complain about, for a test to look at. */
export function recordedTelemetry(): RecordedTelemetry {
  const counts = new Map<string, number>();
  const complaints: string[] = [];
  return {
    counts,
    complaints,
    span: (_name, _attributes, action) => action(),
    count(name, labels = {}) {
      const key = `${name}{${Object.entries(labels)
        .map(([label, value]) => `${label}=${value}`)
        .join()}}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
    gauge: () => {},
    time: () => {},
    log: {
      info: () => {},
      warn: (_, message) => complaints.push(message),
      error: (_, message) => complaints.push(message),
    },
  };
}
