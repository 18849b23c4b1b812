import { formatDuration, formatInstant } from '../model/time.ts';
import { leadTimeSource } from '../observe/observe.ts';
import { type CapacityReading, obstacleText } from '../scaling/capacity.ts';
import type { DemandReading, Plan, PlanInput } from '../scaling/plan-types.ts';

/** A decision as the HTTP API tells it. Times are epoch seconds, apart from those inside `plan` and `input`. */
export interface ToldDecision {
  readonly id: string;
  readonly at: number;
  readonly namespace: string;
  readonly policy: string;
  readonly mode: string;
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
  readonly outcome: { readonly kind: string; readonly message?: string };
  readonly plan: Plan;
  readonly input: PlanInput | null;
}

/** The decision as a person would tell it. */
export function tellDecision(decision: ToldDecision): string {
  const { id, at, namespace, policy, mode, reasons, outcome, plan, input } = decision;
  const lines = [
    `${namespace}/${policy}, ${formatInstant(Math.round(at) * 1000)}`,
    ...(input === null ? [] : ['', headline(plan, input, mode)]),
    '',
    'Why',
    ...reasons.map(({ text }, i) => `  ${i + 1}. ${text}`),
    ...(input === null ? [] : ['', 'What it knew', ...aligned(facts(input))]),
    '',
    'What became of it',
    `  ${outcome.message ?? outcome.kind}`,
    '',
    `Decision ${id}; foresail plan --replay ${id} computes it again.`,
    `${wordsOf(reasons, plan).join(', ')}: docs/runbooks/reasons.md says what each means, and what to do.`,
  ];
  return lines.join('\n');
}

/** The words that runbooks know it by. */
function wordsOf(reasons: ToldDecision['reasons'], { demotion }: Plan): readonly string[] {
  const words = reasons.flatMap(({ code }) =>
    code === 'Demoted' && demotion !== null ? [code, demotion.code] : [code],
  );
  return [...new Set(words)];
}

function headline({ bounds }: Plan, { target }: PlanInput, mode: string): string {
  const would = mode === 'observe';
  const { min, max } = bounds;
  if (min === target.min) return `The floor ${would ? 'would stay' : 'stays'} at ${count(min)}; the maximum is ${max}.`;
  const verb = min > target.min ? (would ? 'would rise' : 'rises') : would ? 'would fall' : 'falls';
  return `The floor ${verb} from ${target.min} to ${count(min)}; the maximum is ${max}.`;
}

function facts({
  now,
  demands,
  target,
  leadTime,
  refreshMs,
  policy,
}: PlanInput): readonly (readonly [string, string])[] {
  const { specReplicas, statusReplicas, original, min, max } = target;
  const running =
    statusReplicas === specReplicas ? `${specReplicas}` : `${specReplicas} asked for, ${statusReplicas} there`;
  return [
    ...demands.flatMap((demand) => demandFacts(demand, now)),
    ['replicas', running],
    ['bounds in force', `${min} to ${max}; ${original.min} to ${original.max} without Foresail`],
    ['limits of the policy', `${policy.replicas.min} to ${policy.replicas.max}`],
    [
      'lead time',
      `${formatDuration(leadTime.ms)} (${leadTimeSource(leadTime)}), and ${formatDuration(refreshMs)} until the next forecast`,
    ],
  ];
}

function demandFacts(reading: DemandReading, now: number): (readonly [string, string])[] {
  const facts = forecastFacts(reading, now);
  return reading.capacity === undefined ? facts : [...facts, ['its capacity', capacityFact(reading.capacity)]];
}

function capacityFact(capacity: CapacityReading): string {
  if (capacity.kind === 'not-learnable') return `not learned: ${obstacleText(capacity.why)}`;
  const { perReplica, pairs, since, error, highest, limitedBy, drift } = capacity;
  const limited = {
    knee: '; more load makes a replica no busier',
    range: '; more than half beyond what was seen is not believed',
  };
  return [
    `${short(perReplica)} a replica, learned from ${pairs} moments since ${formatInstant(since)}`,
    `, seen up to ${short(highest)}, ${short(100 * error)} % of the utilization left unexplained`,
    limitedBy === undefined ? '' : limited[limitedBy],
    drift === undefined ? '' : `; it carries ${short(drift)} times what it carried before`,
  ].join('');
}

function forecastFacts({ name, current, forecast }: DemandReading, now: number): (readonly [string, string])[] {
  const age = formatDuration(Math.round((now - current.time) / 1000) * 1000);
  const present = current.value === null ? 'unknown: there is no recent sample' : `${short(current.value)}, ${age} ago`;
  switch (forecast.kind) {
    case 'none':
      return [
        [name, present],
        ['its forecast', `none: ${forecast.message}`],
      ];
    case 'insufficient-history': {
      const have = `${formatDuration(forecast.haveMs)} of history, ${formatDuration(forecast.needMs)} are needed`;
      return [
        [name, present],
        ['its forecast', `none: ${have}`],
      ];
    }
    case 'ready': {
      const { peak, windowMs, quantile, model, maeVsLast, coverage, historyMs, issuedAt } = forecast;
      const most = peak === null ? 'not a number' : `at most ${short(peak)}`;
      const error = maeVsLast === null ? 'not known yet' : `${short(maeVsLast)} of that of a naive forecast`;
      const covered = coverage === null ? '' : `; ${short(100 * coverage)} % of the peaks were below its 0.95 quantile`;
      return [
        [name, present],
        [
          'its forecast',
          `${most} within ${formatDuration(windowMs)} (quantile ${quantile}), from ${formatInstant(issuedAt)}`,
        ],
        ['made by', `${model} on ${formatDuration(Math.round(historyMs / 60_000) * 60_000)} of history`],
        ['its error', `${error}${covered}`],
      ];
    }
  }
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}

function count(replicas: number): string {
  return `${replicas} replica${replicas === 1 ? '' : 's'}`;
}

/** Three digits, as a person says it. */
function short(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
