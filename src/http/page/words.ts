import { formatDuration, MINUTE } from '../../model/time.ts';

/** A number for reading: three or four digits that count, thousands as `12.3k`. */
export function amount(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`;
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e4) return `${trimmed(value / 1e3)}k`;
  if (size >= 100) return String(Math.round(value));
  return trimmed(value);
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function whole(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: 0 });
}

/** `3h20m`: to the minute, under an hour to the second. */
export function duration(lengthMs: number): string {
  const unit = lengthMs >= 60 * MINUTE ? MINUTE : 1000;
  return formatDuration(Math.round(lengthMs / unit) * unit);
}

/** `14:05`, with the day where it is not today: `Sun 2 14:05`. */
export function localTime(time: number, now: number, timeZone: string): string {
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const day = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', day: 'numeric' });
  const sameDay = day.format(time) === day.format(now) && Math.abs(now - time) < 86_400_000;
  return sameDay ? clock.format(time) : `${day.format(time)} ${clock.format(time)}`;
}
