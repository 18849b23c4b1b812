import { END_TOLD_FOR_MS } from '../model/alert.ts';
import type { Labels } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';
import { digestOf } from './fingerprint.ts';
import { endOf, type Flapping, type HeldAlert, isFiring, isFlapping } from './held.ts';
import type { InhibitedBy } from './inhibit.ts';
import { commonPairs, type Message, type MessageAlert } from './message.ts';
import type { GroupPlace } from './route.ts';

/** A group of a route that somebody was told of, or is about to be. */
export interface Group {
  readonly key: string;
  readonly receiver: string;
  readonly since: Millis;
  /** It is looked at then. */
  readonly nextAt: Millis;
  /** When it was told last. */
  readonly sentAt: Millis | undefined;
  /** How often it was told. */
  readonly count: number;
  /**
   * The alerts of which it was told that they fire, and not yet that they ended, by fingerprint: whether as flapping.
   * `muted`: it was told that the group is resolved while this one was held back.
   */
  readonly told: Readonly<Record<string, 'firing' | 'flapping' | 'muted'>>;
}

/** All that there is of one tenant. */
export interface AlertingState {
  readonly alerts: ReadonlyMap<string, HeldAlert>;
  readonly groups: ReadonlyMap<string, Group>;
}

/** What the settings say, for one tenant. */
export interface AlertingPlan {
  readonly tenant: string;
  readonly placesOf: (labels: Labels) => readonly GroupPlace[];
  readonly inhibitedBy: (firing: Iterable<HeldAlert>) => InhibitedBy;
  /** Of the silences in force, by their ids. */
  readonly silencedBy: (labels: Labels) => readonly string[];
  readonly flapping: Flapping;
}

export interface Step {
  readonly state: AlertingState;
  readonly messages: readonly Message[];
  /** Groups that are new, otherwise than before, or gone. */
  readonly changedGroups: ReadonlyMap<string, Group | undefined>;
  /** Fingerprints of alerts that are of no use any more. */
  readonly gone: readonly string[];
  /** When the next group is to be looked at; infinite where there is none. */
  readonly wakeAt: Millis;
}

/** Alerts of one message: the rest is counted. */
const MOST_ALERTS = 1_000;

/**
 * What is to be told now, and what is so afterwards. Pure.
 *
 * As Alertmanager has it: a new group waits for `groupWait`, is looked at every `groupInterval`, is told when something
 * in it is new, and again after `repeatInterval` while something fires. Silences and inhibition keep back that an alert
 * fires, never the end of one that was told: who was called hears that it is over.
 */
export function step({ alerts, groups }: AlertingState, plan: AlertingPlan, now: Millis): Step {
  const { flapping } = plan;
  const members = new Map<string, { readonly place: GroupPlace; readonly alerts: HeldAlert[] }>();
  const firing: HeldAlert[] = [];
  for (const alert of alerts.values()) {
    if (isFiring(alert, now, flapping)) firing.push(alert);
    for (const place of plan.placesOf(alert.labels)) {
      const there = members.get(place.key);
      if (there === undefined) members.set(place.key, { place, alerts: [alert] });
      else there.alerts.push(alert);
    }
  }
  let inhibited: InhibitedBy | undefined;
  const isMuted = (alert: HeldAlert) => {
    inhibited ??= plan.inhibitedBy(firing);
    return plan.silencedBy(alert.labels).length > 0 || inhibited(alert).length > 0;
  };

  const after = new Map<string, Group>();
  const changedGroups = new Map<string, Group | undefined>();
  const messages: Message[] = [];
  let wakeAt = Number.POSITIVE_INFINITY;
  for (const key of groups.keys()) if (!members.has(key)) changedGroups.set(key, undefined);
  for (const [key, { place, alerts: own }] of members) {
    const before = groups.get(key) ?? newGroup(place, own, { now, flapping });
    if (before === undefined) continue;
    let group: Group | undefined = before;
    if (before.nextAt <= now) {
      const { message, next } = look(before, place, own, { isMuted, flapping, now, tenant: plan.tenant });
      if (message !== undefined) messages.push(message);
      const isOver = Object.keys(next.told).length === 0 && !own.some((alert) => isFiring(alert, now, flapping));
      group = isOver ? undefined : next;
    }
    if (group !== groups.get(key)) changedGroups.set(key, group);
    if (group === undefined) continue;
    after.set(key, group);
    wakeAt = Math.min(wakeAt, group.nextAt);
  }
  const awaited = new Set([...after.values()].flatMap(({ told }) => Object.keys(told)));
  const gone = [...alerts.values()]
    .filter((alert) => !isFiring(alert, now, flapping) && now - endOf(alert) > END_TOLD_FOR_MS)
    .filter(({ starts }) => now - starts.at(-1)! >= flapping.withinMs || !Number.isFinite(flapping.starts))
    .map(({ fingerprint }) => fingerprint)
    .filter((fingerprint) => !awaited.has(fingerprint));
  const kept = gone.length === 0 ? alerts : new Map(alerts);
  for (const fingerprint of gone) (kept as Map<string, HeldAlert>).delete(fingerprint);
  return { state: { alerts: kept, groups: after }, messages, changedGroups, gone, wakeAt };
}

