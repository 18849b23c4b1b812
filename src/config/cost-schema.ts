import { z } from 'zod';
import { GivenPrice, SpendMatch } from '../cost/prices.ts';
import { SHARE_RULES } from '../cost/showback.ts';
import { PLANS } from '../cost/spend.ts';
import { parseDuration } from '../model/time.ts';

const percent = z.string().regex(/^\d{1,4}(\.\d{1,3})?%$/, { error: 'expected a percentage such as 80%' });
const currency = z.string().regex(/^[A-Z]{3}$/, { error: 'expected a currency such as USD' });

const duration = z.string().refine(isDuration, {
  error: (issue) => `expected a duration such as 30s, 5m or 28d, got ${JSON.stringify(issue.input)}`,
});

const CostBudgetSection = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,62})$/, { error: 'expected up to 63 letters, digits, -, _ and .' })
    .describe('Shown in alerts; no two of a tenant have the same.'),
  tenant: z.string().min(1).default('default').describe('Whose spend.'),
  match: SpendMatch.default({}).describe('What it is for: namespace, workload, region, labels. {}: all of the tenant.'),
  period: z.enum(['weekly', 'monthly', 'quarterly']).default('monthly').describe('Weeks begin on Monday.'),
  timeZone: z
    .string()
    .refine(isTimeZone, { error: 'expected a time zone such as Europe/Berlin' })
    .default('UTC')
    .describe('In which the period begins and ends.'),
  amount: z.number().positive().max(1_000_000_000).describe('For one period, in cost.currency.'),
  warn: percent.default('80%').describe('Of the amount, by what is spent and by what is projected for the period.'),
  critical: percent.default('95%'),
  cap: percent.default('110%'),
  onCap: z
    .enum(['alert', 'lower'])
    .default('alert')
    .describe('lower: past the cap, maxima of its workloads come down step by step, never below what runs.'),
});

const CostReportSection = z.strictObject({
  period: z.enum(['weekly', 'monthly']).default('monthly').describe('Weeks from Monday, or calendar months, in UTC.'),
  tenant: z.string().min(1).default('default').describe('Whose spend.'),
  receivers: z
    .array(z.string().min(1))
    .min(1)
    .max(100)
    .describe('Names of receivers in alerting that have an email address.'),
});

export const CostSection = z.strictObject({
  currency: currency
    .optional()
    .describe("Of all amounts. Not set: the price book's, else USD.")
    .meta({ examples: ['USD'] }),
  priceBook: z
    .string()
    .min(1)
    .optional()
    .describe('A YAML file with unit prices by region, beside this file. docs/how-to/prices-and-budgets.md.')
    .meta({ examples: ['prices.yaml'] }),
  prices: z
    .array(GivenPrice)
    .max(10_000)
    .default([])
    .describe(
      'Prices per replica-hour of workloads that match, such as {match: {namespace: shop}, perReplicaHour: 0.12}; the first that matches wins. A policy has its own in costBudget.',
    ),
  openCost: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/, error: 'expected an address such as http://opencost.opencost:9003' })
        .describe('What stands before /allocation/compute.'),
      tokenFile: z
        .string()
        .min(1)
        .optional()
        .describe('A file whose content is sent as the token. Read anew each time.'),
      timeout: duration.default('30s'),
    })
    .optional()
    .describe('Asked for what workloads without a price of their own cost; it wins over the price book.')
    .meta({ examples: [{ url: 'http://opencost.opencost:9003' }] }),
  region: z.string().max(200).default('').describe('Where workloads run of which no node says it.'),
  plan: z.enum(PLANS).default('on-demand').describe('How nodes are paid for that do not say it.'),
  labels: z
    .array(z.string().min(1))
    .max(20)
    .default([])
    .describe('Labels of workloads, as Kubernetes has them, that spend is kept and grouped by, such as [team].'),
  suddenCost: z
    .strictObject({
      above: percent.default('25%').describe('A day that costs so much more than the days before is told.'),
      least: z.number().min(0).default(1).describe('And by so much at least, in cost.currency.'),
    })
    .prefault({})
    .describe('The alert ForesailSuddenCost, with its cause.'),
  budgets: z
    .array(CostBudgetSection)
    .max(10_000)
    .default([])
    .describe('What may be spent, and who is told.')
    .meta({
      examples: [[{ name: 'shop', match: { namespace: 'shop' }, amount: 1200 }]],
    }),
  showback: z
    .strictObject({
      unallocated: z
        .enum(SHARE_RULES)
        .default('proportional')
        .describe('How cost that belongs to no workload is shared. proportional: by what each costs. even. none.'),
      idle: z
        .enum(['own', 'shared'])
        .default('own')
        .describe('Who pays for what was asked for and not used. own: its workload. shared: as unallocated cost.'),
    })
    .prefault({})
    .describe('The rule of reports. docs/how-to/showback.md.'),
  reports: z
    .array(CostReportSection)
    .max(1000)
    .default([])
    .describe('Reports by mail, after the period has ended.')
    .meta({ examples: [[{ period: 'monthly', receivers: ['finance'] }]] }),
});

function isDuration(text: string): boolean {
  try {
    return parseDuration(text) > 0;
  } catch {
    return false;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}
