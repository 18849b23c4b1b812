import { digestOf, fingerprintOf } from '../alerting/fingerprint.ts';
import { endOf, type Flapping, type HeldAlert, isFiring, isFlapping, isSameKept, takeAlert } from '../alerting/held.ts';
import { type InhibitRule, inhibiting } from '../alerting/inhibit.ts';
import type { Message, MessageAlert } from '../alerting/message.ts';
import { type GroupPlace, type Route, routing } from '../alerting/route.ts';
import { SILENCE_KEPT_MS, type Silence, silenceState } from '../alerting/silence.ts';
import { openSilenceBook, type SilenceBook } from '../alerting/silence-book.ts';
import { type AlertCounts, type AlertingPlan, type Group, type Step, stepping } from '../alerting/step.ts';
import type { AlertView } from '../alerting/view.ts';
import { type Alert, END_TOLD_FOR_MS } from '../model/alert.ts';
import type { Clock } from '../model/clock.ts';
import { type Labels, labelsKey } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import { openRest } from '../model/wake.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';

export interface AlertDeskDeps {
  readonly keyValue: KeyValue;
  readonly clock: Clock;
  readonly settings: {
    /** Undefined: nobody is told of the tenant's alerts. */
    readonly routeOf: (tenant: string) => Route | undefined;
    readonly serves: (receiver: string, tenant: string) => boolean;
    readonly inhibitRules: readonly InhibitRule[];
    readonly flapping: Flapping;
    readonly alertsPerTenant: number;
  };
  /** What is to be written so that the messages are sent, and what to call once that is done. */
  readonly enqueue: (messages: readonly Message[]) => Promise<{
    readonly changes: readonly KeyChange[];
    readonly added: () => void;
  }>;
  /** Between pieces of work: undefined, or a promise where others are to have the thread. */
  readonly pause: () => Promise<void> | undefined;
  /** Whether it is for this process to tell of the tenant's alerts. */
  readonly acts: (tenant: string) => boolean;
  /** Where replicas share what is known of alerts. */
  readonly share?: {
    /** Called before each look at a tenant's groups. Undefined: this one goes on already. */
    readonly takeOver: (tenant: TenantId) => Promise<TakeOver | undefined>;
    /** Before a silence is kept here: every replica is to have it. */
    readonly putSilences: (tenant: TenantId, silences: readonly Silence[]) => Promise<void>;
  };
  readonly on: {
    /** An alert was not taken in. */
    readonly refused: (reason: 'labels' | 'limit' | 'size', tenant: TenantId) => void;
    /** Something begins or ends. */
    readonly news: () => void;
    readonly fault: (error: unknown) => void;
    readonly pass: () => void;
  };
}

/** What a replica knows of a tenant's alerts and of who was told of them, for another one that goes on. */
export interface LeftAlerts {
  readonly alerts: readonly HeldAlert[];
  readonly groups: readonly Group[];
}

export interface TakeOver {
  /** What another replica left that told last, or undefined where this one did. */
  readonly left: LeftAlerts | undefined;
  /** To be called once that is kept. Until then another call of `takeOver` gives it again. */
  readonly done: () => Promise<void>;
}

interface TenantDesk {
  readonly tenant: TenantId;
  alerts: ReadonlyMap<string, HeldAlert>;
  groups: ReadonlyMap<string, Group>;
  readonly silences: SilenceBook;
  readonly placesOf: (labels: Labels) => readonly GroupPlace[];
  /** As the last look found them. */
  counts: AlertCounts;
  /** It is to be looked at then. */
  wakeAt: Millis;
  /** What changes it waits for the change before. */
  turn: Promise<unknown>;
  /** Where replicas share: what was told here, with when. */
  readonly heard: Map<string, { readonly alert: Alert; readonly at: Millis }>;
}

const ALERT = 'alert-held/';
const GROUP = 'alert-group/';
const SILENCE = 'alert-silence/';
/** What an alert may have. */
const MOST_LABELS = 100;
const MOST_BYTES = 64 * 1024;
const STORE_REST_MS = 5 * SECOND;
/** Changes of one write, where they may be kept one by one: some thousands would hold the thread. */
const AT_ONCE = 256;
const VIEWED_AT_ONCE = 128;
/**
 * So long is an alert believed after a restart without being told again: rules that wait for less than Prometheus's ten
 * minutes of grace wait anew before they tell it, and nobody is to hear meanwhile that it ended.
 */
const RESTART_MS = 12 * MINUTE;
/** What was told here so lately is so, whatever other replicas know of it: it is told at least every minute. */
const HEARD_MS = 2.5 * MINUTE;