/** Undefined where nothing fires in it. */
function newGroup(
  { key, route }: GroupPlace,
  alerts: readonly HeldAlert[],
  { now, flapping }: { readonly now: Millis; readonly flapping: Flapping },
): Group | undefined {
  const firing = alerts.filter((alert) => isFiring(alert, now, flapping));
  if (firing.length === 0) return undefined;
  // What has fired for longer than that, as after a restart, waits for nobody.
  const isOld = firing.some(({ startsAt }) => startsAt + route.groupWaitMs < now);
  const nextAt = isOld ? now : now + route.groupWaitMs;
  return { key, receiver: route.receiver, since: now, nextAt, sentAt: undefined, count: 0, told: {} };
}

interface Look {
  readonly isMuted: (alert: HeldAlert) => boolean;
  readonly flapping: Flapping;
  readonly now: Millis;
  readonly tenant: string;
}

function look(
  group: Group,
  { route, labels }: GroupPlace,
  alerts: readonly HeldAlert[],
  { isMuted, flapping, now, tenant }: Look,
): { readonly message: Message | undefined; readonly next: Group } {
  const lasting = alerts.filter((alert) => isFiring(alert, now, flapping));
  const firing = lasting.filter((alert) => !isMuted(alert));
  const ended = alerts.filter(
    (alert) => group.told[alert.fingerprint] !== undefined && !isFiring(alert, now, flapping),
  );
  const wordOf = (alert: HeldAlert) => (isFlapping(alert, now, flapping) ? 'flapping' : 'firing');
  const isNew = (alert: HeldAlert) => {
    const told = group.told[alert.fingerprint];
    return told === undefined || told === 'muted' || (told === 'firing' && wordOf(alert) === 'flapping');
  };
  const isDue = firing.length > 0 && group.sentAt !== undefined && now - group.sentAt >= route.repeatIntervalMs;
  const nextAt = now + route.groupIntervalMs;
  if (!firing.some(isNew) && ended.length === 0 && !isDue) return { message: undefined, next: { ...group, nextAt } };

  const endedIds = new Set(ended.map(({ fingerprint }) => fingerprint));
  const told = Object.fromEntries([
    ...Object.entries(group.told)
      .filter(([fingerprint]) => !endedIds.has(fingerprint))
      .map(([fingerprint, word]) => [fingerprint, firing.length > 0 ? word : ('muted' as const)] as const),
    ...firing.map((alert) => [alert.fingerprint, wordOf(alert)] as const),
  ]);
  const next = { ...group, nextAt, sentAt: now, count: group.count + 1, told };
  const all = [
    ...firing.map((alert) => messageAlert(alert, 'firing', wordOf(alert) === 'flapping' ? flapping : undefined)),
    ...ended.map((alert) => messageAlert(alert, 'resolved', undefined)),
  ];
  const message: Message = {
    // Of this life of the group the so-manieth: sent again after a crash, it has the same.
    id: `${digestOf(`${tenant}\n${group.key}`)}-${group.since.toString(36)}-${next.count}`,
    tenant,
    receiver: group.receiver,
    groupKey: group.key,
    status: firing.length > 0 ? 'firing' : 'resolved',
    at: now,
    groupLabels: Object.fromEntries(labels),
    commonLabels: commonPairs(all.map((alert) => alert.labels)),
    commonAnnotations: commonPairs(all.map(({ annotations }) => annotations)),
    alerts: all.slice(0, MOST_ALERTS),
    truncatedAlerts: Math.max(0, all.length - MOST_ALERTS),
  };
  return { message, next };
}

/** @param flaps As the settings have it, where it flaps. */
function messageAlert(alert: HeldAlert, status: 'firing' | 'resolved', flaps: Flapping | undefined): MessageAlert {
  const { labels, annotations, startsAt, generatorUrl, fingerprint, starts } = alert;
  const flapping = `It comes and goes: it has begun ${starts.length} times lately, and is told once for all of them.`;
  return {
    status,
    labels: Object.fromEntries(labels),
    annotations: flaps === undefined ? annotations : { ...annotations, flapping },
    startsAt,
    ...(status === 'resolved' && { endsAt: endOf(alert) }),
    generatorUrl,
    fingerprint,
  };
}
