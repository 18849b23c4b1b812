import type { z } from 'zod';
import type { AlarmOptions } from '../anomaly/alarm.ts';
import type { Problem } from '../model/problem.ts';
import { InvalidTenantError, parseTenant, type TenantId } from '../model/tenant.ts';
import { MINUTE, parseDuration, SECOND } from '../model/time.ts';
import { parseQuery } from '../promql/parse.ts';
import type { AnomalySection } from './anomaly-schema.ts';

type Section = z.infer<typeof AnomalySection>;

/** As loaded: lengths in milliseconds. */
export interface AnomalySettings {
  readonly demands: boolean;
  readonly watches: readonly WatchSettings[];
  readonly timeZone: string;
  /** For demands. */
  readonly defaults: AlarmOptions;
  readonly writes: WatchSettings['writes'];
}

export interface WatchSettings {
  readonly name: string;
  readonly tenant: TenantId;
  readonly query: string;
  readonly stepMs: number;
  readonly historyMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly group: readonly string[];
  readonly peers: boolean;
  readonly timeZone: string;
  readonly maxSeries: number;
  readonly alarm: AlarmOptions;
  readonly missingMembers: boolean;
  readonly writes: 'all' | 'verdicts' | 'none';
}

export function resolveAnomaly({ demands, watches, timeZone, defaults }: Section, _folder: string): AnomalySettings {
  return {
    demands: demands === 'on',
    timeZone,
    defaults: alarmOf(defaults),
    writes: defaults.writes,
    watches: watches.map((watch) => ({
      ...{ name: watch.name, query: watch.query, labels: watch.labels, group: watch.group, maxSeries: watch.maxSeries },
      tenant: parseTenant(watch.tenant),
      stepMs: parseDuration(watch.step),
      historyMs: parseDuration(watch.history),
      peers: watch.compare === 'peers',
      timeZone: watch.timeZone ?? timeZone,
      alarm: alarmOf(withDefaults(watch, defaults)),
      missingMembers: withDefaults(watch, defaults).missingMembers === 'on',
      writes: withDefaults(watch, defaults).writes,
    })),
  };
}

const LEAST_STEP_MS = SECOND;
const LEAST_HISTORY_MS = 10 * MINUTE;

/** What one field means for another. */
export function anomalyProblems({ watches, defaults }: Section, tenancyOn: boolean): readonly Problem[] {
  const problems: Problem[] = thresholdProblems(defaults, ['anomalies', 'defaults']);
  const seen = new Set<string>();
  for (const [i, watch] of watches.entries()) {
    const path = ['anomalies', 'watches', i];
    const add = (key: string, message: string) => problems.push({ path: [...path, key], message });
    try {
      parseQuery(watch.query);
    } catch (error) {
      add('query', `expected PromQL: ${(error as Error).message}`);
    }
    try {
      parseTenant(watch.tenant);
    } catch (error) {
      if (!(error instanceof InvalidTenantError)) throw error;
      add('tenant', error.message);
    }
    if (!tenancyOn && watch.tenant !== 'default') add('tenant', 'expected none while tenancy.mode is off');
    if (parseDuration(watch.step) < LEAST_STEP_MS) add('step', `expected 1s or more, got ${watch.step}`);
    if (parseDuration(watch.history) < LEAST_HISTORY_MS) add('history', `expected 10m or more, got ${watch.history}`);
    const key = `${watch.tenant} ${watch.name}`;
    if (seen.has(key)) add('name', `expected a name of its own, but there are two watches named ${watch.name}`);
    seen.add(key);
    problems.push(...thresholdProblems(withDefaults(watch, defaults), path));
  }
  return problems;
}

function thresholdProblems(
  { alertScore, incidentScore, strikes, of }: Section['defaults'],
  path: Problem['path'],
): Problem[] {
  const problems: Problem[] = [];
  if (incidentScore < alertScore) {
    const message = `expected alertScore (${alertScore}) or more, got ${incidentScore}`;
    problems.push({ path: [...path, 'incidentScore'], message });
  }
  if (strikes > of) problems.push({ path: [...path, 'strikes'], message: `expected \`of\` (${of}) at most` });
  return problems;
}

function withDefaults(watch: Section['watches'][number], defaults: Section['defaults']): Section['defaults'] {
  const merged: Record<string, unknown> = { ...defaults };
  for (const key of Object.keys(defaults) as (keyof Section['defaults'])[]) {
    if (watch[key] !== undefined) merged[key] = watch[key];
  }
  return merged as Section['defaults'];
}

function alarmOf({ holdOff, missingMembers: _, writes: __, ...others }: Section['defaults']): AlarmOptions {
  return { ...others, holdOffMs: parseDuration(holdOff) };
}
