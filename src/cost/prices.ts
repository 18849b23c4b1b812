import { z } from 'zod';
import { type Millis, parseInstant } from '../model/time.ts';
import { PLANS, type PricePlan } from './spend.ts';

/** What is paid for: of a replica with a price of its own `replica`, else what it requests. Hours of a core, a GiB, a GPU. */
export const RESOURCES = ['cpu', 'memory', 'gpu', 'replica'] as const;
export type Resource = (typeof RESOURCES)[number];
/** By resource: a price of one for an hour, or an amount of it. */
export type ByResource = Readonly<Partial<Record<Resource, number>>>;

const price = z.number().min(0).max(1_000_000_000);

/** A day, or an instant, from which something holds. */
const validFrom = z
  .string()
  .refine((value) => instantOf(value) !== undefined, { error: 'expected a date such as 2026-01-31' })
  .describe('A date such as 2026-01-31: midnight in UTC. What was spent before keeps the price of its time.');

const UnitPrices = z.strictObject({
  cpuCoreHour: price.describe('One core for an hour.'),
  memoryGibHour: price.describe('One GiB for an hour.'),
  gpuHour: price.default(0).describe('One GPU for an hour.'),
});

const PriceEntry = z.strictObject({
  from: validFrom.optional().describe('Left out: since ever.'),
  onDemand: UnitPrices,
  spot: UnitPrices.optional().describe('Left out: as on demand.'),
  reserved: UnitPrices.optional().describe('Left out: as on demand.'),
});

/** A price book, as it is written. `regions` may have `*` for all that it does not name. */
export const PriceBookDocument = z.strictObject({
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, { error: 'expected a currency such as USD' })
    .default('USD'),
  regions: z
    .record(z.string().min(1), z.array(PriceEntry).min(1).max(1000))
    .describe('By region, as nodes have it in topology.kubernetes.io/region; * is for all others.'),
});

interface BookEntry {
  readonly from: Millis;
  readonly prices: Readonly<Record<PricePlan, ByResource>>;
}

export interface PriceBook {
  readonly currency: string;
  /** By region: each list ascends by time. */
  readonly regions: ReadonlyMap<string, readonly BookEntry[]>;
}

/** @throws Nothing: the document was checked. */
export function priceBookOf({ currency, regions }: z.infer<typeof PriceBookDocument>): PriceBook {
  const entries = Object.entries(regions).map(([region, list]) => {
    const held = list.map(({ from, onDemand, spot, reserved }) => ({
      from: from === undefined ? Number.NEGATIVE_INFINITY : instantOf(from)!,
      prices: {
        'on-demand': unitsOf(onDemand),
        spot: unitsOf(spot ?? onDemand),
        reserved: unitsOf(reserved ?? onDemand),
      },
    }));
    return [region, held.sort((a, b) => a.from - b.from)] as const;
  });
  return { currency, regions: new Map(entries) };
}

/** What the book says of a region and a plan at an instant; undefined where it says nothing. */
export function bookPrices(book: PriceBook, region: string, plan: PricePlan, at: Millis): ByResource | undefined {
  const entries = book.regions.get(region) ?? book.regions.get('*');
  return entries?.findLast(({ from }) => from <= at)?.prices[plan];
}

function unitsOf({ cpuCoreHour, memoryGibHour, gpuHour }: z.infer<typeof UnitPrices>): ByResource {
  return { cpu: cpuCoreHour, memory: memoryGibHour, gpu: gpuHour };
}

/** Names to look for: one, several, or whatever. */
const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(1000)]);

/** Which workloads are meant. What is left out may be anything; all that is given must hold. */
export const SpendMatch = z.strictObject({
  namespace: names.optional(),
  workload: names.optional(),
  region: names.optional(),
  labels: z.record(z.string().min(1), names).optional().describe('Of the workload, as cost.labels keeps them.'),
});
export type SpendMatch = z.infer<typeof SpendMatch>;

export interface SpendSubject {
  readonly namespace: string;
  readonly workload: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function matches({ namespace, workload, region, labels }: SpendMatch, of: SpendSubject): boolean {
  const has = (wanted: string | readonly string[] | undefined, value: string | undefined) =>
    wanted === undefined ||
    (typeof wanted === 'string' ? wanted === value : value !== undefined && wanted.includes(value));
  if (!has(namespace, of.namespace) || !has(workload, of.workload) || !has(region, of.region)) return false;
  return Object.entries(labels ?? {}).every(([name, wanted]) => has(wanted, of.labels[name]));
}

export const GivenPrice = z.strictObject({
  match: SpendMatch.default({}),
  perReplicaHour: price.describe('What one replica costs in an hour.'),
  plan: z.enum(PLANS).default('on-demand'),
  from: validFrom.optional().describe('Left out: since ever.'),
});
export type GivenPrice = z.infer<typeof GivenPrice>;

/** The first of the list that is meant and already holds; of the same match the newest. */
export function givenPrice(list: readonly GivenPrice[], of: SpendSubject, at: Millis): GivenPrice | undefined {
  const holding = list.filter(
    ({ match, from }) => matches(match, of) && (from === undefined || instantOf(from)! <= at),
  );
  const first = holding[0];
  if (first === undefined) return undefined;
  const same = holding.filter(({ match }) => JSON.stringify(match) === JSON.stringify(first.match));
  const since = ({ from }: GivenPrice) => (from === undefined ? Number.NEGATIVE_INFINITY : instantOf(from)!);
  return same.reduce((newest, each) => (since(each) > since(newest) ? each : newest), first);
}

/** When prices change, as far as it is written down. */
export function pricesChange(list: readonly GivenPrice[], book: PriceBook | undefined): readonly Millis[] {
  const given = list.flatMap(({ from }) => (from === undefined ? [] : [instantOf(from)!]));
  const entries = [...(book?.regions.values() ?? [])].flat().map(({ from }) => from);
  return [...new Set([...given, ...entries])].filter(Number.isFinite).sort((a, b) => a - b);
}

function instantOf(value: string): Millis | undefined {
  try {
    return parseInstant(value);
  } catch {
    return undefined;
  }
}
