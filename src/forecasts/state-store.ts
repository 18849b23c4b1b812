import type { DemandKey } from '../model/issued-forecast.ts';
import type { SavedForecaster } from '../model/saved-forecaster.ts';
import type { TenantId } from '../model/tenant.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';

/** One tenant's forecasters over a restart. */
export interface TenantForecasterStates {
  /** Undefined where there is none; `unreadable` where there is one of another version, or a damaged one. */
  read(key: DemandKey): Promise<SavedForecaster | 'unreadable' | undefined>;
  write(key: DemandKey, saved: SavedForecaster): Promise<void>;
  remove(key: DemandKey): Promise<void>;
}

export interface ForecasterStates {
  tenant(id: TenantId): TenantForecasterStates;
  /** Deletes those of policies that are not in force. @returns How many. */
  sweep(
    inForce: readonly { readonly tenant: TenantId; readonly namespace: string; readonly policy: string }[],
  ): Promise<number>;
}

/** The first byte of every stored state. What the forecaster itself wrote has a version of its own. */
const FORMAT_VERSION = 1;
const PREFIX = 'forecaster-state/';

/** Opens the store on a `KeyValue`. Keys and bytes: docs/reference/on-disk-format.md. */
export function openForecasterStates(keyValue: KeyValue): ForecasterStates {
  return {
    tenant: (tenant) => ({
      async read(key) {
        const bytes = await keyValue.read(keyOf(tenant, key));
        return bytes && decodeSaved(bytes);
      },
      write: (key, saved) => keyValue.write([{ key: keyOf(tenant, key), value: encodeSaved(saved) }]),
      remove: (key) => keyValue.write([{ key: keyOf(tenant, key), value: undefined }]),
    }),
    async sweep(inForce) {
      const kept = new Set(inForce.map(({ tenant, namespace, policy }) => `${tenant}/${namespace}/${policy}`));
      const changes: KeyChange[] = [];
      for await (const [key] of keyValue.list(keysUnder(PREFIX))) {
        const policy = key.slice(PREFIX.length, key.lastIndexOf('/'));
        if (!kept.has(policy)) changes.push({ key, value: undefined });
      }
      if (changes.length > 0) await keyValue.write(changes);
      return changes.length;
    },
  };
}

/** The version, the length of the header (32 bits), the header as JSON, then the forecaster's own bytes. */
function encodeSaved({ state, ...header }: SavedForecaster): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(5 + json.length + state.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setUint32(1, json.length, true);
  bytes.set(json, 5);
  bytes.set(state, 5 + json.length);
  return bytes;
}

function decodeSaved(bytes: Uint8Array): SavedForecaster | 'unreadable' {
  if (bytes.length < 5 || bytes[0] !== FORMAT_VERSION) return 'unreadable';
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true);
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(5, 5 + length))) as Omit<
      SavedForecaster,
      'state'
    >;
    return { ...header, state: bytes.slice(5 + length) };
  } catch {
    return 'unreadable';
  }
}

function keyOf(tenant: TenantId, { namespace, policy, demand }: DemandKey): string {
  return `${PREFIX}${tenant}/${namespace}/${policy}/${demand}`;
}
