import { setStaleMarker } from '../../model/series.ts';
import type { Millis } from '../../model/time.ts';
import type { WriteBatch } from '../../storage/write.ts';

/** Samples in columns that grow. */
export class Columns {
  /** References, or whatever stands for a series. */
  refs: Uint32Array<ArrayBuffer>;
  times: Float64Array<ArrayBuffer>;
  values: Float64Array<ArrayBuffer>;
  /** Since when each counts; 0: it does not say. Undefined while none says. */
  starts: Float64Array<ArrayBuffer> | undefined;
  length = 0;

  constructor(capacity: number) {
    this.refs = new Uint32Array(capacity);
    this.times = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
  }

  add(ref: number, time: Millis, value: number, start: Millis = 0): void {
    if (this.length === this.refs.length) this.#grow();
    if (start !== 0) this.starts ??= new Float64Array(this.refs.length);
    if (this.starts !== undefined) this.starts[this.length] = start;
    this.refs[this.length] = ref;
    this.times[this.length] = time;
    this.values[this.length++] = value;
  }

  addStale(ref: number, time: Millis): void {
    this.add(ref, time, 0);
    setStaleMarker(this.values, this.length - 1);
  }

  clear(): void {
    this.length = 0;
    this.starts = undefined;
  }

  /** What was added. */
  get batch(): WriteBatch {
    const { refs, times, values, starts, length } = this;
    const batch = {
      refs: refs.subarray(0, length),
      times: times.subarray(0, length),
      values: values.subarray(0, length),
    };
    return starts === undefined ? batch : { ...batch, starts: starts.subarray(0, length) };
  }

  #grow(): void {
    const { refs, times, values } = this;
    const wider = Math.max(16, refs.length * 2);
    this.refs = new Uint32Array(wider);
    this.times = new Float64Array(wider);
    this.values = new Float64Array(wider);
    this.refs.set(refs);
    this.times.set(times);
    this.values.set(values);
    if (this.starts === undefined) return;
    const { starts } = this;
    this.starts = new Float64Array(wider);
    this.starts.set(starts);
  }
}
