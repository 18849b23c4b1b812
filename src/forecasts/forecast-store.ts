import type { DriftKind } from '../forecast/drift.ts';
import type { Forecast, LiveAccuracy, NoForecast } from '../model/forecast.ts';
import type { DemandKey, ForecastScore, ForecastStatus, Truth } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { decodeJson, encodeJson, readJson } from '../storage/json-value.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';
import { decodeForecast, encodeForecast } from './codec.ts';
import { addScored, readScore } from './horizon-sums.ts';
import { awaitTruths, liveAccuracy, setBack, takeTruths } from './live.ts';
import { decodeLive, encodeLive } from './live-codec.ts';
import type { Scored } from './pending.ts';
import { type OffsetAt, offsetsOf } from './yesterday.ts';

/** One tenant's issued forecasts: by when they were issued, and for when. */
export interface TenantForecasts {
  /**
   * A new forecast replaces the last for the time ahead. `truths` came since and judge the ones before it: in any order,
   * repeated or late ones too. It is kept with what they come to.
   *
   * @param timeZone In which the same time yesterday is meant. Default UTC.
   */
  issue(key: DemandKey, forecast: Forecast, truths: readonly Truth[], timeZone?: string): Promise<Issued>;
  /** There is no forecast, and why. */
  withdraw(key: DemandKey, at: Millis, why: NoForecast): Promise<void>;
  latest(key: DemandKey): Promise<ForecastStatus | undefined>;
  /** Forecasts issued within the range, oldest first: all of the last 24 hours, one an hour before that. */
  issues(key: DemandKey, range: TimeRange): Promise<readonly Forecast[]>;
  /** How good the forecasts proved to be, a day each, oldest first. */
  scores(key: DemandKey, range: TimeRange): Promise<readonly ForecastScore[]>;
  /** Every demand that has a forecast, or a reason for none. */
  demands(): Promise<readonly DemandKey[]>;
}

/** What an issue learned of the ones before it. */
export interface Issued {
  readonly live: LiveAccuracy;
  /** The demand is not what it was: the forecaster should learn anew now. */
  readonly drift: DriftKind | undefined;
}

export interface ForecastStore {
  tenant(id: TenantId): TenantForecasts;
  /** Thins issues out to one an hour after 24 hours, and deletes them after 30 days; scores after a year. */
  sweep(now: Millis): Promise<number>;
}

const WHOLE_MS = DAY;
const HOURLY_MS = 30 * DAY;
const SCORES_MS = 365 * DAY;
/** Issues closer together than this are not kept one by one: at steps of a few seconds they would fill the disk. */
const LEAST_APART_MS = MINUTE;

/** Opens the store on a `KeyValue`; `onIssued` is told what became of earlier forecasts at each issue. Keys: docs/reference/on-disk-format.md. */
export function openForecastStore(
  keyValue: KeyValue,
  onIssued: (tenant: TenantId, key: DemandKey, live: LiveAccuracy) => void = () => {},
): ForecastStore {
  const zones = new Map<string, OffsetAt>();
  const offsets = (timeZone: string): OffsetAt => {
    const known = zones.get(timeZone) ?? offsetsOf(timeZone);
    zones.set(timeZone, known);
    return known;
  };
  return {
    tenant: (id) => openTenantForecasts(keyValue, id, offsets, (key, live) => onIssued(id, key, live)),
    sweep: (now) => sweep(keyValue, now),
  };
}

