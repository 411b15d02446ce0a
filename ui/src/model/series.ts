// A short history of one number, and rates out of counters.

/** The latest `capacity` samples of a number, with the times (ms) at which they were taken. */
export class Series {
  private readonly times: Float64Array;
  private readonly values: Float64Array;
  private start = 0;
  private filled = 0;

  constructor(readonly capacity: number = 121) {
    this.times = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
  }

  get length(): number {
    return this.filled;
  }

  clear(): void {
    this.start = 0;
    this.filled = 0;
  }

  /** Times only grow: a sample of the same time replaces the last one, an earlier one is left out. */
  push(time: number, value: number): void {
    if (this.filled > 0) {
      const last = (this.start + this.filled - 1) % this.capacity;
      const lastTime = this.times[last] ?? 0;
      if (time < lastTime) return;
      if (time === lastTime) {
        this.values[last] = value;
        return;
      }
    }
    if (this.filled < this.capacity) ++this.filled;
    else this.start = (this.start + 1) % this.capacity;
    const at = (this.start + this.filled - 1) % this.capacity;
    this.times[at] = time;
    this.values[at] = value;
  }

  /** Sample `index`, the oldest is 0. */
  time(index: number): number {
    return this.times[(this.start + index) % this.capacity] ?? 0;
  }

  value(index: number): number {
    return this.values[(this.start + index) % this.capacity] ?? 0;
  }

  get last(): number | null {
    return this.filled === 0 ? null : this.value(this.filled - 1);
  }
}

/**
 * A counter of the server, which only grows until the process restarts. A smaller value is a restart: the history
 * before it says nothing about the rate after it, and is forgotten.
 */
export class Counter {
  private readonly samples: Series;
  /** The rate over each interval between two samples: what a sparkline shows. */
  readonly rates: Series;

  constructor(capacity: number = 121) {
    this.samples = new Series(capacity);
    this.rates = new Series(capacity);
  }

  push(time: number, value: number): void {
    const before = this.samples.last;
    if (before !== null && value < before) {
      this.samples.clear();
      this.rates.clear();
    }
    const at = this.samples.length - 1;
    if (at >= 0) {
      const seconds = (time - this.samples.time(at)) / 1000;
      if (seconds > 0) this.rates.push(time, (value - this.samples.value(at)) / seconds);
    }
    this.samples.push(time, value);
  }

  /** A second, over the latest `seconds`; null while there is nothing to compare. */
  rate(seconds: number = 5): number | null {
    const last = this.samples.length - 1;
    if (last < 1) return null;
    const end = this.samples.time(last);
    let from = last - 1;
    while (from > 0 && end - this.samples.time(from - 1) <= seconds * 1000 + 50) --from;
    const elapsed = (end - this.samples.time(from)) / 1000;
    return elapsed > 0 ? (this.samples.value(last) - this.samples.value(from)) / elapsed : null;
  }

  /** How much it grew over the latest `seconds`, or since it is watched. */
  grown(seconds: number): number {
    const last = this.samples.length - 1;
    if (last < 1) return 0;
    const end = this.samples.time(last);
    let from = last;
    while (from > 0 && end - this.samples.time(from - 1) <= seconds * 1000) --from;
    return this.samples.value(last) - this.samples.value(from);
  }
}
