import { END_TOLD_FOR_MS } from '../model/alert.ts';
import { type Labels, labelValue } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';
import { digestOf } from './fingerprint.ts';
import { endOf, type Flapping, type HeldAlert, isFiring, isFlapping } from './held.ts';
import type { Inhibition } from './inhibit.ts';
import type { Message, MessageAlert } from './message.ts';
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
  /** Begins with no alert that fires. */
  readonly inhibition: () => Inhibition;
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
  readonly counts: AlertCounts;
}

/** How many alerts there are of each kind. Those that flap are among the others, too. */
export interface AlertCounts {
  readonly active: number;
  readonly suppressed: number;
  readonly resolved: number;
  readonly flapping: number;
}

/** Alerts of one message: the rest is counted. */
const MOST_ALERTS = 1_000;
/** Characters of a message's alerts, about: the rest is counted, but for the first. */
const MOST_CHARS = 1024 * 1024;
/** Messages of one step: the groups behind them are looked at in the next one, which is due at once. */
const MOST_MESSAGES = 500;
/** So many alerts or groups are a piece of work that is done in well under a millisecond. */
const PIECE = 64;

/** All of `stepping` at once. */
export function step(state: AlertingState, plan: AlertingPlan, now: Millis): Step {
  const pieces = stepping(state, plan, now);
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return value;
  }
}

/**
 * What is to be told now, and what is so afterwards. Pure. Yields between pieces of work: others may have the thread.
 *
 * As Alertmanager has it: a new group waits for `groupWait`, is looked at every `groupInterval`, is told when something
 * in it is new, and again after `repeatInterval` while something fires. Silences and inhibition keep back that an alert
 * fires, never the end of one that was told: who was called hears that it is over.
 */
export function* stepping(
  { alerts, groups }: AlertingState,
  plan: AlertingPlan,
  now: Millis,
): Generator<undefined, Step> {
  const { flapping } = plan;
  const members = new Map<string, { readonly place: GroupPlace; readonly alerts: HeldAlert[] }>();
  const inhibition = plan.inhibition();
  const firing = new Set<HeldAlert>();
  let pieces = 0;
  for (const alert of alerts.values()) {
    if (++pieces % PIECE === 0) yield;
    if (isFiring(alert, now, flapping)) {
      firing.add(alert);
      inhibition.add(alert);
    }
    for (const place of plan.placesOf(alert.labels)) {
      const there = members.get(place.key);
      if (there === undefined) members.set(place.key, { place, alerts: [alert] });
      else there.alerts.push(alert);
    }
  }
  const muted = new Set<HeldAlert>();
  let flaps = 0;
  for (const alert of firing) {
    if (++pieces % PIECE === 0) yield;
    if (plan.silencedBy(alert.labels).length > 0 || inhibition.by(alert).length > 0) muted.add(alert);
    if (isFlapping(alert, now, flapping)) flaps++;
  }
  const counts: AlertCounts = {
    ...{ active: firing.size - muted.size, suppressed: muted.size },
    ...{ resolved: alerts.size - firing.size, flapping: flaps },
  };

  const after = new Map<string, Group>();
  const changedGroups = new Map<string, Group | undefined>();
  const messages: Message[] = [];
  const awaited = new Set<string>();
  let wakeAt = Number.POSITIVE_INFINITY;
  for (const key of groups.keys()) if (!members.has(key)) changedGroups.set(key, undefined);
  for (const [key, { place, alerts: own }] of members) {
    if (++pieces % PIECE === 0) yield;
    const before = groups.get(key) ?? newGroup(place, own, { firing, now });
    if (before === undefined) continue;
    let group: Group | undefined = before;
    if (before.nextAt <= now && messages.length < MOST_MESSAGES) {
      const around = { firing, muted, flapping, now, tenant: plan.tenant };
      const { message, next } = yield* look(before, place, own, around);
      if (message !== undefined) messages.push(message);
      const isOver = Object.keys(next.told).length === 0 && !own.some((alert) => firing.has(alert));
      group = isOver ? undefined : next;
    }
    if (group !== groups.get(key)) changedGroups.set(key, group);
    if (group === undefined) continue;
    after.set(key, group);
    for (const fingerprint of Object.keys(group.told)) awaited.add(fingerprint);
    wakeAt = Math.min(wakeAt, group.nextAt);
  }
  const gone: string[] = [];
  for (const alert of alerts.values()) {
    if (++pieces % PIECE === 0) yield;
    const { fingerprint, starts } = alert;
    if (firing.has(alert) || now - endOf(alert) <= END_TOLD_FOR_MS || awaited.has(fingerprint)) continue;
    if (now - starts.at(-1)! < flapping.withinMs && Number.isFinite(flapping.starts)) continue;
    gone.push(fingerprint);
  }
  const kept = gone.length === 0 ? alerts : new Map(alerts);
  for (const fingerprint of gone) (kept as Map<string, HeldAlert>).delete(fingerprint);
  return { state: { alerts: kept, groups: after }, messages, changedGroups, gone, wakeAt, counts };
}

/** Undefined where nothing fires in it. */
function newGroup(
  { key, route }: GroupPlace,
  alerts: readonly HeldAlert[],
  { now, firing }: { readonly now: Millis; readonly firing: ReadonlySet<HeldAlert> },
): Group | undefined {
  const lasting = alerts.filter((alert) => firing.has(alert));
  if (lasting.length === 0) return undefined;
  // What has fired for longer than that, as after a restart, waits for nobody.
  const isOld = lasting.some(({ startsAt }) => startsAt + route.groupWaitMs < now);
  const nextAt = isOld ? now : now + route.groupWaitMs;
  return { key, receiver: route.receiver, since: now, nextAt, sentAt: undefined, count: 0, told: {} };
}

