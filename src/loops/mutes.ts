import type { SpecialTime } from '../forecast/calendar.ts';
import { type Labels, labelValue } from '../model/labels.ts';
import { MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import type { CalendarOf } from '../observe/policy-calendar.ts';
import { isWithin } from '../scaling/cron-window.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { TenantPolicy } from './tenant-policy.ts';
import type { Watch } from './watch.ts';

/** Labels by which a series names the workload that it is of. */
const WORKLOAD_LABELS = ['workload', 'deployment', 'statefulset', 'horizontalpodautoscaler', 'policy'];
/** A calendar's file is read so often. */
const READ_EVERY_MS = MINUTE;
const MOST_KEPT = 1000;

type Special = Pick<SpecialTime, 'kind' | 'start' | 'end'>;

/** The policy whose workload a series is of. */
export function policyOfSeries(policies: readonly TenantPolicy[], labels: Labels): ScalingPolicy | undefined {
  const namespace = labelValue(labels, 'namespace');
  if (namespace === '') return undefined;
  const names = WORKLOAD_LABELS.map((name) => labelValue(labels, name));
  return policies.find(
    ({ policy }) =>
      policy.namespace === namespace && (names.includes(policy.target.name) || names.includes(policy.name)),
  )?.policy;
}

/**
 * Says when a watch is muted: in maintenance windows, at declared events, in excluded times, and at the entries of the
 * calendar files of the policy whose workload a series is of. A whole day of a calendar is a day off: it says something
 * of the demand, and nothing of errors, so that it mutes the demand alone.
 */
export function openMutes({ calendarOf, now }: { readonly calendarOf: CalendarOf; readonly now: () => Millis }) {
  /** By the files and the time zone: what they say of the time from `start` on. */
  const known = new Map<
    string,
    { readonly at: Millis; readonly start: Millis; readonly specials: readonly Special[] }
  >();

  async function entriesOf(policy: ScalingPolicy, range: TimeRange): Promise<readonly Special[]> {
    const { timeZone, calendars } = policy;
    if (calendars === undefined || calendars.length === 0) return [];
    const at = now();
    const key = JSON.stringify([timeZone, calendars]);
    const last = known.get(key);
    if (last !== undefined && Math.abs(at - last.at) < READ_EVERY_MS && range.start >= last.start) return last.specials;
    const calendar = await calendarOf({ timeZone, calendars, events: [], exclude: [] }, range);
    const specials = calendar?.specials ?? [];
    known.delete(key);
    known.set(key, { at, start: range.start, specials });
    if (known.size > MOST_KEPT) known.delete(known.keys().next().value!);
    return specials;
  }

  return async (
    watch: Pick<Watch, 'tenant' | 'demand'>,
    policies: readonly TenantPolicy[],
    range: TimeRange,
  ): Promise<(labels: Labels, time: Millis) => boolean> => {
    const ofTenant = policies.filter(({ tenant }) => tenant === watch.tenant);
    const entries = new Map<ScalingPolicy, readonly Special[]>();
    for (const policy of watch.demand === undefined ? ofTenant.map((each) => each.policy) : [watch.demand.policy]) {
      entries.set(policy, await entriesOf(policy, range));
    }
    const owners = new Map<Labels, ScalingPolicy | undefined>();
    const muted = new Map<ScalingPolicy, Map<Millis, boolean>>();
    return (labels, time) => {
      if (!owners.has(labels)) owners.set(labels, watch.demand?.policy ?? policyOfSeries(ofTenant, labels));
      const policy = owners.get(labels);
      if (policy === undefined) return false;
      const times = muted.get(policy) ?? new Map<Millis, boolean>();
      muted.set(policy, times);
      const said = times.get(time);
      if (said !== undefined) return said;
      const isEntry = entries
        .get(policy)!
        .some(({ kind, start, end }) => time >= start && time < end && (kind !== 'day' || watch.demand !== undefined));
      const answer = isEntry || isMutedAt(policy, time);
      times.set(time, answer);
      return answer;
    };
  };
}

function isMutedAt({ maintenance, events, exclude, timeZone }: ScalingPolicy, time: Millis): boolean {
  return (
    [...events, ...exclude].some(({ start, end }) => time >= start && time < end) ||
    maintenance.some((window) => isWithin(window, timeZone, time, 0))
  );
}
