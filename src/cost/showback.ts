import { DAY, HOUR, type Millis } from '../model/time.ts';
import { inMinorUnits } from './minor-units.ts';
import { microsOf, shareOut, sumOf } from './money.ts';
import type { ReportPeriod } from './report-period.ts';
import type { SpendHour } from './spend.ts';

export const SHARE_RULES = ['proportional', 'even', 'none'] as const;
export type ShareRule = (typeof SHARE_RULES)[number];

/** Who pays for what nobody used. */
export interface SharingRule {
  /** How unallocated cost is shared among the workloads of its region. */
  readonly unallocated: ShareRule;
  /** own: a workload pays for what it asked for and did not use. shared: that is shared as unallocated cost is. */
  readonly idle: 'own' | 'shared';
}

export interface ShowbackInput {
  readonly period: ReportPeriod;
  /** What is told of ends here: now, in a period that is not over. A full hour. */
  readonly until: Millis;
  readonly currency: string;
  /** Digits after the point of the currency's amounts. */
  readonly digits: number;
  readonly rule: SharingRule;
  /** Of the tenant, within the period; others are left out. */
  readonly spend: readonly SpendHour[];
  /** The same of the period before. */
  readonly before: { readonly period: ReportPeriod; readonly spend: readonly SpendHour[] };
}

/** What a tenant's workloads cost in a period. Amounts are in the currency, rounded to its minor unit; all tables add up. */
export interface Showback {
  readonly period: ReportPeriod;
  readonly until: Millis;
  readonly currency: string;
  readonly digits: number;
  readonly rule: SharingRule;
  /** The rule in words. */
  readonly ruleText: string;
  readonly total: ShowbackRow;
  /** Idle and unallocated cost that was shared, and that no workload could be charged with. */
  readonly pot: { readonly shared: number; readonly unshared: number };
  readonly namespaces: readonly ShowbackRow[];
  readonly workloads: readonly WorkloadRow[];
  readonly regions: readonly ShowbackRow[];
  readonly plans: readonly ShowbackRow[];
  /** A table for each label that some workload has, by its name; each has all the cost. */
  readonly labels: readonly { readonly label: string; readonly rows: readonly ShowbackRow[] }[];
  /** One of each day, what was shared included where it arose. */
  readonly days: readonly DayRow[];
  readonly hours: Coverage;
  /** What the period before is compared as: as far into it as this one has come. */
  readonly before: {
    readonly period: ReportPeriod;
    readonly until: Millis;
    readonly hours: Coverage;
    /** Null where nothing is known of it. */
    readonly total: number | null;
  };
}

export interface ShowbackRow {
  /** Empty where there is none: no region, no such label. */
  readonly name: string;
  /** From what was recorded, from what was estimated, and from what was shared: they add up to `total`. */
  readonly recorded: number;
  readonly estimated: number;
  readonly shared: number;
  readonly total: number;
  /** Of recorded and estimated cost, what was paid for and not used; null where usage is not known. */
  readonly idle: number | null;
  readonly replicaHours: number;
  /** In the period before; null where the whole period is not known. */
  readonly before: number | null;
}

export interface WorkloadRow extends ShowbackRow {
  readonly namespace: string;
  /** Null where no policy is for it. */
  readonly policy: string | null;
}

export interface DayRow {
  readonly start: Millis;
  readonly recorded: number;
  readonly estimated: number;
  /** Hours of the day, within what is told of, of which nothing is known. */
  readonly missingHours: number;
}

export interface Coverage {
  readonly hours: number;
  /** Hours some of whose cost was estimated. */
  readonly estimated: number;
  readonly missing: number;
  /** Hours of which nothing is known: not free, not known. Both ends full hours, the second not in it. */
  readonly gaps: readonly (readonly [Millis, Millis])[];
}

/** The name of the row of cost that no workload pays for. */
export const UNALLOCATED = '__unallocated__';

/**
 * What a tenant's workloads cost in a week or a month, by namespace, workload, label, region and way of paying.
 *
 * Every amount of a workload is rounded once, so that all of them add up to the rounded sum of the period (largest
 * remainders); every other figure is a sum of these.
 */
