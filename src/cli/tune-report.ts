import type { Panel } from '../http/svg/chart.ts';
import type { Samples } from '../model/series.ts';
import { formatDuration, formatInstant } from '../model/time.ts';
import type { StrategyResult } from '../scaling/simulate.ts';
import type { TunedSettings, TuneReport } from '../scaling/tune.ts';
import type { Report } from './report/report.ts';
import { strategyPanel } from './simulate-picture.ts';

type Table = readonly (readonly string[])[];

const percentOf = (ratio: number) => `${(100 * ratio).toFixed(2)} %`;

/** What became of each on the rest, which played no part in the choice. */
export function restTable({ onRest }: TuneReport): Table {
  const { reactive, present, chosen, oracle } = onRest;
  const rows = { 'reactive alone': reactive, 'the policy as it is': present, 'as tuned': chosen, oracle };
  const head = ['on the rest', 'over capacity', 'unmet demand', 'pod-hours', 'vs reactive', 'scale events/day'];
  return [
    head,
    ...Object.entries(rows).map(([name, result]) => [
      name,
      percentOf(result.overCapacity),
      percentOf(result.unmetDemand),
      result.podHours.toFixed(1),
      (result.podHours / reactive.podHours).toFixed(3),
      result.scaleEventsPerDay.toFixed(0),
    ]),
  ];
}

/** Cost against risk: each line is one choice of settings, on both parts. */
export function frontTable({ front, onFit, onRest }: TuneReport): Table {
  const head = ['quantile', 'hold-down', 'up', 'down', 'cost, fitted', 'over, fitted', 'cost, rest', 'over, rest'];
  const figures = (result: StrategyResult, reactive: StrategyResult) => [
    (result.podHours / reactive.podHours).toFixed(3),
    percentOf(result.overCapacity),
  ];
  const rows = front.map(({ settings, fit, rest }) => [
    `${settings.quantile}`,
    formatDuration(settings.holdDownMs),
    perMinute(settings.upRatioPerMinute),
    perMinute(settings.downRatioPerMinute),
    ...figures(fit, onFit.reactive),
    ...figures(rest, onRest.reactive),
  ]);
  return [head, ...rows];
}

/** Lines of the policy that change, as its file has them; none where it is best as it is. */
export function changedLines({ present, chosen }: TuneReport): readonly string[] {
  const changed = (key: keyof TunedSettings, name: string, text: (value: number) => string, indent = '    ') =>
    present[key] === chosen[key] ? [] : [`${indent}${name}: ${text(chosen[key])}  # was ${text(present[key])}`];
  const forecast = changed('quantile', 'quantile', String);
  const ramp = [
    ...changed('upRatioPerMinute', 'maxUpPerMinute', perMinute),
    ...changed('downRatioPerMinute', 'maxDownPerMinute', perMinute),
    ...changed('holdDownMs', 'holdDown', formatDuration),
  ];
  if (forecast.length + ramp.length === 0) return [];
  return [
    'spec:',
    ...(forecast.length > 0 ? ['  forecast:', ...forecast] : []),
    ...(ramp.length > 0 ? ['  ramp:', ...ramp] : []),
  ];
}

function perMinute(ratio: number): string {
  return `${Number((100 * ratio).toFixed(6))}%`;
}

export function partsText({ fit, rest }: TuneReport): string {
  return `chosen on ${formatInstant(fit.from)} to ${formatInstant(fit.to)}, reported on ${formatInstant(rest.from)} to ${formatInstant(rest.to)}`;
}

/** A sentence on what the rest says of the choice. */
export function verdictOf({ onRest, onFit, overCapacity, chosen, present }: TuneReport): string {
  const limit = percentOf(overCapacity);
  if (chosen === present || JSON.stringify(chosen) === JSON.stringify(present)) {
    return `The policy is as good as any that was tried, for at most ${limit} of the time over capacity.`;
  }
  const kept = onFit.chosen.overCapacity <= overCapacity;
  const over = onRest.chosen.overCapacity - onRest.present.overCapacity;
  const cost = onRest.chosen.podHours / onRest.present.podHours - 1;
  const words = `${signed(100 * over)} points of the time over capacity and ${signed(100 * cost)} % of pod-hours against the policy as it is`;
  const none = kept ? '' : ` No settings kept to ${limit} where they were chosen: these came closest.`;
  if (over >= 0 && cost >= 0) return `On the rest the change did not help (${words}): keep the policy as it is.${none}`;
  return `On the rest: ${words}.${none}`;
}

function signed(value: number): string {
  return `${value >= 0 ? '+' : '-'}${Math.abs(value).toFixed(2)}`;
}

/** The curve of cost and risk on both parts, and the rest as a picture, before and after. */
export function tunePicture(report: TuneReport, title: string): Report {
  const { onRest, perReplica } = report;
  const lines = changedLines(report);
  return {
    title,
    notes: [
      `${partsText(report)}. Times are UTC.`,
      verdictOf(report),
      lines.length > 0
        ? `Changed: ${lines
            .slice(1)
            .map((line) => line.trim())
            .join(' ')}`
        : 'Nothing is changed.',
    ],
    sections: [
      { table: restTable(report), panels: [curveOf(report, 'fit'), curveOf(report, 'rest')] },
      { title: 'Cost against risk', table: frontTable(report) },
      {
        title: 'The rest, before and after',
        panels: [
          strategyPanel(onRest.present, perReplica, 'the policy as it is'),
          strategyPanel(onRest.chosen, perReplica, 'as tuned'),
        ],
      },
    ],
  };
}

function curveOf(report: TuneReport, part: 'fit' | 'rest'): Panel {
  const { front, tried, onFit, onRest } = report;
  const on = part === 'fit' ? onFit : onRest;
  const points = (results: readonly StrategyResult[]): Samples => {
    const sorted = results.toSorted((a, b) => a.podHours - b.podHours);
    return {
      times: Float64Array.from(sorted, ({ podHours }) => podHours / on.reactive.podHours),
      values: Float64Array.from(sorted, ({ overCapacity }) => 100 * overCapacity),
    };
  };
  const curve = points(front.map((each) => each[part]));
  const others =
    part === 'fit'
      ? points(tried.map(({ result }) => result))
      : { times: new Float64Array(), values: new Float64Array() };
  const xs = [
    ...curve.times,
    ...others.times,
    on.present.podHours / on.reactive.podHours,
    on.chosen.podHours / on.reactive.podHours,
  ];
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  const margin = Math.max(0.01, (most - least) * 0.06);
  return {
    title: part === 'fit' ? 'Where the settings were chosen' : 'The same settings on the rest',
    note: 'per cent of the time over capacity, against pod-hours of the reactive autoscaler',
    x: { kind: 'number', domain: [least - margin, most + margin], label: 'pod-hours vs reactive' },
    layers: [
      { kind: 'dots', tone: 'soft', samples: others, ...(part === 'fit' && { name: 'tried' }) },
      { kind: 'line', name: 'cheapest for the risk', tone: 'second', samples: curve },
      { kind: 'dots', name: 'as it is', tone: 'third', samples: points([on.present]) },
      { kind: 'dots', name: 'as tuned', tone: 'future', samples: points([on.chosen]) },
    ],
  };
}
