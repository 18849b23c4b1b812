import type { Panel } from '../../http/svg/chart.ts';
import type { Samples } from '../../model/series.ts';
import { formatDuration } from '../../model/time.ts';
import {
  accuracyRows,
  type DemandAnswer,
  type PreviewAnswer,
  strategyRows,
  type WhatIfAnswer,
} from '../preview-answer.ts';
import { overSpans } from '../simulate-picture.ts';
import type { Report, Section } from './report.ts';

/** What was forecast one lead time ahead beside what came, and the floor beside the autoscaler alone. */
export function previewReport(answer: PreviewAnswer): Report {
  const { policy, judgedSeconds, demands, whatIf } = answer;
  const rows = accuracyRows(answer);
  const forecasts: Section = {
    title: 'Forecasts one lead time ahead',
    note: 'Errors against naive forecasts (below 1 is better), and shares inside intervals and below quantiles.',
    ...(rows.length > 1 && { table: rows }),
    panels: demands.flatMap((demand) =>
      'noForecast' in demand ? [] : [demandPanel(demand, policy.spec.forecast.quantile)],
    ),
  };
  const refused = demands.flatMap((one) =>
    'noForecast' in one ? [`No forecast of ${one.demand}: ${one.noForecast.message}.`] : [],
  );
  return {
    title: `Preview of ${policy.metadata.namespace}/${policy.metadata.name}`,
    notes: [
      `The last ${formatDuration(judgedSeconds * 1000)} again, each moment from what came before it. Times are UTC.`,
      ...refused,
    ],
    sections: [forecasts, whatIfSection(whatIf)],
  };
}

function demandPanel(demand: Exclude<DemandAnswer, { noForecast: unknown }>, quantile: number): Panel {
  const { times, actual, point, lower, upper, planned, leadSeconds, model } = demand;
  const xs = times.map((time) => time * 1000);
  const of = (values: readonly (number | null)[]): Samples => ({
    times: Float64Array.from(xs),
    values: Float64Array.from(values, (value) => value ?? Number.NaN),
  });
  return {
    title: demand.demand,
    note: `${formatDuration(leadSeconds * 1000)} ahead, by ${model}`,
    x: { kind: 'time', domain: [xs[0] ?? 0, xs.at(-1) ?? 1] },
    width: 1280,
    height: 340,
    layers: [
      { kind: 'band', name: '95 %', tone: 'future', xs, lower: of(lower).values, upper: of(upper).values },
      { kind: 'line', name: 'what came', tone: 'past', samples: of(actual) },
      { kind: 'line', name: 'forecast', tone: 'future', samples: of(point) },
      { kind: 'line', name: `quantile ${quantile}`, tone: 'second', samples: of(planned), dashed: true },
    ],
  };
}

function whatIfSection(whatIf: WhatIfAnswer): Section {
  const title = 'What the floor would have done';
  if ('message' in whatIf) return { title, note: `No simulation: ${whatIf.message}.` };
  const { times, demand, floor, ready, reactive } = whatIf.lines;
  const xs = Float64Array.from(times, (time) => time * 1000);
  const of = (values: readonly (number | null)[]): Samples => ({
    times: xs,
    values: Float64Array.from(values, (value) => value ?? Number.NaN),
  });
  const panel = (name: string, pods: readonly (number | null)[], others: Panel['layers']): Panel => ({
    title: name,
    note: 'replicas',
    x: { kind: 'time', domain: [xs[0] ?? 0, xs.at(-1) ?? 1] },
    width: 1280,
    height: 260,
    layers: [
      { kind: 'spans', name: 'over capacity', tone: 'bad', spans: overSpans(xs, of(demand).values, of(pods).values) },
      { kind: 'steps', name: 'ready', tone: 'future', samples: of(pods) },
      ...others,
      { kind: 'line', name: 'demand', tone: 'second', samples: of(demand) },
    ],
  });
  return {
    title,
    note: 'A simulation of the first demand: each strategy knows only what was known, but the oracle, which knows the future.',
    table: strategyRows(whatIf),
    panels: [
      panel('with Foresail', ready, [{ kind: 'steps', name: 'floor', tone: 'third', samples: of(floor) }]),
      panel('the autoscaler alone', reactive, []),
    ],
  };
}
