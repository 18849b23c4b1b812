/** Whether counting began anew with a sample, which its start shows. 0 is an unset start. */
export function isStartReset(start: number, time: number, previousStart: number, previousTime: number): boolean {
  if (start === 0 || start >= time || start < previousTime) return false;
  if (start > previousTime) return true;
  // Where counting begins with the sample before: a delta, if that one had a start before itself, else a counter whose
  // start is not known, as OpenTelemetry describes it.
  return previousStart !== 0 && previousStart < previousTime;
}

/** Whether a sample says that it counts since before the sample before, and that one says another start. */
export function startsOverlap(start: number, previousStart: number, previousTime: number): boolean {
  return start !== 0 && start < previousTime && start !== previousStart;
}
