import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Anomaly, AnomalyDemand, Feedback } from '../anomaly/anomaly.ts';
import type { Incident } from '../anomaly/incident.ts';
import type { ConfirmedAnomaly } from '../anomaly/left-out.ts';
import { nanJson } from '../anomaly/watched-series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis, type TimeRange } from '../model/time.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';

export interface AnomalyQuery {
  /** Anomalies that lasted at some time of it. */
  readonly range: TimeRange;
  readonly limit: number;
  readonly isMeant?: (anomaly: Anomaly) => boolean;
}

/** Where a watch is: what it learnt before `since` it does not tell, and `through` was judged last. */
interface Head {
  readonly fingerprint: string;
  readonly since: Millis;
  readonly through: Millis;
}

export type AnomalyStore = ReturnType<typeof openAnomalyStore>;
export type TenantAnomalies = ReturnType<AnomalyStore['tenant']>;

const KEPT_MS = 400 * DAY;
/** Without leaving the thread to others. */
const READ_AT_ONCE = 100;
/** None lasts longer, but for one whose series came seldom. */
const MOST_MS = 8 * DAY;
/** The last time whose digits sort as text. */
const LAST: Millis = 99_999_999_999_998;

/** Anomalies, what was said of them, their incidents, and the state of what is watched. Keys: docs/reference/on-disk-format.md. */
export function openAnomalyStore(keyValue: KeyValue) {
  /** By tenant and demand, from when a tenant's are first asked for: every fit asks, and a tenant may have thousands. */
  const confirmed = new Map<TenantId, Promise<Map<string, Map<string, Confirmed>>>>();

  function confirmedOf(id: TenantId, list: List): Promise<Map<string, Map<string, Confirmed>>> {
    let known = confirmed.get(id);
    if (known === undefined) {
      known = readConfirmed(list);
      confirmed.set(id, known);
      // It is read again when it is next asked for.
      known.catch(() => confirmed.delete(id));
    }
    return known;
  }

  /** What was written is known. */
  async function noteConfirmed(id: TenantId, anomalies: readonly Anomaly[]): Promise<void> {
    const known = await confirmed.get(id);
    if (known !== undefined) for (const anomaly of anomalies) note(known, anomaly);
  }

  function tenant(id: TenantId) {
    const prefix = `anomaly/${id}/`;
    const keyOf = (anomaly: string) => {
      const since = Number.parseInt(anomaly.slice(0, anomaly.indexOf('-')), 36);
      return Number.isFinite(since) ? `${prefix}${digits(since)}/${anomaly}` : undefined;
    };

    async function read(anomaly: string): Promise<Anomaly | undefined> {
      const key = /^[0-9a-z]{1,12}-[0-9a-z]{1,12}$/.test(anomaly) ? keyOf(anomaly) : undefined;
      const bytes = key === undefined ? undefined : await keyValue.read(key);
      return bytes && nanJson.decode<Anomaly>(bytes);
    }

    async function list({ range, limit, isMeant = () => true }: AnomalyQuery): Promise<readonly Anomaly[]> {
      const found: Anomaly[] = [];
      const keys = { gte: `${prefix}${digits(range.start - MOST_MS)}`, lt: `${prefix}${digits(range.end + 1)}` };
      let read = 0;
      for await (const [, bytes] of keyValue.list({ ...keys, reverse: true })) {
        if (++read % READ_AT_ONCE === 0) await yieldTurn();
        const anomaly = nanJson.decode<Anomaly>(bytes);
        if ((anomaly.endedAt ?? Number.POSITIVE_INFINITY) < range.start || !isMeant(anomaly)) continue;
        found.push(anomaly);
        if (found.length >= limit) break;
      }
      return found;
    }

    return {
      read,
      /** Newest first. */
      list,
      /** Keeps what is known of them now; what was said of them stays. @returns Those that are new. */
      async put(anomalies: readonly Anomaly[]): Promise<readonly Anomaly[]> {
        const fresh: Anomaly[] = [];
        const kept: Anomaly[] = [];
        const changes: KeyChange[] = [];
        for (const anomaly of anomalies) {
          const known = await read(anomaly.id);
          if (known === undefined) fresh.push(anomaly);
          const feedback = anomaly.feedback ?? known?.feedback;
          kept.push({ ...anomaly, feedback });
          changes.push({ key: keyOf(anomaly.id)!, value: nanJson.encode({ ...anomaly, feedback }) });
        }
        if (changes.length > 0) await keyValue.write(changes);
        await noteConfirmed(id, kept);
        return fresh;
      },
      /** Undefined: there is no such anomaly. */
      async say(anomaly: string, feedback: Feedback): Promise<Anomaly | undefined> {
        const known = await read(anomaly);
        if (known === undefined) return undefined;
        const said = { ...known, feedback };
        await keyValue.write([{ key: keyOf(anomaly)!, value: nanJson.encode(said) }]);
        await noteConfirmed(id, [said]);
        return said;
      },
      /** The demand's confirmed anomalies that nobody called normal, and that began by the end of the range. Oldest first. */
      async confirmed(demand: AnomalyDemand, range: TimeRange): Promise<readonly ConfirmedAnomaly[]> {
        const found = (await confirmedOf(id, list)).get(nameOf(demand));
        return [...(found?.values() ?? [])]
          .filter(({ since, endedAt = Number.POSITIVE_INFINITY }) => since <= range.end && endedAt >= range.start)
          .map(({ since, lastAt, end }) => ({ since, ended: end && { lastAt, why: end } }))
          .sort((x, y) => x.since - y.since);
      },
      states: {
        async read(key: string) {
          const head = await keyValue.read(`watch/${id}/${key}/head`);
          if (head === undefined) return undefined;
          const series: { readonly name: string; readonly bytes: Uint8Array }[] = [];
          const under = `watch/${id}/${key}/series/`;
          for await (const [kept, bytes] of keyValue.list(keysUnder(under))) {
            if (series.length % READ_AT_ONCE === READ_AT_ONCE - 1) await yieldTurn();
            series.push({ name: kept.slice(under.length), bytes });
          }
          return { head: decodeJson<Head>(head), series };
        },
        async write(
          key: string,
          head: Head,
          series: readonly { readonly name: string; readonly bytes: Uint8Array | undefined }[],
        ) {
          await keyValue.write([
            { key: `watch/${id}/${key}/head`, value: encodeJson(head) },
            ...series.map(({ name, bytes }) => ({ key: `watch/${id}/${key}/series/${name}`, value: bytes })),
          ]);
        },
      },
      async incidents(): Promise<readonly Incident[]> {
        const bytes = await keyValue.read(`incidents/${id}`);
        return bytes === undefined ? [] : nanJson.decode<readonly Incident[]>(bytes);
      },
      async keepIncidents(incidents: readonly Incident[]): Promise<void> {
        const value = incidents.length === 0 ? undefined : nanJson.encode(incidents);
        await keyValue.write([{ key: `incidents/${id}`, value }]);
      },
    };
  }

  return {
    tenant,
    /** Tenants that have incidents. */
    async tenants(): Promise<readonly TenantId[]> {
      const found: TenantId[] = [];
      for await (const [key] of keyValue.list(keysUnder('incidents/')))
        found.push(key.slice('incidents/'.length) as TenantId);
      return found;
    },
    /** Deletes what is older than 400 days. */
    async sweep(now: Millis): Promise<number> {
      const changes: KeyChange[] = [];
      for await (const [key] of keyValue.list(keysUnder('anomaly/'))) {
        if (Number(key.split('/')[2]) < now - KEPT_MS) changes.push({ key, value: undefined });
      }
      if (changes.length > 0) await keyValue.write(changes);
      // They are read anew, without these.
      if (changes.length > 0) confirmed.clear();
      return changes.length;
    },
    /** Deletes the state of watches that are no more. @param inForce `tenant/key` of each. */
    async sweepStates(inForce: ReadonlySet<string>): Promise<number> {
      const changes: KeyChange[] = [];
      for await (const [key] of keyValue.list(keysUnder('watch/'))) {
        const rest = key.slice('watch/'.length);
        const end = rest.endsWith('/head') ? rest.length - '/head'.length : rest.lastIndexOf('/series/');
        if (!inForce.has(rest.slice(0, end))) changes.push({ key, value: undefined });
      }
      if (changes.length > 0) await keyValue.write(changes);
      return changes.length;
    },
  };
}

