import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Anomaly } from '../anomaly/anomaly.ts';
import {
  deployRange,
  deploysWith,
  type Incident,
  type IncidentGroup,
  type IncidentMember,
  joinIncident,
  type RecentMoves,
  relatedTo,
} from '../anomaly/incident.ts';
import { incidentAlerts } from '../anomaly/incident-alert.ts';
import { movesOf } from '../anomaly/watched-series.ts';
import { type Alert, END_TOLD_FOR_MS } from '../model/alert.ts';
import type { Deploy } from '../model/deploy.ts';
import { labelsKey, labelValue } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import type { Watch } from './watch.ts';
import { groupOf, type Watcher } from './watcher.ts';

export interface IncidentBookDeps {
  /** Of one tenant; kept over a restart. */
  readonly read: (tenant: TenantId) => Promise<readonly Incident[]>;
  readonly write: (tenant: TenantId, incidents: readonly Incident[]) => Promise<void>;
  /** The workload that a series is of, where its labels name one that a policy scales: `namespace`, `workload`. */
  readonly workloadOf: (anomaly: Anomaly, tenant: TenantId) => Readonly<Record<string, string>> | undefined;
  readonly watchersOf: (tenant: TenantId) => readonly Watcher[];
  /** What of the tenant's was deployed in a range, as far as it can be seen. Left out: nothing can be. */
  readonly deploysOf?: (tenant: TenantId, range: TimeRange) => Promise<readonly Deploy[]>;
  readonly externalUrl: string;
}

/** No anomaly lasts as long: its watch was taken away while the program did not run. */
const MOST_MS = 2 * DAY;
/** Without leaving the thread to others. */
const TAKEN_AT_ONCE = 50;
const RELATED_AT_ONCE = 1000;
/** Around an incident that began lately, deploys are looked for so often: they are seen some time after they began. */
const DEPLOYS_EVERY_MS = 30 * SECOND;
const DEPLOYS_FOR_MS = 20 * MINUTE;

