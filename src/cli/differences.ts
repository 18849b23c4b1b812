/** Where two JSON values differ, each as `path: recorded A, computed B`. Object keys may stand in any order. */
export function differences(recorded: unknown, computed: unknown, path = ''): readonly string[] {
  if (Object.is(recorded, computed)) return [];
  if (Array.isArray(recorded) && Array.isArray(computed)) {
    const length = Math.max(recorded.length, computed.length);
    return Array.from({ length }, (_, i) => differences(recorded[i], computed[i], `${path}[${i}]`)).flat();
  }
  if (isRecord(recorded) && isRecord(computed)) {
    const keys = [...new Set([...Object.keys(recorded), ...Object.keys(computed)])];
    return keys.flatMap((key) => differences(recorded[key], computed[key], path === '' ? key : `${path}.${key}`));
  }
  return [
    `${path}: recorded ${JSON.stringify(recorded) ?? 'nothing'}, computed ${JSON.stringify(computed) ?? 'nothing'}`,
  ];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
