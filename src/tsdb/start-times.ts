/**
 * When a series began to count, by the times of its samples: a step function that is stored where it changes. 0 is
 * "unset", which it is before the first change.
 */
export class StartTimes {
  #times: number[] = [];
  #starts: number[] = [];

  get changes(): number {
    return this.#times.length;
  }

  /** The start of a sample of this time. */
  at(time: number): number {
    const after = this.#after(time);
    return after === 0 ? 0 : this.#starts[after - 1]!;
  }

  /** From this time on, to the next change. Idempotent. */
  put(time: number, start: number): void {
    const after = this.#after(time);
    if (after > 0 && this.#times[after - 1] === time) {
      this.#starts[after - 1] = start;
      return;
    }
    this.#times.splice(after, 0, time);
    this.#starts.splice(after, 0, start);
  }

  has(time: number): boolean {
    const after = this.#after(time);
    return after > 0 && this.#times[after - 1] === time;
  }

  /** What is in force at `from`, and each change up to `to`. */
  within(from: number, to: number): { readonly times: Float64Array; readonly starts: Float64Array } {
    const first = Math.max(0, this.#after(from) - 1);
    const end = this.#after(to);
    return {
      times: Float64Array.from(this.#times.slice(first, end)),
      starts: Float64Array.from(this.#starts.slice(first, end)),
    };
  }

  /** Forgets what samples from `floor` on do not need. Returns how many changes went. */
  dropBefore(floor: number): number {
    const gone = Math.max(0, this.#after(floor) - 1);
    this.#times.splice(0, gone);
    this.#starts.splice(0, gone);
    return gone;
  }

  /** How many changes are at or before this time. */
  #after(time: number): number {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]! <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
