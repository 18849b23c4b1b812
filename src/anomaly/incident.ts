import type { Deploy } from '../model/deploy.ts';
import type { Labels } from '../model/labels.ts';
import { HOUR, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import type { Anomaly, AnomalySeverity, Strike } from './anomaly.ts';

/** Anomalies of one group at the same time: told once. Plain data, JSON says all of it. */
export interface Incident {
  readonly id: string;
  /** Which group: members of one workload, or peers of one kind. */
  readonly group: string;
  /** What identifies the group to people: `watch`, and the labels that its members share. */
  readonly labels: Readonly<Record<string, string>>;
  readonly startedAt: Millis;
  /** Once all of its members' anomalies have ended. */
  readonly endedAt: Millis | undefined;
  readonly severity: AnomalySeverity;
  /** Since when it has this severity: another one is another alert. */
  readonly severitySince: Millis;
  /** Who moved first and most stands first. */
  readonly members: readonly IncidentMember[];
  /** What moved with them, the most alike first. */
  readonly related: readonly RelatedSeries[];
  /** What was deployed shortly before or meanwhile, in order of time. Left out: nothing. */
  readonly deploys?: readonly Deploy[];
}

export interface IncidentMember {
  /** The id of its anomaly. */
  readonly anomaly: string;
  readonly watch: string;
  readonly labels: Labels;
  readonly since: Millis;
  readonly stepMs: number;
  readonly severity: AnomalySeverity;
  readonly peak: Strike;
  readonly endedAt: Millis | undefined;
}

export interface RelatedSeries {
  readonly watch: string;
  readonly labels: Labels;
  /** Of how both moved beside what was expected, -1 to 1. */
  readonly correlation: number;
}

/** How one series moved of late, beside what was expected: one number a step, the oldest first, NaN where unknown. */
export interface RecentMoves {
  readonly watch: string;
  readonly labels: Labels;
  /** The time of the last. */
  readonly at: Millis;
  readonly stepMs: number;
  readonly moves: ArrayLike<number>;
}

/** Members that are kept of one incident; those beyond are counted nowhere else than in their own records. */
const MOST_MEMBERS = 200;
const MOST_RELATED = 10;
const LEAST_CORRELATION = 0.7;
/** Steps that both series must have. */
const LEAST_SHARED = 8;
/** Bands by which a related series moved at least once. */
const LEAST_MOVE = 0.75;

/** What an incident is a group of. */
export interface IncidentGroup {
  readonly group: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Takes an anomaly in: into its group's open incident, or as a new one. The same anomaly again replaces what was known of it.
 * @param incident The open incident of the group, or the one that the anomaly is in already.
 */
export function joinIncident(
  incident: Incident | undefined,
  anomaly: Anomaly,
  { group, labels }: IncidentGroup,
): Incident {
  const member: IncidentMember = {
    ...{ anomaly: anomaly.id, watch: anomaly.watch, labels: anomaly.labels, since: anomaly.since },
    ...{ stepMs: anomaly.stepMs, peak: anomaly.peak, severity: anomaly.severity, endedAt: anomaly.endedAt },
  };
  const others = incident?.members.filter((each) => each.anomaly !== anomaly.id) ?? [];
  const members = mostOf([...others, member]).sort(byFirstAndMost);
  // It never falls, whoever is kept of its members: another severity is another alert.
  const isIncident = incident?.severity === 'incident' || member.severity === 'incident';
  const severity = isIncident ? 'incident' : 'alert';
  const isOver = members.every(({ endedAt }) => endedAt !== undefined);
  const isMore = incident !== undefined && severity !== incident.severity;
  return {
    id: incident?.id ?? anomaly.id,
    ...{ group, severity, members },
    // What identifies it stays as it was, whoever joins.
    labels: incident?.labels ?? labels,
    startedAt: Math.min(incident?.startedAt ?? anomaly.since, anomaly.since),
    endedAt: isOver ? Math.max(...members.map(({ endedAt }) => endedAt!)) : undefined,
    severitySince: incident === undefined ? anomaly.since : isMore ? anomaly.peak.at : incident.severitySince,
    related: incident?.related ?? [],
    ...(incident?.deploys !== undefined && { deploys: incident.deploys }),
  };
}

/** How long before the first move a deploy may have been that is named: of its workload, its namespace, and any other. */
const DEPLOYED_BEFORE_MS = [HOUR, 15 * MINUTE, 5 * MINUTE] as const;
/** After the first move a deploy is hardly what moved first, but may have moved what came then. */
const DEPLOYED_AFTER_MS = 10 * MINUTE;
const MOST_DEPLOYS = 5;

/** Within which the deploys are that may have to do with an incident. */
export function deployRange({ startedAt }: Pick<Incident, 'startedAt'>): TimeRange {
  return { start: startedAt - DEPLOYED_BEFORE_MS[0], end: startedAt + DEPLOYED_AFTER_MS };
}

/** What was deployed shortly before an incident or meanwhile: of its own workloads rather than of others, in order of time. */
export function deploysWith(incident: Incident, deploys: readonly Deploy[]): readonly Deploy[] {
  const { startedAt } = incident;
  return deploys
    .map((deploy) => ({ deploy, distance: distanceOf(incident, deploy) }))
    .filter(
      ({ deploy: { at }, distance }) =>
        at >= startedAt - DEPLOYED_BEFORE_MS[distance] && at <= startedAt + DEPLOYED_AFTER_MS,
    )
    .sort((a, b) => a.distance - b.distance || Math.abs(a.deploy.at - startedAt) - Math.abs(b.deploy.at - startedAt))
    .slice(0, MOST_DEPLOYS)
    .map(({ deploy }) => deploy)
    .sort((a, b) => a.at - b.at);
}

/** 0: a member is of the workload. 1: one is of its namespace. 2: neither. */
function distanceOf({ members, labels }: Incident, { namespace, workload }: Deploy): 0 | 1 | 2 {
  const isOf = (of: Labels) => {
    const own = of.find(([name]) => name === 'namespace')?.[1];
    if (own !== undefined && own !== namespace) return 2;
    const names = of.some(
      ([name, value]) => value === workload || (name === 'pod' && value.startsWith(`${workload}-`)),
    );
    return names ? 0 : own === undefined ? 2 : 1;
  };
  const all = [Object.entries(labels), ...members.map((member) => member.labels)].map(isOf);
  return Math.min(...all) as 0 | 1 | 2;
}

export type Move =
  | { readonly kind: 'deploy'; readonly at: Millis; readonly deploy: Deploy }
  | { readonly kind: 'anomaly'; readonly at: Millis; readonly member: IncidentMember };

/** What moved and what was deployed, who was first stands first. */
export function movesInOrder({ members, deploys = [] }: Incident): readonly Move[] {
  const moves: Move[] = [];
  let next = 0;
  for (const member of members) {
    for (; next < deploys.length && deploys[next]!.at <= member.since; next++) {
      moves.push({ kind: 'deploy', at: deploys[next]!.at, deploy: deploys[next]! });
    }
    moves.push({ kind: 'anomaly', at: member.since, member });
  }
  return [...moves, ...deploys.slice(next).map((deploy): Move => ({ kind: 'deploy', at: deploy.at, deploy }))];
}

/** Of too many, those that go on, and of these who moved first: what has not ended must not be forgotten. */
function mostOf(members: IncidentMember[]): IncidentMember[] {
  if (members.length <= MOST_MEMBERS) return members;
  const hasEnded = ({ endedAt }: IncidentMember) => (endedAt === undefined ? 0 : 1);
  return members.sort((a, b) => hasEnded(a) - hasEnded(b) || byFirstAndMost(a, b)).slice(0, MOST_MEMBERS);
}

/** Who moved a step earlier stands first; of those that moved at once, who moved most. */
function byFirstAndMost(a: IncidentMember, b: IncidentMember): number {
  const stepMs = Math.max(a.stepMs, b.stepMs, 1);
  return Math.floor(a.since / stepMs) - Math.floor(b.since / stepMs) || b.peak.score - a.peak.score;
}

/**
 * Series that moved as the first of the incident did, in either direction.
 * @param others Its members are passed over.
 */
export function relatedTo(
  first: RecentMoves,
  others: readonly RecentMoves[],
  isMember: (series: RecentMoves) => boolean,
): readonly RelatedSeries[] {
  const found: RelatedSeries[] = [];
  for (const other of others) {
    if (other === first || isMember(other)) continue;
    const correlation = correlationOf(first, other);
    if (Math.abs(correlation) < LEAST_CORRELATION) continue;
    found.push({ watch: other.watch, labels: other.labels, correlation: Math.round(correlation * 100) / 100 });
  }
  return found.sort((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation)).slice(0, MOST_RELATED);
}

/** Of the steps that both have; 0 where those are too few, or the other one hardly moved. */
function correlationOf(first: RecentMoves, other: RecentMoves): number {
  let [count, sumA, sumB, sumAA, sumBB, sumAB, most] = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < first.moves.length; i++) {
    const time = first.at - (first.moves.length - 1 - i) * first.stepMs;
    const j = other.moves.length - 1 - Math.floor((other.at - time) / other.stepMs);
    const a = first.moves[i]!;
    const b = other.moves[j] ?? Number.NaN;
    if (!(Number.isFinite(a) && Number.isFinite(b))) continue;
    count++;
    sumA += a;
    sumB += b;
    sumAA += a * a;
    sumBB += b * b;
    sumAB += a * b;
    most = Math.max(most, Math.abs(b));
  }
  if (count < LEAST_SHARED || most < LEAST_MOVE) return 0;
  const varianceA = sumAA - (sumA * sumA) / count;
  const varianceB = sumBB - (sumB * sumB) / count;
  if (!(varianceA > 0 && varianceB > 0)) return 0;
  return (sumAB - (sumA * sumB) / count) / Math.sqrt(varianceA * varianceB);
}
