import type { KeyValue } from './key-value.ts';

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

/** A value of the small state as JSON. What JSON cannot say must not be in it. */
export function encodeJson(value: unknown): Uint8Array {
  return UTF8.encode(JSON.stringify(value));
}

/** @throws {SyntaxError} If the bytes are not JSON. */
export function decodeJson<T>(value: Uint8Array): T {
  return JSON.parse(FROM_UTF8.decode(value)) as T;
}

export async function readJson<T>(keyValue: Pick<KeyValue, 'read'>, key: string): Promise<T | undefined> {
  const value = await keyValue.read(key);
  return value === undefined ? undefined : decodeJson<T>(value);
}