export function showback(input: ShowbackInput): Showback {
  const steps = showbackInSteps(input);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Entries that are added up in one step. */
const AT_ONCE = 5000;

/** The same in short steps, for one who lets others run between: the last one returns it. */
export function* showbackInSteps(input: ShowbackInput): Generator<void, Showback> {
  const { period, until, currency, digits, rule } = input;
  const elapsed = until - period.start;
  const { period: past, spend: pastSpend } = input.before;
  const pastUntil = until >= period.end ? past.end : Math.min(past.end, past.start + elapsed);
  const now = yield* tally(within(input.spend, period.start, until), rule, digits);
  const then = yield* tally(within(pastSpend, past.start, pastUntil), rule, digits);
  const hasPast = pastSpend.some(({ hour }) => hour >= past.start && hour < pastUntil);

  const rowsBy = <K extends string>(nameOf: (leaf: Leaf) => K): ShowbackRow[] => {
    const current = grouped(now, nameOf);
    const earlier = grouped(then, nameOf);
    const names = new Set([...current.keys(), ...earlier.keys()]);
    const rows = [...names].map((name) => rowOf(name, current.get(name) ?? [], earlier.get(name) ?? []));
    return rows.sort(byTotal);
  };
  const rowOf = (name: string, leaves: readonly Leaf[], earlier: readonly Leaf[]): ShowbackRow => {
    const units = (of: (leaf: Leaf) => number) => leaves.reduce((sum, leaf) => sum + of(leaf), 0) / 10 ** digits;
    const knownIdle = leaves.filter((leaf) => leaf.idleUnits !== null);
    const totalBefore = earlier.reduce((sum, leaf) => sum + totalUnits(leaf), 0) / 10 ** digits;
    return {
      name,
      recorded: units((leaf) => leaf.recordedUnits),
      estimated: units((leaf) => leaf.estimatedUnits),
      shared: units((leaf) => leaf.sharedUnits),
      total: units(totalUnits),
      idle: knownIdle.length === 0 ? null : units((leaf) => leaf.idleUnits ?? 0),
      replicaHours: leaves.reduce((sum, leaf) => sum + leaf.replicaHours, 0),
      before: hasPast ? totalBefore : null,
    };
  };

  yield;
  const labelNames = new Set([...now, ...then].flatMap(({ of }) => Object.keys(of.labels)));
  const total = rowOf('', now, then);
  const unshared = now.filter(({ isPot }) => isPot).reduce((sum, leaf) => sum + totalUnits(leaf), 0);
  return {
    ...{ period, until, currency, digits, rule, ruleText: ruleText(rule), total },
    pot: { shared: total.shared, unshared: unshared / 10 ** digits },
    namespaces: rowsBy(({ of }) => of.namespace),
    workloads: workloadRows(now, then, rowOf),
    regions: rowsBy(({ of }) => of.region),
    plans: rowsBy(({ of }) => of.plan),
    labels: [...labelNames].sort().map((label) => ({ label, rows: rowsBy(({ of }) => of.labels[label] ?? '') })),
    days: daysOf(within(input.spend, period.start, until), { start: period.start, end: until }, digits),
    hours: coverageOf(input.spend, period.start, until),
    before: {
      period: past,
      until: pastUntil,
      hours: coverageOf(pastSpend, past.start, pastUntil),
      total: total.before,
    },
  };
}

/** Of one workload with one region, one way of paying and the same labels. Amounts are exact, `…Units` are rounded. */
interface Leaf {
  readonly of: Pick<SpendHour, 'namespace' | 'workload' | 'policy' | 'region' | 'labels' | 'plan'>;
  /** Of no workload. */
  readonly isPot: boolean;
  replicaHours: number;
  recorded: number;
  estimated: number;
  shared: number;
  idle: number | null;
  recordedUnits: number;
  estimatedUnits: number;
  sharedUnits: number;
  idleUnits: number | null;
}

/** OpenCost's names of what belongs to nobody: `__idle__`, `__unallocated__`, `__unmounted__`. */
function isNobody(name: string): boolean {
  return name === '' || /^__.*__$/.test(name);
}

function within(spend: readonly SpendHour[], from: Millis, to: Millis): readonly SpendHour[] {
  return spend.filter(({ hour }) => hour >= from && hour < to);
}

function* tally(spend: readonly SpendHour[], rule: SharingRule, digits: number): Generator<void, readonly Leaf[]> {
  const leaves = new Map<
    string,
    { readonly leaf: Leaf; readonly costs: number[]; readonly guesses: number[]; readonly idles: number[] }
  >();
  for (const [i, entry] of spend.entries()) {
    if (i % AT_ONCE === AT_ONCE - 1) yield;
    const of = leafOf(entry);
    const key = JSON.stringify([
      of.namespace,
      of.workload,
      of.policy ?? null,
      of.region,
      of.plan,
      Object.entries(of.labels).sort(),
    ]);
    let found = leaves.get(key);
    if (found === undefined) {
      found = {
        leaf: emptyLeaf(of, isNobody(entry.namespace) || isNobody(entry.workload)),
        costs: [],
        guesses: [],
        idles: [],
      };
      leaves.set(key, found);
    }
    found.leaf.replicaHours += entry.replicaHours;
    found.costs.push(entry.cost);
    found.guesses.push(entry.estimated);
    if (entry.idle !== undefined) found.idles.push(Math.min(entry.idle, entry.cost));
  }
  yield;
  const all = [...leaves.keys()].sort().map((key) => {
    const { leaf, costs, guesses, idles } = leaves.get(key)!;
    const cost = sumOf(costs);
    leaf.estimated = Math.min(cost, sumOf(guesses));
    leaf.recorded = sumOf([cost, -leaf.estimated]);
    leaf.idle = idles.length === 0 ? null : sumOf(idles);
    return leaf;
  });
  share(all, rule);
  // What was shared is nowhere else.
  const left = all.filter(({ isPot, recorded, estimated }) => !isPot || recorded + estimated > 0);
  roundLeaves(left, digits);
  return left;
}

function leafOf(entry: SpendHour): Leaf['of'] {
  const { namespace, workload, policy, region, labels, plan } = entry;
  if (isNobody(namespace)) {
    return { namespace: UNALLOCATED, workload: namespace || UNALLOCATED, policy: undefined, region, labels: {}, plan };
  }
  return { namespace, workload, policy, region, labels, plan };
}

function emptyLeaf(of: Leaf['of'], isPot: boolean): Leaf {
  const amounts = { recorded: 0, estimated: 0, shared: 0, idle: null };
  return {
    of,
    isPot,
    replicaHours: 0,
    ...amounts,
    recordedUnits: 0,
    estimatedUnits: 0,
    sharedUnits: 0,
    idleUnits: null,
  };
}

/**
 * Moves unallocated cost, and idle cost where the rule says so, to workloads: of the pot's namespace, where it has one,
 * and of these to those of its region; to all where none are left.
 */
function share(leaves: readonly Leaf[], { unallocated, idle }: SharingRule): void {
  if (unallocated === 'none') return;
  const payers = leaves.filter(({ isPot }) => !isPot);
  if (payers.length === 0) return;
  const pots = new Map<string, { readonly namespace: string; readonly region: string; readonly amounts: number[] }>();
  const toPot = (namespace: string, region: string, amount: number) => {
    const key = JSON.stringify([namespace, region]);
    const pot = pots.get(key) ?? { namespace, region, amounts: [] };
    pot.amounts.push(amount);
    pots.set(key, pot);
  };
  for (const leaf of leaves) {
    const { of, isPot, recorded, estimated } = leaf;
    if (isPot) {
      toPot(of.namespace === UNALLOCATED ? '' : of.namespace, of.region, sumOf([recorded, estimated]));
      [leaf.recorded, leaf.estimated] = [0, 0];
    } else if (idle === 'shared' && leaf.idle !== null) {
      const cost = sumOf([recorded, estimated]);
      // As much of what was estimated as of what was recorded.
      [leaf.recorded, leaf.estimated] = shareOut(sumOf([cost, -leaf.idle]), [recorded, estimated]) as [number, number];
      toPot('', of.region, leaf.idle);
      leaf.idle = 0;
    }
  }
  // Every pot is shared by what each paid before any was.
  const paid = payers.map(({ recorded, estimated }) => sumOf([recorded, estimated]));
  for (const [, { namespace, region, amounts }] of [...pots].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const all = payers.map((_, i) => i);
    const own = narrowed(all, (i) => namespace === '' || payers[i]!.of.namespace === namespace);
    const among = narrowed(own, (i) => region === '' || payers[i]!.of.region === region);
    const parts = shareOut(
      sumOf(amounts),
      among.map((i) => weightOf(unallocated, payers, i, { among, paid })),
    );
    for (const [k, i] of among.entries()) payers[i]!.shared = sumOf([payers[i]!.shared, parts[k]!]);
  }
}

/** Those that are meant, or all where none is. */
function narrowed(all: readonly number[], isMeant: (i: number) => boolean): readonly number[] {
  const some = all.filter(isMeant);
  return some.length > 0 ? some : all;
}

/** Even shares are of workloads, however many ways of paying and sets of labels each has. */
function weightOf(
  rule: ShareRule,
  payers: readonly Leaf[],
  i: number,
  { among, paid }: { readonly among: readonly number[]; readonly paid: readonly number[] },
): number {
  if (rule === 'proportional') return paid[i]!;
  const { namespace, workload } = payers[i]!.of;
  const same = among.filter((j) => payers[j]!.of.namespace === namespace && payers[j]!.of.workload === workload);
  return 1 / same.length;
}

function roundLeaves(leaves: readonly Leaf[], digits: number): void {
  const units = inMinorUnits(
    leaves.flatMap(({ recorded, estimated, shared }) => [recorded, estimated, shared]),
    digits,
  );
  const idle = inMinorUnits(
    leaves.map((leaf) => leaf.idle ?? 0),
    digits,
  );
  for (const [i, leaf] of leaves.entries()) {
    [leaf.recordedUnits, leaf.estimatedUnits, leaf.sharedUnits] = units.slice(3 * i, 3 * i + 3) as [
      number,
      number,
      number,
    ];
    leaf.idleUnits = leaf.idle === null ? null : idle[i]!;
  }
}

function totalUnits({ recordedUnits, estimatedUnits, sharedUnits }: Leaf): number {
  return recordedUnits + estimatedUnits + sharedUnits;
}

function grouped<K extends string>(leaves: readonly Leaf[], nameOf: (leaf: Leaf) => K): Map<K, Leaf[]> {
  const groups = new Map<K, Leaf[]>();
  for (const leaf of leaves) {
    const name = nameOf(leaf);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [leaf]);
    else group.push(leaf);
  }
  return groups;
}