/** Puts anomalies together to incidents, and says what is told of them. */
export function openIncidentBook(deps: IncidentBookDeps) {
  const books = new Map<TenantId, Promise<Incident[]>>();
  /** When deploys were looked for around an incident, by its id. */
  const searched = new Map<string, Millis>();

  function bookOf(tenant: TenantId): Promise<Incident[]> {
    const known = books.get(tenant);
    if (known !== undefined) return known;
    const read = deps.read(tenant).then((incidents) => [...incidents]);
    read.catch(() => books.delete(tenant));
    books.set(tenant, read);
    return read;
  }

  return {
    /** Takes anomalies in, and gives them back with their incidents. Resolves once that is kept. */
    async take(tenant: TenantId, watch: Watch, anomalies: readonly Anomaly[]): Promise<readonly Anomaly[]> {
      if (anomalies.length === 0) return [];
      const book = await bookOf(tenant);
      const taken: Anomaly[] = [];
      const touched = new Set<string>();
      for (const anomaly of anomalies) {
        const group = incidentGroup(watch, anomaly, deps.workloadOf(anomaly, tenant));
        const i = book.findIndex(
          (each) =>
            each.members.some((member) => member.anomaly === anomaly.id) ||
            (each.endedAt === undefined && each.group === group.group),
        );
        const incident = joinIncident(book[i], anomaly, group);
        if (i === -1) book.push(incident);
        else book[i] = incident;
        touched.add(incident.id);
        taken.push({ ...anomaly, incident: incident.id });
        if (taken.length % TAKEN_AT_ONCE === 0) await yieldTurn();
      }
      await relate(tenant, book, touched);
      await deps.write(tenant, book);
      return taken;
    },

    /** All that is told now; what ended long ago is forgotten. */
    async alerts(tenant: TenantId, now: Millis): Promise<readonly Alert[]> {
      const book = await bookOf(tenant);
      const kept = book.filter(({ endedAt, members }) =>
        endedAt === undefined ? members.some(({ since }) => now - since < MOST_MS) : now - endedAt < END_TOLD_FOR_MS,
      );
      if (kept.length < book.length) {
        for (const { id } of book) if (!kept.some((each) => each.id === id)) searched.delete(id);
        book.splice(0, book.length, ...kept);
        await deps.write(tenant, book);
      }
      const alerts = book.flatMap((incident) => incidentAlerts(incident, now, deps.externalUrl));
      // The group's next incident may have begun meanwhile: with the same labels it is the same alert, and lasts.
      const lasting = new Set(
        alerts.flatMap(({ labels, endsAt }) => (endsAt === undefined ? [labelsKey(labels)] : [])),
      );
      return alerts.filter(({ labels, endsAt }) => endsAt === undefined || !lasting.has(labelsKey(labels)));
    },

    /** Looks for what was deployed around the incidents that last. @returns Whether one has others than before. */
    async lookForDeploys(tenant: TenantId, now: Millis): Promise<boolean> {
      if (deps.deploysOf === undefined || !books.has(tenant)) return false;
      const book = await bookOf(tenant);
      const due = book.filter(({ id, startedAt, endedAt }) => {
        const last = searched.get(id);
        if (last === undefined && endedAt === undefined) return true;
        // A short one is over before a deploy is seen, and is told of for a while.
        return now - startedAt <= DEPLOYS_FOR_MS && Math.abs(now - (last ?? 0)) >= DEPLOYS_EVERY_MS;
      });
      if (due.length === 0) return false;
      for (const { id } of due) searched.set(id, now);
      const ranges = due.map(deployRange);
      const start = Math.min(...ranges.map((range) => range.start));
      const end = Math.min(now, Math.max(...ranges.map((range) => range.end)));
      const found = await deps.deploysOf(tenant, { start, end: Math.max(start, end) });
      let isNews = false;
      for (const { id } of due) {
        const i = book.findIndex((each) => each.id === id);
        if (i === -1) continue;
        const deploys = deploysWith(book[i]!, found);
        if (JSON.stringify(deploys) === JSON.stringify(book[i]!.deploys ?? [])) continue;
        book[i] = { ...book[i]!, deploys };
        isNews = true;
      }
      if (isNews) await deps.write(tenant, book);
      return isNews;
    },

    /** The incident, while it is told of. */
    async read(tenant: TenantId, id: string): Promise<Incident | undefined> {
      return (await bookOf(tenant)).find((incident) => incident.id === id);
    },
  };

  /** What moved with each of the incidents that are new or have changed, once for all of them. */
  async function relate(tenant: TenantId, book: Incident[], touched: ReadonlySet<string>): Promise<void> {
    const lasts = ({ id, endedAt }: Incident) => touched.has(id) && endedAt === undefined;
    if (!book.some(lasts)) return;
    const known = new Map<string, RecentMoves>();
    for (const watcher of deps.watchersOf(tenant)) {
      const { name, stepMs } = watcher.watch;
      for (const series of watcher.series()) {
        const moves = { watch: name, labels: series.labels, at: series.movedAt, stepMs, moves: movesOf(series) };
        known.set(`${name}${series.key}`, moves);
        if (known.size % RELATED_AT_ONCE === 0) await yieldTurn();
      }
    }
    const all = [...known.values()];
    for (const id of touched) {
      await yieldTurn();
      const i = book.findIndex((incident) => incident.id === id && lasts(incident));
      if (i === -1) continue;
      const incident = book[i]!;
      const movesOfMember = ({ watch, labels }: IncidentMember) => known.get(`${watch}${labelsKey(labels)}`);
      const members = new Set(incident.members.map(movesOfMember));
      const first = movesOfMember(incident.members[0]!);
      const related = first === undefined ? [] : relatedTo(first, all, (one) => members.has(one));
      book[i] = { ...incident, related };
    }
  }
}

/** Series of one workload are one group, whatever watches them; else those that the watch puts together. */
function incidentGroup(
  watch: Watch,
  anomaly: Anomaly,
  workload: Readonly<Record<string, string>> | undefined,
): IncidentGroup {
  if (watch.group.length > 0) {
    const shared = Object.fromEntries(watch.group.map((name) => [name, labelValue(anomaly.labels, name)]));
    return { group: `${watch.key} ${groupOf(watch, anomaly.labels)}`, labels: { watch: watch.name, ...shared } };
  }
  if (workload !== undefined) {
    return { group: `workload ${JSON.stringify(workload)}`, labels: { watch: watch.name, ...workload } };
  }
  return { group: watch.key, labels: { watch: watch.name } };
}
