/** A decoded `AnyValue`. Numbers outside of what a double holds exactly are bigints. */
export type AttributeValue =
  | string
  | boolean
  | number
  | bigint
  | Uint8Array
  | readonly AttributeValue[]
  | ReadonlyMap<string, AttributeValue>
  | undefined;

/**
 * An attribute's value as a label's: texts as they are, lists and maps as JSON with sorted keys, bytes in base64, no
 * value as nothing. As the OpenTelemetry Collector turns values into texts.
 */
export function attributeText(value: AttributeValue): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return base64(value);
  if (typeof value === 'object') return jsonOf(value);
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

function jsonOf(value: AttributeValue): string {
  if (value === undefined) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : JSON.stringify(attributeText(value));
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return JSON.stringify(base64(value));
  if (value instanceof Map) {
    const sorted = [...value].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${sorted.map(([key, each]) => `${JSON.stringify(key)}:${jsonOf(each)}`).join(',')}}`;
  }
  return `[${(value as readonly AttributeValue[]).map(jsonOf).join(',')}]`;
}

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
