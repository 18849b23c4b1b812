/** What the server answers to a preview, as far as the command shows it. Times in seconds, null where nothing is known. */
export interface PreviewAnswer {
  readonly policy: {
    readonly metadata: { readonly name: string; readonly namespace: string };
    readonly spec: { readonly forecast: { readonly quantile: number } };
  };
  readonly judgedSeconds: number;
  readonly demands: readonly DemandAnswer[];
  readonly whatIf: WhatIfAnswer;
}

type Column = readonly (number | null)[];

export type DemandAnswer =
  | { readonly demand: string; readonly noForecast: { readonly message: string } }
  | {
      readonly demand: string;
      readonly leadSeconds: number;
      readonly model: string;
      readonly accuracy: Readonly<Record<AccuracyName, number | null>>;
      readonly times: readonly number[];
      readonly actual: Column;
      readonly point: Column;
      readonly lower: Column;
      readonly upper: Column;
      readonly planned: Column;
    };

type AccuracyName =
  | 'forecasts'
  | 'mae'
  | 'vsLast'
  | 'vsYesterday'
  | 'vsLastWeek'
  | 'coverage95'
  | 'coverageOfQuantile'
  | 'coverageOfPeak';

export type WhatIfAnswer =
  | { readonly message: string }
  | {
      readonly strategies: readonly {
        readonly strategy: string;
        readonly overCapacity: number;
        readonly unmetDemand: number;
        readonly podHours: number;
        readonly podHoursRatio: number | null;
        readonly scaleEventsPerDay: number;
        readonly demoted: number;
      }[];
      readonly lines: Readonly<Record<'demand' | 'floor' | 'ready' | 'reactive', Column>> & {
        readonly times: readonly number[];
      };
    };

/** A row a demand: its error against naive forecasts, and what was covered. */
export function accuracyRows({ demands, policy }: PreviewAnswer): readonly (readonly string[])[] {
  const { quantile } = policy.spec.forecast;
  const ratio = (value: number | null) => (value === null ? '-' : value.toFixed(3));
  return [
    [
      'demand',
      'ahead',
      'forecasts',
      'vs last',
      'vs yesterday',
      'vs last week',
      'in 95 %',
      `under ${quantile}`,
      'peaks under',
    ],
    ...demands.flatMap((one) => {
      if ('noForecast' in one) return [];
      const { accuracy } = one;
      const naive = [accuracy.vsLast, accuracy.vsYesterday, accuracy.vsLastWeek].map(ratio);
      const covered = [accuracy.coverage95, accuracy.coverageOfQuantile, accuracy.coverageOfPeak].map(ratio);
      return [[one.demand, `${one.leadSeconds} s`, String(accuracy.forecasts), ...naive, ...covered]];
    }),
  ];
}

/** A row a strategy: what it would have cost, and what would have gone wrong. */
export function strategyRows(whatIf: WhatIfAnswer): readonly (readonly string[])[] {
  if ('message' in whatIf) return [];
  const percent = (ratio: number) => `${(100 * ratio).toFixed(2)} %`;
  return [
    ['strategy', 'over capacity', 'unmet demand', 'pod-hours', 'vs reactive', 'scale events/day', 'reactive only'],
    ...whatIf.strategies.map((one) => [
      one.strategy,
      percent(one.overCapacity),
      percent(one.unmetDemand),
      one.podHours.toFixed(1),
      one.podHoursRatio === null ? '-' : one.podHoursRatio.toFixed(3),
      one.scaleEventsPerDay.toFixed(0),
      one.strategy === 'foresail' ? percent(one.demoted) : '-',
    ]),
  ];
}