type List = (query: AnomalyQuery) => Promise<readonly Anomaly[]>;

/** What a confirmed anomaly is to those who leave it out. */
type Confirmed = Pick<Anomaly, 'since' | 'lastAt' | 'endedAt' | 'end'>;

async function readConfirmed(list: List): Promise<Map<string, Map<string, Confirmed>>> {
  const known = new Map<string, Map<string, Confirmed>>();
  // One by one, so that only what matters is held.
  const isMeant = (anomaly: Anomaly) => {
    note(known, anomaly);
    return false;
  };
  await list({ range: { start: 0, end: LAST }, limit: Number.POSITIVE_INFINITY, isMeant });
  return known;
}

function note(known: Map<string, Map<string, Confirmed>>, anomaly: Anomaly): void {
  const { id, demand, confirmed, feedback, peak, since, lastAt, endedAt, end } = anomaly;
  if (demand === undefined) return;
  const name = nameOf(demand);
  const verdict = feedback?.verdict;
  const isMeant = peak.part !== 'missing' && (confirmed ? verdict !== 'normal' : verdict === 'anomaly');
  if (!isMeant) {
    known.get(name)?.delete(id);
    return;
  }
  const own = known.get(name) ?? new Map<string, Confirmed>();
  known.set(name, own.set(id, { since, lastAt, endedAt, end }));
}

function nameOf({ namespace, policy, demand }: AnomalyDemand): string {
  return `${namespace}/${policy}/${demand}`;
}

/** Milliseconds that sort as text until the year 5138. */
function digits(at: Millis): string {
  return String(Math.max(0, Math.trunc(at))).padStart(14, '0');
}
