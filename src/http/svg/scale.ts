/** A straight map from a domain to a range of pixels. A domain without width maps to the middle. */
export interface Scale {
  (value: number): number;
  readonly domain: readonly [number, number];
  readonly range: readonly [number, number];
}

export function linearScale(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const [from, to] = domain;
  const [low, high] = range;
  const map = (value: number) => (to === from ? (low + high) / 2 : low + ((value - from) / (to - from)) * (high - low));
  return Object.assign(map, { domain, range });
}

/** Round numbers from zero up to the first that is not below `highest`: at most `count` + 1 of them. */
export function valueTicks(highest: number, count: number, whole = false): readonly number[] {
  const top = Number.isFinite(highest) && highest > 0 ? highest : 1;
  const raw = top / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  const step = whole ? Math.max(1, Math.ceil(factor * power)) : factor * power;
  const steps = Math.max(1, Math.ceil(top / step - 1e-9));
  return Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

export interface TimeTick {
  readonly time: number;
  /** Local: `08:00`, at midnight the day `Mon 3`. */
  readonly label: string;
}

const QUARTER_HOUR = 900_000;

/** The full local hours in the range that are multiples of `everyHours`. Zones may be off by quarters of an hour. */
export function timeTicks(start: number, end: number, everyHours: number, timeZone: string): readonly TimeTick[] {
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const day = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', day: 'numeric' });
  const ticks: TimeTick[] = [];
  for (let time = Math.ceil(start / QUARTER_HOUR) * QUARTER_HOUR; time <= end; time += QUARTER_HOUR) {
    const label = clock.format(time);
    if (!label.endsWith(':00') || Number(label.slice(0, 2)) % everyHours !== 0) continue;
    ticks.push({ time, label: label === '00:00' ? day.format(time) : label });
  }
  return ticks;
}

/** Round numbers inside a domain, about `count` of them. A domain without width has its one value. */
export function numberTicks([low, high]: readonly [number, number], count: number): readonly number[] {
  const width = high - low;
  if (!(width > 0) || !Number.isFinite(width)) return [low];
  const raw = width / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * (1 - 1e-9)) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const HOUR_MS = 3_600_000;
/** Distances between marks of time that people count in: from a second to a year. */
const STEPS_MS = [
  ...[1, 5, 15, 30, 60, 300, 900, 1800].map((seconds) => seconds * 1000),
  ...[1, 3, 6, 12, 24, 48, 168, 336, 730, 2190, 8760].map((hours) => hours * HOUR_MS),
];

/** Marks of time in UTC, about `count` of them: hours and minutes within days, the day where one begins, else dates. */
export function utcTicks([start, end]: readonly [number, number], count: number): readonly TimeTick[] {
  const stepMs = STEPS_MS.find((step) => (end - start) / step <= count) ?? STEPS_MS.at(-1)!;
  const words = (options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', ...options });
    return (time: number) => format.format(time);
  };
  const clock = words({
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(stepMs < 60_000 && { second: '2-digit' }),
  });
  const day = words({ day: 'numeric', month: 'short' });
  const month = words({ month: 'short', year: 'numeric' });
  const ticks: TimeTick[] = [];
  for (let time = Math.ceil(start / stepMs) * stepMs; time <= end; time += stepMs) {
    const label = stepMs >= 730 * HOUR_MS ? month(time) : time % (24 * HOUR_MS) === 0 ? day(time) : clock(time);
    ticks.push({ time, label });
  }
  return ticks;
}
