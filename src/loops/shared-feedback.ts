import type { Anomaly, Feedback } from '../anomaly/anomaly.ts';
import { nanJson } from '../anomaly/watched-series.ts';
import type { Clock } from '../model/clock.ts';
import { type SharedChange, type SharedRecords, SharedRecordsError } from '../model/shared-records.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis } from '../model/time.ts';
import { openRest } from '../model/wake.ts';
import { encodeJson, readJson } from '../storage/json-value.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';

export interface SharedFeedbackDeps {
  readonly records: SharedRecords;
  readonly keyValue: KeyValue;
  readonly clock: Clock;
  /** Keeps and teaches it here. False: neither the anomaly nor its series is known here, or not yet. */
  readonly apply: (tenant: TenantId, anomaly: Anomaly, feedback: Feedback) => Promise<boolean>;
  readonly fault: (error: unknown) => void;
}

interface Said {
  readonly anomaly: Anomaly;
  readonly feedback: Feedback;
}

const APPLIED = 'feedback-applied/';
const EVERY_MS = MINUTE;
/** A lesson holds for three months. */
const KEPT_MS = 90 * DAY;
/** What is known nowhere after so long is of something that is watched no more. */
const TRIED_FOR_MS = DAY;
/** Of all tenants: the oldest go. */
const MOST = 1000;
const UTF8 = new TextDecoder();

/** What people say of anomalies reaches every replica: each of them judges all series, with a memory of its own. */
export function openSharedFeedback({ records, keyValue, clock, apply, fault }: SharedFeedbackDeps) {
  const rest = openRest(clock);
  records.onChange(() => rest.wake());

  async function pass(): Promise<void> {
    const all = records.list('feedback');
    for (const [key, text] of all) {
      const { anomaly, feedback } = parse(text);
      if ((await readJson<Millis>(keyValue, `${APPLIED}${key}`)) === feedback.at) continue;
      const tenant = key.slice(0, key.indexOf('/')) as TenantId;
      const isKnown = await apply(tenant, anomaly, feedback);
      if (isKnown || clock.now() - feedback.at > TRIED_FOR_MS) await applied(key, feedback);
    }
    const gone: string[] = [];
    if (records.isKnown()) {
      for await (const [key] of keyValue.list(keysUnder(APPLIED))) {
        if (!all.has(key.slice(APPLIED.length))) gone.push(key);
      }
    }
    if (gone.length > 0) await keyValue.write(gone.map((key) => ({ key, value: undefined })));
  }

  async function applied(key: string, { at }: Feedback): Promise<void> {
    await keyValue.write([{ key: `${APPLIED}${key}`, value: encodeJson(at) }]);
  }

  return {
    /**
     * Resolves when every replica will hear of it.
     * @throws {SharedRecordsError} If they will not.
     */
    async say(tenant: TenantId, anomaly: Anomaly, feedback: Feedback): Promise<void> {
      const key = `${tenant}/${anomaly.id}`;
      const text = UTF8.decode(nanJson.encode({ anomaly, feedback } satisfies Said));
      const old = [...records.list('feedback')]
        .map(([of, said]) => ({ of, at: parse(said).feedback.at }))
        .filter(({ of }) => of !== key)
        .sort((a, b) => b.at - a.at)
        .filter(({ at }, i) => i >= MOST - 1 || clock.now() - at > KEPT_MS)
        .map(({ of }): SharedChange => ({ topic: 'feedback', key: of, text: undefined }));
      const full = await records.write([...old, { topic: 'feedback', key, text }]);
      if (full.length > 0) throw new SharedRecordsError('cannot keep what was said: there is no room for it');
      await applied(key, feedback);
    },
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        try {
          await pass();
        } catch (error) {
          fault(error);
        }
        try {
          await rest.rest(EVERY_MS, signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        }
      }
    },
  };
}

function parse(text: string): Said {
  return nanJson.decode<Said>(new TextEncoder().encode(text));
}