function openTenantForecasts(
  keyValue: KeyValue,
  tenant: TenantId,
  offsets: (timeZone: string) => OffsetAt,
  onIssued: (key: DemandKey, live: LiveAccuracy) => void,
): TenantForecasts {
  /** The day records that the scored forecasts belong to, with them counted in. */
  async function addToDays(key: DemandKey, scored: readonly Scored[]): Promise<readonly KeyChange[]> {
    const days = new Map<Millis, ForecastScore>();
    for (const each of scored) {
      const { horizon, validAt } = each.pending;
      const day = Math.floor(validAt / DAY) * DAY;
      const score = days.get(day) ?? (await readDay(key, day));
      const sums = addScored(score.horizons[horizon], each);
      days.set(day, { day, horizons: { ...score.horizons, [horizon]: sums } });
    }
    return [...days].map(([day, score]) => ({ key: dayKey(key, day), value: encodeJson(score) }));
  }

  const dayKey = (key: DemandKey, day: Millis) => `${keyOf('score', tenant, key)}/${digits(day)}`;
  const readDay = async (key: DemandKey, day: Millis): Promise<ForecastScore> => {
    const record = await readJson<ForecastScore>(keyValue, dayKey(key, day));
    return record === undefined ? { day, horizons: {} } : readScore(record);
  };

  return {
    async issue(key, forecast, truths, timeZone = 'UTC') {
      const { issuedAt, stepMs } = forecast;
      const offsetAt = offsets(timeZone);
      const liveKey = keyOf('scoring', tenant, key);
      const state = decodeLive(await keyValue.read(liveKey), stepMs);
      if (issuedAt < Math.max(state.keptAt, state.seen.newest)) {
        setBack(state, Math.min(issuedAt, ...truths.map(({ time }) => time - 1)));
      }
      const { scored, drift } = takeTruths(state, truths, offsetAt);
      const live = liveAccuracy(state);
      const value = encodeForecast({ ...forecast, live });
      const changes: KeyChange[] = [{ key: keyOf('latest', tenant, key), value }];
      if (issuedAt - state.keptAt >= LEAST_APART_MS) {
        changes.push({ key: `${keyOf('issue', tenant, key)}/${digits(issuedAt)}`, value });
        awaitTruths(state, forecast, offsetAt);
        state.keptAt = issuedAt;
      }
      changes.push({ key: liveKey, value: encodeLive(state) }, ...(await addToDays(key, scored)));
      await keyValue.write(changes);
      onIssued(key, live);
      return { live, drift };
    },

    withdraw: (key, at, why) =>
      keyValue.write([
        { key: keyOf('latest', tenant, key), value: undefined },
        { key: keyOf('none', tenant, key), value: encodeJson({ at, why }) },
      ]),

    async latest(key) {
      const forecast = await keyValue.read(keyOf('latest', tenant, key));
      if (forecast !== undefined) return { kind: 'forecast', forecast: decodeForecast(forecast) };
      const none = await readJson<{ at: Millis; why: NoForecast }>(keyValue, keyOf('none', tenant, key));
      return none === undefined ? undefined : { kind: 'none', ...none };
    },

    async issues(key, { start, end }) {
      const prefix = `${keyOf('issue', tenant, key)}/`;
      const found: Forecast[] = [];
      const range = { gte: `${prefix}${digits(start)}`, lt: `${prefix}${digits(end + 1)}` };
      for await (const [, value] of keyValue.list(range)) found.push(decodeForecast(value));
      return found;
    },

    async scores(key, { start, end }) {
      const prefix = `${keyOf('score', tenant, key)}/`;
      const found: ForecastScore[] = [];
      const range = { gte: `${prefix}${digits(start)}`, lt: `${prefix}${digits(end + 1)}` };
      for await (const [, value] of keyValue.list(range)) found.push(readScore(decodeJson<ForecastScore>(value)));
      return found;
    },

    async demands() {
      const found = new Map<string, DemandKey>();
      for (const kind of ['latest', 'none'] as const) {
        for await (const [key] of keyValue.list(keysUnder(`forecast-${kind}/${tenant}/`))) {
          const [, , namespace, policy, demand] = key.split('/');
          found.set(key.slice(key.indexOf('/')), { namespace: namespace!, policy: policy!, demand: demand! });
        }
      }
      return [...found.values()];
    },
  };
}

async function sweep(keyValue: KeyValue, now: Millis): Promise<number> {
  const changes: KeyChange[] = [];
  let lastHour = '';
  for await (const [key] of keyValue.list(keysUnder('forecast-issue/'))) {
    const cut = key.lastIndexOf('/') + 1;
    const issuedAt = Number(key.slice(cut));
    const hour = `${key.slice(0, cut)}${Math.floor(issuedAt / HOUR)}`;
    const repeats = hour === lastHour && issuedAt < now - WHOLE_MS;
    lastHour = hour;
    if (repeats || issuedAt < now - HOURLY_MS) changes.push({ key, value: undefined });
  }
  for await (const [key] of keyValue.list(keysUnder('forecast-score/'))) {
    if (Number(key.slice(key.lastIndexOf('/') + 1)) < now - SCORES_MS) changes.push({ key, value: undefined });
  }
  if (changes.length > 0) await keyValue.write(changes);
  return changes.length;
}

type Kind = 'latest' | 'none' | 'issue' | 'scoring' | 'score';

function keyOf(kind: Kind, tenant: TenantId, { namespace, policy, demand }: DemandKey): string {
  return `forecast-${kind}/${tenant}/${namespace}/${policy}/${demand}`;
}

/** Milliseconds that sort as text until the year 5138. */
function digits(at: Millis): string {
  return String(Math.max(0, Math.trunc(at))).padStart(14, '0');
}
