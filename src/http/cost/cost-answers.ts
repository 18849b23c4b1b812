import { z } from 'zod';
import type { CapacityReport, TellableCapacity } from '../../cost/capacity-report.ts';
import type { CostReport } from '../../cost/cost-report.ts';
import type { CostRange } from '../../cost/reservation.ts';
import { type Coverage, SHARE_RULES, type ShowbackRow } from '../../cost/showback.ts';
import { PLANS } from '../../cost/spend.ts';
import { SAVINGS_NOTES } from './report-page.ts';

/** What the API answers of costs, as schemas, and how it is made. Instants are seconds, money is in the currency. */

const seconds = z.number().describe('Seconds since 1970, UTC.');
const amount = z.number().describe('In the currency, rounded to its minor unit.');
const Row = z.object({
  name: z.string().describe('Empty: not known, or none.'),
  recorded: amount,
  estimated: amount.describe('Where nothing was recorded.'),
  shared: amount.describe('Of unallocated and idle cost, by the rule.'),
  total: amount.describe('recorded + estimated + shared.'),
  idle: amount.nullable().describe('Of recorded and estimated cost, what was not used. Null: usage is not known.'),
  replicaHours: z.number(),
  before: amount.nullable().describe('In the period before. Null: nothing is known of it.'),
});
const CoverageAnswer = z.object({
  hours: z.int(),
  estimated: z.int().describe('Hours some of whose cost was estimated.'),
  missing: z.int().describe('Hours of which nothing is known: they are in no sum.'),
  gaps: z.array(z.object({ start: seconds, end: seconds })),
});
const PeriodAnswer = z.object({ kind: z.enum(['week', 'month']), name: z.string(), start: seconds, end: seconds });
const Saved = z.object({
  replicaHours: z.number().describe('Below zero: Foresail takes more.'),
  cost: z.number().nullable(),
  ratio: z.number().nullable(),
});
const SavedAgainst = z.object({ reactive: Saved, staticPeak: Saved });
const Use = z.object({ replicaHours: z.number(), minutesOver: z.number(), cost: z.number().nullable() });

export const CostReportAnswer = z.object({
  tenant: z.string(),
  madeAt: seconds,
  period: PeriodAnswer,
  until: seconds.describe('What is told of ends here.'),
  currency: z.string(),
  digits: z.int().describe('Digits after the point of amounts.'),
  rule: z.object({ unallocated: z.enum(SHARE_RULES), idle: z.enum(['own', 'shared']), text: z.string() }),
  hours: CoverageAnswer,
  total: Row,
  pot: z.object({ shared: amount, unshared: amount }),
  before: z.object({ period: PeriodAnswer, until: seconds, hours: CoverageAnswer, total: amount.nullable() }),
  namespaces: z.array(Row),
  workloads: z.array(Row.extend({ namespace: z.string(), policy: z.string().nullable() })),
  regions: z.array(Row),
  plans: z.array(Row.extend({ name: z.enum([...PLANS]) })),
  labels: z.array(z.object({ label: z.string(), rows: z.array(Row) })),
  days: z.array(z.object({ start: seconds, recorded: amount, estimated: amount, missingHours: z.int() })),
  savings: z
    .object({
      simulated: z.literal(true),
      notes: z.array(z.string()),
      total: z.object({ policies: z.int(), unpriced: z.int(), saved: SavedAgainst }),
      policies: z.array(
        z.object({
          namespace: z.string(),
          policy: z.string(),
          mode: z.enum(['observe', 'enforce']),
          days: z.int().describe('Finished days that were simulated.'),
          pending: z.int().describe('Days whose simulation is under way.'),
          skipped: z.array(z.object({ why: z.string(), days: z.int() })),
          pricePerReplicaHour: z.number().nullable(),
          foresail: Use,
          reactive: Use,
          staticPeak: Use.extend({ replicas: z.int() }),
          saved: SavedAgainst,
          ran: z.object({ replicaHours: z.number(), hours: z.int() }).nullable().describe('Recorded, not simulated.'),
        }),
      ),
    })
    .nullable(),
});

export function reportAnswer({ tenant, madeAt, showback, savings }: CostReport): z.infer<typeof CostReportAnswer> {
  const { period, until, currency, digits, rule, ruleText, total, pot, before, hours } = showback;
  const rows = (all: readonly ShowbackRow[]) => [...all];
  return {
    ...{ tenant, madeAt: madeAt / 1000, period: periodAnswer(period), until: until / 1000, currency, digits },
    rule: { ...rule, text: ruleText },
    ...{ hours: coverageAnswer(hours), total, pot },
    before: {
      period: periodAnswer(before.period),
      until: before.until / 1000,
      hours: coverageAnswer(before.hours),
      total: before.total,
    },
    namespaces: rows(showback.namespaces),
    workloads: [...showback.workloads],
    regions: rows(showback.regions),
    plans: showback.plans.map((row) => ({ ...row, name: row.name as (typeof PLANS)[number] })),
    labels: showback.labels.map(({ label, rows: all }) => ({ label, rows: rows(all) })),
    days: showback.days.map((day) => ({ ...day, start: day.start / 1000 })),
    savings:
      savings === null
        ? null
        : {
            simulated: true,
            notes: [...SAVINGS_NOTES],
            total: savings.total,
            policies: savings.policies.map((policy) => ({ ...policy, skipped: [...policy.skipped] })),
          },
  };
}

