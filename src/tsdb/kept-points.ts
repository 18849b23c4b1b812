import { DAY, type Millis } from '../model/time.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import type { TierLimits } from './limits.ts';

const PREFIX = 'points-kept/';
/** Of a length of which nothing is known: as long as a policy's demand. */
const UNKNOWN_MS = 400 * DAY;

/**
 * How long points of each length are kept, in ms: as the settings say, and where these have the length no longer, as
 * they said last. A setting that is taken out makes no more points, and deletes none before its time.
 */
export async function openKeptPoints(
  keyValue: KeyValue,
  tiers: readonly TierLimits[],
): Promise<(stepMs: number) => Millis> {
  const kept = new Map<number, Millis>();
  for await (const [key, value] of keyValue.list(keysUnder(PREFIX))) {
    kept.set(Number(key.slice(PREFIX.length)), Number(JSON.parse(new TextDecoder().decode(value))));
  }
  const changed = tiers.filter(({ stepMs, keepMs }) => kept.get(stepMs) !== keepMs);
  await keyValue.write(
    changed.map(({ stepMs, keepMs }) => ({
      key: `${PREFIX}${stepMs}`,
      value: new TextEncoder().encode(JSON.stringify(keepMs)),
    })),
  );
  for (const { stepMs, keepMs } of changed) kept.set(stepMs, keepMs);
  return (stepMs) => kept.get(stepMs) ?? UNKNOWN_MS;
}