function workloadRows(
  now: readonly Leaf[],
  then: readonly Leaf[],
  rowOf: (name: string, leaves: readonly Leaf[], earlier: readonly Leaf[]) => ShowbackRow,
): readonly WorkloadRow[] {
  const keyOf = ({ of }: Leaf) => JSON.stringify([of.namespace, of.workload]);
  const [current, earlier] = [grouped(now, keyOf), grouped(then, keyOf)];
  const rows = [...new Set([...current.keys(), ...earlier.keys()])].map((key): WorkloadRow => {
    const leaves = current.get(key) ?? [];
    const before = earlier.get(key) ?? [];
    const { namespace, workload } = (leaves[0] ?? before[0]!).of;
    const policy = [...before, ...leaves].findLast(({ of }) => of.policy !== undefined)?.of.policy ?? null;
    return { namespace, policy, ...rowOf(workload, leaves, before) };
  });
  return rows.sort((a, b) => byTotal(a, b) || (a.namespace < b.namespace ? -1 : 1));
}

/** The dearest first; of equals by name. */
function byTotal(a: ShowbackRow, b: ShowbackRow): number {
  if (a.total !== b.total) return b.total - a.total;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function daysOf(
  spend: readonly SpendHour[],
  { start, end }: { readonly start: Millis; readonly end: Millis },
  digits: number,
): readonly DayRow[] {
  const count = Math.ceil((end - start) / DAY);
  const days = Array.from({ length: count }, () => ({ micros: 0, guessed: 0, hours: new Set<Millis>() }));
  for (const { hour, cost, estimated } of spend) {
    const day = days[Math.floor((hour - start) / DAY)]!;
    day.micros += microsOf(cost);
    day.guessed += microsOf(Math.min(cost, estimated));
    day.hours.add(hour);
  }
  const units = inMinorUnits(
    days.flatMap(({ micros, guessed }) => [(micros - guessed) / 1e6, guessed / 1e6]),
    digits,
  );
  return days.map(({ hours }, i) => {
    const from = start + i * DAY;
    return {
      start: from,
      recorded: units[2 * i]! / 10 ** digits,
      estimated: units[2 * i + 1]! / 10 ** digits,
      missingHours: Math.round((Math.min(end, from + DAY) - from) / HOUR) - hours.size,
    };
  });
}

function coverageOf(spend: readonly SpendHour[], start: Millis, end: Millis): Coverage {
  const known = new Set<Millis>();
  const guessed = new Set<Millis>();
  for (const { hour, estimated } of within(spend, start, end)) {
    known.add(hour);
    if (estimated > 0) guessed.add(hour);
  }
  const gaps: [Millis, Millis][] = [];
  for (let hour = start; hour < end; hour += HOUR) {
    if (known.has(hour)) continue;
    const last = gaps.at(-1);
    if (last !== undefined && last[1] === hour) last[1] = hour + HOUR;
    else gaps.push([hour, hour + HOUR]);
  }
  const hours = Math.max(0, Math.ceil((end - start) / HOUR));
  return { hours, estimated: guessed.size, missing: hours - known.size, gaps };
}

/** The rule of sharing, as it is printed on every report. */
function ruleText({ unallocated, idle }: SharingRule): string {
  const own = 'A workload pays for what it asked for and did not use itself (its idle cost).';
  switch (unallocated) {
    case 'none':
      return `Unallocated cost is not shared: it stands in a row of its own. ${own}`;
    case 'proportional':
    case 'even': {
      const how =
        unallocated === 'even'
          ? 'in equal parts, one a workload'
          : 'in proportion to what each cost by itself in the period';
      const what = idle === 'own' ? 'Unallocated cost is' : 'Unallocated and idle cost are';
      return `${what} shared among the workloads of its namespace and region, as far as it has them (of all where it has none), ${how}.${idle === 'own' ? ` ${own}` : ''}`;
    }
  }
}