function periodAnswer({ kind, name, start, end }: CostReport['showback']['period']) {
  return { kind, name, start: start / 1000, end: end / 1000 };
}

function coverageAnswer({ gaps, ...counts }: Coverage) {
  return { ...counts, gaps: gaps.map(([start, end]) => ({ start: start / 1000, end: end / 1000 })) };
}

const Range = z.object({
  expected: z.number(),
  low: z.number().describe('If use took the lowest path of the forecast throughout.'),
  high: z.number(),
});
const Reason = z.object({ name: z.string(), message: z.string() });
const Advice = z.object({
  name: z.string().describe('namespace/workload; empty for the commitment.'),
  unit: z.enum(['replica', 'commitment']),
  historyHours: z.int(),
  estimated: z.number().describe('Share of the cost of the history that was estimated.'),
  model: z.string(),
  onDemand: z.number().describe('Money for one unit and hour.'),
  reserved: z.number(),
  discount: z.number().describe('What a reserved unit is cheaper by, 0 to 1.'),
  held: z.number().nullable().describe('Units that are reserved now.'),
  breakEven: z.number().describe('A unit pays from this share of the time on that it is in use.'),
  level: z.int().describe('Units to reserve: no other number costs less over the forecast.'),
  utilization: z.number().nullable().describe('Of the reserved units.'),
  lastUnit: z.number().nullable().describe('Share of the time that the last reserved unit is in use.'),
  nextUnit: z.number().describe('Share of the time that one more would be.'),
  cost: Range,
  withoutReservation: Range,
  asHeld: Range.nullable(),
  levels: z.array(z.object({ quantile: z.number(), level: z.int() })),
  curve: z.array(Range.extend({ level: z.int() })),
  deferral: z
    .object({
      peak: z.object({ now: z.number(), deferred: z.number() }),
      level: z.int(),
      cost: Range,
      isOfUse: z.boolean(),
    })
    .nullable(),
});

export const CapacityAnswer = z.object({
  currency: z.string(),
  start: seconds,
  end: seconds,
  discount: z.number().nullable().describe('Of all together. Null: none is known.'),
  discountFrom: z.enum(['question', 'price book']),
  undiscounted: z.array(z.string()).describe('Workloads of which no reserved price is known: without advice.'),
  assumptions: z.array(z.string()),
  commitment: z.union([Advice, Reason]).nullable().describe('Money an hour at prices on demand, of all workloads.'),
  workloads: z.array(z.union([Advice, Reason])).describe('The dearest first.'),
  others: z.int().describe('Workloads that only the commitment has.'),
});

const ASSUMPTIONS: readonly string[] = [
  'Use goes on as its forecast has it; what ran on spot capacity is left out.',
  'Every reserved unit is paid for each hour, in use or not, at the price on demand less the discount; what is beyond is bought on demand.',
  'The expected cost needs no more than how use is distributed at each hour. Low and high are the cost if use took the lowest or the highest path of the forecast throughout, which is wider than any one future.',
  'Work that can wait is taken to be the same share of every hour, to be stopped and split at will, and to run within the delay.',
];

export function capacityAnswer(report: CapacityReport): z.infer<typeof CapacityAnswer> {
  const { end, horizonHours, discount, discountFrom, undiscounted, currency, commitment, workloads, others } = report;
  return {
    ...{ currency, start: end / 1000, end: end / 1000 + horizonHours * 3600, discount, discountFrom },
    undiscounted: [...undiscounted],
    assumptions: [...ASSUMPTIONS],
    commitment: commitment === undefined ? null : adviceAnswer(commitment),
    workloads: workloads.map(adviceAnswer),
    others,
  };
}

function adviceAnswer(told: TellableCapacity): z.infer<typeof Advice> | z.infer<typeof Reason> {
  if (told.kind === 'unknown') return { name: told.name, message: told.message };
  const { advice, model, historyHours, estimated } = told;
  const { kind, name, onDemand, reserved, discount, held, reservation, deferral } = advice;
  const { level, breakEven, utilization, lastUnit, nextUnit, cost, withoutReservation, asHeld } = reservation;
  return {
    ...{ name, unit: kind, historyHours, estimated, model, onDemand, reserved, discount, held, breakEven, level },
    utilization,
    ...{ lastUnit, nextUnit, cost, withoutReservation, asHeld },
    levels: [...reservation.levels],
    curve: reservation.curve.map((point) => ({ ...point })),
    deferral:
      deferral === null
        ? null
        : {
            peak: deferral.peak,
            ...deferral.reserved,
            cost: rangeOf(deferral.reserved.cost),
            isOfUse: deferral.isOfUse,
          },
  };
}

function rangeOf({ expected, low, high }: CostRange): z.infer<typeof Range> {
  return { expected, low, high };
}
