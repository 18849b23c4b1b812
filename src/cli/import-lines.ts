import { type Labels, labelsKey } from '../model/labels.ts';
import { isStaleMarker } from '../model/series.ts';

/** Samples that are held before their lines are sent. */
const SAMPLES_AT_ONCE = 100_000;

/** Collects samples of any series as lines for the import route. */
export class ImportLines {
  #bySeries = new Map<string, { readonly labels: Labels; readonly values: string[]; readonly timestamps: number[] }>();
  held = 0;

  get isFull(): boolean {
    return this.held >= SAMPLES_AT_ONCE;
  }

  /** @param value As `jsonValue` writes it. @param key Of the labels, where it is known. */
  add(labels: Labels, time: number, value: string, key = labelsKey(labels)): void {
    let series = this.#bySeries.get(key);
    if (series === undefined) {
      series = { labels, values: [], timestamps: [] };
      this.#bySeries.set(key, series);
    }
    series.values.push(value);
    series.timestamps.push(time);
    this.held++;
  }

  /** What was collected, which is then forgotten. */
  take(): readonly string[] {
    const lines = [...this.#bySeries.values()].map(({ labels, values, timestamps }) => {
      const metric = labels.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
      return `{"metric":{${metric}},"values":[${values}],"timestamps":[${timestamps}]}`;
    });
    this.#bySeries = new Map();
    this.held = 0;
    return lines;
  }
}

/** A value as the import route reads it, to the bit: JSON has no word for some. */
export function jsonValue(value: number): string {
  if (Number.isNaN(value)) return 'null';
  if (!Number.isFinite(value)) return value > 0 ? '"Infinity"' : '"-Infinity"';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The same of a value in memory, which may be a staleness marker. */
export function jsonValueAt(values: Float64Array, index: number): string {
  return isStaleMarker(values, index) ? '"stale"' : jsonValue(values[index]!);
}