interface Look {
  /** Of all groups. */
  readonly firing: ReadonlySet<HeldAlert>;
  /** Those of them that are held back. */
  readonly muted: ReadonlySet<HeldAlert>;
  readonly flapping: Flapping;
  readonly now: Millis;
  readonly tenant: string;
}

function* look(
  group: Group,
  { route, labels }: GroupPlace,
  alerts: readonly HeldAlert[],
  { firing: lasting, muted, flapping, now, tenant }: Look,
): Generator<undefined, { readonly message: Message | undefined; readonly next: Group }> {
  const firing: HeldAlert[] = [];
  const ended: HeldAlert[] = [];
  const words: Record<string, 'firing' | 'flapping'> = {};
  let isNew = false;
  let pieces = 0;
  for (const alert of alerts) {
    if (++pieces % PIECE === 0) yield;
    const { fingerprint } = alert;
    const told = group.told[fingerprint];
    if (!lasting.has(alert)) {
      if (told !== undefined) ended.push(alert);
    } else if (!muted.has(alert)) {
      const word = isFlapping(alert, now, flapping) ? 'flapping' : 'firing';
      firing.push(alert);
      words[fingerprint] = word;
      isNew ||= told === undefined || told === 'muted' || (told === 'firing' && word === 'flapping');
    }
  }
  const isDue = firing.length > 0 && group.sentAt !== undefined && now - group.sentAt >= route.repeatIntervalMs;
  const nextAt = now + route.groupIntervalMs;
  if (!isNew && ended.length === 0 && !isDue) return { message: undefined, next: { ...group, nextAt } };

  const endedIds = new Set(ended.map(({ fingerprint }) => fingerprint));
  const told: Record<string, 'firing' | 'flapping' | 'muted'> = {};
  for (const [fingerprint, word] of Object.entries(group.told)) {
    if (++pieces % PIECE === 0) yield;
    if (!endedIds.has(fingerprint)) told[fingerprint] = firing.length > 0 ? word : 'muted';
  }
  Object.assign(told, words);
  const next = { ...group, nextAt, sentAt: now, count: group.count + 1, told };
  const all = [...firing, ...ended];
  const shown: MessageAlert[] = [];
  let chars = 0;
  for (const alert of all.slice(0, MOST_ALERTS)) {
    if (++pieces % PIECE === 0) yield;
    const status = endedIds.has(alert.fingerprint) ? 'resolved' : 'firing';
    const one = messageAlert(alert, status, words[alert.fingerprint] === 'flapping');
    chars += charsOf(one);
    if (chars > MOST_CHARS && shown.length > 0) break;
    shown.push(one);
  }
  const commonLabels = new Map(all[0]!.labels);
  const commonAnnotations = new Map(Object.entries(shown[0]!.annotations));
  for (const alert of all) {
    if (++pieces % PIECE === 0) yield;
    const annotations = annotationsOf(alert, words[alert.fingerprint] === 'flapping');
    keepCommon(commonLabels, (name) => labelValue(alert.labels, name));
    keepCommon(commonAnnotations, (name) => annotations[name]);
  }
  const message: Message = {
    // Of this life of the group the so-manieth: sent again after a crash, it has the same.
    id: `${digestOf(`${tenant}\n${group.key}`)}-${group.since.toString(36)}-${next.count}`,
    tenant,
    receiver: group.receiver,
    groupKey: group.key,
    status: firing.length > 0 ? 'firing' : 'resolved',
    at: now,
    groupLabels: Object.fromEntries(labels),
    commonLabels: Object.fromEntries(commonLabels),
    commonAnnotations: Object.fromEntries(commonAnnotations),
    alerts: shown,
    truncatedAlerts: all.length - shown.length,
  };
  return { message, next };
}

/** Leaves the pairs that another one has, too. */
function keepCommon(common: Map<string, string>, of: (name: string) => string | undefined): void {
  for (const [name, value] of common) if (of(name) !== value) common.delete(name);
}

/** About as many as it takes written out. */
function charsOf({ labels, annotations, generatorUrl }: MessageAlert): number {
  let chars = 200 + generatorUrl.length;
  for (const pairs of [labels, annotations]) {
    for (const [name, value] of Object.entries(pairs)) chars += name.length + value.length + 6;
  }
  return chars;
}

/** @param flaps Whether it fires and comes and goes. */
function annotationsOf({ annotations, starts }: HeldAlert, flaps: boolean): Readonly<Record<string, string>> {
  if (!flaps) return annotations;
  const flapping = `It comes and goes: it has begun ${starts.length} times lately, and is told once for all of them.`;
  return { ...annotations, flapping };
}

function messageAlert(alert: HeldAlert, status: 'firing' | 'resolved', flaps: boolean): MessageAlert {
  const { labels, startsAt, generatorUrl, fingerprint } = alert;
  return {
    status,
    labels: Object.fromEntries(labels),
    annotations: annotationsOf(alert, flaps),
    startsAt,
    ...(status === 'resolved' && { endsAt: endOf(alert) }),
    generatorUrl,
    fingerprint,
  };
}
