import { stringify } from 'yaml';
import { DAY, formatDuration, HOUR, MINUTE, parseDuration, SECOND } from '../model/time.ts';
import type { Slo } from '../scaling/slo.ts';
import { parseRuleFile, type RuleGroup } from './rule-file.ts';

/** Two windows of errors: both must be above `factor` times what the objective allows. */
export interface BurnCondition {
  readonly longMs: number;
  /** So that the alert ends soon after the errors do. */
  readonly shortMs: number;
  /** Share of the budget that is gone when the long window is full of such errors. */
  readonly share: number;
}

/** As in Google's SRE workbook, chapter 5: over 30 days 14.4 and 6 times; 3 and 1 times. */
const PAGE: readonly BurnCondition[] = [
  { longMs: HOUR, shortMs: 5 * MINUTE, share: 0.02 },
  { longMs: 6 * HOUR, shortMs: 30 * MINUTE, share: 0.05 },
];
const TICKET: readonly BurnCondition[] = [
  { longMs: DAY, shortMs: 2 * HOUR, share: 0.1 },
  { longMs: 3 * DAY, shortMs: 6 * HOUR, share: 0.1 },
];

const RATIO_WINDOWS = [5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY, 3 * DAY];

export const SLO_SERIES = {
  objective: 'slo:objective:ratio',
  remaining: 'slo:error_budget_remaining:ratio',
  burnRate: 'slo:error_budget_burn_rate:ratio',
  exhaustion: 'slo:error_budget_exhaustion:seconds',
} as const;

/** Which burn rates are recorded, and which of them the budget's end is forecast from. */
const BURN_WINDOWS = ['1h', '6h', '1d', '3d'] as const;
const EXHAUSTION_BASES = ['1h', '1d'] as const;

/** The rate of errors, against what the objective allows, that an alert needs. */
export function burnFactor({ longMs, share }: BurnCondition, windowMs: number, budget: number): number {
  // Below once the budget lasts for the whole window; and a share of errors is never above 1.
  return Math.min(Math.max(1, (share * windowMs) / longMs), 0.9 / budget);
}

/** The rules of an objective, in the form that Prometheus reads. @param identity Labels that no other objective has. */
export function sloRuleText(slo: Slo, identity: Readonly<Record<string, string>> = {}): string {
  return stringify({ groups: [groupOf(slo, identity)] }, { lineWidth: 0 });
}

/** @throws {Error} If what the objective holds makes no right rules: its PromQL is not checked before. */
export function sloRules(slo: Slo, identity: Readonly<Record<string, string>> = {}): RuleGroup {
  const { groups, problems } = parseRuleFile(sloRuleText(slo, identity));
  if (problems.length > 0) throw new Error(`the objective ${slo.name} makes wrong rules: ${problems[0]!.message}`);
  return groups[0]!;
}

function groupOf(slo: Slo, identity: Readonly<Record<string, string>>): object {
  const windowMs = parseDuration(slo.window);
  // Of 99.9 it is 0.001, though 1 - 0.999 is not.
  const budget = Number(((100 - slo.objective) / 100).toPrecision(12));
  const labels = { ...slo.labels, ...identity, slo: slo.name };
  const selector = `{${Object.entries({ policy: '', ...labels })
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}}`;
  const series = (name: string) => `${name}${selector}`;
  const ratio = (ms: number) => series(sloRatioName(ms));
  const recorded = (record: string, expr: string, more?: Readonly<Record<string, string>>) => ({
    ...{ record, expr },
    ...(more !== undefined && { labels: more }),
  });
  const burn = (window: string) => `${SLO_SERIES.burnRate}${selector.slice(0, -1)},window="${window}"}`;
  const windows = [...new Set([...RATIO_WINDOWS.filter((ms) => ms < windowMs), windowMs])];
  const remaining = series(SLO_SERIES.remaining);
  const within = BURN_WINDOWS.filter((window) => parseDuration(window) <= windowMs);
  return {
    name: `slo ${[...Object.values(identity), slo.name].join('/')}`,
    labels,
    rules: [
      ...sourceRules(slo),
      ...windows.map((ms) => recorded(sloRatioName(ms), ratioOver(slo, ms, selector))),
      recorded(SLO_SERIES.objective, `vector(${Number((slo.objective / 100).toPrecision(12))})`),
      recorded(SLO_SERIES.remaining, `1 - ${ratio(windowMs)} / ${budget}`),
      ...within.map((window) =>
        recorded(SLO_SERIES.burnRate, `${ratio(parseDuration(window))} / ${budget}`, { window }),
      ),
      ...EXHAUSTION_BASES.filter((basis) => parseDuration(basis) <= windowMs).map((basis) => {
        const end = `clamp_min(${remaining}, 0) * ${windowMs / SECOND} / ignoring(window) (${burn(basis)} > 0)`;
        return recorded(SLO_SERIES.exhaustion, `(${end}) < ${windowMs / SECOND}`, { basis });
      }),
      ...alertRules(slo, { windowMs, budget, ratio, burn, remaining }),
    ],
  };
}

