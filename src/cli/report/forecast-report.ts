import { pathOf } from '../../forecast/backtest-sums.ts';
import type { Layer, Panel } from '../../http/svg/chart.ts';
import type { Forecast } from '../../model/forecast.ts';
import type { RegularSeries, Samples } from '../../model/series.ts';
import { formatDuration } from '../../model/time.ts';
import { boundsOf } from '../forecast-options.ts';
import type { Report } from './report.ts';
import { shownNote } from './worst-first.ts';

export interface ShownForecast {
  readonly name: string;
  readonly forecast: Forecast;
  readonly tail: RegularSeries;
}

export interface ForecastReportContent {
  readonly input: string;
  readonly shown: readonly ShownForecast[];
  readonly series: number;
  readonly refused: number;
  readonly level: readonly number[];
}

/** A panel a series: the end of its history, the point forecast and its intervals. */
export function forecastReport({ input, shown, series, refused, level }: ForecastReportContent): Report {
  const notes = [
    `${series} series${refused > 0 ? `, ${refused} of them without a forecast` : ''}. Times are UTC.`,
    shownNote(shown.length, series - refused, 'the least accurate against the last value'),
  ];
  return {
    title: `Forecast of ${input}`,
    notes: notes.filter((note) => note !== undefined),
    sections: [{ panels: shown.map((one) => panelOf(one, level, shown.length === 1)) }],
  };
}

function panelOf({ name, forecast, tail }: ShownForecast, level: readonly number[], alone: boolean): Panel {
  const { issuedAt, stepMs, point } = forecast;
  const times = timesOf(issuedAt + stepMs, stepMs, point.length);
  const end = times.at(-1) ?? issuedAt;
  return {
    title: name === '' ? 'forecast' : name,
    note: noteOf(forecast),
    x: { kind: 'time', domain: [tail.start, end] },
    ...(alone && { width: 1280, height: 420 }),
    layers: [
      ...bandsOf(forecast, level, times),
      { kind: 'line', name: 'history', tone: 'past', samples: samplesOf(tail) },
      { kind: 'line', name: 'forecast', tone: 'future', samples: joined(tail, times, point) },
      { kind: 'rule', at: { x: issuedAt } },
    ],
  };
}

/** The wider interval first: the narrower is drawn over it. */
export function bandsOf(forecast: Forecast, level: readonly number[], times: Float64Array): readonly Layer[] {
  return [...level]
    .sort((a, b) => b - a)
    .map((one) => {
      const [lower, upper] = boundsOf(one).map((quantile) => pathOf(forecast, quantile));
      return {
        kind: 'band',
        name: `${Number((100 * one).toPrecision(6))} %`,
        tone: 'future',
        xs: times,
        lower: lower!,
        upper: upper!,
      };
    });
}

function noteOf({ model, accuracy, seasons, stepMs }: Forecast): string {
  const { maeVsLast, coverage } = accuracy;
  const parts = [
    Number.isFinite(maeVsLast) ? `error ${maeVsLast.toFixed(2)} of the last value's` : 'error not known yet',
    Number.isFinite(coverage) ? `0.95 held ${(100 * coverage).toFixed(1)} %` : undefined,
    seasons.length > 0 ? `seasons ${seasons.map((steps) => formatDuration(steps * stepMs)).join(', ')}` : 'no season',
    shortModel(model),
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}

/** The two models with most weight: the others would not fit on a line. */
function shortModel(model: string): string {
  const weights = /^mix\((.*)\)$/.exec(model)?.[1]?.split(', ');
  if (weights === undefined || weights.length <= 2) return model;
  return `mix(${weights.slice(0, 2).join(', ')}, …)`;
}

/** The forecast's line starts at the last known value, so that it does not hang in the air. */
function joined({ start, stepMs, values }: RegularSeries, times: Float64Array, point: Float64Array): Samples {
  const last = values.findLastIndex(Number.isFinite);
  if (last === -1) return { times, values: point };
  return {
    times: Float64Array.of(start + last * stepMs, ...times),
    values: Float64Array.of(values[last]!, ...point),
  };
}

export function samplesOf({ start, stepMs, values }: RegularSeries): Samples {
  return { times: timesOf(start, stepMs, values.length), values };
}

export function timesOf(start: number, stepMs: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => start + i * stepMs);
}