export type AlertDesk = Awaited<ReturnType<typeof openAlertDesk>>;

/** Takes alerts in, keeps what is known of them, and has told who is to be told. */
export async function openAlertDesk({ keyValue, clock, settings, enqueue, pause, acts, share, on }: AlertDeskDeps) {
  const { flapping } = settings;
  const desks = new Map<TenantId, TenantDesk>();
  const inhibition = inhibiting(settings.inhibitRules);
  const rest = openRest(clock);

  function deskOf(tenant: TenantId): TenantDesk {
    let desk = desks.get(tenant);
    if (desk !== undefined) return desk;
    const route = settings.routeOf(tenant);
    const routed = route === undefined ? () => [] : routing(route, (receiver) => settings.serves(receiver, tenant));
    // The labels of an alert stay the same object while it is told again.
    const known = new WeakMap<Labels, readonly GroupPlace[]>();
    const placesOf = (labels: Labels) => {
      const before = known.get(labels);
      if (before !== undefined) return before;
      const places = routed(labels);
      known.set(labels, places);
      return places;
    };
    desk = {
      ...{ tenant, placesOf, alerts: new Map(), groups: new Map(), silences: openSilenceBook() },
      ...{ wakeAt: 0, counts: { active: 0, suppressed: 0, resolved: 0, flapping: 0 } },
      turn: Promise.resolve(),
      heard: new Map(),
    };
    desks.set(tenant, desk);
    return desk;
  }

  await load();

  async function load(): Promise<void> {
    const now = clock.now();
    const split = (key: string, prefix: string) => {
      const slash = key.indexOf('/', prefix.length);
      return { tenant: key.slice(prefix.length, slash) as TenantId, id: key.slice(slash + 1) };
    };
    for await (const [key, value] of keyValue.list(keysUnder(ALERT))) {
      const { tenant, id } = split(key, ALERT);
      const alert = decodeJson<HeldAlert>(value);
      // Who tells it was stopped as well, or could not reach this one: it has its time to tell it again.
      const until = alert.endsAt === undefined ? Math.max(alert.until, now + RESTART_MS) : alert.until;
      (deskOf(tenant).alerts as Map<string, HeldAlert>).set(id, { ...alert, until });
    }
    for await (const [key, value] of keyValue.list(keysUnder(GROUP))) {
      const group = decodeJson<Group>(value);
      (deskOf(split(key, GROUP).tenant).groups as Map<string, Group>).set(group.key, group);
    }
    for await (const [key, value] of keyValue.list(keysUnder(SILENCE))) {
      const { tenant, id } = split(key, SILENCE);
      deskOf(tenant).silences.set(id, decodeJson<Silence>(value));
    }
  }

  /** One change of a tenant after another. */
  function inTurn<T>(desk: TenantDesk, change: () => Promise<T>): Promise<T> {
    const mine = desk.turn.then(change);
    desk.turn = mine.catch(() => {});
    return mine;
  }

  function refusalOf({ labels, annotations }: Alert): 'labels' | 'size' | undefined {
    if (labels.length === 0 || labels.length > MOST_LABELS) return 'labels';
    let chars = 0;
    for (const [name, value] of [...labels, ...Object.entries(annotations)]) chars += name.length + value.length;
    return chars > MOST_BYTES ? 'size' : undefined;
  }

  /** Those that ended, and of which nobody waits to hear that: they make room for others. The newest first. */
  function endedOf({ groups }: TenantDesk, alerts: ReadonlyMap<string, HeldAlert>, now: Millis): string[] {
    const awaited = new Set([...groups.values()].flatMap(({ told }) => Object.keys(told)));
    return [...alerts.values()]
      .filter((alert) => !isFiring(alert, now, flapping) && !awaited.has(alert.fingerprint))
      .sort((a, b) => endOf(b) - endOf(a))
      .map(({ fingerprint }) => fingerprint);
  }

  /** Kept for good when it resolves, a piece after the other: whoever hears of a fault tells all of them again. */
  async function tell(tenant: TenantId, alerts: readonly Alert[]): Promise<void> {
    const desk = deskOf(tenant);
    for (let at = 0; at < alerts.length; at += AT_ONCE) {
      const piece = alerts.slice(at, at + AT_ONCE);
      await inTurn(desk, () => take(desk, piece));
    }
  }

  async function take(desk: TenantDesk, alerts: readonly Alert[]): Promise<void> {
    const { tenant } = desk;
    const now = clock.now();
    const taken = new Map(desk.alerts);
    const changes = new Map<string, KeyChange>();
    let isNews = false;
    let ended: string[] | undefined;
    for (const alert of alerts) {
      const turn = pause();
      if (turn !== undefined) await turn;
      const refusal = refusalOf(alert);
      if (refusal !== undefined) {
        on.refused(refusal, tenant);
        continue;
      }
      const fingerprint = fingerprintOf(alert.labels);
      const before = taken.get(fingerprint);
      const labels = before?.labels ?? alert.labels;
      const after = takeAlert(before, { ...alert, labels }, { fingerprint, now, flapping });
      if (after === undefined || after === before) {
        // One that another replica knows may end by it.
        const isRoom = desk.heard.has(fingerprint) || desk.heard.size < 2 * settings.alertsPerTenant;
        if (share !== undefined && isRoom) desk.heard.set(fingerprint, { alert, at: now });
        continue;
      }
      if (before === undefined && taken.size >= settings.alertsPerTenant) {
        ended ??= endedOf(desk, taken, now);
        const oldest = ended.pop();
        if (oldest !== undefined) {
          taken.delete(oldest);
          const key = `${ALERT}${tenant}/${oldest}`;
          changes.set(key, { key, value: undefined });
        }
      }
      if (before === undefined && taken.size >= settings.alertsPerTenant) {
        on.refused('limit', tenant);
        continue;
      }
      taken.set(fingerprint, after);
      if (share !== undefined) desk.heard.set(fingerprint, { alert, at: now });
      if (before !== undefined && isSameKept(before, after)) continue;
      isNews ||= before?.endsAt !== after.endsAt || before?.startsAt !== after.startsAt;
      const key = `${ALERT}${tenant}/${fingerprint}`;
      changes.set(key, { key, value: encodeJson(after) });
    }
    if (changes.size > 0) await keyValue.write([...changes.values()]);
    desk.alerts = taken;
    if (!isNews) return;
    desk.wakeAt = now;
    rest.wake();
    on.news();
  }

  function planOf({ tenant, placesOf, silences }: TenantDesk, now: Millis): AlertingPlan {
    return { tenant, placesOf, inhibition, silencedBy: (labels) => silences.by(labels, now), flapping };
  }

  async function stepOf(desk: TenantDesk, now: Millis): Promise<Step> {
    const pieces = stepping(desk, planOf(desk, now), now);
    for (;;) {
      const { done, value } = pieces.next();
      if (done === true) return value;
      const turn = pause();
      if (turn !== undefined) await turn;
    }
  }

  function forgetHeard({ heard }: TenantDesk, now: Millis): void {
    for (const [fingerprint, { at }] of heard) if (now - at > HEARD_MS || at > now) heard.delete(fingerprint);
  }

  /** What another replica knew, with what was told here lately on top of it. */
  function adopted(desk: TenantDesk, left: LeftAlerts) {
    const now = clock.now();
    const alerts = new Map<string, HeldAlert>();
    for (const alert of left.alerts) {
      // Who told it, told the other one: as after a restart, it has its time to tell it again.
      const until = alert.endsAt === undefined ? Math.max(alert.until, now + RESTART_MS) : alert.until;
      const known = desk.alerts.get(alert.fingerprint)?.labels;
      const isSame = known !== undefined && labelsKey(known) === labelsKey(alert.labels);
      alerts.set(alert.fingerprint, { ...alert, until, ...(isSame && { labels: known }) });
    }
    forgetHeard(desk, now);
    for (const [fingerprint, { alert }] of desk.heard) {
      const before = alerts.get(fingerprint);
      if (before === undefined && alerts.size >= settings.alertsPerTenant) continue;
      const labels = before?.labels ?? desk.alerts.get(fingerprint)?.labels ?? alert.labels;
      const after = takeAlert(before, { ...alert, labels }, { fingerprint, now, flapping });
      if (after !== undefined) alerts.set(fingerprint, after);
    }
    return { alerts, groups: new Map(left.groups.map((group) => [group.key, group])) };
  }

  /** Goes on from where another replica ended. */
  async function takeUp(desk: TenantDesk, left: LeftAlerts): Promise<void> {
    const { tenant } = desk;
    const { alerts, groups } = adopted(desk, left);
    const changes = new Map<string, KeyChange>();
    for (const prefix of [ALERT, GROUP]) {
      for await (const [key] of keyValue.list(keysUnder(`${prefix}${tenant}/`)))
        changes.set(key, { key, value: undefined });
    }
    const put = (key: string, value: object) => changes.set(key, { key, value: encodeJson(value) });
    for (const [id, alert] of alerts) put(`${ALERT}${tenant}/${id}`, alert);
    for (const [key, group] of groups) put(`${GROUP}${tenant}/${digestOf(key)}`, group);
    await keyValue.write([...changes.values()]);
    desk.alerts = alerts;
    desk.groups = groups;
  }

  /** Looks at the groups that are due. */
  async function pass(desk: TenantDesk): Promise<void> {
    await inTurn(desk, async () => {
      const now = clock.now();
      forgetHeard(desk, now);
      if (!acts(desk.tenant)) {
        desk.counts = (await stepOf(desk, now)).counts;
        desk.wakeAt = now + MINUTE;
        return;
      }
      const taking = await share?.takeOver(desk.tenant);
      if (taking?.left !== undefined) await takeUp(desk, taking.left);
      await taking?.done();
      const next = await stepOf(desk, now);
      desk.counts = next.counts;
      const { changes, added } = await enqueue(next.messages);
      const told = new Set(next.messages.map(({ groupKey }) => groupKey));
      /** What is so whether or not the messages are kept, and may be kept before them. */
      const loose: KeyChange[] = [];
      const withMessages: KeyChange[] = [...changes];
      for (const [key, group] of next.changedGroups) {
        const turn = pause();
        if (turn !== undefined) await turn;
        const value = group === undefined ? undefined : encodeJson(group);
        (told.has(key) ? withMessages : loose).push({ key: `${GROUP}${desk.tenant}/${digestOf(key)}`, value });
      }
      // One that was told no longer has ended, for the next process, too.
      const alerts = new Map(next.state.alerts);
      for (const [id, alert] of next.state.alerts) {
        if (alert.endsAt !== undefined || alert.until > now) continue;
        const turn = pause();
        if (turn !== undefined) await turn;
        const ended = { ...alert, endsAt: alert.until };
        alerts.set(id, ended);
        loose.push({ key: `${ALERT}${desk.tenant}/${id}`, value: encodeJson(ended) });
      }
      // One may be forgotten in the step that tells its end.
      const beside = next.messages.length > 0 ? withMessages : loose;
      for (const id of next.gone) beside.push({ key: `${ALERT}${desk.tenant}/${id}`, value: undefined });
      const old = [...desk.silences.values()].filter(({ endsAt }) => now - endsAt > SILENCE_KEPT_MS);
      for (const { id } of old) loose.push({ key: `${SILENCE}${desk.tenant}/${id}`, value: undefined });
      for (let at = 0; at < loose.length; at += AT_ONCE) await keyValue.write(loose.slice(at, at + AT_ONCE));
      // All or nothing: what is told of as told is in the queue.
      if (withMessages.length > 0) await keyValue.write(withMessages);
      for (const { id } of old) desk.silences.delete(id);
      desk.alerts = alerts;
      desk.groups = next.state.groups;
      desk.wakeAt = Math.min(next.wakeAt, now + MINUTE);
      added();
    });
  }

  /** All of a tenant's alerts as they were when it was called, piece by piece: it takes others no time. */
  async function* viewsOf(tenant: TenantId): AsyncGenerator<readonly AlertView[], void> {
    const desk = desks.get(tenant);
    if (desk === undefined) return;
    const now = clock.now();
    const all = [...desk.alerts.values()];
    const among = inhibition();
    for (const alert of all) {
      if (isFiring(alert, now, flapping)) among.add(alert);
      const turn = pause();
      if (turn !== undefined) await turn;
    }
    let views: AlertView[] = [];
    for (const alert of all) {
      views.push({
        alert,
        endsAt: isFiring(alert, now, flapping) ? undefined : endOf(alert),
        flapping: isFlapping(alert, now, flapping),
        silencedBy: desk.silences.by(alert.labels, now),
        inhibitedBy: among.by(alert),
        places: desk.placesOf(alert.labels),
      });
      const turn = pause();
      if (turn === undefined && views.length < VIEWED_AT_ONCE) continue;
      if (turn !== undefined) await turn;
      yield views;
      views = [];
    }
    if (views.length > 0) yield views;
  }

  return {
    tell,
    viewsOf,
    tenants: (): readonly TenantId[] => [...desks.keys()],
    /**
     * What a receiver that keeps alerts itself is to hear now: what fires and is not held back, and what ended lately.
     * @param shown What becomes of each before it is told.
     */
    async toldTo(
      tenant: TenantId,
      receiver: string,
      shown: (alert: MessageAlert) => MessageAlert = (alert) => alert,
    ): Promise<readonly MessageAlert[]> {
      const now = clock.now();
      const told: MessageAlert[] = [];
      for await (const views of viewsOf(tenant)) {
        for (const { alert, endsAt, silencedBy, inhibitedBy, places } of views) {
          if (!places.some(({ route }) => route.receiver === receiver)) continue;
          const isTold =
            endsAt === undefined
              ? silencedBy.length === 0 && inhibitedBy.length === 0
              : now - endsAt <= END_TOLD_FOR_MS;
          if (!isTold) continue;
          const { annotations, startsAt, generatorUrl, fingerprint } = alert;
          const labels = Object.fromEntries(alert.labels);
          const common = { labels, annotations, startsAt, generatorUrl, fingerprint };
          told.push(
            shown(endsAt === undefined ? { status: 'firing', ...common } : { status: 'resolved', ...common, endsAt }),
          );
        }
      }
      return told;
    },
    silences: (tenant: TenantId): readonly Silence[] => [...(desks.get(tenant)?.silences.values() ?? [])],
    silence: (tenant: TenantId, id: string): Silence | undefined => desks.get(tenant)?.silences.get(id),
    /** Keeps a silence that was checked, in place of those that it replaces. */
    async putSilences(tenant: TenantId, silences: readonly Silence[]): Promise<void> {
      const desk = deskOf(tenant);
      await inTurn(desk, async () => {
        await share?.putSilences(tenant, silences);
        await keyValue.write(
          silences.map((silence) => ({ key: `${SILENCE}${tenant}/${silence.id}`, value: encodeJson(silence) })),
        );
        for (const silence of silences) desk.silences.set(silence.id, silence);
      });
      on.news();
    },
    /** What is known of a tenant, as it is kept: for other replicas. */
    kept: (tenant: TenantId): LeftAlerts => {
      const desk = desks.get(tenant);
      return { alerts: [...(desk?.alerts.values() ?? [])], groups: [...(desk?.groups.values() ?? [])] };
    },
    /** Shows what the replica that tells knows. Kept is what this one heard itself. */
    async follow(tenant: TenantId, left: LeftAlerts): Promise<void> {
      const desk = deskOf(tenant);
      await inTurn(desk, async () => {
        if (!acts(tenant)) Object.assign(desk, adopted(desk, left));
      });
    },
    /** It may be for this process to tell of the tenant's alerts from now on. */
    look(tenant: TenantId): void {
      deskOf(tenant).wakeAt = 0;
      rest.wake();
    },
    /** The tenant's silences are those that `silencesOf` says when it is their turn: as all replicas have them. */
    async followSilences(tenant: TenantId, silencesOf: () => readonly Silence[]): Promise<void> {
      const desk = deskOf(tenant);
      await inTurn(desk, async () => {
        const now = new Map(silencesOf().map((silence) => [silence.id, silence]));
        const changes: KeyChange[] = [];
        for (const [id, silence] of now) {
          if (JSON.stringify(desk.silences.get(id)) === JSON.stringify(silence)) continue;
          changes.push({ key: `${SILENCE}${tenant}/${id}`, value: encodeJson(silence) });
        }
        for (const { id } of desk.silences.values()) {
          if (!now.has(id)) changes.push({ key: `${SILENCE}${tenant}/${id}`, value: undefined });
        }
        if (changes.length === 0) return;
        await keyValue.write(changes);
        for (const { id } of [...desk.silences.values()]) if (!now.has(id)) desk.silences.delete(id);
        for (const [id, silence] of now) {
          if (changes.some(({ key }) => key === `${SILENCE}${tenant}/${id}`)) desk.silences.set(id, silence);
        }
        on.news();
      });
    },
    /** How many there are of each kind, of all tenants, as their last looks found them. */
    counts() {
      const sum = { active: 0, suppressed: 0, resolved: 0, flapping: 0, silences: 0 };
      for (const { counts, silences } of desks.values()) {
        for (const kind of ['active', 'suppressed', 'resolved', 'flapping'] as const) sum[kind] += counts[kind];
        for (const each of silences.values()) if (silenceState(each, clock.now()) === 'active') sum.silences++;
      }
      return sum;
    },
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        let next = clock.now() + MINUTE;
        for (const desk of desks.values()) {
          try {
            if (desk.wakeAt <= clock.now()) await pass(desk);
          } catch (error) {
            desk.wakeAt = clock.now() + STORE_REST_MS;
            on.fault(error);
          }
          next = Math.min(next, desk.wakeAt);
        }
        on.pass();
        try {
          await rest.rest(Math.max(1, next - clock.now()), signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        }
      }
    },
  };
}
