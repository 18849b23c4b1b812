import type { Forecast, NoForecast } from '../model/forecast.ts';
import type { DemandKey, ForecastScore, ForecastStatus, Truth } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { decodeJson, encodeJson, readJson } from '../storage/json-value.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';
import { decodeForecast, encodeForecast } from './codec.ts';
import { addScore, NO_SCORE, type Pending, pendingOf, scorePending } from './score.ts';

/** One tenant's issued forecasts: by when they were issued, and for when. */
export interface TenantForecasts {
  /** A new forecast replaces the last for the time ahead; `truths` came since and score the ones before it. */
  issue(key: DemandKey, forecast: Forecast, truths: readonly Truth[]): Promise<void>;
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

/** Opens the store on a `KeyValue`. Keys: docs/reference/on-disk-format.md. */
export function openForecastStore(keyValue: KeyValue): ForecastStore {
  return {
    tenant: (id) => openTenantForecasts(keyValue, id),
    sweep: (now) => sweep(keyValue, now),
  };
}

function openTenantForecasts(keyValue: KeyValue, tenant: TenantId): TenantForecasts {
  return {
    async issue(key, forecast, truths) {
      const changes: KeyChange[] = [{ key: keyOf('latest', tenant, key), value: encodeForecast(forecast) }];
      const before = await readJson<ScoringState>(keyValue, keyOf('scoring', tenant, key));
      const keep = before === undefined || forecast.issuedAt - before.keptAt >= LEAST_APART_MS;
      if (keep) {
        changes.push({
          key: `${keyOf('issue', tenant, key)}/${digits(forecast.issuedAt)}`,
          value: encodeForecast(forecast),
        });
      }
      const { scored, waiting } = scorePending(before?.waiting ?? [], truths);
      const next: ScoringState = {
        keptAt: keep ? forecast.issuedAt : before.keptAt,
        waiting: keep ? [...waiting, ...pendingOf(forecast, truths.at(-1)?.value)] : waiting,
      };
      changes.push({ key: keyOf('scoring', tenant, key), value: encodeJson(next) });
      if (scored.length > 0) {
        const day = Math.floor(forecast.issuedAt / DAY) * DAY;
        const scoreKey = `${keyOf('score', tenant, key)}/${digits(day)}`;
        const score = (await readJson<ForecastScore>(keyValue, scoreKey)) ?? { ...NO_SCORE, day };
        changes.push({ key: scoreKey, value: encodeJson(scored.reduce(addScore, score)) });
      }
      await keyValue.write(changes);
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
      for await (const [, value] of keyValue.list(range)) found.push(decodeJson<ForecastScore>(value));
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

interface ScoringState {
  /** When the last issue that was kept was issued. */
  readonly keptAt: Millis;
  readonly waiting: readonly Pending[];
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