/** The series of the share that fails over a window. */
export function sloRatioName(ms: number): string {
  return `slo:sli_error:ratio_rate${formatDuration(ms)}`;
}

const ERRORS = 'slo:sli_errors:rate';
const TOTAL = 'slo:sli_total:rate';
const RATIO = 'slo:sli_error:ratio';

/** What is asked of the series that the objective is about; all else stands on these. */
function sourceRules({ sli }: Slo): readonly object[] {
  if (sli.ratio !== undefined) return [{ record: RATIO, expr: sli.ratio }];
  return [
    { record: TOTAL, expr: sli.total! },
    // Where nothing ever failed there may be no series of failures.
    { record: ERRORS, expr: `(${sli.errors!}) or 0 * (${sli.total!})` },
  ];
}

/** Weighed by how much was counted: an hour of many requests counts for more than one of few. */
function ratioOver({ sli }: Slo, ms: number, selector: string): string {
  const window = formatDuration(ms);
  if (sli.ratio !== undefined) return `avg_over_time(${RATIO}${selector}[${window}])`;
  return `sum_over_time(${ERRORS}${selector}[${window}]) / (sum_over_time(${TOTAL}${selector}[${window}]) > 0)`;
}

interface Told {
  readonly windowMs: number;
  readonly budget: number;
  readonly ratio: (ms: number) => string;
  readonly burn: (window: string) => string;
  readonly remaining: string;
}

function alertRules({ name, objective, window, alerting, description }: Slo, told: Told): readonly object[] {
  const { windowMs, budget, ratio, remaining } = told;
  return (
    [
      { own: alerting.page, alert: 'SloErrorBudgetBurnsFast', severity: 'critical', conditions: PAGE },
      { own: alerting.ticket, alert: 'SloErrorBudgetBurnsSlowly', severity: 'warning', conditions: TICKET },
    ] as const
  ).flatMap(({ own, alert, severity, conditions }) => {
    const fitting = conditions.filter(({ longMs }) => longMs <= windowMs);
    if (!own.enabled || fitting.length === 0) return [];
    const expr = fitting
      .map((condition) => {
        const least = Number((burnFactor(condition, windowMs, budget) * budget).toPrecision(12));
        return `(${ratio(condition.longMs)} > ${least} and ${ratio(condition.shortMs)} > ${least})`;
      })
      .join(' or ');
    const end = `${SLO_SERIES.exhaustion}${remaining.slice(SLO_SERIES.remaining.length, -1)},basis="1h"}`;
    return [
      {
        alert,
        expr,
        labels: { severity: own.severity ?? severity, ...own.labels },
        annotations: {
          summary: `${name} uses its error budget up ${severity === 'critical' ? 'fast' : 'before its time'}`,
          description:
            `{{ $value | humanizePercentage }} fails, where ${objective} % over ${window} must be good. ` +
            `Of the budget {{ with query ${goText(remaining)} }}{{ . | first | value | humanizePercentage }}{{ else }}an unknown share{{ end }} is left` +
            `{{ with query ${goText(end)} }}; as it burns now it ends in {{ . | first | value | humanizeDuration }}{{ end }}.` +
            (description === undefined ? '' : ` ${description.replaceAll('{{', '{{`{{`}}')}`),
          remedy:
            'Look at what changed when the errors began, and take it back; `foresail slos` shows how fast the budget goes.',
          runbook_url: `docs/runbooks/alerts.md#${alert.toLowerCase()}`,
          ...own.annotations,
        },
      },
    ];
  });
}

/** A text as a template of Go writes it. */
function goText(text: string): string {
  return JSON.stringify(text);
}
